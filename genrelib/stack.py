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

import numpy as np

from .audio import SR
from .compiled import librosa
from .spectra import HOP_LENGTH, N_FFT, Spectra

MEL_FMAX = 1400.0
"""Upper end, in Hz, of the stack's mel bands."""

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
    """Return the 87 rows of :data:`STACK_ROWS` for one clip.

    Parameters
    ----------
    spectra : Spectra
        Of the clip.

    Returns
    -------
    np.ndarray [shape=(87, n_frames), dtype=float32]
        In dB (MFCC, mel, contrast), 0 to 1 (beat, chroma), Hz (centroid, bandwidth) and full
        scale (RMS).
    """
    magnitude = spectra.magnitude
    mel = librosa.feature.melspectrogram(S=spectra.power, sr=SR, n_mels=20, fmax=MEL_FMAX)
    return np.concatenate(
        [
            librosa.feature.mfcc(S=spectra.mel_db, n_mfcc=20),
            librosa.power_to_db(S=mel, ref=np.max),
            _beats(spectra),
            librosa.feature.spectral_contrast(S=magnitude, sr=SR),
            librosa.feature.chroma_cqt(C=spectra.cqt, sr=SR),
            librosa.feature.chroma_cens(C=spectra.cqt, sr=SR),
            spectra.chroma,
            *_centroid_and_bandwidth(magnitude),
            librosa.feature.rms(y=spectra.y, frame_length=N_FFT, hop_length=HOP_LENGTH),
        ],
        dtype=np.float32,
    )


def _beats(spectra: Spectra) -> np.ndarray:
    """Return one row that is 1 at the frames of beats and 0 elsewhere."""
    envelope = spectra.onset_envelope(np.median)
    _, frames = librosa.beat.beat_track(onset_envelope=envelope, sr=SR, hop_length=HOP_LENGTH)
    row = np.zeros((1, len(envelope)))
    row[0, frames] = 1.0
    return row


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
