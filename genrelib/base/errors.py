"""Errors for people: one exception root, unknown names, and parameters out of their limits.

The runner checks a whole study by the limits before anything runs; the functions that take such a
number check it again, for those who call them from elsewhere.
"""

import math
import sys
from collections.abc import Callable
from numbers import Integral, Real
from types import NoneType


class GenrelibError(ValueError):
    """An error the user can correct; the root of all that ``genrelib`` raises on purpose.

    The message holds the value seen, what is allowed, and what to do.
    """


def unknown(kind: str, name: object, known) -> GenrelibError:
    """Return the error for a name that is none of the known ones, of a kind such as ``"study"``.

    >>> str(unknown("genre", "polka", ["blues", "rock"]))
    "unknown genre 'polka'; known: blues, rock. Check the spelling."
    """
    listed = ", ".join(sorted(map(str, known))) or "none"
    return GenrelibError(f"unknown {kind} {name!r}; known: {listed}. Check the spelling.")


def _is_whole(value: object, low: int, high: float = math.inf) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and low <= int(value) <= high


def _is_above_0(value: object, high: float = sys.float_info.max) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and 0 < value <= high


def _is_size(value: object) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and all(_is_whole(n, 16) for n in value)
    )


def _is_options(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) and name != "n_jobs" and isinstance(given, (str, Real, NoneType))
        for name, given in value.items()
    )


LIMITS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "corpus_options": (
        "names and their values, text or numbers, n_jobs not among them; {} for none",
        _is_options,
    ),
    "clip_s": ("a number of seconds above 0", _is_above_0),
    # with more folds a genre's few artists no longer fill them
    "n_folds": ("a whole number from 2 to 5", lambda v: _is_whole(v, 2, 5)),
    "n_repeats": ("a whole number, 1 or more", lambda v: _is_whole(v, 1)),
    "n_seeds": ("a whole number, 1 or more", lambda v: _is_whole(v, 1)),
    "epoch_share": ("a number above 0, at most 1", lambda v: _is_above_0(v, 1)),
    "image_size": ("two whole numbers, of bands and frames, 16 or more", _is_size),
    "probed_tracks": ("a whole number, 1 or more", lambda v: _is_whole(v, 1)),
    "probed_strengths": ("a whole number, 1 or more", lambda v: _is_whole(v, 1)),
    "seed": ("a whole number, 0 or more", lambda v: _is_whole(v, 0)),
}
"""What each parameter that names nothing may be."""


def check_limits(**values: object) -> None:
    """Raise :class:`GenrelibError` for the first value that :data:`LIMITS` does not allow.

    >>> check_limits(n_folds=5, seed=0)
    """
    for name, value in values.items():
        allowed, holds = LIMITS[name]
        if not holds(value):
            shown = list(value) if isinstance(value, tuple) else value
            raise GenrelibError(
                f"{name}={shown!r}; allowed is {allowed}. Change it in the study's file, or in "
                "the call."
            )
