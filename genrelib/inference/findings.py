"""Findings: what the tables show, and what they don't, in sentences made from their numbers."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..protocols import PROTOCOLS
from ..systems import SYSTEMS
from .frames import title


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

    Returns
    -------
    list of str
        For the notebook's last section and the top of the report.
    """
    said = [*_best(scores, n_genres), *_lost(leakage), *_unanswerable(scores)]
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
    clear = leakage[leakage["low"] > 0]
    if len(leakage):
        yield (
            "Keeping artists apart changes accuracy by "
            f"{-100 * leakage['difference'].median():+.1f} points at the median system, on the "
            f"{leakage['n_tracks'].max()} tracks that both protocols make answerable; for "
            f"{len(clear)} of {len(leakage)} systems the interval of the loss excludes zero."
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
    naive = int((table["p_mcnemar_holm"] < 0.05).sum())
    yield (
        f"With {title(protocol, PROTOCOLS)}, {clear} of {len(table)} pairs of systems can be told "
        f"apart after Holm's correction; {len(table) - clear} cannot. McNemar's test, which takes "
        f"tracks of one artist for independent, would have told {naive} apart."
    )
    if table["mdd"].notna().any():
        yield (
            f"At the median pair, a true difference of {100 * table['mdd'].median():.1f} points "
            "would be found 4 times in 5; a smaller one is missed more often."
        )


def _steps(table):
    for step, part in table[table["n_tracks"] > 0].groupby("step"):  # "total" sorts last
        first = part.iloc[0]
        clear = int((part["low"] > 0).sum())
        gained = int((part["high"] < 0).sum())
        yield (
            f"{'In all' if step == 'total' else f'Step {step}'}, from "
            f"{title(first['before'], PROTOCOLS)} to {title(first['after'], PROTOCOLS)} "
            f"(taken away: {first['taken_away']}): {-100 * part['difference'].median():+.1f} "
            f"points at the median system; a loss beyond chance for {clear} of {len(part)} "
            f"systems, a gain for {gained}."
        )


def _crossed(table):
    for (trained, tested), part in table.groupby(["trained_on", "tested_on"], sort=False):
        best = part.loc[part["accuracy_cross"].idxmax()]
        yield (
            f"Trained on {trained} alone and tested on {tested}, the best of {len(part)} systems "
            f"is {title(best['system'], SYSTEMS)}: {best['accuracy_cross']:.1%} "
            f"[{best['low_cross']:.1%}, {best['high_cross']:.1%}]. That {tested} is not trained on "
            f"too changes accuracy by {-100 * part['difference'].median():+.1f} points at the "
            f"median system, on the same {best['n_tracks']} tracks; a loss beyond chance for "
            f"{int((part['low'] > 0).sum())} of {len(part)} systems."
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
                f"systems and protocols it is clearly better for {int((part['high'] < 0).sum())} "
                f"and clearly worse for {int((part['low'] > 0).sum())}."
            )


def _abstention(table):
    for (protocol, risk), part in table.groupby(["protocol", "risk"], sort=False):
        measured = part[part["coverage"].notna()]
        if len(measured):
            over = int((measured["reached_low"] > risk).sum())
            most = measured.loc[measured["coverage"].idxmax()]
            reached = f"{most['reached']:.1%}" if np.isfinite(most["reached"]) else "unknown"
            yield (
                f"With {title(protocol, PROTOCOLS)} and at most {risk:.0%} errors aimed at, "
                f"{title(most['system'], SYSTEMS)} answers most: {most['coverage']:.1%} of the "
                f"tests, with {reached} errors. {over} of {len(measured)} systems err clearly more "
                "often than aimed at."
            )


def _claims(table):
    known = table[~table["verdict"].str.startswith("not available")]
    if len(known) < len(table):
        yield f"{len(table) - len(known)} of {len(table)} systems are not available here."
    figures = known[known["claimed"].notna() & known["accuracy_split"].notna()]
    short = figures["verdict"].str.startswith("the claim is not reached").sum()
    within = figures["verdict"].str.startswith("the claim is within").sum()
    more = figures["verdict"].str.startswith("the rerun exceeds").sum()
    if short + within + more:
        yield (
            f"Of {len(figures)} claims that were rerun under their own split, {within} are within "
            f"the error, {short} are not reached, {more} are exceeded."
        )
    lost = known[known["loss"].notna()]
    if len(lost):
        yield (
            "From the source's split to artists kept apart, "
            f"{int((lost['loss_low'] > 0).sum())} of {len(lost)} systems lose accuracy beyond "
            f"chance; the median loss is {100 * lost['loss'].median():.1f} points."
        )
