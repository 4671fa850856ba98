"""Abstention: what a system is worth if it may say "I don't know"."""

import numpy as np
import pandas as pd

from ..base.errors import GenrelibError
from ..base.seeds import rng
from .frames import FIT, answerable, by_system, checked, groups_of, is_right, probabilities
from .intervals import ClusterBootstrap


def risk_coverage(rows: pd.DataFrame) -> pd.DataFrame:
    """Answer the surest tests first, and count the errors among those answered.

    Parameters
    ----------
    rows : pd.DataFrame
        Predictions of one system and protocol; only answerable tests count.

    Returns
    -------
    pd.DataFrame
        One row per confidence that occurs, the highest first: ``threshold``, the confidence down
        to which the system answers; ``coverage``, the share of tests that it answers; ``risk``, the
        share of errors among them. Tests of the same confidence are answered together. Empty when
        no test is answerable.
    """
    kept = checked(rows)[answerable(rows)]
    return _curve(probabilities(kept).max(axis=1), is_right(kept))


def _curve(confidence, right):
    order = np.argsort(-confidence, kind="stable")
    confidence, wrong = confidence[order], 1 - right[order]
    is_last = np.r_[np.diff(confidence) != 0, np.ones(min(len(order), 1), dtype=bool)]
    answered = np.flatnonzero(is_last) + 1
    return pd.DataFrame(
        {
            "threshold": confidence[answered - 1],
            "coverage": answered / max(len(order), 1),
            "risk": np.cumsum(wrong)[answered - 1] / answered,
        }
    )


def aurc(rows: pd.DataFrame) -> float:
    """Return the area under the risk-coverage curve: the risk, averaged over all coverages.

    Parameters
    ----------
    rows : pd.DataFrame
        Predictions of one system and protocol; only answerable tests count.

    Returns
    -------
    float
        In ``[0, 1]``; the plain error rate where confidence tells nothing, less where the sure
        tests are right (Geifman & El-Yaniv 2017). NaN when no test is answerable. Tests of the
        same confidence may be answered in any order: the mean over all orders is taken.
    """
    n, curve = int(answerable(rows).sum()), risk_coverage(rows)
    if not n:
        return float("nan")
    answered = np.arange(1, n + 1)
    known = n * np.r_[0, curve["coverage"]]
    errors = np.interp(answered, known, known * np.r_[0, curve["risk"]])
    return float((errors / answered).mean())


def threshold_for(valid: pd.DataFrame, risk: float) -> float:
    """Return the lowest confidence at which the errors among those answered are at most `risk`.

    Parameters
    ----------
    valid : pd.DataFrame
        Predictions of one fit on its validation part.
    risk : float
        Share of errors, in ``[0, 1]``.

    Returns
    -------
    float
        Infinite when no confidence is safe enough: the fit then answers nothing.
    """
    curve = risk_coverage(valid)
    safe = curve[curve["risk"] <= risk]
    return float(safe["threshold"].min()) if len(safe) else float("inf")


def abstention(
    rows: pd.DataFrame,
    valid: pd.DataFrame,
    groups: pd.Series,
    *,
    risk: float,
    seed: int,
) -> pd.DataFrame:
    """Let each fit answer only where it is sure enough, and see whether the risk is kept.

    A fit's threshold comes from its own validation part; what it reaches on its test part is a
    measurement, not a promise.

    Parameters
    ----------
    rows, valid : pd.DataFrame
        Predictions on the test and on the validation parts. Calibrated ones too: then thresholds
        of different fits mean the same.
    groups : pd.Series, index track_id
        Group of artists of every track.
    risk : float
        Share of errors among the answers that is aimed at, above 0 and below 1.
    seed : int
        The study's seed.

    Returns
    -------
    pd.DataFrame
        One row per system and protocol, over answerable tests of fits that have a validation
        part: ``risk`` aimed at; ``n_tests``; ``n_left_out``, tests of fits without validation;
        ``n_answered``; ``coverage``, their share, with ``coverage_low`` and ``coverage_high``;
        ``reached``, the share of errors among them (NaN if none), with ``reached_low`` and
        ``reached_high``, 95 % intervals over groups; ``error_rate`` without abstention; ``aurc``.
    """
    if not 0 < risk < 1:
        raise GenrelibError(f"risk={risk}; a share of errors between 0 and 1 is needed, like 0.1.")
    parts = dict(tuple(checked(valid).groupby(FIT))) if len(valid) else {}
    safe = {fit: threshold_for(part, risk) for fit, part in parts.items()}
    lines = []
    for system, protocol, part in by_system(checked(rows)):
        part = part[answerable(part)]
        limits = np.array([safe.get(fit, np.nan) for fit in part[FIT].itertuples(index=False)])
        kept = part[~np.isnan(limits)]
        line = {"system": system, "protocol": protocol, "risk": risk, "n_tests": len(kept)}
        line["n_left_out"] = len(part) - len(kept)
        if len(kept):
            answered = probabilities(kept).max(axis=1) >= limits[~np.isnan(limits)]
            generator = rng(seed, "abstention", system, protocol)
            bootstrap = ClusterBootstrap(groups_of(kept, groups), generator)
            line |= _reached(answered.astype(float), is_right(kept), bootstrap)
            line |= {"error_rate": 1 - is_right(kept).mean(), "aurc": aurc(kept)}
        lines.append(line)
    return pd.DataFrame(lines).reindex(columns=COLUMNS)


COLUMNS = ["system", "protocol", "risk", "n_tests", "n_left_out", "n_answered", "coverage"]
COLUMNS += ["coverage_low", "coverage_high", "reached", "reached_low", "reached_high"]
COLUMNS += ["error_rate", "aurc"]


def _reached(answered, right, bootstrap):
    coverage = bootstrap.estimate(np.column_stack([answered, np.ones(len(answered))]))
    reached = bootstrap.estimate(np.column_stack([answered * (1 - right), answered]))
    found = {"n_answered": int(answered.sum())}
    for name, estimate in (("coverage", coverage), ("reached", reached)):
        low, high = estimate.interval
        found |= {name: estimate.value, f"{name}_low": low, f"{name}_high": high}
    return found
