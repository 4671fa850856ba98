"""What the tables of robustness show, in sentences; every number is taken from them."""

import pandas as pd

from ..systems import SYSTEMS
from .interventions import INTERVENTIONS
from .tables import SWAP
from .trials import UNCHANGED
from .variants import KINDS

_NAMED = 3  # interventions that a sentence names
_TAIL = 0.025  # of intervals of 95 % that lie below a true zero


def findings(table: pd.DataFrame, kinds: pd.DataFrame, swaps: pd.DataFrame) -> list[str]:
    """Say what changes of a recording do to the systems' answers.

    Parameters
    ----------
    table, kinds, swaps : pd.DataFrame
        From :func:`~genrelib.robustness.by_strength`, :func:`~genrelib.robustness.by_kind` and
        :func:`~genrelib.robustness.swaps`; those without rows are passed over.

    Returns
    -------
    list of str
        Sentences in Markdown.
    """
    said = []
    for tell, part in ((_interventions, table), (_kinds, kinds), (_swaps, swaps)):
        if len(part):
            said += tell(part)
    return said


def _interventions(table):
    done = table[[not _is_neutral(row) for row in table.to_dict("records")]]
    for name, part in done.groupby("system", sort=False):
        unchanged = part.iloc[0]["accuracy"] - part.iloc[0]["difference"]
        lost = part[part["difference_high"] < 0].sort_values("difference", kind="stable")
        worst = lost.drop_duplicates("intervention").head(_NAMED)
        named = "; ".join(
            f"{_named(row)}, {_points(row, 'difference')} points"
            for row in worst.to_dict("records")
        )
        yield (
            f"{_title(name)}: {unchanged:.1%} of {part.iloc[0]['n']} tracks are right as they are. "
            f"Of {len(part)} changes, {len(lost)} make fewer right beyond chance (by chance alone "
            f"about {len(part) * _TAIL:.1f} would){', most of all ' * bool(named)}{named}."
        )
    yield from _flips(done)


def _flips(done):
    """Say what the mildest strengths do, and what does nothing."""
    mild = done[[_is_mildest(row, done) for row in done.to_dict("records")]]
    if len(mild) < len(done):
        most = mild.loc[mild["flip_rate"].idxmax()].to_dict()
        yield (
            "The mildest strength asked of each intervention changes "
            f"{mild['flip_rate'].median():.1%} of the answers in the median case, and at most "
            f"{_share(most, 'flip_rate', 'flip')}: {_named(most)}, {SYSTEMS[most['system']].title}."
        )
    most = done.groupby("intervention", sort=False)["flip_rate"].max()
    steady = list(most.index[most == 0])
    if steady:
        named = ", ".join(INTERVENTIONS[name].title.lower() for name in steady)
        why = " (Gain changes no feature that is relative to its track's maximum.)"
        yield (
            f"No answer of any system changes under {named}, at any strength asked."
            f"{why * ('gain' in steady)}"
        )


def _is_neutral(row) -> bool:
    return row["strength"] == INTERVENTIONS[row["intervention"]].neutral


def _distance(intervention, strength) -> int:
    """Count the steps of the registry from the neutral strength, or from before the first."""
    row = INTERVENTIONS[intervention]
    places = {value: place for place, value in enumerate(row.strengths)}
    return abs(places[strength] - places.get(row.neutral, -1))


def _is_mildest(row, done) -> bool:
    own = done.loc[done["intervention"] == row["intervention"], "strength"]
    nearest = min(_distance(row["intervention"], strength) for strength in own)
    return _distance(row["intervention"], row["strength"]) == nearest


def _kinds(table):
    for name, part in table.groupby("system", sort=False):
        part = part.set_index("kind")
        told = [
            f"{KINDS[kind].lower()} {_points(part.loc[kind], 'difference')} points"
            for kind in KINDS
            if kind in part.index and kind not in (UNCHANGED, SWAP)
        ]
        yield (
            f"{_title(name)}: {part.loc[UNCHANGED, 'accuracy']:.1%} of the songs are right as "
            f"recorded; against that, {', '.join(told)}."
        )


def _swaps(table):
    for row in table.to_dict("records"):
        verdict = "neither of the two for certain"
        if row["difference_low"] > 0:
            verdict = "the manner"
        elif row["difference_high"] < 0:
            verdict = "what has stayed (chords, melody, production)"
        yield (
            f"{_title(row['system'])}: of {row['n']} songs played in the manner of another genre "
            f"by the same artist, {_share(row, 'manner')} are taken for the manner's genre and "
            f"{_share(row, 'own')} for their own: it follows {verdict}."
        )


def _named(row) -> str:
    intervention = INTERVENTIONS[row["intervention"]]
    return f"{intervention.title.lower()} {row['strength']:g} {intervention.unit}"


def _share(row, name, stem="") -> str:
    low, high = (row[f"{stem or name}_{end}"] for end in ("low", "high"))
    return f"{row[name]:.1%} [{low:.1%}, {high:.1%}]"


def _points(row, name) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{100 * row[name]:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def _title(name) -> str:
    title = SYSTEMS[name].title
    return title[0].upper() + title[1:]
