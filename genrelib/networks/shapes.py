"""Sizes of inputs: what is too small, and how far an axis can be pooled."""

from ..errors import GenrelibError

SMALLEST = 8
"""Bands and frames that every network on matrices needs: less holds no picture to speak of."""


def checked(
    input_shape: tuple[int, ...], *, n_bands: int = SMALLEST, n_frames: int = SMALLEST
) -> tuple[int, int]:
    """Return `input_shape` as ``(n_bands, n_frames)``, or say why it cannot be used.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one example.
    n_bands, n_frames : int
        The least that the network needs of each axis.

    Raises
    ------
    GenrelibError
        For another number of axes, or for too few bands or frames.

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

    Parameters
    ----------
    shape : tuple of int
        Size of what is pooled.
    wanted : tuple of int
        Window where there is room for it.

    Examples
    --------
    >>> pool_size((128, 40), wanted=(4, 4)), pool_size((3, 5), wanted=(4, 4))
    ((4, 4), (1, 2))
    """
    return tuple(min(window, max(1, size // 2)) for size, window in zip(shape, wanted, strict=True))


def pooled(shape: tuple[int, ...], window: tuple[int, ...]) -> tuple[int, ...]:
    """Return the size that is left after a pooling without overlap.

    Examples
    --------
    >>> pooled((87, 40), (4, 2))
    (21, 20)
    """
    return tuple(size // step for size, step in zip(shape, window, strict=True))
