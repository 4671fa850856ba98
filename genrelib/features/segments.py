"""Smaller feature matrices: segments of a track and their ids, and averaged blocks."""

from collections.abc import Iterable

import numpy as np

from ..base.errors import GenrelibError

SEGMENT_S = 3.0  # seconds of a segment, after Dong (2018) and source 001


def count(clip_s: float) -> int:
    """Return how many segments of :data:`SEGMENT_S` a clip of `clip_s` seconds holds, at least 1.

    >>> count(30.0), count(2.0)
    (10, 1)
    """
    return max(1, int(clip_s // SEGMENT_S))


def cut(X: np.ndarray, n_segments: int) -> np.ndarray:
    """Cut tracks into `n_segments` pieces of equal length; frames left over at the end are dropped.

    The result has the pieces of the first track, then those of the second, and so on.

    >>> cut(np.arange(5).reshape(1, 1, 5), 2).tolist()
    [[[0, 1]], [[2, 3]]]
    """
    n_tracks, n_bands, n_frames = X.shape
    if not 1 <= n_segments <= n_frames:
        raise GenrelibError(
            f"n_segments={n_segments}; 1 to {n_frames}, the number of frames, are possible."
        )
    length = n_frames // n_segments
    pieces = X[:, :, : n_segments * length].reshape(n_tracks, n_bands, n_segments, length)
    return pieces.transpose(0, 2, 1, 3).reshape(-1, n_bands, length)


def ids(track_ids: Iterable[str], n_segments: int) -> list[str]:
    """Name the segments of tracks, in the order of :func:`cut`: ``"blues.00000#3"``."""
    return [f"{track_id}#{number}" for track_id in track_ids for number in range(n_segments)]


def parse(segment_id: str) -> tuple[str, int]:
    """Return the track of a segment and the number of the segment; the reverse of :func:`ids`."""
    track_id, _, number = segment_id.rpartition("#")
    return track_id, int(number)


def averaged(X: np.ndarray, n_bands: int | None, n_frames: int | None) -> np.ndarray:
    """Average blocks of neighbouring bands and frames, whose lengths differ by at most one.

    `X`, shape ``(..., bands, frames)``, is finite; decibels give a mean of levels, not the level of
    a mean power. An axis that is already as short, or whose size is None, is left as it is.

    >>> X = np.array([[1.0, 3.0, 5.0, 7.0], [3.0, 5.0, 7.0, 9.0]])
    >>> averaged(X, 1, 2).tolist()
    [[3.0, 7.0]]
    """
    X = np.asarray(X)
    if X.ndim < 2:
        raise GenrelibError(
            f"features of shape {X.shape}; at least the two axes (bands, frames) are needed."
        )
    check_size((n_bands, n_frames))
    # frames first: they lie side by side in memory, which leaves little for the slower axis
    return _averaged(_averaged(X, n_frames, -1), n_bands, -2)


def check_size(size: tuple[int | None, int | None]) -> None:
    """Raise the error for a size that :func:`averaged` can't make."""
    for name, wanted in zip(("n_bands", "n_frames"), size, strict=True):
        if wanted is not None and wanted < 1:
            raise GenrelibError(
                f"{name}={wanted!r}; at least 1 is needed. Give None to leave the axis as it is."
            )


def _averaged(X: np.ndarray, n_blocks: int | None, axis: int) -> np.ndarray:
    """Average the blocks along one axis, -2 or -1."""
    length = X.shape[axis]
    if n_blocks is None or n_blocks >= length:
        return X
    edges = np.arange(n_blocks + 1) * length // n_blocks
    sizes = np.diff(edges).astype(X.dtype)
    return np.add.reduceat(X, edges[:-1], axis=axis) / (sizes[:, None] if axis == -2 else sizes)
