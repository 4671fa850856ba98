"""Claims: what the sources state, beside what comes out here, and a verdict that follows from both.

All numbers of a rerun are those of the scores and of the leakage table; nothing is estimated here
but the interval of the claim itself.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy import stats

from ..corpora import CORPORA
from ..protocols import PROTOCOLS
from .comparisons import DIFFERS, EQUIVALENT, judged
from .intervals import ALPHA, LEVEL
from .leakage import MATCHED, STRICT
from .wording import change, points

CLAIM = ["system", "title", "source", "claimed", "claimed_low", "claimed_high", "claim_n", "split"]
CLAIM += [
    f"{name}_{end}" for end in ("split", "artist") for name in ("n", "accuracy", "low", "high")
]
CLAIM += ["n_unanswerable", "accuracy_answerable", "loss_before", "n_both", "loss", "loss_low"]
CLAIM += ["loss_high", "loss_p", "loss_p_holm", "gap", "gap_low", "gap_high", "outcome", "verdict"]

WITHHELD = "withheld"


def claims(
    systems: Iterable,
    scores: pd.DataFrame,
    lost: pd.DataFrame,
    *,
    corpus: str,
    reasons: Mapping[str, str] | None = None,
    withheld: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Put each system's claim beside its rerun, in the source's and in the artist-disjoint split.

    `systems` are rows of the registry; `scores` and `lost` are from
    :func:`genrelib.inference.scores` and :func:`genrelib.inference.leakage`; `reasons` say why
    systems are not available here, `withheld`, from :func:`genrelib.inference.withheld`, why a
    rerun is too far from its source for a verdict.

    One row per system: ``system, title, source``; ``claimed`` with the exact binomial interval of
    ``claim_n`` tests, ``claimed_low`` and ``claimed_high``, NaN if not stated; ``split``; of the
    scores under it and under ``artist_grouped`` (``..._split``, ``..._artist``) ``n`` tracks,
    ``accuracy``, ``low`` and ``high``, over all tests; of the latter tests, ``n_unanswerable``,
    whose genre is not in the training data, and ``accuracy_answerable``, without them; of `lost`,
    on its ``n_both`` tracks, ``loss`` from the protocol ``loss_before``, with ``loss_low``,
    ``loss_high``, ``loss_p`` and ``loss_p_holm``; ``gap``, rerun less claim, with ``gap_low`` and
    ``gap_high``, see :func:`margin`; ``outcome``, ``equivalent``, ``differs``, ``not
    known`` (see :func:`genrelib.inference.judged`), ``withheld`` or empty; and the ``verdict``.
    Accuracies are fractions.
    """
    rerun = {(row["system"], row["protocol"]): row for row in scores.to_dict("records")}
    losses = {row["system"]: row for row in lost.to_dict("records")}
    lines = []
    for system in systems:
        name, claim = system.name, np.nan if system.claim is None else system.claim / 100
        low, high = claim_interval(claim, system.claim_n)
        line = {
            "system": name,
            "title": system.title,
            "source": system.source,
            "claimed": claim,
            "claimed_low": low,
            "claimed_high": high,
            "claim_n": np.nan if system.claim_n is None else system.claim_n,
            "split": system.split,
        }
        for end, protocol in (("split", system.split), ("artist", STRICT)):
            found = rerun.get((name, protocol), {})
            line[f"n_{end}"] = found.get("n_tracks", 0)
            line |= {f"{key}_{end}": found.get(key, np.nan) for key in ("accuracy", "low", "high")}
        line["n_unanswerable"] = found.get("n_tests", np.nan) - found.get("n_answerable", np.nan)
        line["accuracy_answerable"] = found.get("accuracy_answerable", np.nan)
        loss = losses.get(name, {})
        line |= {"loss_before": loss.get("before", ""), "n_both": loss.get("n_tracks", 0)}
        line["loss"] = loss.get("difference", np.nan)
        line |= {f"loss_{key}": loss.get(key, np.nan) for key in ("low", "high", "p", "p_holm")}
        line |= dict(zip(("gap", "gap_low", "gap_high"), margin(line), strict=True))
        unrun = "" if name in set(scores["system"]) else "it was not run"
        reason = (reasons or {}).get(name, unrun)
        words = {"about": system.claim_about, "reason": reason}
        words["withheld"] = (withheld or {}).get(name, "")
        outcome, words = verdict(line, corpus=corpus, **words)
        lines.append(line | {"outcome": outcome, "verdict": words})
    return pd.DataFrame(lines, columns=CLAIM)


def verdict(
    line: Mapping, *, corpus: str, about="GTZAN", reason="", withheld=""
) -> tuple[str, str]:
    """Return what becomes of a claim: the outcome, and a sentence.

    `line` is a row of :func:`claims`, `corpus` that of the rerun; `about` names the music of the
    claim, `reason` says why the system is not available here, if it is not, and `withheld` why the
    rerun allows no verdict.
    """
    if reason:
        return "", f"not available here: {reason}"
    music = "joined" if corpus == "gtzan_fma" else CORPORA[corpus].of_gtzan or "other"
    outcome, words = _on_the_claim(line, music, about, withheld)
    return outcome, f"{words}; {_on_the_loss(line)}"


def _on_the_claim(line, music, about, withheld):
    if np.isnan(line["claimed"]):
        return "", "no figure is claimed"
    is_joined = (music, about) == ("joined", "GTZAN and FMA")
    if music == "other" or (music == "joined" and not is_joined):
        return "", f"the claim is about {about}, not this music"
    if np.isnan(line["accuracy_split"]):
        return "", "not rerun under the source's split"
    gap, low, high = line["gap"], line["gap_low"], line["gap_high"]
    seen = f"rerun less claim is {change(gap, low, high)}"
    if music == "part":
        seen += ", on a part of GTZAN with fewer tracks to learn from"
    if about != "GTZAN" and not is_joined:
        return "", f"the claim is about {about}; on GTZAN {seen}, which decides nothing"
    if np.isnan(line["claim_n"]):
        seen += " (the source does not state its number of tests)"
    if withheld:
        return WITHHELD, f"no verdict ({withheld}): {seen}"
    outcome = judged(low, high)
    if outcome == DIFFERS:
        return outcome, f"the claim is {'exceeded' if low > 0 else 'not reached'}: {seen}"
    words = "equivalent to the claim" if outcome == EQUIVALENT else "not known"
    return outcome, f"{words}: {seen}"


def _on_the_loss(line):
    if PROTOCOLS[line["split"]].keeps in ("artist", "group"):
        return "the source's own split is artist-disjoint"
    if np.isnan(line["loss"]):
        return "the loss to the artist-disjoint split was not measured"
    verb = "gains" if line["loss"] < 0 else "loses"
    split = "size-matched" if line["loss_before"] == MATCHED else "track-level"
    words = f"from the {split} random to the artist-disjoint split it {verb} {points(line['loss'])}"
    if line["n_unanswerable"] > 0:
        words += f" on the {line['n_both']} tracks that both make answerable"
    return words if line["loss_p_holm"] < ALPHA else f"{words}, which is not significant"


def margin(line: Mapping) -> tuple[float, float, float]:
    """Return rerun less claim with the limits of both (Newcombe 1998; Donner & Zou 2002).

    A claim without a stated number of tests has no limits of its own.
    """
    claim, low, high = line["claimed"], line["claimed_low"], line["claimed_high"]
    low, high = (claim if np.isnan(end) else end for end in (low, high))
    value = line["accuracy_split"]
    lower = np.hypot(value - line["low_split"], high - claim)
    upper = np.hypot(line["high_split"] - value, claim - low)
    return value - claim, value - claim - lower, value - claim + upper


def claim_interval(claim: float, n: int | None) -> tuple[float, float]:
    """Return the exact binomial 95 % interval of a claimed share; NaN if `n` is not stated."""
    if n is None or np.isnan(claim):
        return np.nan, np.nan
    found = stats.binomtest(round(claim * n), n).proportion_ci(LEVEL, method="exact")
    return float(min(found.low, claim)), float(max(found.high, claim))
