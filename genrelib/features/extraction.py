"""Features: time-frequency matrices of a clip, each equal to a separate call of librosa.

All have ``n_fft=2048`` and ``hop_length=512`` at 22050 Hz: a frame per 23.2 ms, centred. What they
share is computed once per clip, see :mod:`genrelib.features.spectra`.
"""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np

from ..base.errors import GenrelibError, unknown
from .audio import SR
from .compiled import librosa
from .spectra import HOP_LENGTH, N_FFT, Spectra, tempogram
from .stack import STACK_ROWS, stack

TEMPOGRAM_LAGS = 384

REVISION = 1  # raised when a definition below changes, so that old and new values are never mixed


@dataclass(frozen=True)
class Feature:
    """A row of the registry."""

    name: str
    n_bands: int  # rows of the matrix
    unit: str  # of the values
    kind: str  # vertical axis, for pictures: mel, linear, chroma, tempo or rows
    description: str  # with the librosa call (y=y, sr=22050 left out) that it equals
    # ``compute(spectra)`` returns an array of shape ``(n_bands, n_frames)``
    compute: Callable[[Spectra], np.ndarray] = field(repr=False)


def _log_mel(spectra: Spectra) -> np.ndarray:
    return spectra.mel_db - np.max(spectra.mel_db)


def _mfcc(spectra: Spectra) -> np.ndarray:
    return librosa.feature.mfcc(S=spectra.mel_db, n_mfcc=20)


def _spectrogram(spectra: Spectra) -> np.ndarray:
    return librosa.power_to_db(S=spectra.power, ref=np.max)


def _tempogram(spectra: Spectra) -> np.ndarray:
    return tempogram(spectra.onset_envelope(np.mean), n_lags=TEMPOGRAM_LAGS)


FEATURES: dict[str, Feature] = {
    feature.name: feature
    for feature in (
        Feature(
            "log_mel",
            128,
            "dB re track maximum",
            "mel",
            "mel spectrogram: power_to_db(S=feature.melspectrogram(), ref=np.max)",
            _log_mel,
        ),
        Feature(
            "mfcc",
            20,
            "dB (cosine coefficients)",
            "rows",
            "mel-frequency cepstral coefficients: feature.mfcc(n_mfcc=20)",
            _mfcc,
        ),
        Feature(
            "spectrogram",
            N_FFT // 2 + 1,
            "dB re track maximum",
            "linear",
            "linear-frequency spectrogram: amplitude_to_db(S=abs(stft()), ref=np.max)",
            _spectrogram,
        ),
        Feature(
            "chroma",
            12,
            "share of frame maximum",
            "chroma",
            "energy per pitch class from C, at the estimated tuning: feature.chroma_stft()",
            attrgetter("chroma"),
        ),
        Feature(
            "tempogram",
            TEMPOGRAM_LAGS,
            "share of frame maximum",
            "tempo",
            "local autocorrelation of the onset strength: feature.tempogram(win_length=384)",
            _tempogram,
        ),
        Feature(
            "stack",
            len(STACK_ROWS),
            "mixed: dB, Hz, shares, full scale",
            "rows",
            "ten feature families side by side, see genrelib.features.stack",
            stack,
        ),
    )
}


def configuration(clip_s: float) -> dict[str, object]:
    """Return everything beside the audio that the values depend on."""
    return {
        "sr": SR,
        "n_fft": N_FFT,
        "hop_length": HOP_LENGTH,
        "clip_s": float(clip_s),
        "librosa": librosa.__version__,
        "revision": REVISION,
    }


def n_frames(clip_s: float) -> int:
    """Return how many frames a clip of `clip_s` seconds has.

    >>> n_frames(30.0)
    1292
    """
    return 1 + round(clip_s * SR) // HOP_LENGTH


def checked_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return `names`; raise the error for one that is not in :data:`FEATURES`."""
    names = tuple(names)
    for name in names:
        if name not in FEATURES:
            raise unknown("feature", name, FEATURES)
    return names


def extract(y: np.ndarray, sr: int, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Compute features of one clip; what they share is computed once.

    `y` is mono audio at 22050 Hz, float32 or float64, finite, full scale being ±1, at least 2048
    samples. Silence is not an error: dB values are then all equal, chroma, beats and tempogram
    zero. A matrix has the shape ``(n_bands, 1 + n_samples // 512)``, float32; values are finite.

    Raises :class:`GenrelibError` for other input, or audio so far beyond full scale that a feature
    overflows.

    >>> y = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)
    >>> {name: X.shape for name, X in extract(y, sr=22050, names=["log_mel", "chroma"]).items()}
    {'log_mel': (128, 44), 'chroma': (12, 44)}
    """
    names = checked_names(names)
    spectra = Spectra(_checked(y, sr))
    with warnings.catch_warnings():
        # both are certain for lawful input and change nothing: no pitch to tune by means tuning
        # 0, and the low octaves of a short clip are padded with zeros
        warnings.filterwarnings("ignore", message="Trying to estimate tuning from empty")
        warnings.filterwarnings("ignore", message="n_fft=.* is too large for input signal")
        return {name: _computed(FEATURES[name], spectra) for name in names}


def _checked(y: np.ndarray, sr: int) -> np.ndarray:
    """Return `y` as float32, or raise the error for it."""
    if sr != SR:
        raise GenrelibError(
            f"sr={sr!r}, but features are defined at {SR} Hz; resample with audio.read."
        )
    y = np.asarray(y)
    if y.ndim != 1 or y.dtype not in (np.float32, np.float64):
        raise GenrelibError(
            f"y has shape {y.shape} and dtype {y.dtype}; mono audio of shape (n_samples,) in "
            "float32 or float64 is needed: read it with audio.read."
        )
    if len(y) < N_FFT:
        raise GenrelibError(
            f"y has {len(y)} samples ({len(y) / SR:.3f} s); at least {N_FFT} ({N_FFT / SR:.3f} s), "
            "one window, are needed: audio.excerpt fills up with zeros."
        )
    with np.errstate(over="ignore"):  # what float32 can't hold becomes infinite
        y = y.astype(np.float32)
    bad = np.count_nonzero(~np.isfinite(y))
    if bad:
        raise GenrelibError(
            f"y has {bad} samples that are NaN or infinite, of {len(y)}; audio must be finite."
        )
    return y


def _computed(feature: Feature, spectra: Spectra) -> np.ndarray:
    """Return the feature's matrix in float32, finite for certain."""
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            matrix = np.ascontiguousarray(feature.compute(spectra), dtype=np.float32)
        except librosa.ParameterError as error:
            raise _overflow(feature, spectra) from error
    if not np.isfinite(matrix).all():
        raise _overflow(feature, spectra)
    return matrix


def _overflow(feature: Feature, spectra: Spectra) -> GenrelibError:
    peak = float(np.max(np.abs(spectra.y)))
    return GenrelibError(
        f"{feature.name} is not finite where the audio's peak is {peak:g}; full scale is 1: "
        "scale the audio down."
    )
