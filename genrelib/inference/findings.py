"""Findings: what the tables show, and what they don't, in sentences made from their numbers."""

from collections.abc import Collection, Iterator, Mapping

import pandas as pd

from ..protocols.registry import PROTOCOLS
from ..systems import SYSTEMS
from .claims import STRICT
from .frames import title
from .intervals import ALPHA

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
    crossed: pd.DataFrame | None = None,
    calibration: pd.DataFrame | None = None,
    abstention: pd.DataFrame | None = None,
    claims: pd.DataFrame | None = None,
    networks: Collection[str] = (),
) -> list[str]:
    """Say in sentences what the tables show; every number in them is taken from the tables.

    Parameters
    ----------
    scores, leakage : pd.DataFrame
        From the functions of the same names.
    n_genres : int
        Chance is one over it.
    comparisons : mapping of str to pd.DataFrame, optional
        Tables of :func:`genrelib.inference.comparisons` by protocol.
    steps : pd.DataFrame, optional
        From :func:`genrelib.inference.decomposition`.
    crossed : pd.DataFrame, optional
        From :func:`genrelib.inference.cross_collection`.
    calibration, abstention, claims : pd.DataFrame, optional
        From the functions of the same names.
    networks : collection of str
        Systems that are networks, for the second of the study's primary comparisons.

    Returns
    -------
    list of str
        The primary comparisons first. For the notebook's last section and the top of the report.
    """
    pairs = (comparisons or {}).get(STRICT)
    said = [*_worth(leakage), *_network(scores, pairs, networks)]
    said += [*_best(scores, n_genres), *_lost(leakage), *_unanswerable(scores)]
    for protocol, table in (comparisons or {}).items():
        said += _pairs(table, protocol)
    for tell, table in (
        (_steps, steps),
        (_crossed, crossed),
        (_calibration, calibration),
        (_abstention, abstention),
        (_claims, claims),
    ):
        if table is not None and len(table):
            said += tell(table)
    return said


def _worth(leakage) -> Iterator[str]:
    """Answer the study's first question."""
    for row in leakage[leakage["system"] == YARDSTICKS[0]].itertuples():
        yield (
            f"Comparison 1, what the artist is worth to the {title(row.system, SYSTEMS)}: accuracy "
            f"with tracks at random less that with artists kept apart is "
            f"{_interval(row.difference, row.low, row.high)} on {row.n_tracks} tracks. A loss is "
            f"{'found' if row.low > 0 else 'not found'}."
        )


def _network(scores, pairs, networks) -> Iterator[str]:
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
            question = "Comparison 2, with equal data: " if number else "Comparison 2: "
            yield (
                f"{question}{title(best, SYSTEMS)}, the best network with artists kept apart, less "
                f"{title(yardstick, SYSTEMS)} is {_interval(sign * row.difference, *limits)} "
                f"(adjusted p {row.p_cluster_holm:.2g}). A difference is {_verdict(row)}."
            )


def _verdict(row) -> str:
    """Say found or not, and what would have been."""
    if row.distinguishable:
        return "found"
    seen = f"{100 * row.mdd_holm:.1f} points would be found 4 times in 5"
    return f"{'not known' if row.mdd_holm > MATTERS else 'not found'}: one of {seen}"


def _interval(value, low, high) -> str:
    return f"{100 * value:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}]"


def _best(scores, n_genres):
    for protocol, part in scores.groupby("protocol", sort=False):
        best = part.loc[part["accuracy"].idxmax()]
        yield (
            f"With {title(protocol, PROTOCOLS)}, the best of {len(part)} systems is "
            f"{title(best['system'], SYSTEMS)}: {best['accuracy']:.1%} "
            f"[{best['low']:.1%}, {best['high']:.1%}] "
            f"({best['n_tracks']} tracks; chance is {1 / n_genres:.1%})."
        )


def _lost(leakage):
    clear = leakage[(leakage["p_holm"] < ALPHA) & (leakage["difference"] > 0)]
    if len(leakage):
        yield (
            "Keeping artists apart changes accuracy by "
            f"{-100 * leakage['difference'].median():+.1f} points at the median system, on the "
            f"{leakage['n_tracks'].max()} tracks that both protocols make answerable; for "
            f"{len(clear)} of {len(leakage)} systems the loss is beyond chance, after Holm's "
            "correction."
        )


def _unanswerable(scores):
    lost = scores[scores["n_answerable"] < scores["n_tests"]]
    if len(lost):
        share = 1 - (lost["n_answerable"] / lost["n_tests"]).min()
        yield (
            f"Where artists are kept apart, {share:.0%} of the tests ask for a genre whose only "
            "artists are in the test part: no system can answer them. The table counts them as "
            "wrong, and also shows the accuracy without them."
        )


def _pairs(table, protocol):
    if table.empty:
        return
    clear = int(table["distinguishable"].sum())
    naive = int((table["p_mcnemar_holm"] < ALPHA).sum())
    yield (
        f"With {title(protocol, PROTOCOLS)}, {clear} of {len(table)} pairs of systems can be told "
        f"apart after Holm's correction; {len(table) - clear} cannot. McNemar's test, which takes "
        f"tracks of one artist for independent, would have told {naive} apart."
    )
    if table["mdd_holm"].notna().any():
        yield (
            "At the median pair, a true difference of "
            f"{100 * table['mdd_holm'].median():.1f} points would be found 4 times in 5 after that "
            "correction; a smaller one is missed more often."
        )


def _steps(table):
    for step, part in table[table["n_tracks"] > 0].groupby("step"):  # "total" sorts last
        first = part.iloc[0]
        sure = part["p_holm"] < ALPHA
        clear = int((sure & (part["difference"] > 0)).sum())
        gained = int((sure & (part["difference"] < 0)).sum())
        yield (
            f"{'Artists alone' if step == 'total' else f'Step {step}'}, from "
            f"{title(first['before'], PROTOCOLS)} to {title(first['after'], PROTOCOLS)} "
            f"(taken away: {first['taken_away']}): {-100 * part['difference'].median():+.1f} "
            f"points at the median system; a loss beyond chance for {clear} of {len(part)} "
            f"systems, a gain for {gained}, after Holm's correction."
        )


def _crossed(table):
    for (trained, tested), part in table.groupby(["trained_on", "tested_on"], sort=False):
        best = part.loc[part["accuracy_cross"].idxmax()]
        yield (
            f"Trained on {trained} alone and tested on {tested}, the best of {len(part)} systems "
            f"is {title(best['system'], SYSTEMS)}: {best['accuracy_cross']:.1%} "
            f"[{best['low_cross']:.1%}, {best['high_cross']:.1%}]. That {tested} is not trained on "
            f"too changes accuracy by {-100 * part['difference'].median():+.1f} points at the "
            f"median system, on the same {best['n_tracks']} tracks; for "
            f"{int((part['low'] > 0).sum())} of {len(part)} systems the interval of the loss, "
            "without a correction, excludes zero."
        )


def _calibration(table):
    scaled = table[table["n_scaled"] > 0]
    if scaled.empty:
        yield "No fit has predictions on a validation part: nothing was calibrated."
    for name, words in (("log_loss", "log loss"), ("ece", "ECE")):
        part = scaled[scaled["metric"] == name]
        if len(part):
            yield (
                f"Temperature scaling changes the {words} of the median system from "
                f"{part['before'].median():.3f} to {part['after'].median():.3f}; of {len(part)} "
                f"systems the interval of the change, without a correction, is below zero for "
                f"{int((part['high'] < 0).sum())} and above it for {int((part['low'] > 0).sum())}."
            )


def _abstention(table):
    for (protocol, risk), part in table.groupby(["protocol", "risk"], sort=False):
        measured = part[part["coverage"].notna()]
        if len(measured):
            over = int((measured["reached_low"] > risk).sum())
            kept = measured[(measured["reached"] <= risk) & (measured["coverage"] > 0)]
            yield (
                f"With {title(protocol, PROTOCOLS)} and at most {risk:.0%} errors aimed at, "
                f"{_most(kept)} {over} of {len(measured)} systems err more often than aimed at by "
                "their whole interval. Tests that cannot be answered are left out."
            )


def _most(kept) -> str:
    """Name the system that answers most of those that keep to their aim."""
    if kept.empty:
        return "no system keeps to it."
    most = kept.loc[kept["coverage"].idxmax()]
    return (
        f"{len(kept)} keep to it. Of these, {title(most['system'], SYSTEMS)} answers most: "
        f"{most['coverage']:.1%} of the tests, with {most['reached']:.1%} errors."
    )


def _claims(table):
    known = table[~table["verdict"].str.startswith("not available")]
    if len(known) < len(table):
        yield f"{len(table) - len(known)} of {len(table)} systems are not available here."
    figures = known[known["claimed"].notna() & known["accuracy_split"].notna()]
    others = figures["verdict"].str.startswith("the claim is about").sum()
    short = figures["verdict"].str.startswith("the claim is not reached").sum()
    within = figures["verdict"].str.startswith("the claim is within").sum()
    more = figures["verdict"].str.startswith("the rerun exceeds").sum()
    if short + within + more:
        yield (
            f"Of {short + within + more} claims about this music that were rerun under their own "
            f"split, {within} are within the error, {short} are not reached, {more} are exceeded; "
            f"{others} are about other music, or more."
        )
    lost = known[known["loss"].notna()]
    if len(lost):
        yield (
            f"{int(((lost['loss_p_holm'] < ALPHA) & (lost['loss'] > 0)).sum())} of {len(lost)} "
            "systems lose accuracy beyond chance when artists are kept apart, after Holm's "
            f"correction; the median loss is {100 * lost['loss'].median():.1f} points."
        )
