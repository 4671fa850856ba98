"""Audio files as mono float32 arrays, and errors that name what is wrong with a file."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from ..base.errors import GenrelibError
from .compiled import librosa

SR = 22050
"""The sample rate, in Hz, that everything in the study works at."""

SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".au")
"""File endings that count as audio when a folder is searched."""


@dataclass(frozen=True)
class AudioInfo:
    """What an audio file's header states: seconds, Hz, and number of channels."""

    duration_s: float
    sr: int
    channels: int


def inspect(path: Path) -> AudioInfo:
    """Read the header of an audio file.

    Raises
    ------
    GenrelibError
        When the file is missing, empty, corrupt or not audio, or holds no samples.
    """
    with _opened(path) as sound:
        return AudioInfo(sound.frames / sound.samplerate, sound.samplerate, sound.channels)


def read(
    path: Path, *, sr: int = SR, offset_s: float = 0.0, duration_s: float | None = None
) -> np.ndarray:
    """Decode a wav, flac, mp3, ogg or au file to mono at one sample rate.

    Channels are averaged; resampling is librosa's ``soxr_hq``. The part wanted is in seconds, at
    most to the end of the file. Samples are finite float32, full scale being ±1.

    Raises
    ------
    GenrelibError
        As :func:`inspect`; for a file that ends before `offset_s` or holds NaN or infinity.
    """
    if sr <= 0 or offset_s < 0 or (duration_s is not None and duration_s <= 0):
        raise GenrelibError(
            f"sr={sr!r}, offset_s={offset_s!r}, duration_s={duration_s!r}: sr and duration_s must "
            "be above 0 and offset_s at least 0; correct the call."
        )
    with _opened(path) as sound:
        stored_sr = sound.samplerate
        start = round(offset_s * stored_sr)
        if start >= sound.frames:
            raise GenrelibError(
                f"{path} lasts {sound.frames / stored_sr:.3f} s, but offset_s={offset_s:g}; give "
                "an offset below the duration."
            )
        sound.seek(start)
        count = -1 if duration_s is None else max(1, round(duration_s * stored_sr))
        channels = sound.read(frames=count, dtype="float32", always_2d=True)
    if not len(channels):
        raise GenrelibError(f"{path} holds no sample that can be decoded; replace the file.")
    bad = np.count_nonzero(~np.isfinite(channels))
    if bad:
        raise GenrelibError(
            f"{path} holds {bad} samples that are NaN or infinite, of {channels.size}; "
            "audio must be finite: export the file again."
        )
    y = np.mean(channels, axis=1, dtype=np.float32)
    if stored_sr == sr:
        return y
    resampled = librosa.resample(y=y, orig_sr=stored_sr, target_sr=sr, res_type="soxr_hq")
    return resampled.astype(np.float32, copy=False)


def excerpt(y: np.ndarray, sr: int, clip_s: float) -> np.ndarray:
    """Return the middle `clip_s` seconds of mono audio, filled up with zeros at the end.

    The result has ``round(clip_s * sr)`` samples and the dtype of `y`.

    Examples
    --------
    >>> excerpt(np.arange(7.0), sr=1, clip_s=3)
    array([2., 3., 4.])
    >>> excerpt(np.arange(2.0), sr=1, clip_s=3)
    array([0., 1., 0.])
    """
    n_samples = round(clip_s * sr)
    if n_samples < 1:
        raise GenrelibError(
            f"clip_s={clip_s!r} at sr={sr!r} is no sample at all; give a longer clip."
        )
    start = max(0, (len(y) - n_samples) // 2)
    middle = y[start : start + n_samples]
    return np.pad(middle, (0, n_samples - len(middle)))


@contextlib.contextmanager
def _opened(path: Path):
    """Yield the open :class:`soundfile.SoundFile`; turn its errors into ones for people."""
    path = Path(path)
    if not path.is_file():
        raise GenrelibError(f"{path} is not a file; check the path.")
    if path.stat().st_size == 0:
        raise GenrelibError(f"{path} is empty (0 bytes); copy or download it again.")
    try:
        # by bytes, not by name: given a name, libsndfile reads any .au file as headerless noise
        with open(path, "rb") as file, soundfile.SoundFile(file) as sound:
            if sound.frames < 1:
                raise GenrelibError(f"{path} has a header but no samples; replace the file.")
            yield sound
    # TypeError: soundfile's answer to headerless formats (.raw), whose layout it can't guess
    except (soundfile.SoundFileError, TypeError) as error:
        reason = getattr(error, "error_string", str(error)).rstrip(".")
        raise GenrelibError(
            f"{path} can't be decoded as audio ({reason}); it must be a whole file of "
            f"{', '.join(SUFFIXES)}: convert it or download it again."
        ) from error
