"""Spectra of overlapping windows of audio, in blocks that stay in the processor's cache."""

from collections.abc import Iterator

import numpy as np

BLOCK = 64
"""Windows that are transformed at a time."""


def spectra_of_windows(
    y: np.ndarray,
    *,
    n_fft: int,
    hop_length: int,
    shape: np.ndarray | None = None,
    bins: slice = slice(None),
) -> Iterator[np.ndarray]:
    """Yield the short-time Fourier transform, block by block.

    Concatenated and transposed equal to ``librosa.stft(y=y, n_fft=n_fft, hop_length=hop_length,
    window=shape)[bins]``, to the last bit.

    Parameters
    ----------
    y : np.ndarray [shape=(n_samples,), dtype=float32]
        Mono audio.
    n_fft : int > 0
        Samples of a window, an even number. Windows are centred, with zeros beyond both ends.
    hop_length : int > 0
        Samples from one window to the next.
    shape : np.ndarray [shape=(n_fft,), dtype=float64], optional
        What each window is multiplied by; by default ones.
    bins : slice
        Frequency bins to keep, of ``1 + n_fft // 2``.

    Yields
    ------
    np.ndarray [shape=(n_windows, n_bins), dtype=complex64]
        Of the next at most :data:`BLOCK` windows, of ``1 + n_samples // hop_length`` in all.
    """
    padded = np.pad(y, n_fft // 2).astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_length]
    for start in range(0, len(windows), BLOCK):
        block = windows[start : start + BLOCK]
        spectra = np.fft.rfft(block if shape is None else block * shape, axis=1)
        yield spectra[:, bins].astype(np.complex64)
