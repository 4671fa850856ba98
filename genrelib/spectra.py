"""What several features are made from, computed once per clip: STFT, mel, tuning, CQT, onsets."""

from functools import cache, cached_property

import numpy as np

from .audio import SR
from .compiled import librosa
from .constantq import BINS_PER_OCTAVE, cqt_magnitude
from .tuning import estimate_tuning
from .windows import spectra_of_windows

N_FFT = 2048
HOP_LENGTH = 512

mel_filters = cache(librosa.filters.mel)
_chroma_filters = cache(librosa.filters.chroma)


class Spectra:
    """The intermediate results that the features of one clip share, each computed when asked for.

    Every one of them is the array that librosa computes inside the separate calls, to the last
    bit. That matters for tuning, beats and CENS, which take decisions on it. Spectra are transposed
    views, each frame contiguous in memory.

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
