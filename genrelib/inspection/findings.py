"""What the tables of this room show, in sentences; every number is taken from them."""

import pandas as pd

from ..features.stack import STACK_ROWS
from .rows import FALSE_DISCOVERY_RATE
from .summaries import VALUE

_FAMILIES = {family for family, _ in STACK_ROWS}  # other features' are only spans of their rows
_NAMED = 3  # rows, families or pairs that a sentence names


def findings(
    rows: pd.DataFrame,
    scores: pd.DataFrame,
    lost: pd.DataFrame,
    pairs: pd.DataFrame,
    families: pd.DataFrame,
) -> list[str]:
    """Say what features tell about genres.

    Parameters
    ----------
    rows : pd.DataFrame
        Results of :func:`genrelib.inspection.row_tests`, joined, with the feature as the first
        level of the index.
    scores, lost, pairs : pd.DataFrame
        From :func:`~genrelib.inspection.probe_scores`, :func:`~genrelib.inspection.leak` and
        :func:`~genrelib.inspection.genre_pairs`.
    families : pd.DataFrame
        From :func:`~genrelib.inspection.alone_and_without`, of one feature.

    Returns
    -------
    list of str
        Sentences in Markdown; what could not be measured is said to be so.
    """
    return [
        *_of_rows(rows),
        *_of_probes(scores, lost),
        *_of_pairs(pairs),
        *_of_families(families),
    ]


def _of_rows(rows):
    for feature, part in rows.groupby(level="feature", sort=False):
        tested = part[part["p"].notna()]
        if tested.empty:
            yield f"{feature}: no row can be tested; each genre is the work of one artist."
            continue
        best = tested.loc[tested["eta_squared"].idxmax()]
        _, family, row, statistic = best.name
        found = (
            f"{feature}: {int(tested['separates'].sum())} of {len(tested)} summaries differ "
            f"between genres, tested on {best['n_artists']} artists, each once per genre, with "
            f"{FALSE_DISCOVERY_RATE:.0%} of false discoveries allowed"
        )
        yield (
            f"{found}. The clearest is {_name(family, row)}{_over_time(statistic)} (η² = "
            f"{best['eta_squared']:.2f}): highest in {best['highest']}, lowest in "
            f"{best['lowest']}."
        )


def _of_probes(scores, lost):
    strict = scores[scores["protocol"] == scores["protocol"].iloc[-1]].dropna(subset="accuracy")
    if strict.empty:
        yield "No probe can be scored: no genre is left in training when its artists are tested."
        return
    best = strict.loc[strict["accuracy"].idxmax()]
    yield (
        f"Under the artist-disjoint split, the feature that gives most to a linear probe is "
        f"{best['feature']}: {_estimate(best, 'accuracy')} of {best['n_tracks']} tracks."
        if len(lost)
        else f"With tracks at random, {best['feature']} gives most to a linear probe: "
        f"{_estimate(best, 'accuracy')}; no artist-disjoint split can be made here."
    )
    if len(lost):
        worst = lost.loc[lost["difference"].idxmax()]
        clear = int((lost["low"] > 0).sum())
        yield (
            f"Knowing the artist is worth most to {worst['feature']}: "
            f"{100 * worst['difference']:+.1f} points [{100 * worst['low']:+.1f}, "
            f"{100 * worst['high']:+.1f}]; the interval excludes zero for {clear} of {len(lost)} "
            "features."
        )


def _of_pairs(pairs):
    best = pairs.groupby(["first", "second"], sort=False)["auc"].max().dropna()
    if len(best):
        hardest = best.nsmallest(_NAMED)
        named = "; ".join(f"{a} and {b} ({auc:.2f})" for (a, b), auc in hardest.items())
        yield (
            f"Hardest to tell apart, by the area under the ROC curve of the best feature: {named}."
        )


def _of_families(families):
    strict = families[families["protocol"] == families["protocol"].iloc[-1]]
    strict = strict.dropna(subset="alone")
    if strict.empty:
        return
    best = strict.loc[strict["alone"].idxmax()]
    needed = list(strict.loc[strict["lost_low"] > 0, "family"])
    yield (
        f"The best family alone is {best['family']} ({best['n_rows']} rows): "
        f"{_estimate(best, 'alone', prefix='alone_')}. Left out, {', '.join(needed) or 'none'} of "
        f"{len(strict)} families would be missed for certain (the interval of the loss excludes "
        "zero)."
    )


def _name(family, row):
    return f"{family} {row}" if family in _FAMILIES and family != row else row


def _over_time(statistic):
    return "" if statistic == VALUE else f", its {statistic} over time"


def _estimate(row, name, prefix=""):
    return f"{row[name]:.1%} [{row[prefix + 'low']:.1%}, {row[prefix + 'high']:.1%}]"
