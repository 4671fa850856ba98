"""Scores: every metric of each system under each protocol, with intervals."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..base.errors import GenrelibError
from ..base.seeds import rng
from .frames import (
    answerable,
    by_system,
    checked,
    genres_of,
    groups_of,
    is_right,
    places,
    probabilities,
    tracks_of,
)
from .intervals import (
    FLOOR,
    LOSS,
    SHARE,
    ClusterBootstrap,
    Estimate,
    minimum_detectable_difference,
    ratio,
)

TEST = ["repeat", "fold", "track_id"]

N_BINS = 10


@dataclass(frozen=True)
class Metric:
    """A row of :data:`METRICS`.

    Parameters
    ----------
    name : str
        As in the tables.
    columns : callable
        ``columns(rows)`` returns what each test adds, shape ``(n_tests, n_columns)``; the last
        column is 1 for a test that counts.
    statistic : callable
        Maps totals of the columns to the metric.
    span : (float, float)
        Range of the metric.
    sign : int
        1 if more is better, -1 if less is.
    is_biased : bool
        Whether few tests make it too large.
    """

    name: str
    columns: Callable[[pd.DataFrame], np.ndarray]
    statistic: Callable[[np.ndarray], np.ndarray]
    span: tuple[float, float]
    sign: int
    is_biased: bool = False


def log_losses(rows: pd.DataFrame) -> np.ndarray:
    """Return minus the log of the probability of each test's genre, in nats, at most 34.5."""
    right = probabilities(rows)[np.arange(len(rows)), places(rows["genre"], genres_of(rows))]
    return -np.log(np.clip(right, FLOOR, 1))


def _accuracy(rows):
    return np.column_stack([is_right(rows), np.ones(len(rows))])


def _macro_f1(rows):
    """Right, tested and predicted, by genre."""
    genres = np.array(genres_of(rows))
    tested, called = (rows[name].to_numpy()[:, None] == genres for name in ("genre", "predicted"))
    return np.column_stack([tested & called, tested, called, np.ones(len(rows))]).astype(float)


def _mean_f1(totals):
    """Average F1 over the genres that were tested; one that is not has no F1."""
    right, tested, called = np.split(totals[..., :-1], 3, axis=-1)
    both = tested + called
    f1 = np.divide(2 * right, both, out=np.zeros_like(both), where=both > 0)
    return (f1 * (tested > 0)).sum(axis=-1) / np.maximum((tested > 0).sum(axis=-1), 1)


def _log_loss(rows):
    counts = answerable(rows).astype(float)
    return np.column_stack([log_losses(rows) * counts, counts])


def _brier(rows):
    counts = answerable(rows).astype(float)
    genres = genres_of(rows)
    truth = np.eye(len(genres))[places(rows["genre"], genres)]
    return np.column_stack([((probabilities(rows) - truth) ** 2).sum(axis=1) * counts, counts])


def bins_of(confidence: np.ndarray, n_bins: int = N_BINS) -> np.ndarray:
    """Return the bin of equal width, ``0 .. n_bins - 1``, of each confidence in ``[0, 1]``."""
    return np.minimum((confidence * n_bins).astype(int), n_bins - 1)


def _ece(rows):
    """Confidence less rightness, in the column of the test's bin."""
    counts = answerable(rows).astype(float)
    confidence = probabilities(rows).max(axis=1)
    gaps = np.eye(N_BINS)[bins_of(confidence)] * (confidence - is_right(rows))[:, None]
    return np.column_stack([gaps * counts[:, None], counts])


def _gap(totals):
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.abs(totals[..., :-1]).sum(axis=-1) / totals[..., -1]


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", _accuracy, ratio, SHARE, 1),
        Metric("macro_f1", _macro_f1, _mean_f1, SHARE, 1),
        Metric("log_loss", _log_loss, ratio, LOSS, -1),
        Metric("brier", _brier, ratio, (0.0, 2.0), -1),
        Metric("ece", _ece, _gap, SHARE, -1, is_biased=True),
    )
}
"""Metrics by name. Log loss (nats), Brier score (the sum over genres of squared differences, 0 to
2) and ECE (10 bins of equal width) are taken over the answerable tests; macro F1 is the mean over
the genres that were tested."""


def value(name: str, rows: pd.DataFrame) -> float:
    """Return a metric of rows of predictions, without an interval; NaN if nothing counts."""
    metric = METRICS[name]
    return float(metric.statistic(metric.columns(rows).sum(axis=0)))


def estimate(name: str, rows: pd.DataFrame, bootstrap: ClusterBootstrap) -> Estimate:
    """Return a metric of rows of predictions with its draws.

    Parameters
    ----------
    name : str
        A key of :data:`METRICS`.
    rows : pd.DataFrame
        Of one system and protocol.
    bootstrap : ClusterBootstrap
        Over the clusters of the same rows, in the same order.
    """
    metric = METRICS[name]
    return bootstrap.estimate(
        metric.columns(rows), metric.statistic, metric.span, is_biased=metric.is_biased
    )


def measures(predictions: pd.DataFrame, groups: pd.Series, *, seed: int) -> pd.DataFrame:
    """Measure each system under each protocol, one row per number.

    Parameters
    ----------
    predictions : pd.DataFrame
        From :func:`genrelib.experiments.predictions.read`.
    groups : pd.Series, index track_id
        Group of artists of every track.
    seed : int
        The study's seed.

    Returns
    -------
    pd.DataFrame
        One row per system, protocol and metric, in registry order: ``n_tracks``; ``n_tests``, that
        count for the metric; ``value``; its 95 % interval when groups of artists are drawn, ``low``
        and ``high``, and when tracks are, ``track_low`` and ``track_high``; ``mdd``, the difference
        from the best other system of the protocol that would be found 4 times in 5. It is NaN
        where there is no other system that met the same tests. For the metrics see
        :data:`genrelib.inference.scores.METRICS`.
    """
    lines = [
        line
        for _, part in checked(predictions).groupby("protocol", sort=False)
        for line in _of_protocol(part, groups, seed)
    ]
    table = pd.DataFrame(lines).set_index(["system", "protocol"])
    order = [(system, protocol) for system, protocol, _ in by_system(predictions)]
    return table.loc[order].reset_index()


def _of_protocol(rows, groups, seed):
    """List the lines of one protocol, whose systems share their resamples."""
    parts = {system: part.sort_values(TEST) for system, _, part in by_system(rows)}
    tests = {system: tuple(map(tuple, part[TEST].to_numpy())) for system, part in parts.items()}
    drawn = {key: _bootstraps(parts[name], groups, seed) for name, key in tests.items()}
    for metric in METRICS.values():
        found = {
            system: estimate(metric.name, part, drawn[tests[system]][0])
            for system, part in parts.items()
        }
        for system, part in parts.items():
            track_low, track_high = estimate(metric.name, part, drawn[tests[system]][1]).interval
            low, high = found[system].interval
            others = [e for n, e in found.items() if n != system and tests[n] == tests[system]]
            yield {
                "system": system,
                "protocol": part["protocol"].iloc[0],
                "metric": metric.name,
                "n_tracks": len(set(tracks_of(part))),
                "n_tests": int(metric.columns(part)[:, -1].sum()),
                "value": found[system].value,
                "low": low,
                "high": high,
                "track_low": track_low,
                "track_high": track_high,
                "mdd": _mdd(found[system], others, metric.sign),
            }


def _bootstraps(part, groups, seed):
    """Make the resamples of groups and of tracks."""
    protocol = part["protocol"].iloc[0]
    return tuple(
        ClusterBootstrap(units, rng(seed, "scores", protocol, level))
        for level, units in (("group", groups_of(part, groups)), ("track", tracks_of(part)))
    )


def _mdd(estimate: Estimate, others: list[Estimate], sign: int) -> float:
    others = [other for other in others if np.isfinite(other.value)]
    if not others or not np.isfinite(estimate.value):
        return np.nan
    best = max(others, key=lambda other: sign * other.value)
    return minimum_detectable_difference(estimate - best)


def scores(predictions: pd.DataFrame, groups: pd.Series, *, seed: int) -> pd.DataFrame:
    """Score each system under each protocol, one row each.

    Parameters
    ----------
    predictions, groups, seed
        As :func:`measures` takes them.

    Returns
    -------
    pd.DataFrame
        In registry order: ``n_tracks``; ``n_tests`` (tracks x repeats, or segments); ``accuracy``
        with its 95 % interval over groups of artists, ``low`` and ``high``, and over tracks,
        ``track_low`` and ``track_high``; ``mdd``, see :func:`measures`; ``accuracy_majority``,
        where segments vote by heads (column ``majority``), else NaN; ``macro_f1``;
        ``n_answerable``, the tests whose genre was in the training data, without which no system
        can be right, and over these ``accuracy_answerable``, ``log_loss`` (nats), ``brier``,
        ``ece`` and ``ece_calibrated``, the ECE that a perfectly calibrated system would show with
        as many tests: ECE is never zero, and only what lies above that tells. What is taken over
        no test is NaN. The four metrics have intervals over groups, ``<metric>_low`` and
        ``<metric>_high``.
    """
    long = measures(predictions, groups, seed=seed).set_index(["system", "protocol", "metric"])
    lines = []
    for system, protocol, part in by_system(predictions):
        found = {name: long.loc[(system, protocol, name)] for name in METRICS}
        accuracy, counts = found.pop("accuracy"), answerable(part)
        line = {
            "system": system,
            "protocol": protocol,
            "n_tracks": int(accuracy["n_tracks"]),
            "n_tests": len(part),
            "accuracy": accuracy["value"],
            **{k: accuracy[k] for k in ("low", "high", "track_low", "track_high", "mdd")},
            "accuracy_majority": _majority(part),
            "n_answerable": int(counts.sum()),
            "accuracy_answerable": is_right(part)[counts].mean() if counts.any() else np.nan,
        }
        for name, row in found.items():
            line |= {name: row["value"], f"{name}_low": row["low"], f"{name}_high": row["high"]}
        line["ece_calibrated"] = expected_ece(part, rng(seed, "ece", system, protocol))
        lines.append(line)
    return pd.DataFrame(lines)


def _majority(part):
    if "majority" not in part:
        return np.nan
    votes = part["majority"].fillna("")
    voted = (votes != "").to_numpy()
    return float((votes == part["genre"])[voted].mean()) if voted.any() else np.nan


def expected_ece(
    rows: pd.DataFrame, generator: np.random.Generator, *, n_draws: int = 200
) -> float:
    """Return the ECE to expect of a system that is right exactly as often as it is confident.

    Parameters
    ----------
    rows : pd.DataFrame
        Of one system and protocol; only the confidences of its answerable tests count.
    generator : np.random.Generator
        Draws which tests are right; tests of one track share their draw, as repeats do.
    n_draws : int
        How often.

    Returns
    -------
    float
        The mean; NaN without an answerable test.
    """
    kept = rows[answerable(rows)]
    if kept.empty:
        return float("nan")
    confidence = probabilities(kept).max(axis=1)
    _, track = np.unique(tracks_of(kept), return_inverse=True)
    bins = np.eye(N_BINS)[bins_of(confidence)]
    luck = generator.random((n_draws, track.max() + 1))[:, track]
    gaps = (confidence - (luck < confidence)) @ bins
    return float(np.abs(gaps).sum(axis=1).mean() / len(kept))


def overlap(records: pd.DataFrame) -> pd.DataFrame:
    """Measure what of the tests was known from training, over all folds of each protocol.

    Parameters
    ----------
    records : pd.DataFrame
        From :func:`genrelib.experiments.predictions.read`.

    Returns
    -------
    pd.DataFrame, index protocol
        The records' columns ``known_artist``, ``known_group``, ``known_genre`` and, where they
        have it, ``known_track``: shares of all tests, in ``[0, 1]``.
    """
    if records.empty:
        raise GenrelibError("no records of fits; at least one is needed. Run a system.")
    folds = records.drop_duplicates(["protocol", "repeat", "fold"])
    names = ("known_track", "known_artist", "known_group", "known_genre")
    known = [name for name in names if name in folds]
    counts = folds[known].mul(folds["n_test"], axis=0).groupby(folds["protocol"]).sum()
    return counts.div(folds.groupby("protocol")["n_test"].sum(), axis=0)


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
        averaged over systems, repeats and segments, where it is wrong; that ``probability`` and
        the one of the track's own genre, ``own``; and the planted ``fault`` where the corpus lists
        faults.
    """
    columns = [c for c in predictions.columns if c.startswith("p_")]
    mean = predictions[columns].groupby(pd.Index(tracks_of(predictions), name="track_id")).mean()
    mean.columns = [c.removeprefix("p_") for c in columns]
    known = [c for c in ("genre", "artist", "title", "fault") if c in tracks]
    table = tracks.loc[mean.index, known]
    table.insert(3, "predicted", mean.idxmax(axis=1))
    table.insert(4, "probability", mean.max(axis=1))
    table.insert(5, "own", [mean.loc[i, g] for i, g in table["genre"].items()])
    wrong = table[table["predicted"] != table["genre"]]
    return wrong.sort_values(["probability", "own"], ascending=[False, True], kind="stable")


def recalls(predictions: pd.DataFrame, genres: tuple[str, ...]) -> pd.DataFrame:
    """Return which share of each genre's tests each system names right.

    Parameters
    ----------
    predictions : pd.DataFrame
        Of one protocol.
    genres : tuple of str
        Order of the columns.

    Returns
    -------
    pd.DataFrame, index system
        One column per genre, in ``[0, 1]``; NaN where a genre was not tested.
    """
    right = predictions.assign(right=predictions["genre"] == predictions["predicted"])
    table = right.pivot_table("right", "system", "genre", aggfunc="mean", sort=False)
    return table.reindex(columns=list(genres)).rename_axis(columns=None)


def costs(scores: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """Set what a system costs beside its accuracy.

    Parameters
    ----------
    scores : pd.DataFrame
        From :func:`scores`, of one protocol.
    records : pd.DataFrame
        From :func:`genrelib.experiments.predictions.read`.

    Returns
    -------
    pd.DataFrame
        ``system, accuracy, low, high``; ``n_parameters`` and ``multiply_adds`` of one example,
        NaN for systems that are no network; and ``is_best``, whether no network with as few
        multiply-adds is more accurate.
    """
    known = records.groupby("system")[["n_parameters", "multiply_adds"]].median()
    table = scores[["system", "accuracy", "low", "high"]].join(known, on="system")
    table[["n_parameters", "multiply_adds"]] = table[["n_parameters", "multiply_adds"]].astype(
        float
    )
    table["is_best"] = [
        not (table["accuracy"][table["multiply_adds"] <= row.multiply_adds] > row.accuracy).any()
        and row.multiply_adds > 0
        for row in table.itertuples()
    ]
    return table
