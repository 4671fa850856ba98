"""Pictures of changed recordings: what systems see of a track after each change."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..audio import SR, excerpt, read
from ..compiled import librosa
from ..features import extract
from ..images import averaged
from ..interventions import INTERVENTIONS
from ..interventions.variants import Variant
from ..seeds import rng
from ..store import Store
from ..storefile import stored

UNCHANGED = "unchanged"
"""The change that is none."""

FROM_MEL = {
    "log_mel": lambda log_mel: log_mel,
    "mfcc": lambda log_mel: librosa.feature.mfcc(S=log_mel, n_mfcc=20),
}
"""What can be made from a changed log-mel, and how."""


@dataclass(frozen=True)
class Change:
    """What is done to a track: nothing, an intervention of some strength, or another recording.

    Parameters
    ----------
    name : str
        :data:`UNCHANGED`, a key of :data:`~genrelib.interventions.INTERVENTIONS`, or one of
        :data:`~genrelib.interventions.variants.KINDS`.
    strength : float
        Of the intervention, in its unit; else NaN.
    manner : str
        The genre in whose manner it is played, of another recording; else empty.
    """

    name: str
    strength: float = math.nan
    manner: str = ""


Asked = tuple[str, tuple[int | None, int | None]]
"""A feature, and the bands and frames to which it is averaged."""

Made = tuple[str, list[Change], list[np.ndarray]]
"""A track's id, its changes, and for each thing asked the pictures of all changes."""


def of_audio(
    track_id: str, path: str, clip_s: float, changes: list[Change], asked: list[Asked], seed: int
) -> Made:
    """Decode a track, change it, and extract what is asked, once per change.

    Parameters
    ----------
    track_id, path : str
        The track, and its audio file.
    clip_s : float
        Seconds kept, from the middle.
    changes : list of Change
        Interventions, and none.
    asked : list of Asked
        What the systems ask for.
    seed : int
        The study's seed.
    """
    clip = excerpt(read(Path(path)), SR, clip_s)
    found = (_extracted(_changed(clip, change, track_id, seed), asked) for change in changes)
    return track_id, changes, _stacked(found, asked)


def of_variants(variants: list[Variant], clip_s: float, asked: list[Asked]) -> Made:
    """Render one track's variants and extract what is asked; parameters as above."""
    found = (_extracted(excerpt(variant.sound(), SR, clip_s), asked) for variant in variants)
    changes = [Change(variant.kind, manner=variant.manner) for variant in variants]
    return variants[0].track_id, changes, _stacked(found, asked)


def of_mel(
    track_id: str, store: Store, changes: list[Change], asked: list[Asked], seed: int
) -> Made:
    """Change a track's whole log-mel and make what is asked from it; parameters as above.

    What is not changed is read as it is stored.
    """
    whole = store.read("log_mel", [track_id])[0]
    found = (
        _read(store, track_id, asked)
        if change.name == UNCHANGED
        else _from_mel(_changed_mel(whole, change, track_id, seed, store.frame_s), asked)
        for change in changes
    )
    return track_id, changes, _stacked(found, asked)


def _changed(clip, change, track_id, seed):
    if change.name == UNCHANGED:
        return clip
    generator = _generator(change, track_id, seed)
    return INTERVENTIONS[change.name].apply(clip, SR, change.strength, generator)


def _changed_mel(log_mel, change, track_id, seed, frame_s):
    generator = _generator(change, track_id, seed)
    row = INTERVENTIONS[change.name]
    return row.mel(log_mel, change.strength, generator, frame_s=frame_s)


def _generator(change, track_id, seed):
    # without the strength: a curve or a noise stays the same, and only grows
    return rng(seed, "intervention", change.name, track_id)


def _extracted(y, asked):
    matrices = extract(y, SR, _features(asked))
    return {name: stored(name, matrix) for name, matrix in matrices.items()}


def _from_mel(log_mel, asked):
    return {name: stored(name, FROM_MEL[name](log_mel)) for name in _features(asked)}


def _read(store, track_id, asked):
    return {name: store.read(name, [track_id])[0] for name in _features(asked)}


def _features(asked):
    return dict.fromkeys(feature for feature, _ in asked)


def _stacked(found: Iterable[dict[str, np.ndarray]], asked: Sequence[Asked]) -> list[np.ndarray]:
    """Average the matrices of each change as the store does when it reads, and stack them."""
    rows = [[_small(matrices[name], size) for name, size in asked] for matrices in found]
    return [np.stack(pictures) for pictures in zip(*rows, strict=True)]


def _small(matrix, size):
    """Average; what is to stay whole stays as narrow as it is stored, since it travels."""
    small = averaged(matrix.astype(np.float32), *size)
    return matrix if small.shape == matrix.shape else small
