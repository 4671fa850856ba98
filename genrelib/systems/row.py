"""What a system is: a row of the registry, and what its build may depend on."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from sklearn.base import ClassifierMixin

from ..base.errors import GenrelibError
from ..features import segments


def as_image(x: torch.Tensor) -> torch.Tensor:
    """Turn matrices ``(batch, n_bands, n_frames)`` into ``(batch, 1, n_bands, n_frames)``.

    The channel lies last in memory.
    """
    return x.unsqueeze(1).contiguous(memory_format=torch.channels_last)


SMALLEST = 8
"""Bands and frames that every network on matrices needs: less holds no picture to speak of."""


def checked(
    input_shape: tuple[int, ...], *, n_bands: int = SMALLEST, n_frames: int = SMALLEST
) -> tuple[int, int]:
    """Return `input_shape` as ``(n_bands, n_frames)``.

    Raise :class:`GenrelibError` for another number of axes, or fewer bands or frames than the least
    that are given.

    Examples
    --------
    >>> checked((128, 40))
    (128, 40)
    """
    if len(input_shape) != 2:
        raise GenrelibError(
            f"examples of shape {tuple(input_shape)}; a network on feature matrices needs "
            "(n_bands, n_frames). Give one matrix per example, without a channel axis."
        )
    if input_shape[0] < n_bands or input_shape[1] < n_frames:
        raise GenrelibError(
            f"examples of {input_shape[0]} bands x {input_shape[1]} frames; this network needs at "
            f"least {n_bands} x {n_frames}. Average the feature less, take one with more bands, or "
            "use longer clips."
        )
    return int(input_shape[0]), int(input_shape[1])


def pool_size(shape: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...]:
    """Return the window of a pooling that leaves two positions on every axis that has two.

    One network then serves a chromagram of 12 rows and a spectrogram of 128.

    Examples
    --------
    >>> pool_size((128, 40), wanted=(4, 4)), pool_size((3, 5), wanted=(4, 4))
    ((4, 4), (1, 2))
    """
    return tuple(min(window, max(1, size // 2)) for size, window in zip(shape, wanted, strict=True))


def pooled(shape: tuple[int, ...], window: tuple[int, ...]) -> tuple[int, ...]:
    """Return the size that is left after a pooling without overlap."""
    return tuple(size // step for size, step in zip(shape, window, strict=True))


@dataclass(frozen=True)
class Recipe:
    """What a build may depend on besides the system's own constants.

    Parameters
    ----------
    n_classes : int
        Genres of the corpus.
    seed : int
        Of this fit.
    epoch_share : float
        Share of its own number of epochs that a network may train, in ``(0, 1]``.
    image_size : tuple of int
        Bands and frames of the pictures that networks of pictures get.
    clip_s : float
        Seconds of music in each example.
    """

    n_classes: int
    seed: int
    epoch_share: float
    image_size: tuple[int, int]
    clip_s: float

    def epochs(self, own: int) -> int:
        """Return the share of a system's `own` number of epochs, at least 1."""
        return max(1, round(self.epoch_share * own))

    @property
    def n_segments(self) -> int:
        """How many segments an example holds, see :func:`genrelib.features.segments.count`."""
        return segments.count(self.clip_s)


def whole(_recipe: Recipe) -> tuple[None, None]:
    """Read features as they are stored."""
    return None, None


def image(recipe: Recipe) -> tuple[int, int]:
    """Read features as pictures of the study's image size."""
    return recipe.image_size


@dataclass(frozen=True)
class System:
    """A row of the registry.

    Parameters
    ----------
    name, title : str
        For code, and for people.
    notebook : str
        Number of the notebook that runs it.
    feature : str
        A name that :func:`genrelib.store.packs.described` knows.
    build : callable
        ``build(recipe)`` returns a new estimator with ``fit`` and ``predict_proba``.
    source : str
        The document that describes it, by its file name or address, or ``"ours"``.
    claim : float or None
        Accuracy claimed there, in percent.
    claim_protocol : str
        How it was measured, in the source's words, as far as it says.
    claim_n : int or None
        How many tests the claim rests on; None where the source does not say.
    claim_about : str
        The music that it was measured on.
    split : str
        The name in :data:`genrelib.protocols.PROTOCOLS` that comes nearest to the source's split.
    chosen : str
        What the source leaves unsaid, and what was chosen.
    size : callable
        ``size(recipe)`` returns bands and frames to which features are averaged when they are
        read; None leaves an axis as it is stored.
    validates : bool
        Whether the validation part is kept out of training, to pick the epoch on. If so its
        ``fit`` takes ``is_valid``; if not, the validation part joins the training part.
    """

    name: str
    title: str
    notebook: str
    feature: str
    build: Callable[[Recipe], ClassifierMixin]
    source: str
    claim: float | None
    claim_protocol: str
    claim_n: int | None
    split: str
    chosen: str
    size: Callable[[Recipe], tuple[int | None, int | None]] = whole
    validates: bool = False
    claim_about: str = "GTZAN"
