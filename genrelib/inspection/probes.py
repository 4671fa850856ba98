"""Linear probes: how much of the genre a feature gives away to the simplest classifier."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.special import log_softmax
from scipy.stats import mannwhitneyu
from sklearn import config_context
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from .. import protocols
from ..base.errors import GenrelibError
from ..base.seeds import rng
from ..inference.intervals import DIFFERENCE, SHARE, cluster_interval
from .summaries import checked, parts_of

PROTOCOLS = ("track_random", "artist_grouped")


@dataclass(frozen=True)
class Folds:
    """The splits that all probes of a corpus share.

    Parameters
    ----------
    by_protocol : dict of str to list of Fold
        ``track_random``, and ``artist_grouped`` where an artist-disjoint split can be made.
    notes : tuple of str
        What was changed to fit the corpus, in sentences.
    """

    by_protocol: dict[str, list[protocols.Fold]]
    notes: tuple[str, ...]

    @property
    def strictest(self) -> str:
        """The protocol that keeps most apart."""
        return list(self.by_protocol)[-1]


def fitted_folds(tracks: pd.DataFrame, *, n_folds: int, seed: int) -> Folds:
    """Split a corpus at random and by artist, into as many folds as it can fill.

    They are the first repeat of the folds that the systems meet, with training and validation
    parts together, where the number of folds is the same.

    Parameters
    ----------
    tracks : pd.DataFrame
        The usable rows of a tracks table.
    n_folds : int
        Wanted.
    seed : int
        The study's seed.

    Raises
    ------
    GenrelibError
        When a genre has a single track.
    """
    smallest = tracks["genre"].value_counts().min()
    n_groups = tracks["group"].nunique()
    possible = max(2, min(n_folds, smallest, n_groups))
    notes = []
    if possible < n_folds:
        notes.append(
            f"{possible} folds, not {n_folds}: the smallest genre has {smallest} tracks, and there "
            f"are {n_groups} groups of artists."
        )
    by_protocol = {}
    for name in PROTOCOLS:
        try:
            by_protocol[name] = protocols.folds(
                name, tracks, n_folds=possible, n_repeats=1, seed=seed
            )
        except GenrelibError as error:
            if name == "track_random":
                raise
            notes.append(f"No artist-disjoint split can be made here: {error}")
    return Folds(by_protocol, tuple(notes))


def classifier() -> Pipeline:
    """Build the probe: standardise, then linear discriminant analysis.

    Its covariance is shrunk by the amount of Ledoit and Wolf (2004), which the data gives: nothing
    is tuned, and more columns than tracks are no obstacle.
    """
    return make_pipeline(
        StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    )


def fit(X: np.ndarray, genres: np.ndarray) -> Pipeline:
    """Fit a probe to tracks of at least two genres.

    Raises
    ------
    GenrelibError
        When there are not more tracks than genres: no deviation within a genre can be measured.
    """
    n_genres = len(np.unique(genres))
    if len(X) <= n_genres:
        raise GenrelibError(
            f"{len(X)} training tracks of {n_genres} genres; a linear probe needs more tracks than "
            "genres. Add tracks, or leave small genres out."
        )
    return classifier().fit(X, genres)


def log_probabilities(model: Pipeline, X: np.ndarray) -> np.ndarray:
    """Return the logarithm of each class's probability, never minus infinity, shape (n, k)."""
    scores = model.decision_function(X)
    if scores.ndim == 1:  # two classes have one score
        scores = np.column_stack([np.zeros_like(scores), scores])
    return log_softmax(scores, axis=1)


def probe(X: pd.DataFrame, tracks: pd.DataFrame, folds: Folds) -> pd.DataFrame:
    """Fit the probe to each fold's training tracks and predict its test tracks.

    Parameters
    ----------
    X : pd.DataFrame
        From :func:`genrelib.inspection.summaries`, or some of its columns.
    tracks : pd.DataFrame
        The tracks table.
    folds : Folds
        From :func:`fitted_folds`.

    Returns
    -------
    pd.DataFrame
        One row per protocol and track: ``protocol``, ``fold``, ``track_id``, ``genre``,
        ``predicted``, ``genre_trained`` (whether the genre was in the training data), and
        ``log_p_<genre>``, minus infinity for a genre that was not.

    Raises
    ------
    GenrelibError
        For NaN, infinite summaries, and too few tracks.
    """
    checked(X, tracks)
    genres = tracks.loc[X.index, "genre"]
    with config_context(assume_finite=True, skip_parameter_validation=True):
        parts = [
            _predicted(X, genres, fold) for folded in folds.by_protocol.values() for fold in folded
        ]
    return pd.concat(parts, ignore_index=True)


def _predicted(X: pd.DataFrame, genres: pd.Series, fold: protocols.Fold) -> pd.DataFrame:
    train, test = [*fold.train, *fold.valid], list(fold.test)
    model = fit(X.loc[train].to_numpy(), genres[train].to_numpy())
    log_p = log_probabilities(model, X.loc[test].to_numpy())
    names = [f"log_p_{genre}" for genre in sorted(set(genres))]
    known = [f"log_p_{genre}" for genre in model.classes_]
    table = pd.DataFrame(
        {
            "protocol": fold.protocol,
            "fold": fold.fold,
            "track_id": test,
            "genre": genres[test].to_numpy(),
            "predicted": model.classes_[log_p.argmax(axis=1)],
            "genre_trained": genres[test].isin(model.classes_).to_numpy(),
        }
    )
    log_p = pd.DataFrame(log_p, columns=known).reindex(columns=names, fill_value=-np.inf)
    return table.join(log_p)


def probe_scores(
    probes: Mapping[str, pd.DataFrame], tracks: pd.DataFrame, *, seed: int
) -> pd.DataFrame:
    """Score probes on the same tracks under each protocol.

    Only tracks count whose genre every protocol leaves in the training data: a genre whose only
    artist is tested can't be learnt, and that says nothing about a feature.

    Parameters
    ----------
    probes : mapping of str to pd.DataFrame
        Results of :func:`probe` by name, of the same folds.
    tracks : pd.DataFrame
        The tracks table.
    seed : int
        The study's seed.

    Returns
    -------
    pd.DataFrame
        One row per name and protocol: ``feature``, ``protocol``, ``n_tracks``, ``accuracy`` and
        its 95 % interval ``low``, ``high`` over groups of artists, as fractions; NaN where no
        track counts.
    """
    rows = []
    for name, rows_of in probes.items():
        right = correct(rows_of)
        for protocol, values in right.items():
            estimated = estimate(values, tracks, rng(seed, "probe", name, protocol))
            rows.append([name, protocol, len(values), *estimated])
    columns = ["feature", "protocol", "n_tracks", "accuracy", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def leak(probes: Mapping[str, pd.DataFrame], tracks: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Measure what each probe gains when artists may be on both sides.

    Returns
    -------
    pd.DataFrame
        One row per name: ``feature``, ``n_tracks``, ``difference`` of the accuracies at random and
        with artists apart, and its 95 % interval ``low``, ``high`` over groups of artists. Empty
        when no artist-disjoint split can be made.
    """
    rows = []
    for name, rows_of in probes.items():
        right = correct(rows_of)
        if right.shape[1] == len(PROTOCOLS):
            lost = right[PROTOCOLS[0]] - right[PROTOCOLS[1]]
            estimated = estimate(lost, tracks, rng(seed, "leak", name), span=DIFFERENCE)
            rows.append([name, len(lost), *estimated])
    return pd.DataFrame(rows, columns=["feature", "n_tracks", "difference", "low", "high"])


def correct(probed: pd.DataFrame) -> pd.DataFrame:
    """Return which tracks were named rightly: 1 or 0, index track_id, a column per protocol.

    Only tracks that every protocol makes answerable.
    """
    answerable = probed.groupby("track_id")["genre_trained"].transform("all")
    counted = probed[answerable]
    values = (counted["genre"] == counted["predicted"]).astype(float)
    table = counted.assign(right=values).pivot_table(
        index="track_id", columns="protocol", values="right"
    )
    return table.reindex(columns=[name for name in PROTOCOLS if name in set(probed["protocol"])])


def estimate(
    values: pd.Series,
    tracks: pd.DataFrame,
    generator: np.random.Generator,
    *,
    span: tuple[float, float] = SHARE,
) -> tuple[float, float, float]:
    """Return the mean over tracks and its interval over groups; NaN where there is no track."""
    if values.empty:
        return np.nan, np.nan, np.nan
    groups = tracks.loc[values.index, "group"].to_numpy()
    low, high = cluster_interval(values.to_numpy(float), groups, generator, span=span)
    return float(values.mean()), float(low), float(high)


def genre_pairs(probes: Mapping[str, pd.DataFrame], protocol: str) -> pd.DataFrame:
    """Measure how well each probe tells two genres apart, on tracks that it has not seen.

    Parameters
    ----------
    probes : mapping of str to pd.DataFrame
        Results of :func:`probe` by feature.
    protocol : str
        Whose predictions count.

    Returns
    -------
    pd.DataFrame
        One row per feature and pair: ``feature``, ``first``, ``second``, ``n_tests``, and ``auc``:
        the probability that, of a track of each genre, the probe finds the one of the first
        genre more like the first genre. 0.5 is chance, 1 is perfect; NaN when no fold tested both
        genres while it knew both. Compared are tracks of one fold, which met the same probe.
    """
    rows = []
    for name, probed in probes.items():
        own = probed[probed["protocol"] == protocol]
        genres = sorted(c.removeprefix("log_p_") for c in own if c.startswith("log_p_"))
        for first, second in combinations(genres, 2):
            columns = own[[f"log_p_{first}", f"log_p_{second}"]].to_numpy()
            tested = own["genre"].isin([first, second]).to_numpy() & np.isfinite(columns).all(1)
            is_first = (own["genre"] == first).to_numpy()[tested]
            margin = columns[tested, 0] - columns[tested, 1]
            auc = _auc(margin, is_first, own["fold"].to_numpy()[tested])
            rows.append([name, first, second, len(margin), auc])
    return pd.DataFrame(rows, columns=["feature", "first", "second", "n_tests", "auc"])


def _auc(margin: np.ndarray, is_first: np.ndarray, folds: np.ndarray) -> float:
    """Return the share of pairs of a first and a second in which the first's margin is larger.

    Over all pairs within a fold.
    """
    larger = n_pairs = 0
    for fold in np.unique(folds):
        ones, others = margin[is_first & (folds == fold)], margin[~is_first & (folds == fold)]
        if len(ones) and len(others):
            larger += mannwhitneyu(ones, others, method="asymptotic").statistic
            n_pairs += len(ones) * len(others)
    return float(larger / n_pairs) if n_pairs else np.nan


def alone_and_without(
    X: pd.DataFrame, tracks: pd.DataFrame, folds: Folds, *, seed: int
) -> pd.DataFrame:
    """Probe each family of rows alone, and the feature without it.

    Parameters
    ----------
    X : pd.DataFrame
        From :func:`genrelib.inspection.summaries`, of two families at least.
    tracks : pd.DataFrame
        The tracks table.
    folds : Folds
        From :func:`genrelib.inspection.fitted_folds`.
    seed : int
        The study's seed.

    Returns
    -------
    pd.DataFrame
        One row per protocol and family: ``protocol``, ``family``, ``n_rows``, ``n_tracks``; the
        accuracy ``alone``, with its 95 % interval ``alone_low``, ``alone_high``; ``lost``, the
        accuracy of the whole feature less the one without the family, with ``lost_low``,
        ``lost_high``. As fractions; intervals resample groups of artists.
    """
    whole = correct(probe(X, tracks, folds))
    rows = []
    for (family,), columns in parts_of(X, "family").items():
        others = np.setdiff1d(np.arange(X.shape[1]), columns)
        alone = correct(probe(X.iloc[:, columns], tracks, folds))
        lost = whole - correct(probe(X.iloc[:, others], tracks, folds))
        for protocol in whole:
            n_rows = X.columns[columns].unique("row").size
            row = {"protocol": protocol, "family": family, "n_rows": n_rows}
            row["n_tracks"] = len(whole)
            for name, values, span in (("alone", alone, SHARE), ("lost", lost, DIFFERENCE)):
                generator = rng(seed, "family", name, family, protocol)
                row |= _named(name, estimate(values[protocol], tracks, generator, span=span))
            rows.append(row)
    return pd.DataFrame(rows).sort_values("protocol", key=_position(folds), kind="stable")


def _named(name, estimated):
    """Return mean and interval under the names of the tables."""
    return dict(zip((name, f"{name}_low", f"{name}_high"), estimated, strict=True))


def _position(folds):
    """Return the key that sorts protocols as `folds` has them."""
    order = {name: number for number, name in enumerate(folds.by_protocol)}
    return lambda column: column.map(order)
