"""Novelty: how far a recording lies from the tracks that a model was trained on.

A recording is summed up by the mean, the spread, and the movement from frame to frame of each mel
band and each MFCC, and by how strongly groups of bands pulse at slow and fast rates. Its novelty is
the mean distance, in standard deviations of the training tracks, to the :data:`NEIGHBOURS` nearest
of them (after Ramaswamy, Rastogi & Shim 2000). What exceeds the threshold is unlike the training
music: a classifier's answer to it means nothing, however sure it looks. The threshold is a quantile
of music by artists that it was not compared with: no speech, noise or silence chose it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.fft import dct
from sklearn.neighbors import NearestNeighbors

from ..base.seeds import rng
from ..features.segments import averaged

FEATURE = "log_mel"  # what recordings are compared by, whatever the system listens to
REVISION = 1  # raised when a recording comes to be summed up otherwise
NEIGHBOURS = 5
QUANTILE = 0.95  # share of music by unknown artists that counts as like the training music
MOST = 5000  # training tracks that are kept for comparison, drawn at random from more
_BLOCK = 64  # tracks that are read at a time


def summary(log_mel: np.ndarray) -> np.ndarray:
    """Sum up log-mel matrices ``(n, 128, n_frames)``, in dB: one row of numbers each, float32."""
    rows = np.concatenate([log_mel, dct(log_mel, axis=1, norm="ortho")[:, :20]], axis=1)
    moves = np.abs(np.diff(rows, axis=2)).mean(axis=2)
    groups = averaged(log_mel, 16, None)
    pulse = np.abs(np.fft.rfft(groups - groups.mean(axis=2, keepdims=True), axis=2))
    edges = np.unique(np.geomspace(1, pulse.shape[2], 9).astype(int))
    rates = [np.log1p(pulse[:, :, a:b].mean(axis=2)) for a, b in pairwise(edges)]
    parts = [rows.mean(axis=2), rows.std(axis=2), moves, *rates]
    return np.concatenate(parts, axis=1, dtype=np.float32)


def summaries(store, track_ids: Sequence[str]) -> np.ndarray:
    """Sum up tracks of a feature store, block by block."""
    return np.concatenate([summary(X) for X in blocks(store, FEATURE, track_ids)])


def blocks(store, feature: str, track_ids: Sequence[str], **size) -> Iterator[np.ndarray]:
    """Read a feature of many tracks, some at a time."""
    for start in range(0, len(track_ids), _BLOCK):
        yield store.read(feature, track_ids[start : start + _BLOCK], **size)


@dataclass(frozen=True)
class Known:
    """The training tracks, as far as recordings are compared with them.

    `mean` and `scale` standardise a summary, `points` are those of `tracks`, standardised; the
    table `tracks` has ``genre, artist, title`` in the same order.
    """

    mean: np.ndarray
    scale: np.ndarray
    points: np.ndarray
    tracks: pd.DataFrame

    @classmethod
    def of(cls, values: np.ndarray, tracks: pd.DataFrame, *, seed: int) -> "Known":
        """Keep the summaries of training tracks, at most :data:`MOST` of them."""
        mean, scale = values.mean(axis=0), values.std(axis=0)
        scale = np.where(scale > 0, scale, 1).astype(np.float32)
        kept = np.arange(len(values))
        if len(values) > MOST:
            kept = np.sort(rng(seed, "known tracks").choice(len(values), MOST, replace=False))
        tracks = tracks.iloc[kept][["genre", "artist", "title"]].reset_index(drop=True)
        return cls(mean, scale, (values[kept] - mean) / scale, tracks)

    def nearest(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return distances and rows of the nearest tracks to each summary, ascending."""
        return self._search.kneighbors((values - self.mean) / self.scale)

    @cached_property
    def _search(self) -> NearestNeighbors:
        count = min(NEIGHBOURS, len(self.points))
        return NearestNeighbors(n_neighbors=count, algorithm="brute").fit(self.points)

    def novelty(self, values: np.ndarray) -> np.ndarray:
        """Return the mean distance of each summary to its nearest tracks."""
        return self.nearest(values)[0].mean(axis=1)
