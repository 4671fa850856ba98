"""Systems: every classifier of the study, with its source, its claim and what was chosen.

A system is one row of :data:`SYSTEMS`: a feature of the store and a function that builds a
scikit-learn estimator on it. A family is one file: its networks, their estimators and the rows. A
row is all that a new system needs.

Networks are plain torch: every module takes ``input_shape``, the shape of one example without its
batch axis, and ``n_classes``, and returns logits of shape ``(batch, n_classes)``. Each keeps what
its source says and names in its docstring what the source leaves unsaid and what was chosen.
"""

from collections.abc import Iterable

import pandas as pd
from sklearn.base import ClassifierMixin

from ..base.errors import GenrelibError, unknown
from ..base.limits import check_limits
from ..features import FEATURES
from . import classical, convolutional, published, recurrent, residual, stacked, transformer
from .row import Recipe, System

__all__ = [
    "SYSTEMS",
    "Recipe",
    "System",
    "available",
    "build",
    "chosen",
    "features_of",
    "of_notebook",
    "recipe",
    "sources",
    "system",
]

_FAMILIES = (classical, convolutional, stacked, recurrent, residual, transformer, published)

SYSTEMS: dict[str, System] = {row.name: row for family in _FAMILIES for row in family.ROWS}
"""Every system by name, in the order of the notebooks."""


def system(name: str) -> System:
    """Look a system up.

    Raises
    ------
    GenrelibError
        For an unknown name; the message lists the known ones.
    """
    if name not in SYSTEMS:
        raise unknown("system", name, SYSTEMS)
    return SYSTEMS[name]


def chosen(names: str | list[str]) -> list[str]:
    """Return the names of systems that a study asks for.

    ``"all"`` stands for every one whose feature can be had from audio. Those on features that come
    with one collection only are asked for by name, by the studies of that collection.
    """
    return (
        [row.name for row in SYSTEMS.values() if row.feature in FEATURES]
        if names == "all"
        else names
    )


def of_notebook(number: str, names: str | Iterable[str]) -> list[str]:
    """Pick the systems that a notebook runs from those that a study asks for, perhaps ``"all"``.

    Examples
    --------
    >>> of_notebook("06", ["knn", "resnet18"])
    ['resnet18']
    """
    return [name for name in chosen(names) if system(name).notebook == number]


def available(names: Iterable[str], corpus) -> tuple[list[str], pd.DataFrame]:
    """Tell the systems whose feature a corpus has from those that it lacks.

    Returns
    -------
    names : list of str
        Those that can be run, in the order given.
    lacking : pd.DataFrame, index system
        ``feature`` and ``reason``, in words, for each of the others.
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
    """List the features that systems ask for, each once.

    Examples
    --------
    >>> features_of(["knn", "svm", "cnn_2d"])
    ['log_mel', 'stack']
    """
    return list(dict.fromkeys(system(name).feature for name in names))


def sources(names: Iterable[str]) -> pd.DataFrame:
    """Lay out what each source says, what it leaves unsaid, and what was chosen.

    Returns
    -------
    pd.DataFrame
        ``system, source, claimed`` (percent)``, under, split`` (the protocol that comes nearest)
        and ``chosen``.
    """
    return pd.DataFrame(
        [
            {
                "system": row.name,
                "source": row.source,
                "claimed": row.claim,
                "under": row.claim_protocol,
                "split": row.split,
                "chosen": row.chosen,
            }
            for row in map(system, names)
        ]
    )


def recipe(
    *,
    n_classes: int,
    seed: int,
    epoch_share: float = 1.0,
    image_size: tuple[int, int] = (64, 128),
    clip_s: float = 30.0,
) -> Recipe:
    """Check what a build depends on, see :class:`Recipe`.

    Raises
    ------
    GenrelibError
        For a number out of range.
    """
    if n_classes < 2:
        raise GenrelibError(f"n_classes={n_classes}; a classifier needs at least 2 genres.")
    check_limits(epoch_share=epoch_share, image_size=image_size, clip_s=clip_s)
    return Recipe(n_classes, seed, float(epoch_share), tuple(image_size), float(clip_s))


def build(name: str, **arguments) -> ClassifierMixin:
    """Build a new, unfitted estimator.

    Parameters
    ----------
    name : str
        A name in :data:`SYSTEMS`.
    **arguments
        As for :func:`recipe`.

    Returns
    -------
    estimator
        Takes ``X`` of shape ``(n_tracks, n_bands, n_frames)``, read at the system's ``size``, and
        ``y`` in ``0 .. n_classes - 1``.
    """
    return system(name).build(recipe(**arguments))
