"""Findings: what the tables show, and what they don't, in sentences made from their numbers."""

from collections.abc import Mapping

import pandas as pd

from ..protocols import PROTOCOLS
from ..systems import SYSTEMS
from .claims import WITHHELD
from .comparisons import CLASSICAL, DIFFERS, EQUIVALENT, NOT_KNOWN
from .intervals import ALPHA
from .leakage import ALONE, EXCESS, MATCHED
from .wording import change, estimate, percent, points, title


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
            f"Comparison 1, what the artist is worth to the {_system(row.system)}: accuracy in the "
            f"{_random(row.before)} split less that in the artist-disjoint split is "
            f"{change(row.difference, row.low, row.high)} on {row.n_tracks} tracks. The loss is "
            f"{'significant' if row.low > 0 else 'not significant'}. With each artist counting "
            f"once it is {change(row.by_artist, row.by_artist_low, row.by_artist_high)}."
        )


def _random(protocol):
    return "size-matched random" if protocol == MATCHED else "track-level random"


def _second(table):
    """Answer the study's second question: the best network, then all of them."""
    best = table.loc[table["difference"].idxmax()]
    yield (
        f"Comparison 2, with equal data: {_system(best['system'])}, the best network in the "
        f"artist-disjoint split, less {_system(best['yardstick'])} is "
        f"{change(best['difference'], best['low'], best['high'])} (adjusted p "
        f"{best['p_holm']:.2g}): {_answer(best)}."
    )
    n = table["outcome"].value_counts()
    worse = int(((table["outcome"] == DIFFERS) & (table["difference"] < 0)).sum())
    yield (
        f"Of {len(table)} networks {worse} are significantly less accurate than that machine, "
        f"{n.get(DIFFERS, 0) - worse} more, {n.get(EQUIVALENT, 0)} equivalent within the margin, "
        f"and of {n.get(NOT_KNOWN, 0)} it is not known."
    )
    single = int((table["n_seeds"] == 1).sum())
    if single:
        yield (
            f"{single} of {len(table)} networks were fitted with one seed per fold: the luck of "
            "training is not in their intervals and tests."
        )


def _answer(row):
    if row["outcome"] != NOT_KNOWN:
        return "the two differ" if row["outcome"] == DIFFERS else "equivalent within the margin"
    return f"not known; a difference of {points(row['mdd_holm'])} would be found 4 times in 5"


def _control(table):
    """Say of how many systems the loss needs company in the group."""
    alone, excess = (table[table["tracks"] == kind] for kind in (ALONE, EXCESS))
    if excess.empty:
        return
    lost = alone[alone["low"] > 0]
    clear = excess[(excess["p_holm"] < ALPHA) & (excess["difference"] > 0)]
    yield (
        f"Control: nothing can leak to the {alone['n_tracks'].max()} tracks that are alone in "
        f"their group. {len(lost)} of {len(alone)} systems lose on them too, by single intervals "
        f"above zero. For {len(clear)} of {len(excess)} systems the other tracks lose "
        "significantly more, after Holm's correction: there the artist is shown to be a reason."
    )


def _best(scores, n_genres):
    for protocol, part in scores.groupby("protocol", sort=False):
        best = part.loc[part["accuracy"].idxmax()]
        yield (
            f"Best of {len(part)} systems, {title(protocol, PROTOCOLS)}: "
            f"{_system(best['system'])}, {estimate(best['accuracy'], best['low'], best['high'])} "
            f"of all tests ({best['n_tracks']} tracks; chance is {percent(1 / n_genres)})."
        )


def _lost(leakage):
    if len(leakage):
        clear = leakage[(leakage["p_holm"] < ALPHA) & (leakage["difference"] > 0)]
        matched = int((leakage["before"] == MATCHED).sum())
        yield (
            "From a split at random to the artist-disjoint one, accuracy changes by "
            f"{-100 * leakage['difference'].median():+.1f} points at the median system, on the "
            f"{leakage['n_tracks'].max()} tracks that both make answerable; the loss is "
            f"significant for {len(clear)} of {len(leakage)} systems, after Holm's correction. For "
            f"{matched} of them the split at random has the same sizes; for the others fewer "
            "tracks to learn from are part of the loss."
        )


def _unanswerable(scores):
    lost = scores[scores["n_answerable"] < scores["n_tests"]]
    if len(lost):
        share = 1 - (lost["n_answerable"] / lost["n_tests"]).min()
        yield (
            f"In the artist-disjoint split, {percent(share, 0)} of the tests are of a genre whose "
            "only artists are in the test part: no system can answer them. Accuracy counts them as "
            "wrong; the table also gives the accuracy without them, and the losses leave them out."
        )


def _pairs(table, protocol):
    if table.empty:
        return
    clear = int(table["distinguishable"].sum())
    naive = int((table["p_mcnemar_holm"] < ALPHA).sum())
    yield (
        f"Pairs of systems, {title(protocol, PROTOCOLS)}: {clear} of {len(table)} differ "
        f"significantly after Holm's correction. By McNemar's test, which takes tracks of one "
        f"artist for independent, {naive} would."
    )
    if table["mdd_holm"].notna().any():
        yield (
            f"At the median pair, a true difference of {points(table['mdd_holm'].median())} would "
            "be found 4 times in 5 after that correction; a smaller one is missed more often."
        )


def _steps(table):
    steps = table[table["difference"].notna()]
    for (before, after), part in steps.groupby(["before", "protocol"], sort=False):
        sure = part["p_holm"] < ALPHA
        clear = int((sure & (part["difference"] > 0)).sum())
        gained = int((sure & (part["difference"] < 0)).sum())
        yield (
            f"Step from {title(before, PROTOCOLS)} to {title(after, PROTOCOLS)} (taken away: "
            f"{part['taken_away'].iloc[0]}): {-100 * part['difference'].median():+.1f} points at "
            f"the median system; after Holm's correction a significant loss for {clear} of "
            f"{len(part)} systems, a gain for {gained}."
        )


def _claims(table):
    known = table[~table["verdict"].str.startswith("not available")]
    if len(known) < len(table):
        yield f"{len(table) - len(known)} of {len(table)} systems are not available here."
    rerun = known[known["claimed"].notna() & known["accuracy_split"].notna()]
    judged = rerun[rerun["outcome"] != ""]
    if len(judged):
        n = judged["outcome"].value_counts()
        exceeded = judged["verdict"].str.contains("exceed")
        more = int(((judged["outcome"] == DIFFERS) & exceeded).sum())
        yield (
            f"Of {len(judged)} claims about this music that were rerun under their own split, "
            f"{n.get(EQUIVALENT, 0)} are equivalent within the margin, "
            f"{n.get(DIFFERS, 0) - more} are not reached, {more} are exceeded, of "
            f"{n.get(NOT_KNOWN, 0)} it is not known, and of {n.get(WITHHELD, 0)} the verdict is "
            f"withheld; {len(rerun) - len(judged)} are about other music, or more."
        )


def _system(name):
    return title(name, SYSTEMS)
