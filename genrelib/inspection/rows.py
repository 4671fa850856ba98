"""Rows of features: their summaries over time, and whether genres differ in them.

A summary is the mean or the deviation over time of one row, such as a band, of one track.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from ..base.errors import GenrelibError
from ..corpora import Corpus
from ..features import FEATURES, N_FFT, SR
from ..features.compiled import librosa
from ..features.segments import averaged
from ..features.stack import STACK_ROWS
from ..store import PACKED, Store
from ..store.packs import ROWS_OF_PACKED

STATISTICS = ("mean", "deviation")
"""What is kept of each row, both over time and in the row's unit."""

VALUE = "value"
"""What is kept of each row of a feature that has a single frame, which has no course in time."""

MOST_ROWS = {"spectrogram": 128, "tempogram": 128}
"""Features whose neighbouring rows are averaged first, to so many: a linear probe on all 1025 bins
or 384 lags would have more columns than most corpora have tracks."""

FALSE_DISCOVERY_RATE = 0.05
"""Share of the rows called separating that may be false, on average."""

LEVELS = ["family", "row", "statistic"]

_CHUNK = 8  # tracks in memory at a time
_N_FAMILIES = 8


def summaries(store: Store, feature: str, track_ids: Sequence[str]) -> pd.DataFrame:
    """Summarise a feature of many tracks; only a few tracks are in memory at a time.

    Rows of some features are averaged first, see :data:`MOST_ROWS`. At least one track is needed.

    Index `track_id`. Columns have three levels: ``family``, ``row``, a label such as ``"440 Hz"``,
    and ``statistic``, one of :data:`STATISTICS`. The families of the stack, and of a feature of
    packs only, are its own; those of another feature are blocks of neighbouring rows. A feature of
    a single frame has ``n_rows`` columns, of the statistic :data:`VALUE`.
    """
    track_ids = list(track_ids)
    if not track_ids:
        raise GenrelibError(f"no track to summarise {feature} of; at least one id is needed.")
    size = (MOST_ROWS.get(feature), None)
    parts = []
    for start in range(0, len(track_ids), _CHUNK):
        X = store.read(feature, track_ids[start : start + _CHUNK], size=size)
        if X.shape[2] == 1:
            parts.append(X[:, :, 0])
            continue
        # in float64, so that a constant row is constant to the last bit
        both = X.mean(axis=2, dtype=np.float64), X.std(axis=2, dtype=np.float64)
        parts.append(np.stack(both, axis=2).reshape(len(X), -1))
    values = np.concatenate(parts).astype(np.float32)
    kept = (VALUE,) if X.shape[2] == 1 else STATISTICS
    labels = row_labels(feature, values.shape[1] // len(kept), frame_s=store.frame_s)
    columns = pd.MultiIndex.from_tuples(
        [(*label, statistic) for label in labels for statistic in kept], names=LEVELS
    )
    return pd.DataFrame(values, index=pd.Index(track_ids, name="track_id"), columns=columns)


def row_labels(feature: str, n_rows: int, *, frame_s: float) -> list[tuple[str, str]]:
    """Name the family and the row of each row of a feature, the lowest first.

    `frame_s`, in seconds, is the unit of a tempogram's lags.

    Examples
    --------
    >>> row_labels("chroma", 12, frame_s=0.023)[1]
    ('C to C#', 'C#')
    """
    if feature == "stack":
        return list(STACK_ROWS)
    if feature in ROWS_OF_PACKED:
        return list(ROWS_OF_PACKED[feature])
    kind = FEATURES[feature].kind
    if kind == "mel":
        centres = librosa.mel_frequencies(n_mels=n_rows + 2, fmin=0.0, fmax=SR / 2)[1:-1]
        rows = [f"{centre:.0f} Hz" for centre in centres]
    elif kind == "linear":
        bins = librosa.fft_frequencies(sr=SR, n_fft=N_FFT)
        rows = [f"{centre:.0f} Hz" for centre in _centres(bins, n_rows)]
    elif kind == "tempo":
        lags = frame_s * np.arange(FEATURES[feature].n_bands)
        rows = [f"{centre:.2f} s" for centre in _centres(lags, n_rows)]
    elif kind == "chroma":
        rows = [label for family, label in STACK_ROWS if family == "CENS"]
    else:
        rows = [f"coefficient {number}" for number in range(n_rows)]
    blocks = np.array_split(np.arange(n_rows), min(_N_FAMILIES, n_rows))
    return [(_span(rows[block[0]], rows[block[-1]]), rows[i]) for block in blocks for i in block]


def _centres(values: np.ndarray, n_rows: int) -> np.ndarray:
    """Average the rows' places as their values were."""
    return averaged(values[:, np.newaxis], n_rows, None)[:, 0]


def _span(first: str, last: str) -> str:
    """Name a block by its ends, the word or unit that both have only once."""
    if first == last:
        return first
    head, _, number = last.rpartition(" ")
    if head and first.startswith(f"{head} "):
        return f"{first} to {number}"
    unit = last.partition(" ")[2]
    return f"{first.removesuffix(f' {unit}') if unit else first} to {last}"


def feature_table(corpus: Corpus, asked: Iterable[str]) -> pd.DataFrame:
    """List the features, and why some are not looked at; index feature.

    Columns are ``bands``, ``unit``, ``description``, and ``here``: ``"yes"`` or the reason why not.
    Features that packs only bring are listed where the corpus has them or a system asks for them;
    `asked` names the features that the study's systems ask for.
    """
    asked = set(asked)

    def here(name: str) -> str:
        if lack := corpus.lacks(name):
            return f"not available here: {lack}"
        return "yes" if name in asked else "no system of this study asks for it"

    of_packs = {n: f for n, f in PACKED.items() if n in asked or not corpus.lacks(n)}
    rows = {
        name: {
            "bands": feature.n_bands,
            "unit": feature.unit,
            "description": feature.description,
            "here": here(name),
        }
        for name, feature in {**of_packs, **FEATURES}.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("feature")


def contrasting(X: pd.DataFrame, tracks: pd.DataFrame, *, n_genres: int = 3) -> dict[str, str]:
    """Choose genres that differ most in the mean of a feature, and a typical track of each.

    The first two are the pair whose means are farthest apart, each further one is the farthest
    from those chosen. Its track is the one nearest to the mean of its genre. `X` is best of a
    feature whose rows have one unit; the result holds a track id by genre, for fewer than
    `n_genres` where the corpus has fewer.
    """
    checked(X)
    means = X.xs("mean", axis="columns", level="statistic")
    genres = tracks.loc[X.index, "genre"]
    centres = means.groupby(genres).mean()
    apart = _distances(centres, centres)
    np.fill_diagonal(apart, -1.0)
    chosen = list(np.unravel_index(apart.argmax(), apart.shape))
    while len(chosen) < min(n_genres, len(centres)):
        nearest = apart[:, chosen].min(axis=1)
        chosen.append(int(nearest.argmax()))
    own = _distances(means, centres)
    typical = {}
    for number in chosen:
        genre = centres.index[number]
        members = np.flatnonzero(genres == genre)
        typical[genre] = X.index[members[own[members, number].argmin()]]
    return typical


def _distances(one: pd.DataFrame, other: pd.DataFrame) -> np.ndarray:
    """Return root mean square differences between all rows of two tables, shape (n, m)."""
    return np.stack(
        [np.sqrt(((one.to_numpy() - row) ** 2).mean(axis=1)) for row in other.to_numpy()], axis=1
    ).astype(float)


def checked(X: pd.DataFrame, tracks: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return `X`, once it is sure that it is finite and that `tracks` has its tracks."""
    bad = ~np.isfinite(X.to_numpy())
    if bad.any():
        columns = [" ".join(map(str, np.atleast_1d(X.columns[i]))) for i in bad.any(0).nonzero()[0]]
        raise GenrelibError(
            f"{bad.sum()} of {bad.size} summaries are NaN or infinite, in {', '.join(columns[:3])}"
            f"{', …' if len(columns) > 3 else ''}; all must be finite. Look for damaged audio in "
            "the store's failures."
        )
    if tracks is not None and not X.index.isin(tracks.index).all():
        strange = X.index[~X.index.isin(tracks.index)]
        raise GenrelibError(
            f"{len(strange)} summarised tracks are not in the tracks table, such as "
            f"{strange[0]!r}; give the table of the same corpus."
        )
    return X


def genre_means(X: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """Average each summary over the tracks of an artist, then over the artists of a genre.

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

    One row per column of `X`: ``n_artists``, each in each of their genres; ``H``, ``p`` and
    ``p_adjusted``; ``separates``; ``eta_squared``, the share of the ranks' variance that lies
    between genres, adjusted to be 0 on average where there is no difference (Tomczak & Tomczak
    2014), so that it may be negative; the genres where the row is ``highest`` and ``lowest``, the
    pair that it separates best, and the ``distance`` of their means in deviations between artists
    of one genre. Where nothing can be tested, since the row is constant or each genre is one
    artist's, statistics are NaN and ``separates`` is False.
    """
    artists = _artists(checked(X, tracks), tracks)
    genres = artists.index.get_level_values("genre")
    counts = genres.value_counts()
    # there must be genres, and artists within one, to compare
    tested = (np.ptp(artists.to_numpy(), axis=0) > 0) & (len(counts) > 1) & (counts.max() > 1)
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
