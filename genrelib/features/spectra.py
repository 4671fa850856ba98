"""What features are made from: STFT, mel, tuning, CQT, onsets, and their tempogram and beats."""

from collections.abc import Iterator
from functools import cache, cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import scipy.fft
import scipy.sparse

from .audio import SR
from .compiled import beat_module, librosa

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
        blocks = spectra_of_windows(y, n_fft=bank.n_fft, hop_length=hop_length >> octave)
        spectra = [block[:, bank.bins].astype(np.complex64) for block in blocks]
        octaves.insert(0, bank.filters[octave].dot(np.concatenate(spectra).T))
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
    wavelets, lengths = librosa.filters.wavelet(
        freqs=freqs[-BINS_PER_OCTAVE - 1 :], sr=SR, window=hann_window
    )
    n_fft = wavelets.shape[1]
    wavelets = wavelets[1:]
    wavelets *= lengths[1:, np.newaxis] / float(n_fft)
    spectrum = scipy.fft.fft(wavelets, axis=1)[:, : n_fft // 2 + 1]
    filters = scipy.sparse.csr_matrix(_without_faint(spectrum, 0.01).astype(np.complex64))
    bins = slice(int(filters.indices.min()), int(filters.indices.max()) + 1)
    filters = filters[:, bins]
    return FilterBank(
        tuple((filters * np.sqrt(2.0**octave)).astype(np.complex64) for octave in range(OCTAVES)),
        n_fft,
        bins,
        librosa.filters.wavelet_lengths(freqs=freqs, sr=SR)[0],
    )


def _without_faint(rows: np.ndarray, share: float) -> np.ndarray:
    """Zero the smallest values of rows, as :func:`librosa.util.sparsify_rows`, all at once."""
    sizes = np.abs(rows)
    ordered = np.sort(sizes, axis=1)
    sums = np.cumsum(ordered / np.sum(sizes, axis=1, keepdims=True), axis=1)
    least = np.take_along_axis(ordered, np.argmin(sums < share, axis=1)[:, np.newaxis], axis=1)
    return np.where(sizes >= least, rows, 0)


LOWEST_HZ, HIGHEST_HZ = 150.0, 4000.0  # where peaks are pitches, as in :func:`librosa.piptrack`
LOUD = 0.1  # least height of a peak, as a share of its frame's maximum


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
    frame, offset = np.divmod(np.flatnonzero(is_peak), last - first)
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


BLOCK = 128  # windows that are transformed at a time


def spectra_of_windows(
    y: np.ndarray, *, n_fft: int, hop_length: int, shape: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield the short-time Fourier transform of mono float32 audio in blocks of windows.

    Blocks are complex128, as the transform gives them, and stand in the same memory: use one before
    the next.
    """
    padded = np.pad(y, n_fft // 2).astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_length]
    shaped, spectra = np.empty((BLOCK, n_fft)), np.empty((BLOCK, n_fft // 2 + 1), dtype=complex)
    for start in range(0, len(windows), BLOCK):
        block = windows[start : start + BLOCK]
        if shape is not None:
            block = np.multiply(block, shape, out=shaped[: len(block)])
        yield np.fft.rfft(block, axis=1, out=spectra[: len(block)])


N_FFT = 2048
HOP_LENGTH = 512


@cache
def hann_window(length: int) -> np.ndarray:
    """Return the Hann window of :func:`librosa.filters.get_window`."""
    return librosa.filters.get_window("hann", length)


@cache
def _chroma_filters(tuning: float) -> np.ndarray:
    return librosa.filters.chroma(sr=SR, n_fft=N_FFT, tuning=tuning)


def mel_spectrogram(power: np.ndarray, *, n_mels: int, fmax: float) -> np.ndarray:
    """Compute the mel bands of an STFT's power [shape=(n_mels, n_frames)].

    Equal to ``librosa.feature.melspectrogram(S=power, sr=22050, n_mels=n_mels, fmax=fmax)`` within
    1e-6 of each value, and with NumPy's own OpenBLAS on a processor with AVX2 to the last bit.
    """
    mel = np.zeros((n_mels, power.shape[1]), dtype=np.float32)
    for bands, bins, filters in _mel_filters(n_mels, fmax):
        mel[bands] += filters @ power[bins]
    return mel


@cache
def _mel_filters(n_mels: int, fmax: float) -> list[tuple[slice, slice, np.ndarray]]:
    """Return the filters in blocks of bands and bins, without most of the bins where they are zero.

    A block is what OpenBLAS sums in one go: 12 bands, multiples of 8 bins, up to where it starts a
    sum anew.
    """
    filters, blocks = librosa.filters.mel(sr=SR, n_fft=N_FFT, n_mels=n_mels, fmax=fmax), []
    for bands in (slice(first, first + 12) for first in range(0, n_mels, 12)):
        touched = np.flatnonzero(filters[bands].any(axis=0))
        lowest, end = touched[0] // 8 * 8, (touched[-1] // 8 + 1) * 8
        for start, stop in pairwise((0, 320, 640, 832, 1 + N_FFT // 2)):
            bins = slice(max(lowest, start), min(end, stop))
            if bins.start < bins.stop:
                blocks.append((bands, bins, filters[bands, bins]))
    return blocks


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
            self.y, n_fft=N_FFT, hop_length=HOP_LENGTH, shape=hann_window(N_FFT)
        )
        magnitude = np.empty((1 + len(self.y) // HOP_LENGTH, 1 + N_FFT // 2), dtype=np.float32)
        for number, block in enumerate(blocks):
            rows = magnitude[number * BLOCK :][: len(block)]
            np.abs(block.astype(np.complex64), out=rows)
        return magnitude.T

    @cached_property
    def power(self) -> np.ndarray:
        """STFT power, ``abs(stft) ** 2`` [shape=(1025, n_frames)]."""
        return np.square(self.magnitude)

    @cached_property
    def mel_db(self) -> np.ndarray:
        """Mel spectrogram in dB re 1, at most 80 dB below its maximum [shape=(128, n_frames)]."""
        return librosa.power_to_db(S=mel_spectrogram(self.power, n_mels=128, fmax=SR / 2))

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
        filters = _chroma_filters(tuning)
        # in this order librosa's einsum multiplies, so that the last bit is the same
        raw = (self.power.T @ filters.T).T
        return librosa.util.normalize(S=raw, norm=np.inf, axis=0)

    def onset_envelope(self, aggregate) -> np.ndarray:
        """Return the onset strength, mel bands joined by `aggregate` [shape=(n_frames,)]."""
        return librosa.onset.onset_strength(S=self.mel_db, sr=SR, aggregate=aggregate)


TEMPO_WINDOW_S = 8.0  # in which the tempo is looked for, as in :func:`librosa.feature.tempo`


def tempogram(envelope: np.ndarray, *, n_lags: int) -> np.ndarray:
    """Compute the local autocorrelation of the onset strength [shape=(n_lags, n_frames)].

    Equal to ``librosa.feature.tempogram(onset_envelope=envelope, win_length=n_lags)`` rounded to
    float32, to the last bit: the share of the frame's maximum; zero where the envelope is.
    """
    n_fft = scipy.fft.next_fast_len(2 * n_lags - 1, real=True)
    shares = np.empty((n_lags, len(envelope)), dtype=np.float32)
    power = np.zeros((BLOCK, 1 + n_fft // 2), dtype=complex)  # as the inverse transform wants it
    whole = np.empty((BLOCK, n_fft))
    for frames, _, squares in _squares_around(envelope, n_lags, n_fft):
        count = len(squares)
        np.add(squares[:, ::2], squares[:, 1::2], out=power.real[:count])
        lags = np.fft.irfft(power[:count], n=n_fft, axis=1, out=whole[:count])[:, :n_lags]
        shares[:, frames] = (lags / _divisor(lags[:, :1])).astype(np.float32).T
    return shares


def beats(envelope: np.ndarray, *, hop_length: int) -> np.ndarray:
    """Find the frames of beats in an onset strength, ascending.

    Equal to ``librosa.beat.beat_track(onset_envelope=envelope, sr=22050, hop_length=hop_length)``,
    in a third of its time: its mean tempogram is transformed back once, not frame by frame.
    """
    n_lags = librosa.time_to_frames(times=TEMPO_WINDOW_S, sr=SR, hop_length=hop_length).item()
    mean = _mean_tempogram(envelope, n_lags=n_lags)[:, np.newaxis]
    bpm = librosa.feature.tempo(tg=mean, sr=SR, hop_length=hop_length, aggregate=None)
    _, frames = beat_module().beat_track(
        onset_envelope=envelope, sr=SR, hop_length=hop_length, bpm=bpm
    )
    return frames


def _mean_tempogram(envelope: np.ndarray, *, n_lags: int) -> np.ndarray:
    """Return the mean of :func:`tempogram` over time, but for rounding (1e-15)."""
    n_fft = scipy.fft.next_fast_len(2 * n_lags - 1, real=True)
    total = np.zeros(2 + n_fft // 2 * 2)
    for _, windows, squares in _squares_around(envelope, n_lags, n_fft):
        total += (1 / _divisor(np.einsum("ij,ij->i", windows, windows))) @ squares
    return np.fft.irfft((total[::2] + total[1::2]) / len(envelope), n=n_fft)[:n_lags]


def _divisor(energy: np.ndarray) -> np.ndarray:
    """Return the energy of windows, which is lag 0 and which no lag exceeds; 1 for none."""
    return np.where(energy < librosa.util.tiny(energy), 1.0, energy)


def _squares_around(
    envelope: np.ndarray, length: int, n_fft: int
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yield, in blocks, frames with the weighted windows around them and their squared spectra.

    Windows are padded with zeros to `n_fft`; real and imaginary parts alternate. Blocks stand in
    the same memory: use one before the next.
    """
    around = np.pad(envelope, length // 2, mode="linear_ramp", end_values=0)
    around = np.lib.stride_tricks.sliding_window_view(around, length)[: len(envelope)]
    weights, windows = hann_window(length), np.zeros((BLOCK, n_fft))
    spectra = np.empty((BLOCK, 1 + n_fft // 2), dtype=complex)
    for start in range(0, len(around), BLOCK):
        block = around[start : start + BLOCK]
        count = len(block)
        np.multiply(block, weights, out=windows[:count, :length])
        parts = np.fft.rfft(windows[:count], axis=1, out=spectra[:count]).view(np.float64)
        yield slice(start, start + count), windows[:count], np.square(parts, out=parts)
