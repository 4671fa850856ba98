"""Inference: what the predictions are worth; reads predictions only.

Tracks of one artist are not independent, so intervals come from resampling whole groups (the
cluster bootstrap; Field & Welsh 2007), never single rows.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score

from .errors import GenrelibError
from .protocols import PROTOCOLS
from .seeds import rng
from .systems import SYSTEMS

N_RESAMPLES = 2000


def scores(predictions: pd.DataFrame, groups: pd.Series, *, seed: int) -> pd.DataFrame:
    """Score each system under each protocol.

    Parameters
    ----------
    predictions : pd.DataFrame
        From :func:`genrelib.predictions.read`.
    groups : pd.Series, index track_id
        Group of every track, the unit of resampling.
    seed : int
        The study's seed.

    Returns
    -------
    pd.DataFrame
        One row per system and protocol, in registry order: ``n_tracks``, ``n_tests`` (tracks x
        repeats), ``accuracy`` with its 95 % interval ``low`` and ``high``, ``macro_f1`` and
        ``n_answerable``, the tests whose genre was in the training data, without which no system
        can be right; over these, ``accuracy_answerable`` and ``log_loss`` (nats). Accuracies and
        F1 lie in ``[0, 1]``; what is taken over no test is NaN.
    """
    rows = []
    for (name, protocol), part in _in_order(predictions):
        correct = (part["genre"] == part["predicted"]).to_numpy(float)
        answerable = part["genre_trained"].to_numpy(bool)
        low, high = cluster_interval(
            correct, groups[part["track_id"]].to_numpy(), rng(seed, "scores", name, protocol)
        )
        rows.append(
            {
                "system": name,
                "protocol": protocol,
                "n_tracks": part["track_id"].nunique(),
                "n_tests": len(part),
                "accuracy": correct.mean(),
                "low": low,
                "high": high,
                "macro_f1": f1_score(part["genre"], part["predicted"], average="macro"),
                "n_answerable": int(answerable.sum()),
                "accuracy_answerable": correct[answerable].mean() if answerable.any() else np.nan,
                "log_loss": _log_loss(part[answerable]) if answerable.any() else np.nan,
            }
        )
    return pd.DataFrame(rows)


def overlap(records: pd.DataFrame) -> pd.DataFrame:
    """Measure what of the tests was known from training, over all folds of each protocol.

    Parameters
    ----------
    records : pd.DataFrame
        From :func:`genrelib.predictions.read`.

    Returns
    -------
    pd.DataFrame, index protocol
        ``known_artist``, ``known_group``, ``known_genre``: shares of all tests, in ``[0, 1]``.
    """
    folds = records.drop_duplicates(["protocol", "repeat", "fold"])
    known = ["known_artist", "known_group", "known_genre"]
    counts = folds[known].mul(folds["n_test"], axis=0).groupby(folds["protocol"]).sum()
    return counts.div(folds.groupby("protocol")["n_test"].sum(), axis=0)


def leakage(predictions: pd.DataFrame, groups: pd.Series, *, seed: int) -> pd.DataFrame:
    """Measure what each system loses when artists are kept apart.

    Only tests that both protocols make answerable in the same repeat count: where a genre's only
    artist is tested, nothing can be learnt of the genre, and that is not what knowing the artist
    is worth.

    Returns
    -------
    pd.DataFrame
        One row per system: ``n_tracks`` compared, accuracy under ``track_random`` and
        ``artist_grouped``, their ``difference`` and its 95 % interval ``low``, ``high`` from
        resampling the same groups on both sides, all as fractions. Empty when a protocol was not
        run.
    """
    both = ("track_random", "artist_grouped")
    rows = []
    for name in _systems(predictions):
        own = predictions[(predictions["system"] == name) & predictions["genre_trained"]]
        rates = [_correct(own[own["protocol"] == protocol]) for protocol in both]
        shared = rates[0].index.intersection(rates[1].index)
        if shared.empty:
            continue
        rates = [rate[shared] for rate in rates]
        clusters = groups[shared.get_level_values("track_id")].to_numpy()
        difference = (rates[0] - rates[1]).to_numpy()
        low, high = cluster_interval(difference, clusters, rng(seed, "leakage", name))
        accuracies = [float(rate.mean()) for rate in rates]
        rows.append(
            {
                "system": name,
                "n_tracks": shared.get_level_values("track_id").nunique(),
                **dict(zip(both, accuracies, strict=True)),
                "difference": accuracies[0] - accuracies[1],
                "low": low,
                "high": high,
            }
        )
    return pd.DataFrame(rows, columns=["system", "n_tracks", *both, "difference", "low", "high"])


def cluster_interval(
    values: np.ndarray, clusters: np.ndarray, generator: np.random.Generator
) -> tuple[float, float]:
    """Return the 95 % percentile interval of a mean, resampling whole clusters.

    Parameters
    ----------
    values : np.ndarray, shape (n,)
        One number per test.
    clusters : np.ndarray, shape (n,)
        Which cluster each belongs to.
    generator : np.random.Generator
        Source of the resamples.

    Returns
    -------
    low, high : float
        Equal to the mean when there is a single cluster: nothing is then known of the spread.

    Examples
    --------
    >>> low, high = cluster_interval(np.r_[1.0, 1, 0, 0], np.r_[0, 0, 1, 1], rng(0))
    >>> (float(low), float(high))
    (0.0, 1.0)
    """
    values = np.asarray(values, dtype=float)
    if len(values) == 0 or len(values) != len(clusters):
        raise GenrelibError(
            f"{len(values)} values and {len(clusters)} clusters; one cluster per value is needed."
        )
    _, codes = np.unique(clusters, return_inverse=True)
    sums, sizes = np.bincount(codes, values), np.bincount(codes)
    weights = _weights(len(sums), generator)
    means = weights @ sums / (weights @ sizes)
    return tuple(np.quantile(means, [0.025, 0.975]))


def _weights(n_clusters, generator):
    """How often each cluster is drawn in each resample, shape (n_resamples, n_clusters)."""
    return generator.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), N_RESAMPLES)


def _correct(part):
    """Whether each test was right, by repeat and track."""
    tests = part.set_index(["repeat", "track_id"])
    return (tests["genre"] == tests["predicted"]).astype(float)


def _log_loss(part):
    genres = [c for c in part.columns if c.startswith("p_")]
    column = {name: i for i, name in enumerate(genres)}
    values = part[genres].to_numpy(float)
    right = values[np.arange(len(part)), [column[f"p_{g}"] for g in part["genre"]]]
    return float(-np.log(np.clip(right, 1e-15, 1)).mean())


def _systems(predictions):
    present = set(predictions["system"])
    return [name for name in SYSTEMS if name in present]


def _in_order(predictions):
    for name in _systems(predictions):
        for protocol in PROTOCOLS:
            mask = (predictions["system"] == name) & (predictions["protocol"] == protocol)
            if mask.any():
                yield (name, protocol), predictions[mask]


def confusion(predictions: pd.DataFrame, genres: tuple[str, ...]) -> pd.DataFrame:
    """Return how often each genre (rows) is called each genre (columns), as shares of the row."""
    table = pd.crosstab(predictions["genre"], predictions["predicted"])
    table = table.reindex(index=list(genres), columns=list(genres), fill_value=0)
    return table.div(table.sum(axis=1).replace(0, np.nan), axis=0)


def hardest(predictions: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """Rank tracks by how surely the systems name a wrong genre.

    Parameters
    ----------
    predictions : pd.DataFrame
        Of one protocol.
    tracks : pd.DataFrame
        The tracks table.

    Returns
    -------
    pd.DataFrame, index track_id
        ``genre``, ``artist``, ``title``; ``predicted``, the genre of the highest probability,
        averaged over systems and repeats, where it is wrong; that ``probability`` and the one of
        the track's own genre, ``own``; and the planted ``fault`` where the corpus lists faults.
    """
    columns = [c for c in predictions.columns if c.startswith("p_")]
    mean = predictions.groupby("track_id")[columns].mean()
    mean.columns = [c.removeprefix("p_") for c in columns]
    known = [c for c in ("genre", "artist", "title", "fault") if c in tracks]
    table = tracks.loc[mean.index, known]
    table.insert(3, "predicted", mean.idxmax(axis=1))
    table.insert(4, "probability", mean.max(axis=1))
    table.insert(5, "own", [mean.loc[i, g] for i, g in table["genre"].items()])
    wrong = table[table["predicted"] != table["genre"]]
    return wrong.sort_values(["probability", "own"], ascending=[False, True], kind="stable")


def findings(scores: pd.DataFrame, leakage: pd.DataFrame, n_genres: int) -> list[str]:
    """Say in sentences what the tables show; every number in them is taken from the tables.

    Returns
    -------
    list of str
        For the notebook's last section and the top of the report.
    """
    said = []
    chance = 1 / n_genres
    for protocol, part in scores.groupby("protocol", sort=False):
        best = part.loc[part["accuracy"].idxmax()]
        said.append(
            f"With {PROTOCOLS[protocol].title}, the best of {len(part)} systems is "
            f"{SYSTEMS[best['system']].title}: {_percent(best)} "
            f"({best['n_tracks']} tracks; chance is {chance:.1%})."
        )
    clear = leakage[leakage["low"] > 0]
    if len(leakage):
        said.append(
            "Keeping artists apart changes accuracy by "
            f"{-100 * leakage['difference'].median():+.1f} points at the median system, on the "
            f"{leakage['n_tracks'].max()} tracks that both protocols make answerable; for "
            f"{len(clear)} of {len(leakage)} systems the interval of the loss excludes zero."
        )
    lost = scores[scores["n_answerable"] < scores["n_tests"]]
    if len(lost):
        share = 1 - (lost["n_answerable"] / lost["n_tests"]).min()
        said.append(
            f"Where artists are kept apart, {share:.0%} of the tests ask for a genre whose only "
            "artists are in the test part: no system can answer them. The table counts them as "
            "wrong, and also shows the accuracy without them."
        )
    return said


def _percent(row):
    return f"{row['accuracy']:.1%} [{row['low']:.1%}, {row['high']:.1%}]"
