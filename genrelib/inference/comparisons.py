"""Comparisons: which systems differ significantly under one protocol, and which don't.

Three tests answer three questions. McNemar's takes every track for a draw of its own; the cluster
test takes groups of artists for the draws, as they are; the corrected *t* asks whether the
difference outlasts other training parts. In simulations with artists as unequal as GTZAN's,
McNemar's finds a difference where there is none more than three times as often as it should, so
that the cluster test decides (``tests/inference/test_inference_simulations.py``).

:func:`confirmation` tests three hypotheses in a fixed order, each at 0.05, but only when all before
it were significant (Maurer, Hothorn & Lehmacher 1995): the family keeps 0.05 without a correction,
and the last hypothesis, which has the least power, costs the others nothing.
"""

import math
from collections.abc import Iterable
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from ..base.errors import GenrelibError
from ..base.seeds import rng
from ..systems import SYSTEMS
from .intervals import (
    ALPHA,
    MATTERS,
    ClusterBootstrap,
    Estimate,
    holm,
    minimum_detectable_difference,
)
from .leakage import STRICT, Paired
from .scores import (
    TEST,
    checked,
    codes_of,
    genres_of,
    groups_of,
    is_right,
    ordered,
    seed_draws,
    tracks_of,
)

CLASSICAL = "mel_svm"  # the classical system of the study protocol
YARDSTICK = "mel_svm_train"  # the classical system that learns from as many tracks as networks do
SEALED_GROUPS = 38  # equal groups that say as much as those of the sealed tracks, see STUDY.md
EQUIVALENT, DIFFERS, NOT_KNOWN = "equivalent", "differs", "not known"
PRIMARY = ["system", "yardstick", "n", "n_seeds", "difference", "low", "high", "mdd", "mdd_holm"]
PRIMARY += ["p", "p_holm", "outcome"]

PAIR = ["a", "b", "n", "difference", "low", "high", "mdd", "mdd_holm", "p_cluster"]
PAIR += ["p_cluster_holm", "n_only_a", "n_only_b", "p_mcnemar", "p_mcnemar_mid", "p_mcnemar_holm"]
PAIR += ["p_corrected_t", "p_corrected_t_holm", "distinguishable"]

CONFIRMED = ["hypothesis", "difference", "low", "high", "p", "is_confirmed", "power"]
CONFIRMED += ["power_in_order"]


def mcnemar(only_a: int, only_b: int) -> tuple[float, float]:
    """Test whether two systems are right equally often, from the tracks that only one got right."""
    if min(only_a, only_b) < 0:
        raise GenrelibError(f"{only_a} and {only_b} tracks; counts are 0 or more.")
    n, fewer = only_a + only_b, min(only_a, only_b)
    exact = float(stats.binomtest(only_a, n).pvalue) if n else 1.0
    mid = 2 * stats.binom.cdf(fewer - 1, n, 0.5) + stats.binom.pmf(fewer, n, 0.5)
    return exact, float(mid)


def corrected_t(differences: np.ndarray, test_to_train: float) -> float:
    """Test whether a mean difference over resampled folds is zero (Nadeau & Bengio 2003)."""
    differences = np.asarray(differences, dtype=float)
    if not test_to_train > 0:
        raise GenrelibError(f"test_to_train={test_to_train}; a number above 0 is needed.")
    n = len(differences)
    if n < 2:
        return float("nan")
    if not differences.any():
        return 1.0
    scale = np.sqrt((1 / n + test_to_train) * differences.var(ddof=1))
    with np.errstate(divide="ignore"):
        return float(2 * stats.t.sf(abs(differences.mean()) / scale, n - 1))


def comparisons(
    predictions: pd.DataFrame, records: pd.DataFrame, groups: pd.Series, *, protocol: str, seed: int
) -> pd.DataFrame:
    """Compare all pairs of systems under one protocol.

    One row per pair, in registry order: ``difference`` of the accuracies of ``a`` and ``b`` over
    all tests with its 95 % interval over groups and seeds; ``mdd``, the difference that a test of
    this pair alone would find 4 times in 5, and ``mdd_holm``, that Holm's first step over all pairs
    would; ``p_cluster`` of no difference, from the same resamples. ``n_only_a`` and ``n_only_b``
    count tracks that only one got right, by one decision per track, from its probabilities averaged
    over repeats and segments of the first seed; from them come ``p_mcnemar`` (exact) and
    ``p_mcnemar_mid``. ``p_corrected_t`` is over folds and repeats, NaN where there is a single fit.
    Columns ``..._holm`` are adjusted over all pairs of the table (McNemar's from the mid-p);
    ``distinguishable`` tells whether ``p_cluster_holm`` is below 0.05.

    Raises :class:`GenrelibError` when there is nothing of the protocol, a record is missing, or
    systems met different tests.
    """
    parts, found = paired_accuracies(predictions, groups, protocol, seed)
    names = list(parts)
    decided = {name: _decisions(part) for name, part in parts.items()}
    shares = _test_to_train(records, protocol, names)
    rights = {name: part.assign(right=is_right(part)) for name, part in parts.items()}
    by_fold = {n: part.groupby(["repeat", "fold"])["right"].mean() for n, part in rights.items()}
    lines, n_pairs = [], math.comb(len(names), 2)
    for a, b in combinations(names, 2):
        difference = found[a] - found[b]
        only = [int((decided[x] & ~decided[y]).sum()) for x, y in ((a, b), (b, a))]
        exact, mid = mcnemar(*only)
        lines.append(
            {
                "a": a,
                "b": b,
                "n": len(decided[a]),
                **difference.named("difference"),
                "mdd": minimum_detectable_difference(difference),
                "mdd_holm": minimum_detectable_difference(difference, alpha=ALPHA / n_pairs),
                "p_cluster": difference.p_value,
                "n_only_a": only[0],
                "n_only_b": only[1],
                "p_mcnemar": exact,
                "p_mcnemar_mid": mid,
                "p_corrected_t": corrected_t((by_fold[a] - by_fold[b]).to_numpy(), shares),
            }
        )
    table = pd.DataFrame(lines, columns=PAIR)
    for name in ("p_cluster", "p_mcnemar", "p_corrected_t"):
        table[f"{name}_holm"] = holm(table["p_mcnemar_mid" if name == "p_mcnemar" else name])
    return table.assign(distinguishable=table["p_cluster_holm"] < ALPHA)


def primary(
    predictions: pd.DataFrame, groups: pd.Series, networks: Iterable[str], *, seed: int
) -> pd.DataFrame:
    """Compare each network with the yardstick of as many tracks to learn from, artists apart.

    One row per network, in registry order: ``n_seeds`` of the network; ``difference``, network less
    yardstick, with its 95 % interval over groups and seeds; ``mdd`` and ``mdd_holm`` as in
    :func:`comparisons`; ``p`` of no difference, ``p_holm``, corrected for the number of networks,
    and the ``outcome``, see :func:`judged`. Empty where the yardstick or every network was not run.
    """
    lines = []
    met = predictions.loc[predictions["protocol"] == STRICT, "system"]
    if YARDSTICK in set(met):
        parts, found = paired_accuracies(predictions, groups, STRICT, seed)
        own = [name for name in parts if name in set(networks)]
        for name in own:
            difference = found[name] - found[YARDSTICK]
            line = {"system": name, "yardstick": YARDSTICK, "n": len(set(tracks_of(parts[name])))}
            line["n_seeds"] = parts[name].groupby(["repeat", "fold"])["seed"].nunique().max()
            line |= difference.named("difference")
            line["mdd"] = minimum_detectable_difference(difference)
            line["mdd_holm"] = minimum_detectable_difference(difference, alpha=ALPHA / len(own))
            lines.append(line | {"p": difference.p_value})
    table = pd.DataFrame(lines, columns=[*PRIMARY[:-2]])
    table = table.assign(p_holm=holm(table["p"]))
    outcomes = [judged(row.low, row.high, p=row.p_holm) for row in table.itertuples()]
    return table.assign(outcome=pd.Series(outcomes, dtype=str))


def judged(low: float, high: float, *, p: float | None = None) -> str:
    """Compare the 95 % interval of a difference with the margin of what matters.

    ``"equivalent"`` where all of it lies within 5 points either way (two one-sided tests at 0.025,
    Schuirmann 1987); else ``"differs"`` where it excludes zero, or, for one of a family, where
    the adjusted `p` is below 0.05; else ``"not known"``.

    >>> judged(-0.02, 0.04), judged(0.01, 0.2), judged(-0.02, 0.2)
    ('equivalent', 'differs', 'not known')
    """
    if low > -MATTERS and high < MATTERS:
        return EQUIVALENT
    is_clear = (low > 0 or high < 0) if p is None else p < ALPHA
    return DIFFERS if is_clear else NOT_KNOWN


def paired_accuracies(predictions, groups, protocol, seed):
    """Return the tests of each system, in registry order, and its paired accuracy."""
    rows = checked(predictions[predictions["protocol"] == protocol])
    rows = rows.sort_values([*TEST, "seed"])
    names = ordered(rows["system"], SYSTEMS)
    parts = {name: rows[rows["system"] == name].reset_index(drop=True) for name in names}
    _check_same_tests(parts, protocol)
    first, found = None, {}
    for name, part in parts.items():
        clusters = groups_of(part, groups)
        first = first or ClusterBootstrap(clusters, rng(seed, "comparisons", protocol))
        bootstrap = first.again(clusters, seed_draws(part, seed))
        found[name] = bootstrap.mean(is_right(part))
    return parts, found


def _check_same_tests(parts, protocol):
    """Refuse systems that were tested on different folds: a pair shares every test."""
    columns = [*TEST, "genre"]
    tests = {n: part[columns].drop_duplicates(ignore_index=True) for n, part in parts.items()}
    first = next(iter(tests))
    for name, table in tests.items():
        if not table.equals(tests[first]):
            raise GenrelibError(
                f"{first!r} and {name!r} met different tests under {protocol} ({len(tests[first])} "
                f"and {len(table)}); run the study again, so that all systems meet the same folds."
            )


def _decisions(part):
    """Tell of each track whether its own genre has the highest mean probability."""
    # of the first seed alone: the mean over seeds would be another system, an ensemble
    part = part[part["seed"] == part.groupby(["repeat", "fold"])["seed"].transform("min")]
    columns = [f"p_{genre}" for genre in genres_of(part)]
    by_track = part.groupby(tracks_of(part))
    means, genre = by_track[columns].mean(), by_track["genre"].first()
    return means.to_numpy().argmax(axis=1) == codes_of(genre, genres_of(part))


def _test_to_train(records, protocol, names):
    """Average over fits the number of tests per known track, validation among them."""
    part = records[(records["protocol"] == protocol) & records["system"].isin(names)]
    if part.empty:
        raise GenrelibError(
            f"no records of {protocol!r} for {', '.join(names)}; give those of predictions.read."
        )
    part = part.drop_duplicates(["repeat", "fold"])
    return float((part["n_test"] / (part["n_train"] + part["n_valid"])).mean())


def ranking(comparisons: pd.DataFrame, scores: pd.DataFrame, *, protocol: str) -> pd.DataFrame:
    """Sort the `scores` of one protocol, and mark by letters which do not differ significantly.

    Best first. Two systems that share one of the ``letters`` do not differ significantly in the
    table of :func:`comparisons`; ``first`` and ``last`` are the ranks between which the system
    lies: one more than the systems found better, and those not found worse.
    """
    table = scores.loc[scores["protocol"] == protocol, ["system", "accuracy", "low", "high"]]
    table = table.sort_values("accuracy", ascending=False, kind="stable", ignore_index=True)
    names = list(table["system"])
    clear = comparisons[comparisons["distinguishable"]]
    differ = {frozenset(pair) for pair in clear[["a", "b"]].itertuples(index=False)}
    place = {name: i for i, name in enumerate(names)}
    sets = sorted(_sets(names, differ), key=lambda own: sorted(place[n] for n in own))
    letters = ["".join(_letter(i) for i, own in enumerate(sets) if n in own) for n in names]
    better = [sum({n, o} in differ for o in names[: place[n]]) for n in names]
    worse = [sum({n, o} in differ for o in names[place[n] :]) for n in names]
    first, last = [1 + n for n in better], [len(names) - n for n in worse]
    return table.assign(letters=letters, first=first, last=last)


def _sets(names, differ):
    """List the largest sets without a pair that differs (insert and absorb, Piepho 2004)."""
    sets = [frozenset(names)]
    for pair in differ:
        split = [own - {one} for own in sets if pair <= own for one in pair]
        kept = [own for own in sets if not pair <= own]
        for own in sorted(split, key=len, reverse=True):
            if not any(own <= other for other in kept):
                kept.append(own)
        sets = kept
    return sets


def _letter(number):
    """Name a set: a to z, then a2 and so on."""
    round_, place = divmod(number, 26)
    return chr(ord("a") + place) + (str(round_ + 1) if round_ else "")


def confirmation(
    predictions: pd.DataFrame,
    groups: pd.Series,
    networks: Iterable[str],
    scores: pd.DataFrame,
    *,
    seed: int,
    n_groups: float = SEALED_GROUPS,
) -> pd.DataFrame:
    """Test the study's hypotheses in their order: H1, H2, H3.

    The network is the one of `networks` with the highest accuracy under ``artist_grouped`` in
    `scores`. One row per hypothesis: the ``difference`` with its interval and ``p``;
    ``is_confirmed``, whether this p and all before are below 0.05; ``power``, the probability to
    find this difference again on other tracks that are worth `n_groups` equal groups, and
    ``power_in_order``, with all before it, as if independent. Empty where the classical system or
    every network lacks one of the protocols.
    """
    strict = scores[scores["protocol"] == STRICT].set_index("system")["accuracy"]
    strict = strict[strict.index.isin(list(networks))]
    names = [CLASSICAL, *strict.sort_values(ascending=False, kind="stable").index[:1]]
    losses = [Paired.of(predictions, groups, name, seed=seed) for name in names]
    if len(names) < 2 or None in losses:
        return pd.DataFrame(columns=CONFIRMED)
    found = {}
    for name, paired in zip(names, losses, strict=True):
        before, after = paired.accuracies()
        found[f"{name} loses from {paired.before} to {STRICT}"] = before - after
    pair = predictions[predictions["system"].isin(names)]
    _, accuracies = paired_accuracies(pair, groups, STRICT, seed)
    differ = f"{names[1]} and {CLASSICAL} differ under {STRICT}"
    found[differ] = accuracies[names[1]] - accuracies[CLASSICAL]
    lines = []
    for i, (words, estimate) in enumerate(found.items(), 1):
        line = {"hypothesis": f"H{i}: {words}", **estimate.named("difference")}
        lines.append(line | {"p": estimate.p_value, "power": power(estimate, n_groups)})
    table = pd.DataFrame(lines, columns=CONFIRMED)
    table["is_confirmed"] = (table["p"] < ALPHA).cummin()
    return table.assign(power_in_order=table["power"].cumprod())


def power(estimate: Estimate, n_groups: float) -> float:
    """Return the probability that a test over `n_groups` equal groups finds this difference.

    Its standard error and degrees of freedom are those of the estimate, scaled to so many groups.
    """
    if estimate.se == 0:
        return float("nan")
    share = n_groups / estimate.effective
    se, df = estimate.se / np.sqrt(share), estimate.df_all * share
    limit, shift = stats.t.ppf(1 - ALPHA / 2, df), abs(estimate.value) / se
    return float(stats.nct.sf(limit, df, shift) + stats.nct.cdf(-limit, df, shift))
