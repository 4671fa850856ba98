"""What features are made from: STFT, mel, tuning, CQT, onsets, and their tempogram and beats."""

from collections.abc import Iterator
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
import scipy.fft
import scipy.sparse

from .audio import SR
from .compiled import librosa

OCTAVES = 7
BINS_PER_OCTAVE = 36


def cqt_magnitude(y: np.ndarray, *, hop_length: int, tuning: float) -> np.ndarray:
    """Compute the magnitude of the constant-Q transform over seven octaves from C1.

    Equal to ``abs(librosa.cqt(y=y, sr=22050, hop_length=hop_length, n_bins=252, bins_per_octave=36,
    tuning=tuning))`` to the last bit, in a third of its time: each octave halves the sample rate,
    so one filter bank serves all seven, and only the FFT bins it touches are kept. `hop_length` is
    a multiple of 64, `tuning` in ``[-0.5, 0.5]`` bins; the result has the shape ``(252,
    n_frames)``, float32.
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
    """The filters of an octave, which serve all octaves."""

    # in the frequency domain, for the highest octave first: each lower one is louder, for having
    # been decimated once more
    filters: tuple[scipy.sparse.csr_matrix, ...]
    n_fft: int  # samples of a window
    bins: slice  # the FFT bins that the filters touch
    lengths: np.ndarray  # of all octaves' filters in samples at full rate, lowest first


@cache
def filter_bank(tuning: float) -> FilterBank:
    """Build the filters of a tuning, of which there are a hundred, or return those built before."""
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


LOWEST_HZ, HIGHEST_HZ = 150.0, 4000.0
"""Where peaks count as pitches, as in :func:`librosa.piptrack`."""

LOUD = 0.1
"""Least height of a peak, as a share of its frame's maximum."""


def estimate_tuning(spectrogram: np.ndarray, *, bins_per_octave: int) -> float:
    """Estimate the tuning from the louder half of all peaks of a magnitude or power spectrogram."""
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
    """Yield the short-time Fourier transform of mono float32 audio in blocks of windows."""
    padded = np.pad(y, n_fft // 2).astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_length]
    for start in range(0, len(windows), BLOCK):
        block = windows[start : start + BLOCK]
        spectra = np.fft.rfft(block if shape is None else block * shape, axis=1)
        yield spectra[:, bins].astype(np.complex64)


N_FFT = 2048
HOP_LENGTH = 512

mel_filters = cache(librosa.filters.mel)
_chroma_filters = cache(librosa.filters.chroma)


class Spectra:
    """What the features of one clip share, each computed at first use.

    Each equals to the last bit what librosa computes inside the separate calls, since tuning, beats
    and CENS take decisions on it. Spectra are transposed views, each frame contiguous in memory.
    `y` is mono audio at ``SR``, float32.
    """

    def __init__(self, y: np.ndarray):
        self.y = y

    @cached_property
    def magnitude(self) -> np.ndarray:
        """STFT magnitude, ``abs(stft)`` [shape=(1025, n_frames)]."""
        blocks = spectra_of_windows(
            self.y,
            n_fft=N_FFT,
            hop_length=HOP_LENGTH,
            shape=librosa.filters.get_window("hann", N_FFT),
        )
        return np.concatenate([np.abs(block) for block in blocks]).T

    @cached_property
    def power(self) -> np.ndarray:
        """STFT power, ``abs(stft) ** 2`` [shape=(1025, n_frames)]."""
        return np.square(self.magnitude)

    @cached_property
    def mel_db(self) -> np.ndarray:
        """Mel spectrogram in dB re 1, at most 80 dB below its maximum [shape=(128, n_frames)]."""
        return librosa.power_to_db(S=mel_filters(sr=SR, n_fft=N_FFT) @ self.power)

    @cached_property
    def cqt(self) -> np.ndarray:
        """Constant-Q magnitude at the clip's own tuning [shape=(252, n_frames)]."""
        return cqt_magnitude(
            self.y,
            hop_length=HOP_LENGTH,
            tuning=estimate_tuning(self.magnitude, bins_per_octave=BINS_PER_OCTAVE),
        )

    @cached_property
    def chroma(self) -> np.ndarray:
        """Chroma of the STFT at the clip's own tuning, maximum 1 [shape=(12, n_frames)]."""
        tuning = estimate_tuning(self.power, bins_per_octave=12)
        filters = _chroma_filters(sr=SR, n_fft=N_FFT, tuning=tuning)
        # in this order librosa's einsum multiplies, so that the last bit is the same
        raw = (self.power.T @ filters.T).T
        return librosa.util.normalize(S=raw, norm=np.inf, axis=0)

    def onset_envelope(self, aggregate) -> np.ndarray:
        """Return the onset strength, mel bands joined by `aggregate` [shape=(n_frames,)]."""
        return librosa.onset.onset_strength(S=self.mel_db, sr=SR, aggregate=aggregate)


TEMPO_WINDOW_S = 8.0
"""What the beat tracker looks at to find the tempo, as in :func:`librosa.feature.tempo`."""


def tempogram(envelope: np.ndarray, *, n_lags: int) -> np.ndarray:
    """Compute the local autocorrelation of the onset strength [shape=(n_frames,), dtype=float32].

    Equal to ``librosa.feature.tempogram(onset_envelope=envelope, win_length=n_lags)`` to the last
    bit: shape ``(n_lags, n_frames)``, float64, the share of the frame's maximum; zero where the
    envelope is.
    """
    n_fft = scipy.fft.next_fast_len(2 * n_lags - 1, real=True)
    blocks = []
    for block in _windows(envelope, n_lags):
        lags = np.fft.irfft(_power(block, n_fft), n=n_fft, axis=1)[:, :n_lags]
        blocks.append(librosa.util.normalize(S=lags, norm=np.inf, axis=1))
    return np.concatenate(blocks).T


def beats(envelope: np.ndarray, *, hop_length: int) -> np.ndarray:
    """Find the frames of beats in an onset strength, ascending.

    Equal to ``librosa.beat.beat_track(onset_envelope=envelope, sr=22050, hop_length=hop_length)``,
    in a third of its time: its mean tempogram is transformed back once, not frame by frame.
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
