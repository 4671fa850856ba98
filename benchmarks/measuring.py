"""How the benchmarks measure and what they report: figures, each a ratio beside its goal."""

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Parameters
    ----------
    what : str
        What was measured.
    value : float
        The ratio, or the difference.
    goal : float, optional
        What `value` should reach; None where it is only shown.
    better : {"more", "less"}
        On which side of the goal it should be.
    detail : str
        What it was made from, with units.
    """

    what: str
    value: float
    goal: float | None
    better: Literal["more", "less"]
    detail: str

    @property
    def met(self) -> str:
        """Whether the goal is met: yes or no, empty without one."""
        if self.goal is None:
            return ""
        reached = self.value >= self.goal if self.better == "more" else self.value <= self.goal
        return "yes" if reached else "NO"

    @property
    def goal_text(self) -> str:
        """The goal with its direction, empty without one."""
        if self.goal is None:
            return ""
        return f"{'>=' if self.better == 'more' else '<='} {self.goal:g}"


def least_seconds(
    functions: Sequence[Callable[[object], object]],
    items: Sequence[object],
    *,
    rounds: int,
    clock: Callable[[], float] = time.process_time,
) -> np.ndarray:
    """Time functions in turns and return of each the mean seconds per item.

    Of each item the least of all rounds counts, which other work on the machine disturbs least.
    Everything runs once before, to warm up.

    Parameters
    ----------
    functions : sequence of callable
        Each takes an item.
    items : sequence
        What they work on.
    rounds : int > 0
        Repetitions.
    clock : callable
        By default the processor time of this process.
    """
    for function in functions:
        function(items[0])
    seconds = np.empty((rounds, len(functions), len(items)))
    for turn in seconds:
        for number, item in enumerate(items):
            for place, function in enumerate(functions):
                start = clock()
                function(item)
                turn[place, number] = clock() - start
    return seconds.min(axis=0).mean(axis=1)


def machine() -> str:
    """Return the kind of machine: processor and number of cores."""
    models = [
        line.partition(":")[2].strip()
        for line in _lines(Path("/proc/cpuinfo"))
        if line.startswith("model name")
    ]
    model = models[0] if models else platform.processor() or platform.machine()
    return f"{model}, {os.cpu_count()} cores"


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
