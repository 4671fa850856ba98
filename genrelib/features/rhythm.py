"""Periodicity of the onset strength: tempogram and beats."""

from collections.abc import Iterator

import numpy as np
import scipy.fft

from .audio import SR
from .compiled import librosa
from .spectra import BLOCK

TEMPO_WINDOW_S = 8.0
"""What the beat tracker looks at to find the tempo, as in :func:`librosa.feature.tempo`."""


def tempogram(envelope: np.ndarray, *, n_lags: int) -> np.ndarray:
    """Compute the local autocorrelation of the onset strength.

    Equal to ``librosa.feature.tempogram(onset_envelope=envelope, win_length=n_lags)`` to the last
    bit.

    Parameters
    ----------
    envelope : np.ndarray [shape=(n_frames,), dtype=float32]
        Onset strength.
    n_lags : int > 1
        Frames of a window, and rows of the result.

    Returns
    -------
    np.ndarray [shape=(n_lags, n_frames), dtype=float64]
        Share of the frame's maximum; zero where the envelope is.
    """
    n_fft = scipy.fft.next_fast_len(2 * n_lags - 1, real=True)
    blocks = []
    for block in _windows(envelope, n_lags):
        lags = np.fft.irfft(_power(block, n_fft), n=n_fft, axis=1)[:, :n_lags]
        blocks.append(librosa.util.normalize(S=lags, norm=np.inf, axis=1))
    return np.concatenate(blocks).T


def beats(envelope: np.ndarray, *, hop_length: int) -> np.ndarray:
    """Find the frames of beats.

    Equal to ``librosa.beat.beat_track(onset_envelope=envelope, sr=22050, hop_length=hop_length)``,
    in a third of its time: its mean tempogram is transformed back once, not frame by frame.

    Parameters
    ----------
    envelope : np.ndarray [shape=(n_frames,), dtype=float32]
        Onset strength.
    hop_length : int > 0
        Samples from one frame to the next.

    Returns
    -------
    np.ndarray [shape=(n_beats,), dtype=int]
        Frames, ascending.
    """
    n_lags = librosa.time_to_frames(times=TEMPO_WINDOW_S, sr=SR, hop_length=hop_length).item()
    mean = _mean_tempogram(envelope, n_lags=n_lags)[:, np.newaxis]
    bpm = librosa.feature.tempo(tg=mean, sr=SR, hop_length=hop_length, aggregate=None)
    _, frames = librosa.beat.beat_track(
        onset_envelope=envelope, sr=SR, hop_length=hop_length, bpm=bpm
    )
    return frames


def _mean_tempogram(envelope: np.ndarray, *, n_lags: int) -> np.ndarray:
    """Return the mean of :func:`tempogram` over time, but for rounding (1e-15)."""
    n_fft = scipy.fft.next_fast_len(2 * n_lags - 1, real=True)
    total = np.zeros(1 + n_fft // 2)
    for block in _windows(envelope, n_lags):
        # no lag exceeds lag 0, which is the energy
        energy = np.sum(np.square(block), axis=1)
        energy[energy < librosa.util.tiny(energy)] = 1.0
        total += (1 / energy) @ _power(block, n_fft)
    return np.fft.irfft(total / len(envelope), n=n_fft)[:n_lags]


def _windows(envelope: np.ndarray, length: int) -> Iterator[np.ndarray]:
    """Yield the windows around each frame, weighted, in blocks."""
    padded = np.pad(envelope, length // 2, mode="linear_ramp", end_values=0)
    windows = np.lib.stride_tricks.sliding_window_view(padded, length)[: len(envelope)]
    weights = librosa.filters.get_window("hann", length)
    for start in range(0, len(windows), BLOCK):
        yield windows[start : start + BLOCK] * weights


def _power(windows: np.ndarray, n_fft: int) -> np.ndarray:
    """Return the power spectrum of each window, padded with zeros to `n_fft`."""
    spectra = np.fft.rfft(windows, n=n_fft, axis=1)
    return np.square(spectra.real) + np.square(spectra.imag)
