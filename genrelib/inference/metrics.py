"""Metrics: what each test adds to accuracy, macro F1, log loss, Brier score and ECE."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .frames import answerable, genres_of, is_right, places, probabilities
from .intervals import FLOOR, LOSS, SHARE, ClusterBootstrap, Estimate, ratio

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
