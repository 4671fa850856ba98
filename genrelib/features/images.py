"""Smaller pictures of feature matrices: blocks of neighbouring bands and frames, averaged."""

import numpy as np

from ..base.errors import GenrelibError


def averaged(X: np.ndarray, n_bands: int | None, n_frames: int | None) -> np.ndarray:
    """Average blocks of neighbouring bands and frames.

    Blocks are as equal as whole bands and frames allow: their lengths differ by at most one. So a
    matrix that does not divide evenly is covered whole, nothing is cut off or counted twice.

    Parameters
    ----------
    X : np.ndarray [shape=(..., bands, frames), dtype=float32 or float64]
        Feature matrices, finite, in any unit. Decibels are averaged as they are, so the result is
        a mean of levels, not the level of a mean power.
    n_bands, n_frames : int > 0 or None
        Size of the result. An axis that is already shorter, or ``None``, is left as it is.

    Returns
    -------
    np.ndarray [shape=(..., min(bands, n_bands), min(frames, n_frames))]
        In the type and unit of `X`; `X` itself where nothing is to be averaged.

    Raises
    ------
    GenrelibError
        When `X` has fewer than two axes or a size is below 1.

    Examples
    --------
    >>> X = np.array([[1.0, 3.0, 5.0, 7.0], [3.0, 5.0, 7.0, 9.0]])
    >>> averaged(X, 1, 2).tolist()
    [[3.0, 7.0]]
    >>> averaged(X, None, 2).tolist()
    [[2.0, 6.0], [4.0, 8.0]]
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
    """Raise the error for a picture's size that is not possible; see :func:`averaged`."""
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
