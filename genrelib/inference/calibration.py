"""Calibration: whether a system is right as often as it is sure, and how to mend it.

Temperature scaling (Guo et al. 2017) divides the logarithms of a fit's probabilities by one number
that minimises the log loss on that fit's validation part. It changes how sure the system is, never
which genre it names.
"""

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from ..base.errors import GenrelibError
from ..base.seeds import rng
from . import metrics
from .frames import (
    FIT,
    answerable,
    by_system,
    checked,
    genres_of,
    groups_of,
    is_right,
    places,
    probabilities,
)
from .intervals import FLOOR, ClusterBootstrap

HOTTEST = 20.0
COMPARED = ("log_loss", "brier", "ece")


def reliability(
    rows: pd.DataFrame,
    groups: pd.Series,
    *,
    seed: int,
    n_bins: int = metrics.N_BINS,
    equal_mass: bool = False,
) -> pd.DataFrame:
    """Compare confidence and accuracy, bin by bin, over the answerable tests.

    Parameters
    ----------
    rows : pd.DataFrame
        Predictions of one system and protocol.
    groups : pd.Series, index track_id
        Group of artists of every track.
    seed : int
        The study's seed.
    n_bins : int
        At least 1.
    equal_mass : bool
        Whether bins hold about equally many tests rather than being of equal width. Tests of the
        same confidence share a bin, so that there may be fewer bins.

    Returns
    -------
    pd.DataFrame
        One row per bin that holds a test: ``bin``, ``n_tests``, mean ``confidence``, ``accuracy``
        and its 95 % interval over groups, ``low`` and ``high``.
    """
    if n_bins < 1:
        raise GenrelibError(f"n_bins={n_bins}; at least 1 is needed.")
    kept = checked(rows)[answerable(rows)]
    confidence, right = probabilities(kept).max(axis=1), is_right(kept)
    if equal_mass and len(kept):
        edges = np.quantile(confidence, np.arange(1, n_bins) / n_bins)
        bins = np.searchsorted(np.unique(edges), confidence, side="right")
    else:
        bins = metrics.bins_of(confidence, n_bins)
    clusters = groups_of(kept, groups)
    lines = []
    for number in np.unique(bins):
        inside = bins == number
        generator = rng(seed, "reliability", number)
        bootstrap = ClusterBootstrap(clusters[inside], generator)
        columns = np.column_stack([right[inside], np.ones(inside.sum())])
        low, high = bootstrap.estimate(columns).interval
        found = (int(inside.sum()), confidence[inside].mean(), right[inside].mean(), low, high)
        lines.append((int(number), *found))
    names = ["bin", "n_tests", "confidence", "accuracy", "low", "high"]
    return pd.DataFrame(lines, columns=names)


def temperatures(valid: pd.DataFrame) -> pd.DataFrame:
    """Find the temperature of each fit on its validation part.

    Parameters
    ----------
    valid : pd.DataFrame
        Predictions of each fit on its validation part, with the columns of
        :func:`genrelib.experiments.predictions.read`.

    Returns
    -------
    pd.DataFrame, index system, protocol, repeat, fold
        ``temperature``, between 1/20 and 20: above 1 where the fit is too sure of itself, below
        where it is not sure enough; and ``n_valid``, on how many tests it rests.
    """
    lines = {}
    for fit, part in checked(valid).groupby(FIT, sort=False):
        logs = np.log(np.clip(probabilities(part), FLOOR, 1))
        lines[fit] = (_temperature(logs, places(part["genre"], genres_of(part))), len(part))
    index = pd.MultiIndex.from_tuples(lines, names=FIT)
    return pd.DataFrame(list(lines.values()), index=index, columns=["temperature", "n_valid"])


def _temperature(logs, genre):
    """Minimise the log loss over the logarithm of the temperature."""
    each = np.arange(len(genre))

    def loss(log_t):
        return -log_softmax(logs / np.exp(log_t), axis=1)[each, genre].mean()

    reach = np.log(HOTTEST)
    return float(np.exp(minimize_scalar(loss, bounds=(-reach, reach), method="bounded").x))


def calibrated(rows: pd.DataFrame, valid: pd.DataFrame) -> pd.DataFrame:
    """Rescale the probabilities of each fit by the temperature of its validation part.

    Parameters
    ----------
    rows, valid : pd.DataFrame
        Predictions on the test and on the validation parts.

    Returns
    -------
    pd.DataFrame
        `rows` with new probabilities and the columns ``temperature`` and ``n_valid``: 1 and 0
        where a fit has no validation part, whose probabilities stay as they were. The predicted
        genre is the same.
    """
    found = temperatures(valid) if len(valid) else pd.DataFrame(columns=["temperature", "n_valid"])
    fits = pd.MultiIndex.from_frame(checked(rows)[FIT])
    known = fits.isin(found.index) if len(found) else np.zeros(len(rows), dtype=bool)
    temperature, n_valid = np.ones(len(rows)), np.zeros(len(rows), dtype=int)
    if known.any():
        own = found.loc[fits[known]]
        temperature[known], n_valid[known] = own["temperature"], own["n_valid"]
    values = probabilities(rows)
    logs = np.log(np.clip(values, FLOOR, 1)) / temperature[:, None]
    values = np.where(known[:, None], np.exp(log_softmax(logs, axis=1)), values)
    columns = dict(zip((f"p_{g}" for g in genres_of(rows)), values.T, strict=True))
    return rows.assign(**columns, temperature=temperature, n_valid=n_valid)


def calibration(
    rows: pd.DataFrame, valid: pd.DataFrame, groups: pd.Series, *, seed: int
) -> pd.DataFrame:
    """Measure log loss, Brier score and ECE before and after temperature scaling.

    Parameters
    ----------
    rows, valid : pd.DataFrame
        Predictions on the test and on the validation parts.
    groups : pd.Series, index track_id
        Group of artists of every track.
    seed : int
        The study's seed.

    Returns
    -------
    pd.DataFrame
        One row per system, protocol and metric, over the answerable tests: ``n_tests``; ``before``
        and ``after``; the paired ``difference``, after less before, with its 95 % interval over
        groups, ``low`` and ``high``; the median ``temperature`` of its fits; ``n_fits``, and of
        these ``n_scaled``, which have a validation part.
    """
    scaled = calibrated(rows, valid)
    lines = []
    for system, protocol, part in by_system(scaled):
        old = rows.loc[part.index]
        bootstrap = ClusterBootstrap(groups_of(part, groups), rng(seed, "calibration", protocol))
        fits = part.drop_duplicates(FIT)
        for name in COMPARED:
            before, after = (metrics.estimate(name, one, bootstrap) for one in (old, part))
            low, high = (after - before).interval
            lines.append(
                {
                    "system": system,
                    "protocol": protocol,
                    "metric": name,
                    "n_tests": int(answerable(part).sum()),
                    "before": before.value,
                    "after": after.value,
                    "difference": after.value - before.value,
                    "low": low,
                    "high": high,
                    "temperature": fits["temperature"].median(),
                    "n_fits": len(fits),
                    "n_scaled": int((fits["n_valid"] > 0).sum()),
                }
            )
    return pd.DataFrame(lines)
