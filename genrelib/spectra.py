"""What several features are made from, computed once per clip: STFT, mel, tuning, CQT, onsets."""

from functools import cached_property

import numpy as np
import scipy.fft

from .audio import SR
from .compiled import librosa

N_FFT = 2048
HOP_LENGTH = 512
CQT_OCTAVES = 7
CQT_BINS_PER_OCTAVE = 36

# librosa.piptrack looks at 150 to 4000 Hz only, so it is given the bins below SR / 4. Halving bins,
# n_fft and sr together keeps every frequency, to the bit.
_PITCH_BINS = N_FFT // 4 + 1


class Spectra:
    """The intermediate results that the features of one clip share, each computed when asked for.

    Every one of them is the array that librosa computes inside the separate calls, to the last
    bit. That matters for beats and CENS, which take decisions on it.

    Parameters
    ----------
    y : np.ndarray [shape=(n_samples,), dtype=float32]
        Mono audio at ``SR``.
    """

    def __init__(self, y: np.ndarray):
        self.y = y

    @cached_property
    def magnitude(self) -> np.ndarray:
        """STFT magnitude, ``abs(stft)`` [shape=(1025, n_frames)]."""
        return np.abs(librosa.stft(y=self.y, n_fft=N_FFT, hop_length=HOP_LENGTH))

    @cached_property
    def power(self) -> np.ndarray:
        """STFT power, ``abs(stft) ** 2`` [shape=(1025, n_frames)]."""
        return np.square(self.magnitude)

    @cached_property
    def mel_db(self) -> np.ndarray:
        """Mel spectrogram in dB re 1, at most 80 dB below its maximum [shape=(128, n_frames)]."""
        return librosa.power_to_db(S=librosa.feature.melspectrogram(S=self.power, sr=SR))

    @cached_property
    def cqt(self) -> np.ndarray:
        """Constant-Q magnitude at the clip's own tuning [shape=(252, n_frames)]."""
        tuning = _tuning(self.magnitude, bins_per_octave=CQT_BINS_PER_OCTAVE)
        return cqt_magnitude(self.y, tuning=tuning)

    @cached_property
    def chroma(self) -> np.ndarray:
        """Chroma of the STFT at the clip's own tuning, maximum 1 [shape=(12, n_frames)]."""
        tuning = _tuning(self.power, bins_per_octave=12)
        return librosa.feature.chroma_stft(S=self.power, sr=SR, tuning=tuning)

    def onset_envelope(self, aggregate) -> np.ndarray:
        """Return the onset strength, mel bands joined by `aggregate` [shape=(n_frames,)]."""
        return librosa.onset.onset_strength(S=self.mel_db, sr=SR, aggregate=aggregate)


def cqt_magnitude(y: np.ndarray, *, tuning: float) -> np.ndarray:
    """Compute the magnitude of the constant-Q transform over seven octaves from C1.

    Equal to ``abs(librosa.cqt(y=y, sr=22050, n_bins=252, bins_per_octave=36, tuning=tuning))`` to
    the last bit, in half its time: each octave halves the sample rate, so one filter bank serves
    all seven (librosa builds it seven times), and only the FFT bins it touches are multiplied.

    Parameters
    ----------
    y : np.ndarray [shape=(n_samples,), dtype=float32]
        Mono audio at ``SR``.
    tuning : float in [-0.5, 0.5]
        Deviation from A440 in bins, 36 to the octave.

    Returns
    -------
    np.ndarray [shape=(252, n_frames), dtype=float32]
        Magnitudes, lowest note first.
    """
    freqs = librosa.interval_frequencies(
        n_bins=CQT_OCTAVES * CQT_BINS_PER_OCTAVE,
        fmin=librosa.note_to_hz("C1") * 2.0 ** (tuning / CQT_BINS_PER_OCTAVE),
        intervals="equal",
        bins_per_octave=CQT_BINS_PER_OCTAVE,
        sort=True,
    )
    basis, n_fft = _top_octave_filters(freqs)
    first, last = basis.indices.min(), basis.indices.max() + 1
    basis = basis[:, first:last]
    octaves = []
    for octave in range(CQT_OCTAVES):
        if octave:
            y = librosa.resample(y=y, orig_sr=2, target_sr=1, res_type="soxr_hq", scale=True)
        hop_length = HOP_LENGTH >> octave
        bins = librosa.stft(y=y, n_fft=n_fft, hop_length=hop_length, window="ones")[first:last]
        louder = (basis * np.sqrt(2.0**octave)).astype(np.complex64)
        octaves.insert(0, louder.dot(bins))
    # decimation rounds lengths up, so that lower octaves may have a frame more
    n_frames = octaves[-1].shape[1]
    response = np.concatenate([octave[:, :n_frames] for octave in octaves])
    lengths, _ = librosa.filters.wavelet_lengths(freqs=freqs, sr=SR)
    response /= np.sqrt(lengths)[:, np.newaxis]
    return np.abs(response)


def _top_octave_filters(freqs: np.ndarray):
    """Return the sparse frequency-domain filters of the highest octave, and their FFT size."""
    # one filter more, then dropped: bandwidths come from both neighbours' frequencies
    wavelets, lengths = librosa.filters.wavelet(freqs=freqs[-CQT_BINS_PER_OCTAVE - 1 :], sr=SR)
    n_fft = wavelets.shape[1]
    wavelets = wavelets[1:]
    wavelets *= lengths[1:, np.newaxis] / float(n_fft)
    spectrum = scipy.fft.fft(wavelets, axis=1)[:, : n_fft // 2 + 1]
    return librosa.util.sparsify_rows(spectrum, quantile=0.01, dtype=np.complex64), n_fft


def _tuning(spectrogram: np.ndarray, *, bins_per_octave: int) -> float:
    """Estimate the tuning as :func:`librosa.estimate_tuning` does, from the bins it looks at."""
    return librosa.estimate_tuning(
        S=spectrogram[:_PITCH_BINS],
        sr=SR / 2,
        n_fft=N_FFT // 2,
        ref=0.1 * np.max(spectrogram, axis=0, keepdims=True),
        bins_per_octave=bins_per_octave,
    )
