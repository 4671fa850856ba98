"""Calibration: whether a system is right as often as it is sure, and what it may leave open.

Temperature scaling (Guo et al. 2017) divides the logarithms of a fit's probabilities by one number
that minimises the log loss on that fit's validation part. It changes how sure the system is, never
which genre it names.
"""

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from ..base.errors import GenrelibError
from .intervals import FLOOR
from .scores import (
    FIT,
    answerable,
    bins_of,
    bootstrap_of,
    by_system,
    checked,
    codes_of,
    estimate,
    genres_of,
    groups_of,
    is_right,
    probabilities,
)

HOTTEST = 20.0
COMPARED = ("log_loss", "brier", "ece")
ABSTENTION = ["system", "protocol", "risk", "n_tests", "n_left_out", "n_answered"]
ABSTENTION += [f"{name}{end}" for name in ("coverage", "reached") for end in ("", "_low", "_high")]
ABSTENTION += ["error_rate", "aurc"]
CONFORMAL = ["system", "protocol", "aimed", "n_tests", "n_left_out", "coverage", "low", "high"]
CONFORMAL += ["size", "empty", "coverage_by_artist", "by_artist_low", "by_artist_high"]
CONFORMAL += ["groups_below"]


def reliability(rows: pd.DataFrame, groups: pd.Series, *, seed: int) -> pd.DataFrame:
    """Compare confidence and accuracy of one system and protocol, over the answerable tests.

    One row per bin of a tenth that holds a test: mean ``confidence``, and ``accuracy`` with its 95
    % interval over groups.
    """
    kept = checked(rows)[answerable(rows)]
    confidence, right = probabilities(kept).max(axis=1), is_right(kept)
    bins, lines = bins_of(confidence), []
    for number in np.unique(bins):
        inside = bins == number
        bootstrap = bootstrap_of(kept[inside], groups, "reliability", number, seed=seed)
        found = bootstrap.mean(right[inside])
        means = (confidence[inside].mean(), found.value, *found.interval)
        lines.append((int(number), int(inside.sum()), *means))
    names = ["bin", "n_tests", "confidence", "accuracy", "low", "high"]
    return pd.DataFrame(lines, columns=names, dtype=float).astype({"bin": int, "n_tests": int})


def temperatures(valid: pd.DataFrame) -> pd.DataFrame:
    """Find the temperature of each fit on its validation part."""
    lines = []
    for fit, part in checked(valid).groupby(FIT, sort=False) if len(valid) else ():
        logs = np.log(np.clip(probabilities(part), FLOOR, 1))
        found = _temperature(logs, codes_of(part["genre"], genres_of(part)))
        lines.append((*fit, found, len(part)))
    return pd.DataFrame(lines, columns=[*FIT, "temperature", "n_valid"]).set_index(FIT)


def _temperature(logs, genre):
    """Minimise the log loss over the logarithm of the temperature."""
    each = np.arange(len(genre))

    def loss(log_t):
        return -log_softmax(logs / np.exp(log_t), axis=1)[each, genre].mean()

    reach = np.log(HOTTEST)
    return float(np.exp(minimize_scalar(loss, bounds=(-reach, reach), method="bounded").x))


def calibrated(rows: pd.DataFrame, valid: pd.DataFrame) -> pd.DataFrame:
    """Rescale the probabilities of each fit by the temperature of its validation part.

    Returns `rows` with new probabilities and the columns ``temperature`` and ``n_valid``: 1 and 0
    where a fit has no validation part, whose probabilities stay. The predicted genre is the same.
    """
    if rows.empty:  # no fit has a validation part
        return rows.assign(temperature=1.0, n_valid=0)
    rows = checked(rows)
    found = rows[FIT].join(temperatures(valid).astype(float), on=FIT)
    temperature = found["temperature"].fillna(1).to_numpy()
    n_valid = found["n_valid"].fillna(0).to_numpy(int)
    values = probabilities(rows)
    logs = np.log(np.clip(values, FLOOR, 1)) / temperature[:, None]
    values = np.where(n_valid[:, None] > 0, np.exp(log_softmax(logs, axis=1)), values)
    columns = dict(zip((f"p_{g}" for g in genres_of(rows)), values.T, strict=True))
    return rows.assign(**columns, temperature=temperature, n_valid=n_valid)


def calibration(
    rows: pd.DataFrame, valid: pd.DataFrame, groups: pd.Series, *, seed: int
) -> pd.DataFrame:
    """Measure log loss, Brier score and ECE before and after temperature scaling.

    One row per system, protocol and metric, over the answerable tests: ``before`` and ``after``;
    their paired ``difference``, after less before, with its 95 % interval over groups; the median
    ``temperature`` of the ``n_fits``, of which ``n_scaled`` have a validation part.
    """
    scaled = calibrated(rows, valid)
    lines = []
    for system, protocol, part in by_system(scaled):
        old = rows.loc[part.index]
        bootstrap = bootstrap_of(part, groups, "calibration", protocol, seed=seed)
        fits = part.drop_duplicates(FIT)
        for name in COMPARED:
            before, after = (estimate(name, one, bootstrap) for one in (old, part))
            lines.append(
                {
                    "system": system,
                    "protocol": protocol,
                    "metric": name,
                    "n_tests": int(answerable(part).sum()),
                    "before": before.value,
                    "after": after.value,
                    **(after - before).named("difference"),
                    "temperature": fits["temperature"].median(),
                    "n_fits": len(fits),
                    "n_scaled": int((fits["n_valid"] > 0).sum()),
                }
            )
    return pd.DataFrame(lines)


def risk_coverage(rows: pd.DataFrame) -> pd.DataFrame:
    """Answer the surest tests of one system and protocol first, and count the errors among them.

    One row per confidence that occurs, the highest first: that ``threshold``; ``coverage``, the
    share of tests that reach it; ``risk``, the share of errors among these.
    """
    kept = checked(rows)[answerable(rows)]
    confidence = probabilities(kept).max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    confidence, wrong = confidence[order], 1 - is_right(kept)[order]
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
    """Return the area under the risk-coverage curve: the risk, averaged over all coverages."""
    n, curve = int(answerable(rows).sum()), risk_coverage(rows)
    if not n:
        return float("nan")
    answered = np.arange(1, n + 1)
    known = n * np.r_[0, curve["coverage"]]
    errors = np.interp(answered, known, known * np.r_[0, curve["risk"]])
    return float((errors / answered).mean())


def threshold_for(valid: pd.DataFrame, risk: float) -> float:
    """Return the lowest confidence at which the errors among those answered are at most `risk`."""
    curve = risk_coverage(valid)
    safe = curve[curve["risk"] <= risk]
    return float(safe["threshold"].min()) if len(safe) else float("inf")


def abstention(
    rows: pd.DataFrame, valid: pd.DataFrame, groups: pd.Series, *, risk: float, seed: int
) -> pd.DataFrame:
    """Let each fit answer only where it is sure enough, and see whether the `risk` is kept.

    A fit's threshold comes from its own validation part; what it reaches on its test part is a
    measurement, not a promise. With calibrated `rows` and `valid`, thresholds of different fits
    mean the same.

    One row per system and protocol, over answerable tests of fits that have a validation part (the
    others are ``n_left_out``): ``coverage``, the share answered; ``reached``, the share of errors
    among these, NaN if none; both with 95 % intervals over groups; ``error_rate`` without
    abstention, and ``aurc``.
    """
    if not 0 < risk < 1:
        raise GenrelibError(f"risk={risk}; a share of errors between 0 and 1 is needed, like 0.1.")
    lines = []
    for line, kept, limits in _limited(rows, valid, lambda part: threshold_for(part, risk)):
        line["risk"] = risk
        if len(kept):
            answered, wrong = probabilities(kept).max(axis=1) >= limits, 1 - is_right(kept)
            names = "abstention", line["system"], line["protocol"]
            bootstrap = bootstrap_of(kept, groups, *names, seed=seed)
            line["n_answered"] = int(answered.sum())
            for name, share in (
                ("coverage", bootstrap.mean(answered)),
                ("reached", bootstrap.estimate(np.column_stack([answered * wrong, answered]))),
            ):
                line |= share.named(name, f"{name}_low", f"{name}_high")
            line |= {"error_rate": 1 - is_right(kept).mean(), "aurc": aurc(kept)}
        lines.append(line)
    return pd.DataFrame(lines, columns=ABSTENTION)


def _limited(rows, valid, limit_of):
    """Yield the answerable tests of fits with a validation part, their limits, a line begun."""
    parts = checked(valid).groupby(FIT) if len(valid) else ()
    limits = {fit: limit_of(part) for fit, part in parts}
    for system, protocol, part in by_system(checked(rows)):
        part = part[answerable(part)]
        own = np.array([limits.get(fit, np.nan) for fit in part[FIT].itertuples(index=False)])
        kept = part[~np.isnan(own)]
        line = {"system": system, "protocol": protocol, "n_tests": len(kept)}
        yield line | {"n_left_out": len(part) - len(kept)}, kept, own[~np.isnan(own)]


def conformal(
    rows: pd.DataFrame, valid: pd.DataFrame, groups: pd.Series, *, aimed: float, seed: int
) -> pd.DataFrame:
    """Answer with a set of genres that should hold the right one in a share `aimed` of the tests.

    Split conformal prediction (Vovk, Gammerman & Shafer 2005): a genre is in the set when its
    probability is not below that of the ``aimed`` share of the fit's own validation tests. The
    promise needs tests like the validation tests, one by one; tracks of one artist are not drawn
    one by one, so that it may fail artist by artist. Exploratory.

    One row per system and protocol, over tests as in :func:`abstention`: ``coverage`` with its 95 %
    interval; mean ``size`` of a set, and the share of ``empty`` ones; ``coverage_by_artist``, each
    group counting once, with its interval; ``groups_below``, the share of groups whose own coverage
    is below the aim.
    """
    if not 0 < aimed < 1:
        raise GenrelibError(f"aimed={aimed}; a share between 0 and 1 is needed, like 0.9.")
    lines = []
    for line, kept, least in _limited(rows, valid, lambda part: _conformal_limit(part, aimed)):
        line["aimed"] = aimed
        if len(kept):
            sets = probabilities(kept) >= least[:, None]
            held = sets[np.arange(len(kept)), codes_of(kept["genre"], genres_of(kept))]
            names = "conformal", line["system"], line["protocol"]
            bootstrap = bootstrap_of(kept, groups, *names, seed=seed)
            by_group = pd.Series(held).groupby(groups_of(kept, groups))
            weight = 1 / by_group.transform("size")
            by_artist = bootstrap.estimate(np.column_stack([held * weight, weight]))
            line |= bootstrap.mean(held).named("coverage")
            line |= {"size": sets.sum(axis=1).mean(), "empty": (~sets.any(axis=1)).mean()}
            line |= by_artist.named("coverage_by_artist", "by_artist_low", "by_artist_high")
            line["groups_below"] = (by_group.mean() < aimed).mean()
        lines.append(line)
    return pd.DataFrame(lines, columns=CONFORMAL)


def _conformal_limit(valid, aimed):
    """Return the least probability of a genre in a set; 0, all genres, with too few tests."""
    valid = valid[answerable(valid)]
    own = codes_of(valid["genre"], genres_of(valid))
    right = np.sort(probabilities(valid)[np.arange(len(valid)), own])
    below = int(np.floor((len(right) + 1) * (1 - aimed)))
    return right[below - 1] if below else 0.0
