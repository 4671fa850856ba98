"""The constant-Q transform: frequency bins in equal musical steps."""

from functools import cache
from typing import NamedTuple

import numpy as np
import scipy.fft
import scipy.sparse

from .audio import SR
from .compiled import librosa
from .windows import spectra_of_windows

OCTAVES = 7
BINS_PER_OCTAVE = 36


def cqt_magnitude(y: np.ndarray, *, hop_length: int, tuning: float) -> np.ndarray:
    """Compute the magnitude of the constant-Q transform over seven octaves from C1.

    Equal to ``abs(librosa.cqt(y=y, sr=22050, hop_length=hop_length, n_bins=252,
    bins_per_octave=36, tuning=tuning))`` to the last bit, in a third of its time: each octave
    halves the sample rate, so one filter bank serves all seven (librosa builds it seven times), and
    only the FFT bins it touches are kept.

    Parameters
    ----------
    y : np.ndarray [shape=(n_samples,), dtype=float32]
        Mono audio at ``SR``.
    hop_length : int > 0
        Samples from one frame to the next; a multiple of 64.
    tuning : float in [-0.5, 0.5]
        Deviation from A440 in bins, 36 to the octave.

    Returns
    -------
    np.ndarray [shape=(252, n_frames), dtype=float32]
        Magnitudes, lowest note first.
    """
    bank = filter_bank(tuning)
    octaves = []
    for octave in range(OCTAVES):
        if octave:
            y = librosa.resample(y=y, orig_sr=2, target_sr=1, res_type="soxr_hq", scale=True)
        blocks = spectra_of_windows(
            y, n_fft=bank.n_fft, hop_length=hop_length >> octave, bins=bank.bins
        )
        octaves.insert(0, bank.filters[octave].dot(np.concatenate(list(blocks)).T))
    # decimation rounds lengths up, so that lower octaves may have a frame more
    n_frames = octaves[-1].shape[1]
    response = np.concatenate([octave[:, :n_frames] for octave in octaves])
    response /= np.sqrt(bank.lengths)[:, np.newaxis]
    return np.abs(response)


class FilterBank(NamedTuple):
    """The filters of an octave, which serve all octaves.

    Parameters
    ----------
    filters : tuple of scipy.sparse.csr_matrix [shape=(36, n_bins), dtype=complex64]
        In the frequency domain, for the highest octave first: each lower one is louder, for having
        been decimated once more.
    n_fft : int
        Samples of a window.
    bins : slice
        The FFT bins that the filters touch.
    lengths : np.ndarray [shape=(252,)]
        Of all octaves' filters in samples at full rate, lowest first.
    """

    filters: tuple[scipy.sparse.csr_matrix, ...]
    n_fft: int
    bins: slice
    lengths: np.ndarray


@cache
def filter_bank(tuning: float) -> FilterBank:
    """Build the filters of a tuning, or return those built before.

    There are a hundred tunings, so that a collection of music uses each again and again.
    """
    freqs = librosa.interval_frequencies(
        n_bins=OCTAVES * BINS_PER_OCTAVE,
        fmin=librosa.note_to_hz("C1") * 2.0 ** (tuning / BINS_PER_OCTAVE),
        intervals="equal",
        bins_per_octave=BINS_PER_OCTAVE,
        sort=True,
    )
    # one filter more, then dropped: bandwidths come from both neighbours' frequencies
    wavelets, lengths = librosa.filters.wavelet(freqs=freqs[-BINS_PER_OCTAVE - 1 :], sr=SR)
    n_fft = wavelets.shape[1]
    wavelets = wavelets[1:]
    wavelets *= lengths[1:, np.newaxis] / float(n_fft)
    spectrum = scipy.fft.fft(wavelets, axis=1)[:, : n_fft // 2 + 1]
    filters = librosa.util.sparsify_rows(spectrum, quantile=0.01, dtype=np.complex64)
    bins = slice(int(filters.indices.min()), int(filters.indices.max()) + 1)
    return FilterBank(
        tuple(
            (filters[:, bins] * np.sqrt(2.0**octave)).astype(np.complex64)
            for octave in range(OCTAVES)
        ),
        n_fft,
        bins,
        librosa.filters.wavelet_lengths(freqs=freqs, sr=SR)[0],
    )
