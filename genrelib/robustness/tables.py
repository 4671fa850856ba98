"""Tables of the answers: how many are right, how many changed, with intervals over groups."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ..base.seeds import rng
from ..inference.intervals import DIFFERENCE, SHARE, ClusterBootstrap
from .interventions import INTERVENTIONS
from .trials import UNCHANGED
from .variants import KINDS

DIFFERENCES = ("difference", "difference_low", "difference_high")
MEASURES = (
    *("n", "n_groups"),
    *("accuracy", "low", "high"),
    *DIFFERENCES,
    *("flip_rate", "flip_low", "flip_high"),
    *("p_own_change", "p_own_low", "p_own_high"),
)
"""What is measured after a change: numbers of tests and groups; values with their intervals."""

SWAP = "genre_swap"


def by_strength(rows: pd.DataFrame, groups: pd.Series, *, seed: int) -> pd.DataFrame:
    """Measure the answers under each intervention and strength.

    Parameters
    ----------
    rows : pd.DataFrame
        From :func:`genrelib.robustness.answers`.
    groups : pd.Series, index track_id
        What must stay together when tracks are resampled.
    seed : int
        The study's seed.

    Returns
    -------
    pd.DataFrame
        One row per system, intervention and strength, the neutral one among them: ``system,
        intervention, strength, n, n_groups``; ``accuracy, low, high``; ``difference``, the
        accuracy less that without a change; ``flip_rate``, the share of answers other than
        without a change; ``p_own_change``, by how much the probability of the track's own genre
        rose on average. Each with the ends of its 95 % interval.
    """
    found = []
    for name, answered in _systems(rows, groups, seed):
        for intervention in filter(answered.has, INTERVENTIONS):
            row = INTERVENTIONS[intervention]
            for strength in row.strengths:
                change = UNCHANGED if strength == row.neutral else intervention
                now = answered.part(change, strength)
                if len(now):
                    where = {"system": name, "intervention": intervention, "strength": strength}
                    found.append(where | answered.measured(now, now["genre"]))
    return pd.DataFrame(found, columns=["system", "intervention", "strength", *MEASURES])


def by_kind(rows: pd.DataFrame, groups: pd.Series, *, seed: int) -> pd.DataFrame:
    """Measure the answers for other recordings of the songs.

    In a genre swap the genre of the manner counts as right, since that is what is played: another
    one than the song's, so that there is no ``difference`` of the two accuracies. How often the
    answer is the song's own genre is in :func:`swaps`.

    Parameters
    ----------
    rows : pd.DataFrame
        From :func:`genrelib.robustness.rerecorded`.
    groups, seed
        As for :func:`by_strength`.

    Returns
    -------
    pd.DataFrame
        One row per system and kind: ``system, kind`` and the measures of :func:`by_strength`.
    """
    found = []
    for name, answered in _systems(rows, groups, seed):
        for kind in filter(answered.has, KINDS):
            now = answered.part(kind)
            measured = answered.measured(now, now["manner"])
            if kind == SWAP:
                measured |= dict.fromkeys(DIFFERENCES, np.nan)
            found.append({"system": name, "kind": kind} | measured)
    return pd.DataFrame(found, columns=["system", "kind", *MEASURES])


def swaps(rows: pd.DataFrame, groups: pd.Series, *, seed: int) -> pd.DataFrame:
    """Tell which of the two a system follows in a genre swap: the manner, or what has stayed.

    Parameters
    ----------
    rows, groups, seed
        As for :func:`by_kind`.

    Returns
    -------
    pd.DataFrame
        One row per system: ``system, n, n_groups``; the shares of answers that name the genre of
        the ``manner``, the song's ``own``, and ``neither``; ``difference``, of the first less the
        second; ``p_manner_change``, by how much the probability of the manner's genre rose
        over that in the song as it was. Each but ``neither`` with the ends of its 95 % interval.
    """
    found = []
    for name, answered in _systems(rows, groups, seed):
        now, before = answered.part(SWAP), answered.before
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
    """The answers of one system, by change, the tracks always in one order.

    Parameters
    ----------
    rows : pd.DataFrame
        Of one system.
    groups, seed
        As for :func:`by_strength`.
    """

    def __init__(self, rows: pd.DataFrame, groups: pd.Series, seed: int):
        rows = rows.assign(group=groups[rows["track_id"]].to_numpy()).sort_values("track_id")
        self.parts = dict(list(rows.groupby("change", sort=False)))
        self.before = self.parts[UNCHANGED]
        # one seed for all systems, whose values are thereby paired
        self.bootstrap = ClusterBootstrap(self.before["group"], rng(seed, "robustness"))

    def has(self, change: str) -> bool:
        return change in self.parts

    def part(self, change: str, strength: float | None = None) -> pd.DataFrame:
        """Return the rows of a change, of one strength where it has several; perhaps none."""
        part = self.parts[change]
        is_other = strength is not None and change != UNCHANGED
        return part[part["strength"] == strength] if is_other else part

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
        """Average over tracks, with the 95 % interval."""
        columns = np.column_stack([values, np.ones(len(values))])
        estimate = self.bootstrap.estimate(columns, span=span)
        names = (name, *(ends or (f"{name}_low", f"{name}_high")))
        return dict(zip(names, (estimate.value, *estimate.interval), strict=True))


def _systems(rows, groups, seed) -> Iterator[tuple[str, _Answered]]:
    for name, part in rows.groupby("system", sort=False):
        yield name, _Answered(part, groups, seed)


def _probability(rows: pd.DataFrame, genre: pd.Series) -> np.ndarray:
    """Return the probability that each row gives to a genre of its own."""
    columns = [f"p_{name}" for name in genre]
    values = rows.filter(regex="^p_")
    return values.to_numpy()[np.arange(len(rows)), values.columns.get_indexer(columns)]
