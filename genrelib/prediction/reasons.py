"""Reasons: which moments and bands of a clip its answer rests on, for any system.

A moment is replaced by the training tracks' mean of each band, and a band is brought to their mean
level; then the system is asked again (after occlusion, Zeiler & Fergus 2014). What the answer's
probability loses is what it owes to the piece. A band is not replaced, since no music has one that
never moves: every system would lose its answer.
"""

import numpy as np
import pandas as pd

from ..features import FEATURES, SR
from ..features.compiled import librosa
from .models import Model

N_BANDS, N_MOMENTS = 8, 12
"""Into how many pieces a clip is cut, across its bands and along its time."""


def occluded(model: Model, X: np.ndarray, genre: int) -> pd.DataFrame:
    """Return what the probability of a genre, by its position, loses with each piece of a clip.

    `X` has the shape ``(n_bands, n_frames)``. Columns ``kind`` ("band" or "moment"), ``start`` and
    ``end`` (shares of the clip's height, lowest first, or length), ``piece`` in words, ``loss``.
    """
    pieces = [("band", a, b) for a, b in _pieces(X.shape[0], N_BANDS)]
    pieces += [("moment", a, b) for a, b in _pieces(X.shape[1], N_MOMENTS)]
    changed = np.repeat(X[np.newaxis], len(pieces), axis=0)
    for copy, (kind, first, end) in zip(changed, pieces, strict=True):
        if kind == "band":
            copy[first:end] += model.baseline[first:end] - X[first:end].mean(axis=1, keepdims=True)
        else:
            copy[:, first:end] = model.baseline
    before = model.probabilities(X[np.newaxis])[0, genre]
    after = model.probabilities(changed)[:, genre]
    length = {"band": X.shape[0], "moment": X.shape[1]}
    rows = [
        (kind, first / length[kind], end / length[kind], _named(model, kind, first, end, X.shape))
        for kind, first, end in pieces
    ]
    table = pd.DataFrame(rows, columns=["kind", "start", "end", "piece"])
    return table.assign(loss=before - after)


def _pieces(length: int, count: int) -> list[tuple[int, int]]:
    edges = np.arange(min(count, length) + 1) * length // min(count, length)
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _named(model: Model, kind: str, first: int, end: int, shape: tuple[int, int]) -> str:
    if kind == "moment":
        clip_s = model.header["recipe"]["clip_s"]
        return f"{clip_s * first / shape[1]:.1f} to {clip_s * end / shape[1]:.1f} s"
    feature = FEATURES[model.header["feature"]]
    if feature.kind not in ("mel", "linear"):
        return f"rows {first + 1} to {end} of {shape[0]}"
    edges = np.linspace(0, SR / 2, shape[0] + 1)
    if feature.kind == "mel":
        edges = librosa.mel_frequencies(n_mels=shape[0] + 1, fmin=0, fmax=SR / 2)
    return f"{edges[first]:.0f} to {edges[end]:.0f} Hz"
