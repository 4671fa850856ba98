"""Single rows: whether genres differ in them, by how much, and which genres."""

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from .summaries import checked

FALSE_DISCOVERY_RATE = 0.05
"""Share of the rows called separating that may be false, on average."""


def genre_means(X: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """Average each summary over the tracks of an artist, then over the artists of a genre.

    Parameters
    ----------
    X : pd.DataFrame
        From :func:`genrelib.inspection.summaries`.
    tracks : pd.DataFrame
        The tracks table.

    Returns
    -------
    pd.DataFrame
        One row per column of `X`, one column per genre, in the unit of the feature.
    """
    return _artists(X, tracks).groupby("genre").mean().T


def row_tests(X: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """Test for each summary of a feature whether genres differ in it.

    An observation is the mean of an artist's tracks in a genre, since an artist's tracks are alike
    for reasons that are not the genre's; testing tracks would find differences between artists.
    The test is Kruskal and Wallis's (1952), on ranks: some rows are heavily skewed (RMS, beats),
    and it asks for no normal distribution. Its p value comes from the F distribution (Iman &
    Davenport 1976), since the usual chi-squared misses nearly everything where a genre has few
    artists. All summaries of the feature are one family, corrected by Benjamini and Hochberg
    (1995): of the rows called separating, at most :data:`FALSE_DISCOVERY_RATE` are false on
    average. That holds under the positive dependence of neighbouring bands.

    Parameters
    ----------
    X : pd.DataFrame
        From :func:`genrelib.inspection.summaries`.
    tracks : pd.DataFrame
        The tracks table.

    Returns
    -------
    pd.DataFrame
        One row per column of `X`: ``n_artists``, each in each of their genres; ``H``, ``p`` and
        ``p_adjusted``; ``separates``; ``eta_squared``, the share of the ranks' variance that lies
        between genres, adjusted to be 0 on average where there is no difference (Tomczak &
        Tomczak 2014), so that it may be negative; the genres where the row is ``highest`` and
        ``lowest``, the pair that it separates best, and the ``distance`` of their means in
        deviations between artists of one genre. Where nothing can be tested, since the row is
        constant or each genre is one artist's, statistics are NaN and ``separates`` is False.

    Raises
    ------
    GenrelibError
        For NaN and infinite summaries.
    """
    artists = _artists(checked(X, tracks), tracks)
    genres = artists.index.get_level_values("genre")
    tested = _testable(artists)
    table = pd.DataFrame(np.nan, index=X.columns, columns=["H", "p", "p_adjusted", "eta_squared"])
    if tested.any():
        values, names = artists.to_numpy()[:, tested], genres.unique()
        H = stats.kruskal(*(values[genres == name] for name in names), axis=0).statistic
        between, within = len(names) - 1, len(artists) - len(names)
        with np.errstate(divide="ignore"):  # perfectly apart: F is infinite, p is 0
            F = (H / between) / (np.maximum(len(artists) - 1 - H, 0) / within)
        p = stats.f.sf(F, between, within)
        adjusted = multipletests(p, method="fdr_bh")[1]
        eta_squared = (H - between) / within
        table.loc[tested] = np.column_stack([H, p, adjusted, eta_squared])
    table.insert(0, "n_artists", len(artists))
    table.insert(4, "separates", table["p_adjusted"] <= FALSE_DISCOVERY_RATE)
    return table.join(_extremes(artists))


def _testable(artists: pd.DataFrame) -> np.ndarray:
    """Tell which columns vary, if there are genres, and artists within one, to compare."""
    counts = artists.index.get_level_values("genre").value_counts()
    return (np.ptp(artists.to_numpy(), axis=0) > 0) & (len(counts) > 1) & (counts.max() > 1)


def _artists(X: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """Average the tracks of each artist in each genre, index (genre, group), float64."""
    keys = [tracks.loc[X.index, name] for name in ("genre", "group")]
    return X.astype(np.float64).groupby(keys).mean()


def _extremes(artists: pd.DataFrame) -> pd.DataFrame:
    """Find the two genres that each column separates best, and how far they are apart."""
    by_genre = artists.groupby("genre")
    means = by_genre.mean()
    left = len(artists) - len(means)
    within = np.sqrt((artists - by_genre.transform("mean")).pow(2).sum() / left) if left else np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = (means.max() - means.min()) / within
    return pd.DataFrame(
        {"highest": means.idxmax(), "lowest": means.idxmin(), "distance": distance},
        index=artists.columns,
    )
