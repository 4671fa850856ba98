"""Segments: equal pieces of a track, one after the other in time, and their ids."""

from collections.abc import Iterable

import numpy as np

from ..base.errors import GenrelibError

SEGMENT_S = 3.0
"""Seconds of a segment, after Dong (2018) and source 001."""


def count(clip_s: float) -> int:
    """Return how many segments of :data:`SEGMENT_S` a clip of `clip_s` seconds holds.

    Examples
    --------
    >>> count(30.0), count(2.0)
    (10, 1)
    """
    return max(1, int(clip_s // SEGMENT_S))


def cut(X: np.ndarray, n_segments: int) -> np.ndarray:
    """Cut each track into `n_segments` pieces of equal length.

    Frames that are left over at the end are dropped.

    Parameters
    ----------
    X : np.ndarray, shape (n_tracks, n_bands, n_frames)
        Feature matrices.
    n_segments : int
        At least 1, at most `n_frames`.

    Returns
    -------
    np.ndarray, shape (n_tracks * n_segments, n_bands, n_frames // n_segments)
        The pieces of the first track, then those of the second, and so on.

    Examples
    --------
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
    """Name the segments of tracks, in the order of :func:`cut`.

    Examples
    --------
    >>> ids(["blues.00000"], 2)
    ['blues.00000#0', 'blues.00000#1']
    """
    return [f"{track_id}#{number}" for track_id in track_ids for number in range(n_segments)]


def parse(segment_id: str) -> tuple[str, int]:
    """Return the track of a segment, and which of its segments it is.

    Examples
    --------
    >>> parse("blues.00000#3")
    ('blues.00000', 3)
    """
    track_id, _, number = segment_id.rpartition("#")
    return track_id, int(number)
