"""What a system is: a row of the registry, what its build may depend on, and what it costs."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch
from sklearn.base import ClassifierMixin
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ..base.errors import GenrelibError
from ..features import segments


def as_image(x: torch.Tensor) -> torch.Tensor:
    """Give matrices ``(batch, n_bands, n_frames)`` a channel axis, which lies last in memory."""
    return x.unsqueeze(1).contiguous(memory_format=torch.channels_last)


SMALLEST = 8  # bands and frames that every network on matrices needs: less is no picture


def checked(
    input_shape: tuple[int, ...], *, n_bands: int = SMALLEST, n_frames: int = SMALLEST
) -> tuple[int, int]:
    """Return `input_shape` as ``(n_bands, n_frames)``; raise the error for too small a one."""
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

    >>> pool_size((128, 40), wanted=(4, 4)), pool_size((3, 5), wanted=(4, 4))
    ((4, 4), (1, 2))
    """
    return tuple(min(window, max(1, size // 2)) for size, window in zip(shape, wanted, strict=True))


def pooled(shape: tuple[int, ...], window: tuple[int, ...]) -> tuple[int, ...]:
    """Return the size that is left after a pooling without overlap."""
    return tuple(size // step for size, step in zip(shape, window, strict=True))


@dataclass(frozen=True)
class Recipe:
    """What a build may depend on besides the system's own constants."""

    n_classes: int  # genres of the corpus
    seed: int  # of this fit
    epoch_share: float  # share of its own number of epochs that a network may train, in (0, 1]
    image_size: tuple[int, int]  # bands and frames of the pictures that networks of pictures get
    clip_s: float  # seconds of music in each example

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


@dataclass(frozen=True, kw_only=True)
class System:
    """A row of the registry; its source is a document's file name or address, or ``"ours"``."""

    name: str
    title: str  # for people
    notebook: str  # number of the notebook that runs it
    feature: str  # known to genrelib.store.packs.described
    build: Callable[[Recipe], ClassifierMixin]  # a new estimator with fit and predict_proba
    chosen: str  # what was chosen where the source is silent
    source: str = "ours"
    claim: float | None = None  # accuracy claimed there, in percent
    claim_protocol: str = ""  # how it was measured, in the source's words
    claim_n: int | None = None  # tests that it rests on, if the source states them
    claim_about: str = "GTZAN"  # the music that it was measured on
    split: str = "track_random"  # the protocol nearest to the source's
    chosen_on: str = ""  # the corpus on whose folds it was chosen, if that was so
    size: Callable[[Recipe], tuple[int | None, int | None]] = whole  # see Store.read
    # whether the validation part ends the training: if so, fit takes is_valid; if not, the
    # validation part joins the training part
    validates: bool = False
    is_listed: bool = True  # whether "all" systems of a study have it among them


def count_parameters(module: nn.Module) -> int:
    """Return how many numbers training may change in `module`."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def count_multiply_adds(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Count the multiply-adds of one example of `input_shape`, without its batch axis.

    Those of all matrix products in prediction; normalisation, activations, pooling and resizing
    multiply little and are not counted.

    >>> count_multiply_adds(nn.Linear(5, 3), (5,))
    15
    """
    return _trace(module, input_shape, hooked={})[""]


def layers(module: nn.Module, input_shape: tuple[int, ...]) -> pd.DataFrame:
    """List the layers that hold parameters, in the order of their definition.

    Columns ``layer`` (path of the attribute), ``kind`` (its class), ``output`` (shape without the
    batch axis, as text), ``parameters`` and ``multiply_adds`` of one example.
    """
    rows = {}
    for name, layer in module.named_modules():
        inside_another = any(name.startswith(f"{row}.") for row in rows)
        if not inside_another and any(True for _ in layer.parameters(recurse=False)):
            rows[name] = layer
    outputs = dict.fromkeys(rows, "")
    counts = _trace(module, input_shape, hooked=outputs)
    return pd.DataFrame(
        {
            "layer": list(rows),
            "kind": [type(layer).__name__ for layer in rows.values()],
            "output": list(outputs.values()),
            "parameters": [count_parameters(layer) for layer in rows.values()],
            "multiply_adds": [counts.get(name, 0) for name in rows],
        }
    )


def _trace(module, input_shape, hooked):
    """Run one example through a copy without numbers; return multiply-adds by layer, "" for all."""
    hollow = copy.deepcopy(module).to("meta").eval()
    for name in hooked:
        hollow.get_submodule(name).register_forward_hook(_shape_writer(hooked, name))
    with FlopCounterMode(display=False) as counter:
        hollow(torch.zeros(1, *input_shape, device="meta"))
    root = f"{type(module).__name__}."
    within = {
        name.removeprefix(root): sum(flops.values()) // 2
        for name, flops in counter.get_flop_counts().items()
        if name.startswith(root)
    }
    return {"": counter.get_total_flops() // 2, **within}


def _shape_writer(hooked, name):
    def write(_layer, _inputs, output):
        output = output[0] if isinstance(output, tuple) else output
        hooked[name] = " x ".join(map(str, output.shape[1:]))

    return write
