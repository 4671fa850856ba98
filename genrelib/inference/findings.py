"""Findings: what the tables show, and what they don't, in sentences made from their numbers."""

from collections.abc import Mapping

import pandas as pd

from ..protocols import PROTOCOLS
from ..systems import SYSTEMS
from .claims import WITHHELD
from .comparisons import CLASSICAL, DIFFERS, EQUIVALENT, NOT_KNOWN
from .intervals import ALPHA
from .leakage import ALONE, EXCESS, MATCHED
from .wording import are, change, counted, estimate, listed, percent, points, title


def findings(
    scores: pd.DataFrame,
    leakage: pd.DataFrame,
    n_genres: int,
    *,
    primary: pd.DataFrame | None = None,
    comparisons: Mapping[str, pd.DataFrame] | None = None,
    controls: pd.DataFrame | None = None,
    ladder: pd.DataFrame | None = None,
    claims: pd.DataFrame | None = None,
) -> list[str]:
    """State in sentences what the tables show; every number in them is taken from the tables.

    Tables are those of the functions of the same names; `comparisons` are by protocol. The primary
    comparisons come first.
    """
    comparisons = comparisons or {}
    sentences = [*_first(leakage), *_each_of(_second, primary)]
    sentences += [*_best(scores, n_genres), *_lost(leakage), *_each_of(_control, controls)]
    sentences += _unanswerable(scores)
    for protocol, table in comparisons.items():
        sentences += _pairs(table, protocol)
    return [*sentences, *_each_of(_steps, ladder), *_each_of(_claims, claims)]


def _each_of(sentences_of, table):
    return [] if table is None or table.empty else sentences_of(table)


def _first(leakage):
    """Answer the study's first question."""
    for row in leakage[leakage["system"] == CLASSICAL].itertuples():
        yield (
            "Comparison 1: what is knowing the artist worth? The accuracy of the "
            f"{_system(row.system)} in the {_random(row.before)} split, less that in the "
            f"artist-disjoint split, is {change(row.difference, row.low, row.high)} on "
            f"{row.n_tracks} tracks. This is {'' if row.low > 0 else 'not '}significant. If each "
            "artist counts once, it is "
            f"{change(row.by_artist, row.by_artist_low, row.by_artist_high)}."
        )


def _random(protocol):
    return "size-matched random" if protocol == MATCHED else "track-level random"


def _second(table):
    """Answer the study's second question: the best network, then all of them."""
    best, n = table.loc[table["difference"].idxmax()], len(table)
    yield (
        "Comparison 2: when artists are new and all learn from equally many tracks, is any network "
        f"better than the {_system(best['yardstick'])}? The most accurate network, "
        f"{_system(best['system'])}, differs from it by "
        f"{change(best['difference'], best['low'], best['high'])} (adjusted p "
        f"{best['p_holm']:.2g}): {_answer(best)}."
    )
    found = table["outcome"].value_counts()
    worse = int(((table["outcome"] == DIFFERS) & (table["difference"] < 0)).sum())
    yield (
        f"Of {counted(n, 'network')}, {are(worse)} significantly less accurate than that system, "
        f"{are(found.get(DIFFERS, 0) - worse)} more accurate, {are(found.get(EQUIVALENT, 0))} "
        f"equivalent within the margin, and {are(found.get(NOT_KNOWN, 0))} undecided."
    )
    single = int((table["n_seeds"] == 1).sum())
    if single:
        yield (
            f"{'All' if single == n else single} of these networks had one seed per fold, so the "
            "luck of training is not in their intervals."
        )


def _answer(row):
    if row["outcome"] != NOT_KNOWN:
        return "the two differ" if row["outcome"] == DIFFERS else "equivalent within the margin"
    return f"undecided; a true difference of {points(row['mdd_holm'])} would be found 4 times in 5"


def _control(table):
    """Say of how many systems the loss needs company in the group."""
    alone, excess = (table[table["tracks"] == kind] for kind in (ALONE, EXCESS))
    if excess.empty:
        return
    lost = alone[(alone["p_holm"] < ALPHA) & (alone["difference"] > 0)]
    clear = excess[(excess["p_holm"] < ALPHA) & (excess["difference"] > 0)]
    yield (
        f"Control: {alone['n_tracks'].max()} tracks are alone in their group, so nothing about "
        "their artist can leak. After Holm's correction, a loss on them is significant for "
        f"{len(lost)} of {counted(len(alone), 'system')}. For {len(clear)} of {len(excess)}, the "
        "other tracks lose significantly more: knowing the artist is part of the reason."
    )


def _best(scores, n_genres):
    for protocol, part in scores.groupby("protocol", sort=False):
        best = part.loc[part["accuracy"].idxmax()]
        yield (
            f"Best of {counted(len(part), 'system')}, {_split(protocol)}: "
            f"{_system(best['system'])}, {estimate(best['accuracy'], best['low'], best['high'])} "
            f"of all tests ({best['n_tracks']} tracks; chance is {percent(1 / n_genres)})."
        )


def _lost(leakage):
    if len(leakage):
        n = counted(len(leakage), "system")
        clear = leakage[(leakage["p_holm"] < ALPHA) & (leakage["difference"] > 0)]
        matched = int((leakage["before"] == MATCHED).sum())
        yield (
            "From a random split to the artist-disjoint one, the accuracy of the median system "
            f"changes by {-100 * leakage['difference'].median():+.1f} points, on the "
            f"{leakage['n_tracks'].max()} tracks whose genre is in both training parts. After "
            f"Holm's correction, the loss is significant for {len(clear)} of {n}."
        )
        rest = (
            ""
            if matched == len(leakage)
            else " Elsewhere, a smaller training part may explain some of the loss."
        )
        yield f"For {matched} of {n}, both splits train on equally many tracks.{rest}"


def _unanswerable(scores):
    lost = scores[scores["n_answerable"] < scores["n_tests"]]
    if len(lost):
        share = 1 - (lost["n_answerable"] / lost["n_tests"]).min()
        yield (
            f"In the artist-disjoint split, {percent(share, 0)} of the tests are of a genre whose "
            "only artists are in the test part: no system can answer them. Accuracy counts them as "
            "wrong. The tables also give the accuracy without them, and the losses leave them out."
        )


def _pairs(table, protocol):
    if table.empty:
        return
    clear = int(table["distinguishable"].sum())
    naive = int((table["p_mcnemar_holm"] < ALPHA).sum())
    yield (
        f"Pairs of systems, {_split(protocol)}: {clear} of {len(table)} differ significantly after "
        "Holm's correction. By McNemar's test, which treats tracks by one artist as independent, "
        f"{naive} would."
    )
    if table["mdd_holm"].notna().any():
        yield (
            f"How small a gap can be seen, {_split(protocol)}: for the median pair, a true "
            f"difference of {points(table['mdd_holm'].median())} would be found 4 times in 5. "
            "Smaller ones are missed more often."
        )


def _steps(table):
    steps = table[table["difference"].notna()]
    for (before, after), part in steps.groupby(["before", "protocol"], sort=False):
        sure = part["p_holm"] < ALPHA
        clear = int((sure & (part["difference"] > 0)).sum())
        gained = int((sure & (part["difference"] < 0)).sum())
        yield (
            f"Step from {_split(before)} to {_split(after)} (what changes: "
            f"{part['taken_away'].iloc[0]}): {-100 * part['difference'].median():+.1f} points"
            f"{f', the median of {len(part)} systems' if len(part) > 1 else ''}. Significant after "
            f"Holm's correction: {counted(clear, 'loss', 'losses')}, {counted(gained, 'gain')}."
        )


def _claims(table):
    known = table[~table["verdict"].str.startswith("not available")]
    if len(known) < len(table):
        missing = len(table) - len(known)
        yield f"{missing} of {counted(len(table), 'system')} could not be run on this music."
    rerun = known[known["claimed"].notna() & known["accuracy_split"].notna()]
    judged = rerun[rerun["outcome"] != ""]
    if len(judged):
        n = judged["outcome"].value_counts()
        exceeded = judged["verdict"].str.contains("exceed")
        more = int(((judged["outcome"] == DIFFERS) & exceeded).sum())
        parts = {
            "equivalent within the margin": n.get(EQUIVALENT, 0),
            "not reached": n.get(DIFFERS, 0) - more,
            "exceeded": more,
            "undecided": n.get(NOT_KNOWN, 0),
            "withheld": n.get(WITHHELD, 0),
        }
        said = listed([f"{are(count)} {verdict}" for verdict, count in parts.items() if count])
        yield (
            f"Of {counted(len(judged), 'claim')} about this music, rerun under the split nearest "
            f"to the source's, {said}."
        )
    if len(judged) < len(rerun):
        n = len(rerun) - len(judged)
        yield (
            f"{counted(n, 'further claim')} {'was' if n == 1 else 'were'} rerun on other music "
            "than the source's, which decides nothing."
        )


def _split(name):
    return f"“{title(name, PROTOCOLS)}”"


def _system(name):
    return title(name, SYSTEMS)
