"""What features tell of genres before any system: summaries of their rows, and linear probes.

A summary is the mean or the deviation over time of one row, such as a band, of one track. A probe
measures how much of the genre summaries give away to the simplest classifier.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from scipy.special import log_softmax
from scipy.stats import mannwhitneyu
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from .. import protocols
from ..base.errors import GenrelibError
from ..base.seeds import rng
from ..corpora import Corpus
from ..features import FEATURES, N_FFT, SR
from ..features.compiled import librosa
from ..features.segments import averaged
from ..features.stack import STACK_ROWS
from ..inference.intervals import DIFFERENCE, SHARE, cluster_interval
from ..inference.wording import change, estimate, feature
from ..store import PACKED, Store
from ..store.packs import ROWS_OF_PACKED

STATISTICS = ("mean", "deviation")  # what is kept of each row, both over time and in the row's unit
VALUE = "value"  # what is kept of each row of a feature that has a single frame

MOST_ROWS = {"spectrogram": 128, "tempogram": 128}
"""Features whose neighbouring rows are averaged first, to so many: a linear probe on all 1025 bins
or 384 lags would have more columns than most corpora have tracks."""

LEVELS = ["family", "row", "statistic"]

_CHUNK = 8  # tracks in memory at a time
_N_FAMILIES = 8

PROTOCOLS = ("track_random", "artist_grouped")
_FEWEST = 3  # training tracks of a genre with which its covariance is measured

_NAMED = 3  # genre pairs that a sentence names


def summaries(store: Store, feature: str, track_ids: Sequence[str]) -> pd.DataFrame:
    """Summarise a feature of many tracks, at least one; only a few are in memory at a time.

    Rows of some features are averaged first, see :data:`MOST_ROWS`. Index `track_id`. Columns have
    three levels: ``family``, ``row``, a label such as ``"440 Hz"``, and ``statistic``, one of
    :data:`STATISTICS`. The families of the stack, and of a feature of packs only, are its own;
    those of another feature are blocks of neighbouring rows. A feature of a single frame has
    ``n_rows`` columns, of the statistic :data:`VALUE`.
    """
    track_ids = list(track_ids)
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
    names = [(*label, statistic) for label in labels for statistic in kept]
    columns = pd.MultiIndex.from_tuples(names, names=LEVELS)
    return pd.DataFrame(values, index=pd.Index(track_ids, name="track_id"), columns=columns)


def row_labels(feature: str, n_rows: int, *, frame_s: float) -> list[tuple[str, str]]:
    """Name the family and the row of each row of a feature, the lowest first.

    `frame_s`, in seconds, is the unit of a tempogram's lags.

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
    """List the features, and why some are not looked at (``here``); index feature.

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


def contrasting(X: pd.DataFrame, tracks: pd.DataFrame) -> dict[str, str]:
    """Choose the three genres that differ most in a feature's mean, and a typical track of each.

    The first two are the pair whose means are farthest apart, each further one is the farthest from
    those chosen; a genre's track is the one nearest to its mean. `X` is best of a feature whose
    rows have one unit; the result holds a track id by genre.
    """
    means = X.xs("mean", axis="columns", level="statistic")
    genres = tracks.loc[X.index, "genre"]
    centres = means.groupby(genres).mean()
    apart = cdist(centres, centres)
    np.fill_diagonal(apart, -1.0)
    chosen = list(np.unravel_index(apart.argmax(), apart.shape))
    while len(chosen) < min(3, len(centres)):
        nearest = apart[:, chosen].min(axis=1)
        chosen.append(int(nearest.argmax()))
    own = cdist(means, centres)
    typical = {}
    for number in chosen:
        genre = centres.index[number]
        members = np.flatnonzero(genres == genre)
        typical[genre] = X.index[members[own[members, number].argmin()]]
    return typical


def genre_means(X: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """Average each summary over the tracks of an artist, then over the artists of a genre."""
    keys = [tracks.loc[X.index, name] for name in ("genre", "group")]
    by_artist = X.astype(np.float64).groupby(keys).mean()
    return by_artist.groupby("genre").mean().T


@dataclass(frozen=True)
class Folds:
    """The splits that all probes of a corpus share.

    `by_protocol` has ``track_random``, and ``artist_grouped`` where an artist-disjoint split can be
    made; `notes` says in sentences what was changed to fit the corpus.
    """

    by_protocol: dict[str, list[protocols.Fold]]
    notes: tuple[str, ...]

    @property
    def strictest(self) -> str:
        """The protocol that keeps most apart."""
        return list(self.by_protocol)[-1]


def fitted_folds(tracks: pd.DataFrame, *, n_folds: int, seed: int) -> Folds:
    """Split a corpus at random and by artist, into as many of `n_folds` folds as it can fill.

    They are the first repeat of the folds that the systems meet, with training and validation parts
    together, where the number of folds is the same. `tracks` holds the usable rows of a tracks
    table; a genre of a single track raises GenrelibError.
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
            numbers = {"n_folds": possible, "n_repeats": 1, "seed": seed}
            by_protocol[name] = protocols.folds(name, tracks, **numbers)
        except GenrelibError as error:
            if name == "track_random":
                raise
            notes.append(f"No artist-disjoint split can be made here: {error}")
    return Folds(by_protocol, tuple(notes))


def _fitted(X: np.ndarray, genres: np.ndarray) -> Pipeline:
    """Fit the probe: standardise, then linear discriminant analysis.

    Its covariance is shrunk by the amount of Ledoit and Wolf (2004), which the data gives: nothing
    is tuned. Of genres with one or two tracks no covariance is measured: the nearest mean decides.
    """
    probe = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    if np.unique(genres, return_counts=True)[1].min() < _FEWEST:
        probe = _NearestMean()
    return make_pipeline(StandardScaler(), probe).fit(X, genres)


class _NearestMean(ClassifierMixin, BaseEstimator):
    """Linear discriminant analysis of columns that are independent, each of variance one."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.means_ = np.stack([X[y == genre].mean(axis=0) for genre in self.classes_])
        return self

    def decision_function(self, X):
        return X @ self.means_.T - np.square(self.means_).sum(axis=1) / 2


def probe(X: pd.DataFrame, tracks: pd.DataFrame, folds: Folds) -> pd.DataFrame:
    """Fit the probe to each fold's training tracks and predict its test tracks.

    `X` is from :func:`~genrelib.inspection.summaries`, or some of its columns, all values finite.
    One row per protocol and track: ``genre_trained`` tells whether the genre was in the training
    data; ``log_p_<genre>`` is minus infinity for a genre that was not.
    """
    genres = tracks.loc[X.index, "genre"]
    every = [fold for folded in folds.by_protocol.values() for fold in folded]
    with config_context(assume_finite=True, skip_parameter_validation=True):
        parts = [_predicted(X, genres, fold) for fold in every]
    return pd.concat(parts, ignore_index=True)


def _predicted(X: pd.DataFrame, genres: pd.Series, fold: protocols.Fold) -> pd.DataFrame:
    train, test = [*fold.train, *fold.valid], list(fold.test)
    model = _fitted(X.loc[train].to_numpy(), genres[train].to_numpy())
    scores = model.decision_function(X.loc[test].to_numpy())
    if scores.ndim == 1:  # two classes have one score
        scores = np.column_stack([np.zeros_like(scores), scores])
    log_p = log_softmax(scores, axis=1)  # never minus infinity
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
    """Score probes, results of :func:`probe` by name, on the same tracks under each protocol.

    Only tracks count whose genre every protocol leaves in the training data: a genre whose only
    artist is tested can't be learnt, and that says nothing about a feature. One row per ``feature``
    and protocol: ``accuracy`` and its 95 % interval over groups of artists; NaN where no track
    counts.
    """
    rows = []
    for name, rows_of in probes.items():
        right = _correct(rows_of)
        for protocol, values in right.items():
            estimated = _estimated(values, tracks, rng(seed, "probe", name, protocol))
            rows.append([name, protocol, len(values), *estimated])
    columns = ["feature", "protocol", "n_tracks", "accuracy", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def leak(probes: Mapping[str, pd.DataFrame], tracks: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Measure what each probe gains when artists may be on both sides.

    One row per ``feature``: ``difference`` of the accuracies at random and artist-disjoint, and its
    95 % interval over groups of artists. Empty when no artist-disjoint split can be made.
    """
    rows = []
    for name, rows_of in probes.items():
        right = _correct(rows_of)
        if right.shape[1] == len(PROTOCOLS):
            lost = right[PROTOCOLS[0]] - right[PROTOCOLS[1]]
            estimated = _estimated(lost, tracks, rng(seed, "leak", name), span=DIFFERENCE)
            rows.append([name, len(lost), *estimated])
    return pd.DataFrame(rows, columns=["feature", "n_tracks", "difference", "low", "high"])


def _correct(probed: pd.DataFrame) -> pd.DataFrame:
    """Return 1 or 0 by track and protocol, for tracks that every protocol makes answerable."""
    answerable = probed.groupby("track_id")["genre_trained"].transform("all")
    counted = probed[answerable]
    values = (counted["genre"] == counted["predicted"]).astype(float)
    table = counted.assign(right=values).pivot_table("right", "track_id", "protocol")
    return table.reindex(columns=[name for name in PROTOCOLS if name in set(probed["protocol"])])


def _estimated(
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

    One row per feature and pair, under one protocol: ``auc`` is the probability that, of a track of
    each genre, the probe finds the one of the first genre more like the first genre. 0.5 is chance,
    1 is perfect; NaN when no fold tested both genres while it knew both. Compared are tracks of one
    fold, which met the same probe.
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
    """Return the share of pairs of one fold in which the margin of the first genre is larger."""
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
    """Probe each family of rows alone, and the feature, of two families at least, without it.

    One row per protocol and family: the accuracy ``alone``, and ``lost``, the accuracy of the whole
    feature less the one without the family, with their 95 % intervals over groups of artists.
    """
    whole = _correct(probe(X, tracks, folds))
    families = X.columns.get_level_values("family")
    rows = []
    for family in families.unique():
        own = X.loc[:, families == family]
        alone = _correct(probe(own, tracks, folds))
        lost = whole - _correct(probe(X.loc[:, families != family], tracks, folds))
        for protocol in whole:
            row = {"protocol": protocol, "family": family}
            row |= {"n_rows": own.columns.unique("row").size, "n_tracks": len(whole)}
            for name, values, span in (("alone", alone, SHARE), ("lost", lost, DIFFERENCE)):
                generator = rng(seed, "family", name, family, protocol)
                found = _estimated(values[protocol], tracks, generator, span=span)
                row |= dict(zip((name, f"{name}_low", f"{name}_high"), found, strict=True))
            rows.append(row)
    place = {name: number for number, name in enumerate(folds.by_protocol)}
    return pd.DataFrame(rows).sort_values("protocol", key=lambda c: c.map(place), kind="stable")


def findings(
    scores: pd.DataFrame, lost: pd.DataFrame, pairs: pd.DataFrame, families: pd.DataFrame
) -> list[str]:
    """Say what features tell about genres, and what could not be measured."""
    return [*_of_probes(scores, lost), *_of_pairs(pairs), *_of_families(families)]


def _of_probes(scores, lost):
    strict = scores[scores["protocol"] == scores["protocol"].iloc[-1]].dropna(subset="accuracy")
    if strict.empty:
        yield "No probe can be scored: no genre is left in training when its artists are tested."
        return
    best = strict.loc[strict["accuracy"].idxmax()]
    accuracy = estimate(*best[["accuracy", "low", "high"]])
    if lost.empty:
        yield (
            f"With tracks at random, a linear probe does best on the {feature(best['feature'])}: "
            f"{accuracy}. No artist-disjoint split can be made here."
        )
        return
    worst = lost.loc[lost["difference"].idxmax()]
    clear = int((lost["low"] > 0).sum())
    yield (
        "In the artist-disjoint split, a linear probe does best on the "
        f"{feature(best['feature'])}: {accuracy} of {best['n_tracks']} tracks."
    )
    yield (
        f"Knowing the artist helps most on the {feature(worst['feature'])}: "
        f"{change(*worst[['difference', 'low', 'high']])}. The interval excludes zero for {clear} "
        f"of {len(lost)} features."
    )


def _of_pairs(pairs):
    best = pairs.groupby(["first", "second"], sort=False)["auc"].max().dropna()
    if len(best):
        hardest = best.nsmallest(_NAMED)
        named = "; ".join(f"{a} and {b} ({auc:.2f})" for (a, b), auc in hardest.items())
        yield (
            "Hardest to tell apart (area under the ROC curve of the best feature, where 0.5 is "
            f"chance): {named}."
        )


def _of_families(families):
    strict = families[families["protocol"] == families["protocol"].iloc[-1]]
    strict = strict.dropna(subset="alone")
    if strict.empty:
        return
    best = strict.loc[strict["alone"].idxmax()]
    accuracy = estimate(*best[["alone", "alone_low", "alone_high"]])
    needed = list(strict.loc[strict["lost_low"] > 0, "family"])
    yield (
        f"The best family alone is {best['family']} ({best['n_rows']} rows): {accuracy}. Of "
        f"{len(strict)} families, these are missed if left out (the interval of the loss excludes "
        f"zero): {', '.join(needed) or 'none'}."
    )
