"""How far a clip is tuned from A440."""

import numpy as np

from .audio import SR
from .compiled import librosa

LOWEST_HZ, HIGHEST_HZ = 150.0, 4000.0
"""Where peaks count as pitches, as in :func:`librosa.piptrack`."""

LOUD = 0.1
"""Least height of a peak, as a share of its frame's maximum."""


def estimate_tuning(spectrogram: np.ndarray, *, bins_per_octave: int) -> float:
    """Estimate the tuning from the louder half of all peaks.

    Equal to ``librosa.estimate_tuning(S=spectrogram, sr=22050, bins_per_octave=bins_per_octave)``,
    which interpolates at every bin; here only at peaks.

    Parameters
    ----------
    spectrogram : np.ndarray [shape=(1 + n_fft // 2, n_frames), dtype=float32]
        Magnitude or power.
    bins_per_octave : int > 0
        Unit of the result.

    Returns
    -------
    float in [-0.5, 0.5)
        Deviation from A440 in bins, in steps of 0.01; 0, with a warning, when there is no peak.
    """
    pitches, heights = _peaks(spectrogram)
    if len(pitches):
        pitches = pitches[heights >= np.median(heights)]
    return librosa.pitch_tuning(frequencies=pitches, bins_per_octave=bins_per_octave)


def _peaks(spectrogram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return frequency, in Hz, and height of all peaks, both interpolated by a parabola."""
    frames = np.ascontiguousarray(spectrogram.T)
    n_bins = frames.shape[1]
    n_fft = 2 * (n_bins - 1)
    first, last = np.searchsorted(
        librosa.fft_frequencies(sr=SR, n_fft=n_fft), [LOWEST_HZ, HIGHEST_HZ]
    )
    here = frames[:, first:last]
    is_peak = here > frames[:, first - 1 : last - 1]
    is_peak &= here >= frames[:, first + 1 : last + 1]
    is_peak &= here > LOUD * frames.max(axis=1, keepdims=True)
    frame, offset = np.nonzero(is_peak)
    place = frame * n_bins + offset + first
    peak, below, above = (frames.ravel()[place + step] for step in (0, -1, 1))
    # single and double precision alternate as in librosa, or else the last bits would differ
    slope = (above - below) / 2
    curvature = (above + below).astype(np.float64) - 2.0 * peak
    is_steep = np.abs(slope) >= np.abs(curvature)
    shift = np.where(is_steep, 0.0, -slope / np.where(is_steep, 1.0, curvature))
    shift = shift.astype(np.float32)
    pitch = ((offset + first + shift) * float(SR) / n_fft).astype(np.float32)
    return pitch, peak + 0.5 * slope * shift
