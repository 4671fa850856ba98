"""Systems: every classifier of the study, with its source, its claim and what was chosen.

A system is one row of :data:`SYSTEMS`: a feature of the store and a function that builds a
scikit-learn estimator on it. A family is one file of networks, estimators and rows. A new system
needs no more than a row.

Networks are plain torch: a module takes ``input_shape``, the shape of one example without its
batch axis, and ``n_classes``, and returns logits of shape ``(batch, n_classes)``. Its docstring
names what the source leaves open and what was chosen.
"""

from collections.abc import Iterable

import pandas as pd
from sklearn.base import ClassifierMixin

from ..base.errors import GenrelibError, check_limits, unknown
from ..features import FEATURES
from . import best, classical, convolutional, recurrent, residual, transformer
from .row import Recipe, System

_FAMILIES = (classical, convolutional, recurrent, residual, transformer)

SYSTEMS: dict[str, System] = {
    row.name: row
    for rows in (*(f.ROWS for f in _FAMILIES), classical.FMA_ROWS, best.ROWS)
    for row in rows
}
"""Every system by name, in the order of the notebooks."""


def system(name: str) -> System:
    """Look a system up; raise :class:`GenrelibError` for an unknown name."""
    if name not in SYSTEMS:
        raise unknown("system", name, SYSTEMS)
    return SYSTEMS[name]


def chosen(names: str | list[str]) -> list[str]:
    """Return the names of a study's systems.

    ``"all"`` stands for every listed one whose feature is computed from audio. Systems on features
    that come with one collection have to be named by the studies of that collection.
    """
    if names == "all":
        return [r.name for r in SYSTEMS.values() if r.feature in FEATURES and r.is_listed]
    return names


def of_notebook(number: str, names: str | Iterable[str]) -> list[str]:
    """Pick a notebook's systems from those of a study, see :func:`chosen`."""
    return [name for name in chosen(names) if system(name).notebook == number]


def available(names: Iterable[str], corpus) -> tuple[list[str], pd.DataFrame]:
    """Separate the systems whose feature a corpus has from those that it lacks.

    Returns the names of the former, in the order given, and of the others a table with ``feature``
    and ``reason``, in words, index ``system``.
    """
    reasons = {name: corpus.lacks(system(name).feature) for name in names}
    rows = [
        {"system": name, "feature": system(name).feature, "reason": reason}
        for name, reason in reasons.items()
        if reason
    ]
    lacking = pd.DataFrame(rows, columns=["system", "feature", "reason"]).set_index("system")
    return [name for name, reason in reasons.items() if not reason], lacking


def features_of(names: Iterable[str]) -> list[str]:
    """List the features of systems, each once."""
    return list(dict.fromkeys(system(name).feature for name in names))


def sources(names: Iterable[str]) -> pd.DataFrame:
    """List what each source claims, in percent, and what was chosen where it is silent."""
    fields = ("name", "source", "claim", "claim_protocol", "split", "chosen")
    rows = [{field: getattr(system(name), field) for field in fields} for name in names]
    shown = {"name": "system", "claim": "claimed", "claim_protocol": "under"}
    return pd.DataFrame(rows).rename(columns=shown)


def recipe(
    *,
    n_classes: int,
    seed: int,
    epoch_share: float = 1.0,
    image_size: tuple[int, int] = (64, 128),
    clip_s: float = 30.0,
) -> Recipe:
    """Make a :class:`Recipe`; raise :class:`GenrelibError` for a number out of range."""
    if n_classes < 2:
        raise GenrelibError(f"n_classes={n_classes}; a classifier needs at least 2 genres.")
    check_limits(epoch_share=epoch_share, image_size=image_size, clip_s=clip_s)
    return Recipe(n_classes, seed, float(epoch_share), tuple(image_size), float(clip_s))


def build(name: str, **arguments) -> ClassifierMixin:
    """Build a new, unfitted estimator of a system; `arguments` are those of :func:`recipe`.

    ``X`` has the shape ``(n_tracks, n_bands, n_frames)``, ``y`` lies in ``0 .. n_classes - 1``.
    """
    return system(name).build(recipe(**arguments))
