"""Claims: what the sources say, beside what comes out here, and a verdict that the numbers make."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from ..base.seeds import rng
from ..protocols import PROTOCOLS
from .comparisons import holm
from .frames import answerable, checked, groups_of, is_right, title, tracks_of
from .intervals import ALPHA, LEVEL, SHARE, ClusterBootstrap
from .leakage import BOTH, between

LENIENT, STRICT = BOTH
CLAIM = ["system", "title", "source", "claimed", "claimed_low", "claimed_high", "claim_n", "split"]
RERUN = ["n", "accuracy", "low", "high"]
CLAIM += [f"{name}_split" for name in RERUN] + [f"{name}_artist" for name in RERUN]
CLAIM += ["n_unanswerable", "loss_from", "n_both", "loss", "loss_low", "loss_high", "loss_p"]
CLAIM += ["loss_p_holm", "verdict"]


@dataclass(frozen=True)
class Case:
    """All that a verdict depends on; accuracies in ``[0, 1]``, NaN where there is none.

    Parameters
    ----------
    reason : str
        Why the system is not available here, or empty.
    corpus : {"whole", "part", "other"}
        How much of GTZAN, which most claims are about, the corpus is.
    about : str
        The music that this claim is about.
    claim, claim_low, claim_high : float
        The figure and its exact binomial interval; all the same if the source does not say on
        how many tests it rests.
    is_sized : bool
        Whether it does say.
    split : str
        Protocol of the source.
    value, low, high : float
        Rerun under `split`.
    loss_from : str
        Protocol with tracks at random that the loss is measured from.
    loss, loss_p : float
        What is lost from it to artists kept apart, track by track, and the adjusted p of no loss.
    """

    reason: str = ""
    corpus: str = "whole"
    about: str = "GTZAN"
    claim: float = np.nan
    claim_low: float = np.nan
    claim_high: float = np.nan
    is_sized: bool = False
    split: str = "track_random"
    value: float = np.nan
    low: float = np.nan
    high: float = np.nan
    loss_from: str = LENIENT
    loss: float = np.nan
    loss_p: float = np.nan

    @property
    def margin(self) -> tuple[float, float, float]:
        """Rerun less claim with the limits of both (Newcombe 1998; Donner & Zou 2002)."""
        gap = self.value - self.claim
        low = gap - np.hypot(self.value - self.low, self.claim_high - self.claim)
        high = gap + np.hypot(self.high - self.value, self.claim - self.claim_low)
        return gap, low, high


Rule = tuple[Callable[[Case], bool], Callable[[Case], str]]

ON_THE_CLAIM: tuple[Rule, ...] = (
    (lambda c: np.isnan(c.claim), lambda c: "no figure is claimed"),
    (lambda c: c.corpus == "other", lambda c: f"the claim is about {c.about}, not this music"),
    (lambda c: np.isnan(c.value), lambda c: "not rerun under the source's split"),
    (
        lambda c: c.about != "GTZAN",
        lambda c: (
            f"the claim is about {c.about}; the rerun on GTZAN is {_points(c.margin[0])} "
            f"{_side(c)}{_on_part(c)}, which decides nothing"
        ),
    ),
    (
        lambda c: c.margin[1] > 0,
        lambda c: f"the rerun exceeds the claim by {_points(c.margin[0])}{_on_part(c)}",
    ),
    (
        lambda c: c.margin[2] < 0,
        lambda c: (
            f"the claim is not reached: the rerun is {_points(c.margin[0])} lower{_on_part(c)}"
        ),
    ),
    (
        lambda c: True,
        lambda c: (
            "the claim is within the error of the rerun"
            + (" and its own" if c.is_sized else ", its own error is unsaid")
            + f": {_points(c.margin[0])} {_side(c)} it{_on_part(c)}"
        ),
    ),
)
"""What is said of the claim: the first rule that holds speaks."""

ON_THE_LOSS: tuple[Rule, ...] = (
    (lambda c: _keeps_apart(c.split), lambda c: "the source kept artists apart itself"),
    (lambda c: np.isnan(c.loss), lambda c: "what artists are worth was not measured"),
    (
        lambda c: True,
        lambda c: (
            f"from {title(c.loss_from, PROTOCOLS)} to artists kept apart it "
            f"{'gains' if c.loss < 0 else 'loses'} {_points(c.loss)}"
            + ("" if c.loss_p < ALPHA else ", which may be chance")
        ),
    ),
)
"""What is said of the loss when artists are kept apart."""


def verdict(case: Case) -> str:
    """Say in a sentence what becomes of a claim.

    Examples
    --------
    >>> verdict(Case(reason="the corpus has no chroma"))
    'not available here: the corpus has no chroma'
    >>> verdict(Case(corpus="other", loss=0.2, loss_p=0.01))
    'no figure is claimed; from tracks at random to artists kept apart it loses 20.0 points'
    """
    if case.reason:
        return f"not available here: {case.reason}"
    return "; ".join(
        next(words(case) for holds, words in rules if holds(case))
        for rules in (ON_THE_CLAIM, ON_THE_LOSS)
    )


def _keeps_apart(split):
    return PROTOCOLS[split].keeps in ("artist", "group")


def _points(share):
    return f"{100 * abs(share):.1f} points"


def _side(case):
    return "above" if case.margin[0] > 0 else "below"


def _on_part(case):
    return ", on a part of GTZAN with fewer tracks to learn from" if case.corpus == "part" else ""


def of_gtzan(corpus: str) -> str:
    """Tell how much of GTZAN a corpus is, by its name: ``"whole"``, ``"part"`` or ``"other"``.

    Examples
    --------
    >>> of_gtzan("gtzan"), of_gtzan("gtzan_mini"), of_gtzan("synthetic")
    ('whole', 'part', 'other')
    """
    if corpus == "gtzan":
        return "whole"
    return "part" if corpus.startswith("gtzan_") else "other"


def claims(
    predictions: pd.DataFrame,
    groups: pd.Series,
    systems: Iterable,
    *,
    corpus: str,
    seed: int,
    reasons: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Set each system's claim beside its rerun under the source's split and with artists apart.

    Parameters
    ----------
    predictions : pd.DataFrame
        From :func:`genrelib.experiments.predictions.read`.
    groups : pd.Series, index track_id
        Group of artists of every track.
    systems : iterable of System
        Rows of the registry: ``name, title, source, claim`` (percent or None)``, claim_n`` (tests
        or None)``, claim_about`` and ``split``.
    corpus : str
        Name of the corpus.
    seed : int
        The study's seed.
    reasons : mapping of str to str, optional
        Why systems are not available here.

    Returns
    -------
    pd.DataFrame
        One row per system: ``system, title, source``; ``claimed`` with the exact binomial interval
        of ``claim_n`` tests, ``claimed_low`` and ``claimed_high``, NaN if unsaid; ``split``; and
        under it and with artists kept apart (``..._split``, ``..._artist``) ``n`` tracks,
        ``accuracy`` over answerable tests, and its 95 % interval over groups, ``low`` and ``high``;
        ``n_unanswerable``, tests of the latter that ask for a genre that training lacks; ``loss``,
        from tracks at random in folds of the same size where that was run and otherwise from the
        source's split (``loss_from``) to artists kept apart, on the ``n_both`` tracks of both,
        with ``loss_low``, ``loss_high``, ``loss_p`` and ``loss_p_holm``, corrected for the number
        of lines, NaN where the source kept artists apart itself; and the ``verdict``. All
        accuracies in ``[0, 1]``.
    """
    checked(predictions)
    reasons, whole = reasons or {}, of_gtzan(corpus)
    parts = {name: part for name, part in predictions.groupby("system")}
    nothing = predictions.iloc[:0]
    systems = list(systems)
    lines = [_line(s, parts.get(s.name, nothing), groups, seed) for s in systems]
    table = pd.DataFrame(lines, columns=CLAIM[:-2])
    table["loss_p_holm"] = holm(table["loss_p"])
    unrun = {system.name: "it was not run" for system in systems if system.name not in parts}
    reasons = unrun | dict(reasons)
    table["verdict"] = [
        verdict(_case(row, system.claim_about, reasons.get(system.name, ""), whole))
        for row, system in zip(table.itertuples(), systems, strict=True)
    ]
    return table


def _line(system, own, groups, seed):
    claim = np.nan if system.claim is None else system.claim / 100
    low, high = claim_interval(claim, system.claim_n)
    line = {
        "system": system.name,
        "title": system.title,
        "source": system.source,
        "claimed": claim,
        "claimed_low": low,
        "claimed_high": high,
        "claim_n": np.nan if system.claim_n is None else system.claim_n,
        "split": system.split,
    }
    for end, protocol in (("split", system.split), ("artist", STRICT)):
        line |= _rerun(own[own["protocol"] == protocol], groups, end, rng(seed, "claims", protocol))
    strict = own[own["protocol"] == STRICT]
    line["n_unanswerable"] = int((~answerable(strict)).sum()) if len(strict) else np.nan
    generator = rng(seed, "claims", system.name, "loss")
    compared = own.iloc[:0] if _keeps_apart(system.split) else own
    lenient = LENIENT if (own["protocol"] == LENIENT).any() else system.split
    found = between(compared, groups, lenient, STRICT, generator=generator)
    line |= {"loss_from": lenient, "n_both": found["n_tracks"], "loss": found["difference"]}
    return line | {f"loss_{name}": found[name] for name in ("low", "high", "p")}


def _case(row, about, reason, corpus) -> Case:
    """Gather what the verdict on a line depends on."""
    return Case(
        reason=reason,
        corpus=corpus,
        about=about,
        claim=row.claimed,
        claim_low=row.claimed if np.isnan(row.claimed_low) else row.claimed_low,
        claim_high=row.claimed if np.isnan(row.claimed_high) else row.claimed_high,
        is_sized=not np.isnan(row.claim_n),
        split=row.split,
        value=row.accuracy_split,
        low=row.low_split,
        high=row.high_split,
        loss_from=row.loss_from,
        loss=row.loss,
        loss_p=row.loss_p_holm,
    )


def claim_interval(claim: float, n: int | None) -> tuple[float, float]:
    """Return the exact binomial 95 % interval of a claimed share; NaN if `n` is unsaid.

    Examples
    --------
    >>> low, high = claim_interval(0.5, 100)
    >>> round(low, 3), round(high, 3)
    (0.398, 0.602)
    """
    if n is None or np.isnan(claim):
        return np.nan, np.nan
    found = stats.binomtest(round(claim * n), n).proportion_ci(LEVEL, method="exact")
    return float(min(found.low, claim)), float(max(found.high, claim))


def _rerun(part, groups, end, generator):
    """Score the answerable tests of one system and protocol."""
    part = part[answerable(part)]
    if part.empty:
        return {f"n_{end}": 0} | {f"{name}_{end}": np.nan for name in RERUN[1:]}
    columns = np.column_stack([is_right(part), np.ones(len(part))])
    found = ClusterBootstrap(groups_of(part, groups), generator).estimate(columns, span=SHARE)
    values = (len(set(tracks_of(part))), found.value, *found.interval)
    return {f"{name}_{end}": value for name, value in zip(RERUN, values, strict=True)}
