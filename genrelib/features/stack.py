"""The stack: 87 rows of ten feature families, side by side in one matrix per clip.

The families and their order are those of the "87 x 1400" matrices that the study's sources
concatenate. Each row equals a separate librosa call, here with ``y=y, sr=22050`` left out:

=====  ==================  ===================================================================
rows   family              equal to
=====  ==================  ===================================================================
0-19   MFCC                ``feature.mfcc(n_mfcc=20)``
20-39  mel                 ``power_to_db(S=feature.melspectrogram(n_mels=20, fmax=1400),
                           ref=np.max)``
40     beat                1 at the frames of ``beat.beat_track()[1]``, else 0
41-47  spectral contrast   ``feature.spectral_contrast()``
48-59  chroma CQT          ``feature.chroma_cqt()``
60-71  CENS                ``feature.chroma_cens()``
72-83  chroma STFT         ``feature.chroma_stft()``
84     centroid            ``feature.spectral_centroid()``
85     bandwidth           ``feature.spectral_bandwidth()``
86     RMS                 ``feature.rms()``
=====  ==================  ===================================================================

Centroid and bandwidth agree within 0.1 Hz, everything else within 1e-4 of its unit.
"""

from itertools import pairwise

import numpy as np

from .audio import SR
from .compiled import librosa
from .spectra import HOP_LENGTH, N_FFT, Spectra, beats, mel_spectrogram

MEL_FMAX = 1400.0  # upper end, in Hz, of the stack's mel bands
_MEL_CENTRES = librosa.mel_frequencies(n_mels=22, fmin=0.0, fmax=MEL_FMAX)[1:-1]
_CONTRAST_BANDS = ("0-200", "200-400", "400-800", "800-1600", "1600-3200", "3200-6400", "6400-")
_NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

STACK_ROWS: tuple[tuple[str, str], ...] = (
    *(("MFCC", f"coefficient {number}") for number in range(20)),
    *(("mel", f"{centre:.0f} Hz") for centre in _MEL_CENTRES),
    ("beat", "beat"),
    *(("spectral contrast", f"{band} Hz") for band in _CONTRAST_BANDS),
    *(("chroma CQT", note) for note in _NOTES),
    *(("CENS", note) for note in _NOTES),
    *(("chroma STFT", note) for note in _NOTES),
    ("centroid", "centroid"),
    ("bandwidth", "bandwidth"),
    ("RMS", "RMS"),
)
"""Family and label of each of the 87 rows, in order."""


def stack(spectra: Spectra) -> np.ndarray:
    """Return the 87 rows of :data:`STACK_ROWS` for one clip, shape ``(87, n_frames)``, float32.

    In dB (MFCC, mel, contrast), 0 to 1 (beat, chroma), Hz (centroid, bandwidth) and full scale
    (RMS).
    """
    mel = mel_spectrogram(spectra.power, n_mels=20, fmax=MEL_FMAX)
    return np.concatenate(
        [
            librosa.feature.mfcc(S=spectra.mel_db, n_mfcc=20),
            librosa.power_to_db(S=mel, ref=np.max),
            _beats(spectra),
            _contrast(spectra.magnitude),
            *_chroma_and_cens(spectra.cqt),
            spectra.chroma,
            *_centroid_and_bandwidth(spectra.magnitude),
            _rms(spectra.y),
        ],
        dtype=np.float32,
    )


def _beats(spectra: Spectra) -> np.ndarray:
    """Return one row that is 1 at the frames of beats and 0 elsewhere."""
    envelope = spectra.onset_envelope(_median)
    row = np.zeros((1, len(envelope)))
    row[0, beats(envelope, hop_length=HOP_LENGTH)] = 1.0
    return row


def _median(values: np.ndarray, axis: int) -> np.ndarray:
    """Return :func:`numpy.median`, by sorting: of a hundred values that is faster."""
    ordered = np.sort(np.moveaxis(values, axis, -1), axis=-1)
    middle = (ordered.shape[-1] - 1) // 2, ordered.shape[-1] // 2
    return np.mean(ordered[..., middle], axis=-1)


def _contrast(magnitude: np.ndarray) -> np.ndarray:
    """Return how far each octave's loudest fiftieth is above its quietest, in dB."""
    freqs = librosa.fft_frequencies(sr=SR, n_fft=N_FFT)
    edges = [0.0, *(200.0 * 2.0 ** np.arange(7))]
    valleys, peaks = [], []
    for octave, (low, high) in enumerate(pairwise(edges)):
        # librosa's bands: the bin below each goes with it, and the last takes all the rest
        first = max(0, np.searchsorted(freqs, low) - 1)
        end = np.searchsorted(freqs, high, side="right") if octave < 6 else len(freqs)
        count = max(1, round(0.02 * (end - first)))
        ordered = np.sort(magnitude.T[:, first : end - (octave < 6)], axis=1)
        valleys.append(np.mean(np.ascontiguousarray(ordered[:, :count].T), axis=0))
        peaks.append(np.mean(np.ascontiguousarray(ordered[:, -count:].T), axis=0))
    peak, valley = np.array(peaks, dtype=np.float64), np.array(valleys, dtype=np.float64)
    return librosa.power_to_db(S=peak) - librosa.power_to_db(S=valley)


def _chroma_and_cens(cqt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return 12 rows each of the energy by pitch class, and of its smoothed quantisation."""
    energy = librosa.feature.chroma_cqt(C=cqt, sr=SR, norm=None)
    chroma = librosa.util.normalize(S=energy, norm=np.inf, axis=0)
    # given chroma for a CQT of one octave in twelve bins, this leaves the energy as it is
    return chroma, librosa.feature.chroma_cens(C=energy, sr=SR, bins_per_octave=12)


def _centroid_and_bandwidth(magnitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation, in Hz, of each frame's spectrum as one row each."""
    freqs = librosa.fft_frequencies(sr=SR, n_fft=N_FFT)
    # float64: the variance is a difference of large numbers
    moments = np.stack([np.ones_like(freqs), freqs, freqs**2]) @ magnitude.astype(np.float64)
    total, first, second = moments[:, np.newaxis]
    total = np.where(total < librosa.util.tiny(magnitude), 1.0, total)
    centroid = first / total
    variance = np.maximum(second / total - centroid**2, 0.0)
    return centroid, np.sqrt(variance)


def _rms(y: np.ndarray) -> np.ndarray:
    """Return the root mean square of each frame as one row."""
    squares = np.square(np.pad(y, N_FFT // 2))
    n_hops = len(squares) // HOP_LENGTH
    hops = squares[: n_hops * HOP_LENGTH].reshape(n_hops, HOP_LENGTH).sum(axis=1)
    # a frame is four hops, which NumPy's pairwise sum over a frame adds in this order too
    pairs = hops[:-1] + hops[1:]
    return np.sqrt((pairs[:-2] + pairs[2:]) / np.float32(N_FFT))[np.newaxis]
