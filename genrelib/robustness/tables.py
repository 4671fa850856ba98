"""Tables of the answers, right and changed, with intervals over groups, and sentences of them."""

import numpy as np
import pandas as pd

from ..base.seeds import rng
from ..inference.intervals import DIFFERENCE, SHARE, ClusterBootstrap
from ..inference.wording import estimate, opening
from ..systems import SYSTEMS
from .interventions import INTERVENTIONS
from .trials import UNCHANGED
from .variants import KINDS

SWAP = "genre_swap"

_NAMED = 3  # interventions that a sentence names
MEASURES = (
    *("n", "n_groups", "accuracy", "low", "high"),
    *("difference", "difference_low", "difference_high"),
    *("flip_rate", "flip_low", "flip_high", "p_own_change", "p_own_low", "p_own_high"),
)
"""What is measured after a change: numbers of tests and groups; values with their intervals."""

_TAIL = 0.025  # of intervals of 95 % that lie below a true zero


def by_strength(rows: pd.DataFrame, groups: pd.Series, *, seed: int) -> pd.DataFrame:
    """Measure the answers under each intervention and strength.

    `rows` are from :func:`genrelib.robustness.answers`; groups of tracks stay together when they
    are resampled. One row per system, intervention and strength, the neutral one included:
    ``accuracy``; its ``difference`` from that without a change; ``flip_rate``, the share of answers
    that differ from those without a change; ``p_own_change``, the mean rise of the probability of
    the track's own genre. Each with the ends of its 95 % interval.
    """
    found = []
    for name, part in rows.groupby("system", sort=False):
        answered = _Answered(part, groups, seed)
        for intervention in [name for name in INTERVENTIONS if name in answered.parts]:
            row, changed = INTERVENTIONS[intervention], answered.parts[intervention]
            for strength in row.strengths:
                now = changed[changed["strength"] == strength]
                if strength == row.neutral:
                    now = answered.before
                if len(now):
                    where = {"system": name, "intervention": intervention, "strength": strength}
                    found.append(where | answered.measured(now, now["genre"]))
    return pd.DataFrame(found, columns=["system", "intervention", "strength", *MEASURES])


def by_kind(rows: pd.DataFrame, groups: pd.Series, *, seed: int) -> pd.DataFrame:
    """Measure the answers for other recordings of the songs, from :func:`rerecorded`.

    As :func:`by_strength`, with one row per system and kind. In a genre swap the genre of the
    manner counts as right, since that is what is played, and there is no ``difference``; see
    :func:`swaps`.
    """
    found = []
    for name, part in rows.groupby("system", sort=False):
        answered = _Answered(part, groups, seed)
        for kind in [kind for kind in KINDS if kind in answered.parts]:
            now = answered.parts[kind]
            measured = answered.measured(now, now["manner"])
            if kind == SWAP:
                no_loss = ("difference", "difference_low", "difference_high")
                measured |= dict.fromkeys(no_loss, np.nan)
            found.append({"system": name, "kind": kind} | measured)
    return pd.DataFrame(found, columns=["system", "kind", *MEASURES])


def swaps(rows: pd.DataFrame, groups: pd.Series, *, seed: int) -> pd.DataFrame:
    """Measure which of the two a system follows in a genre swap: the manner, or what has stayed.

    One row per system: the shares of answers that name the genre of the ``manner``, the song's
    ``own``, and ``neither``; ``difference``, of the first less the second; ``p_manner_change``, the
    mean rise of the probability of the manner's genre. All but ``neither`` with their 95 %
    interval.
    """
    found = []
    for name, part in rows.groupby("system", sort=False):
        answered = _Answered(part, groups, seed)
        now, before = answered.parts[SWAP], answered.before
        manner = (now["predicted"] == now["manner"]).to_numpy(float)
        own = (now["predicted"] == now["genre"]).to_numpy(float)
        risen = _probability(now, now["manner"]) - _probability(before, now["manner"])
        found.append(
            {"system": name, "n": len(now), "n_groups": now["group"].nunique()}
            | answered.mean("manner", manner, SHARE)
            | answered.mean("own", own, SHARE)
            | {"neither": 1 - manner.mean() - own.mean()}
            | answered.mean("difference", manner - own, DIFFERENCE)
            | answered.mean("p_manner_change", risen, DIFFERENCE)
        )
    return pd.DataFrame(found)


class _Answered:
    """The answers of one system, by change, the tracks always in one order."""

    def __init__(self, rows: pd.DataFrame, groups: pd.Series, seed: int):
        rows = rows.assign(group=groups[rows["track_id"]].to_numpy()).sort_values("track_id")
        self.parts = dict(list(rows.groupby("change", sort=False)))
        self.before = self.parts[UNCHANGED]
        # one seed for all systems, whose values are thereby paired
        self.bootstrap = ClusterBootstrap(self.before["group"], rng(seed, "robustness"))

    def measured(self, now: pd.DataFrame, truth: pd.Series) -> dict[str, float]:
        """Compare the answers after a change with those before."""
        right = (now["predicted"] == truth).to_numpy(float)
        was_right = (self.before["predicted"] == self.before["genre"]).to_numpy(float)
        flipped = (now["predicted"].array != self.before["predicted"].array).astype(float)
        risen = _probability(now, now["genre"]) - _probability(self.before, now["genre"])
        found = {"n": len(now), "n_groups": now["group"].nunique()}
        found |= self.mean("accuracy", right, SHARE, ends=("low", "high"))
        found |= self.mean("difference", right - was_right, DIFFERENCE)
        found |= self.mean("flip_rate", flipped, SHARE, ends=("flip_low", "flip_high"))
        found |= self.mean("p_own_change", risen, DIFFERENCE, ends=("p_own_low", "p_own_high"))
        if now is self.before:  # it is known, not estimated, that nothing changes
            found["flip_high"] = 0.0
        return found

    def mean(self, name, values, span, *, ends=()) -> dict[str, float]:
        names = name, *(ends or (f"{name}_low", f"{name}_high"))
        return self.bootstrap.mean(values, span).named(*names)


def _probability(rows: pd.DataFrame, genre: pd.Series) -> np.ndarray:
    """Probability that each row gives to a genre of its own."""
    values = rows.filter(regex="^p_")
    return values.to_numpy()[np.arange(len(rows)), values.columns.get_indexer("p_" + genre)]


def findings(table: pd.DataFrame, kinds: pd.DataFrame, swaps: pd.DataFrame) -> list[str]:
    """Say, in Markdown, what changes of a recording do to the systems' answers, from the tables."""
    said = []
    for tell, part in ((_interventions, table), (_kinds, kinds), (_swaps, swaps)):
        if len(part):
            said += tell(part)
    return said


def _interventions(table):
    neutral = table["intervention"].map({name: row.neutral for name, row in INTERVENTIONS.items()})
    done = table[table["strength"] != neutral]
    for name, part in done.groupby("system", sort=False):
        unchanged = part.iloc[0]["accuracy"] - part.iloc[0]["difference"]
        lost = part[part["difference_high"] < 0].sort_values("difference", kind="stable")
        worst = lost.drop_duplicates("intervention").head(_NAMED)
        rows = worst.to_dict("records")
        named = "; ".join(f"{_named(row)}, {_points(row, 'difference')} points" for row in rows)
        yield (
            f"{opening(name, SYSTEMS)}: {unchanged:.1%} of {part.iloc[0]['n']} tracks are right as "
            f"they are. Of {len(part)} changes, {len(lost)} lower this, each interval "
            f"read by itself (by chance about {len(part) * _TAIL:.1f} would)"
            f"{', most of all ' * bool(named)}{named}."
        )
    yield from _flips(done)


def _flips(done):
    """Say what the mildest strengths do, and what does nothing."""
    asked = zip(done["intervention"], done["strength"], strict=True)
    steps = pd.Series([_steps(name, strength) for name, strength in asked], done.index, dtype=int)
    mild = done[steps == steps.groupby(done["intervention"]).transform("min")]
    if len(mild) < len(done):
        most = mild.loc[mild["flip_rate"].idxmax()].to_dict()
        yield (
            "At its mildest, a change of the recording alters "
            f"{mild['flip_rate'].median():.1%} of the answers in the median case, and at most "
            f"{_share(most, 'flip_rate', 'flip')}: {_named(most)}, {SYSTEMS[most['system']].title}."
        )
    most = done.groupby("intervention", sort=False)["flip_rate"].max()
    steady = list(most.index[most == 0])
    if steady:
        named = ", ".join(INTERVENTIONS[name].title.lower() for name in steady)
        why = " (Features that are relative to the track's maximum do not notice gain.)"
        said = f"No system changes any answer under {named}, however strong."
        yield said + why * ("gain" in steady)


def _steps(intervention, strength) -> int:
    """Count the steps of the registry from the neutral strength, or from before the first."""
    row = INTERVENTIONS[intervention]
    places = {value: place for place, value in enumerate(row.strengths)}
    return abs(places[strength] - places.get(row.neutral, -1))


def _kinds(table):
    for name, part in table.groupby("system", sort=False):
        part = part.set_index("kind")
        kinds = [kind for kind in KINDS if kind in part.index and kind not in (UNCHANGED, SWAP)]
        losses = [(kind, _points(part.loc[kind], "difference")) for kind in kinds]
        told = [f"{KINDS[kind].lower()} {loss} points" for kind, loss in losses]
        yield (
            f"{opening(name, SYSTEMS)}: {part.loc[UNCHANGED, 'accuracy']:.1%} of the songs are "
            f"right as recorded. When they are recorded anew, this changes: {', '.join(told)}."
        )


def _swaps(table):
    for row in table.to_dict("records"):
        verdict = "neither of the two for certain"
        if row["difference_low"] > 0:
            verdict = "the manner"
        elif row["difference_high"] < 0:
            verdict = "what has stayed (chords, melody, production)"
        yield (
            f"{opening(row['system'], SYSTEMS)}: of {row['n']} songs played in the manner of "
            f"another genre by the same artist, {_share(row, 'manner')} are taken for the manner's "
            f"genre and {_share(row, 'own')} for their own: it follows {verdict}."
        )


def _named(row) -> str:
    intervention = INTERVENTIONS[row["intervention"]]
    return f"{intervention.title.lower()} {row['strength']:g} {intervention.unit}"


def _share(row, name, stem="") -> str:
    return estimate(row[name], *(row[f"{stem or name}_{end}"] for end in ("low", "high")))


def _points(row, name) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{100 * row[name]:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
