"""What a system is: a row of the registry, and what its build may depend on."""

from collections.abc import Callable
from dataclasses import dataclass

from sklearn.base import ClassifierMixin

from .. import segments


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
        In ``(0, 1]``: which share of its own number of epochs a network may train.
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
        """How many segments an example holds, see :func:`genrelib.segments.count`."""
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
        A name that :func:`genrelib.packs.described` knows.
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
