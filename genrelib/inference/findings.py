"""Findings: what the tables show, and what they don't, in sentences made from their numbers."""

from collections.abc import Collection, Mapping

import pandas as pd

from ..protocols import PROTOCOLS
from ..systems import SYSTEMS
from .claims import EXCEEDED, NOT_CONTRADICTED, NOT_REACHED
from .intervals import ALPHA
from .leakage import STRICT
from .wording import change, estimate, percent, points, title

YARDSTICKS = ("mel_svm", "mel_svm_train")
"""The classical system of the study protocol; the same, learning from as little as networks do."""

MATTERS = 0.05
"""Difference of accuracies from which on one matters, by the study protocol."""


def findings(
    scores: pd.DataFrame,
    leakage: pd.DataFrame,
    n_genres: int,
    *,
    comparisons: Mapping[str, pd.DataFrame] | None = None,
    steps: pd.DataFrame | None = None,
    claims: pd.DataFrame | None = None,
    networks: Collection[str] = (),
) -> list[str]:
    """State in sentences what the tables show; every number in them is taken from the tables.

    Tables are those of the functions of the same names; `steps` are from ``decomposition``,
    `comparisons` by protocol. `networks` are the systems that are networks, for the second of the
    study's primary comparisons. The primary comparisons come first.
    """
    comparisons = comparisons or {}
    sentences = [*_first(leakage), *_second(scores, comparisons.get(STRICT), networks)]
    sentences += [*_best(scores, n_genres), *_lost(leakage), *_unanswerable(scores)]
    for protocol, table in comparisons.items():
        sentences += _pairs(table, protocol)
    for sentences_of, table in (
        (_steps, steps),
        (_claims, claims),
    ):
        if table is not None and len(table):
            sentences += sentences_of(table)
    return sentences


def _first(leakage):
    """Answer the study's first question."""
    for row in leakage[leakage["system"] == YARDSTICKS[0]].itertuples():
        yield (
            f"Comparison 1, what the artist is worth to the {_system(row.system)}: accuracy in the "
            f"track-level random split less that in the artist-disjoint split is "
            f"{change(row.difference, row.low, row.high)} on {row.n_tracks} tracks. The loss is "
            f"{'significant' if row.low > 0 else 'not significant'}."
        )


def _second(scores, pairs, networks):
    """Answer the study's second question, for the yardstick as it is and with equal data."""
    own = scores[(scores["protocol"] == STRICT) & scores["system"].isin(list(networks))]
    if pairs is None or pairs.empty or own.empty:
        return
    best = own.loc[own["accuracy"].idxmax(), "system"]
    for number, yardstick in enumerate(YARDSTICKS):
        found = pairs[(pairs[["a", "b"]].isin([best, yardstick])).all(axis="columns")]
        for row in found.itertuples():
            sign = 1 if row.a == best else -1
            limits = sorted((sign * row.low, sign * row.high))
            yield (
                f"Comparison 2{', with equal data' if number else ''}: {_system(best)}, the best "
                f"network in the artist-disjoint split, less {_system(yardstick)} is "
                f"{change(sign * row.difference, *limits)} (adjusted p {row.p_cluster_holm:.2g}). "
                f"The difference is {_answer(row)}."
            )


def _answer(row):
    if row.distinguishable:
        return "significant"
    unknown = "not known" if row.mdd_holm > MATTERS else "not significant"
    return f"{unknown}: one of {points(row.mdd_holm)} would be found 4 times in 5"


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
        yield (
            "From the track-level random to the artist-disjoint split, accuracy changes by "
            f"{-100 * leakage['difference'].median():+.1f} points at the median system, on the "
            f"{leakage['n_tracks'].max()} tracks that both make answerable; the loss is "
            f"significant for {len(clear)} of {len(leakage)} systems, after Holm's correction."
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
    steps = table[(table["n_tracks"] > 0) & (table["step"] != "total")]  # _lost has the total
    for step, part in steps.groupby("step"):
        first, sure = part.iloc[0], part["p_holm"] < ALPHA
        clear = int((sure & (part["difference"] > 0)).sum())
        gained = int((sure & (part["difference"] < 0)).sum())
        yield (
            f"Step {step}, from {title(first['before'], PROTOCOLS)} to "
            f"{title(first['after'], PROTOCOLS)} (taken away: {first['taken_away']}): "
            f"{-100 * part['difference'].median():+.1f} points at the median system; after "
            f"Holm's correction a significant loss for {clear} of {len(part)} systems, a gain for "
            f"{gained}."
        )


def _claims(table):
    known = table[~table["verdict"].str.startswith("not available")]
    if len(known) < len(table):
        yield f"{len(table) - len(known)} of {len(table)} systems are not available here."
    rerun = known[known["claimed"].notna() & known["accuracy_split"].notna()]
    judged = rerun[rerun["outcome"] != ""]
    if len(judged):
        n = judged["outcome"].value_counts().reindex([NOT_CONTRADICTED, NOT_REACHED, EXCEEDED])
        compatible, short, more = n.fillna(0).astype(int)
        yield (
            f"Of {len(judged)} claims about this music that were rerun under their own split, "
            f"{compatible} are not contradicted, {short} are not reached, {more} are exceeded; "
            f"{len(rerun) - len(judged)} are about other music, or more."
        )


def _system(name):
    return title(name, SYSTEMS)
