"""Audio files as mono float32 arrays, and errors that name what is wrong with a file."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ..base.errors import GenrelibError
from .compiled import librosa

SR = 22050  # the sample rate, in Hz, that everything in the study works at

SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".au")  # audio, where a folder is searched
RATES = (4_000, 768_000)  # lowest and highest sample rate, in Hz, of a file that is read
MOST_CHANNELS = 32

LONG_S = 600.0  # seconds from which on a file is not decoded whole for the sake of its middle
MOST_SAMPLES = 2**31  # samples of all channels that one call decodes: 3 h of stereo at 96 kHz
_BLOCK = 2**14  # frames that are decoded at a time


@dataclass(frozen=True)
class AudioInfo:
    """What an audio file's header states: seconds, Hz, and number of channels."""

    duration_s: float
    sr: int
    channels: int


def inspect(path: Path) -> AudioInfo:
    """Read the header of an audio file.

    Raises :class:`GenrelibError` when the file is missing, empty, corrupt or not audio, or holds no
    samples.
    """
    with _opened(path) as sound:
        return AudioInfo(sound.frames / sound.samplerate, sound.samplerate, sound.channels)


def read(
    path: Path, *, sr: int = SR, offset_s: float = 0.0, duration_s: float | None = None
) -> np.ndarray:
    """Decode a wav, flac, mp3, ogg or au file to mono at one sample rate.

    Channels are averaged; resampling is librosa's ``soxr_hq``. The part wanted is in seconds, at
    most to the end of the file. Samples are finite float32, full scale being ±1.

    Raises :class:`GenrelibError` as :func:`inspect`; for a file that ends before `offset_s` or
    holds NaN or infinity.
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
        y = _mixed_down(path, sound, duration_s and max(1, round(duration_s * stored_sr)))
    return _resampled(y, stored_sr, sr)


def read_middle(path: Path, clip_s: float) -> np.ndarray:
    """Decode the middle `clip_s` seconds of a file at :data:`SR`, see :func:`excerpt`.

    Of a file longer than :data:`LONG_S` only these are kept in memory, and equal those of the whole
    file to within 1e-4 of full scale: a resampler hears beyond the ends of what it is given.

    Raises :class:`GenrelibError` as :func:`read`, and for a file that lacks so much of what its
    header states that silence would have to fill the clip.
    """
    with _opened(path) as sound:
        stated, stored_sr = sound.frames, sound.samplerate
    if stated > LONG_S * stored_sr:
        held = _held(path)
        if held > max(LONG_S, clip_s + 2) * stored_sr:  # its end may be a second early
            return _window(path, held, stored_sr, clip_s)
    y = read(path)
    n_frames = len(y) * stored_sr / SR
    if n_frames < min(0.99 * stated, clip_s * stored_sr - 1):
        raise _cut_short(path, stated, n_frames, stored_sr)
    return excerpt(y, SR, clip_s)


def windows(
    path: Path, clip_s: float, *, spare_s: float = 0.0
) -> Iterator[tuple[float, np.ndarray]]:
    """Decode a file clip by clip: yield each clip's first second and its samples at :data:`SR`.

    As many clips of `clip_s` seconds as the file has room for lie around its middle; the one clip
    of a file shorter than two equals that of :func:`read_middle`. A file that differs by at most
    `spare_s` from a clip is one, at its own length. No more than a clip is in memory, and samples
    are those of the whole file resampled.

    Raises :class:`GenrelibError` as :func:`read`, and in the end for a file that lacks much of what
    its header states.
    """
    with _opened(path) as sound:
        n_stated, stored_sr = sound.frames, sound.samplerate
        total = math.ceil(n_stated * SR / stored_sr)
        size = round(clip_s * SR)
        if abs(total - size) <= spare_s * SR:
            size = total
        n_clips = max(1, total // size)
        first = max(0, total - n_clips * size) // 2
        held, begin, n_made, done = np.zeros(0, dtype=np.float32), 0, 0, 0
        for y in _resampled_blocks(path, sound):
            held, n_made = np.concatenate([held, y]), n_made + len(y)
            while done < n_clips and begin + len(held) >= first + (done + 1) * size:
                start = first + done * size
                yield start / SR, held[start - begin : start - begin + size]
                held, begin, done = held[start - begin + size :], start + size, done + 1
        if not n_made or n_made < 0.99 * total:
            raise _cut_short(path, n_stated, n_made * stored_sr / SR, stored_sr)
        if done < n_clips:  # a short file, or one that lacks a little
            rest = held[max(0, first + done * size - begin) :]
            yield (first + done * size) / SR, np.pad(rest, (0, size - len(rest)))


def _resampled_blocks(path: Path, sound: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """Decode a whole file block by block, mono at :data:`SR`."""
    resampler = soxr.ResampleStream(sound.samplerate, SR, 1, dtype="float32", quality="HQ")
    for block in _blocks(path, sound):
        y = _mono(block)
        if not np.isfinite(y).all():
            raise GenrelibError(
                f"{path} holds samples that are NaN or infinite; audio must be finite: export the "
                "file again."
            )
        is_last = len(block) < _BLOCK or sound.tell() >= sound.frames
        yield y if sound.samplerate == SR else resampler.resample_chunk(y, last=is_last)
        if is_last:
            return


def _window(path: Path, n_frames: int, stored_sr: int, clip_s: float) -> np.ndarray:
    """Decode the middle of a file of `n_frames`, on the grid of the whole file resampled."""
    common = math.gcd(stored_sr, SR)
    wanted = round(clip_s * SR)
    first = (n_frames * SR // stored_sr - wanted) // 2
    begin = max(0, first - SR) // (SR // common) * (SR // common)  # falls on a stored sample
    with _opened(path) as sound:
        sound.seek(begin * stored_sr // SR)
        count = (wanted + first - begin + SR) * stored_sr // SR
        y = _resampled(_mixed_down(path, sound, count), stored_sr, SR)
    return y[first - begin : first - begin + wanted]


def held_s(path: Path) -> float:
    """Return the seconds that can be decoded: what the header states, where its end is there.

    Raises :class:`GenrelibError` as :func:`inspect`, and for a file that breaks off in between.
    """
    return _held(path) / inspect(path).sr


def _held(path: Path) -> int:
    """Return how many frames a file holds: a header is a claim."""
    with _opened(path) as sound, contextlib.suppress(soundfile.SoundFileError):
        sound.seek(max(0, sound.frames - sound.samplerate))
        if len(sound.read(1)):
            return sound.frames
    with _opened(path) as sound:
        return sum(map(len, _blocks(path, sound)))


def _blocks(path: Path, sound: soundfile.SoundFile, count: int | None = None):
    """Yield `count` frames from where the file stands, or all that there are, in blocks."""
    begin, n_frames = sound.tell(), 0
    while count is None or n_frames < count:
        n = _BLOCK if count is None else min(_BLOCK, count - n_frames)
        try:
            block = sound.read(frames=n, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            if not begin + n_frames:
                raise
            raise _cut_short(path, sound.frames, begin + n_frames, sound.samplerate) from error
        yield block
        n_frames += len(block)
        if len(block) < n:
            return
        if n_frames * sound.channels > MOST_SAMPLES:
            raise GenrelibError(
                f"{path} holds more than {MOST_SAMPLES} samples; cut it into shorter files."
            )


def _cut_short(path: Path, stated: int, decoded: float, sr: int) -> GenrelibError:
    return GenrelibError(
        f"{path} states {stated / sr:.1f} s, but {decoded / sr:.1f} s can be decoded: it is cut or "
        "damaged; download it again."
    )


def _mono(block: np.ndarray) -> np.ndarray:
    """Average the channels; each by itself in memory, which is twenty times faster."""
    return np.mean(np.asfortranarray(block), axis=1, dtype=np.float32)


def _mixed_down(path: Path, sound: soundfile.SoundFile, count: int | None) -> np.ndarray:
    """Decode `count` frames from where the file stands, or all, to the mean of the channels."""
    mono, n_bad, n_samples = [], 0, 0
    for block in _blocks(path, sound, count):
        n_bad += np.count_nonzero(~np.isfinite(block))
        n_samples += block.size
        mono.append(_mono(block))
    if not n_samples:
        raise GenrelibError(f"{path} holds no sample that can be decoded; replace the file.")
    if n_bad:
        raise GenrelibError(
            f"{path} holds {n_bad} samples that are NaN or infinite, of {n_samples}; "
            "audio must be finite: export the file again."
        )
    return np.concatenate(mono)


def _resampled(y: np.ndarray, stored_sr: int, sr: int) -> np.ndarray:
    if stored_sr == sr:
        return y
    resampled = librosa.resample(y=y, orig_sr=stored_sr, target_sr=sr, res_type="soxr_hq")
    return resampled.astype(np.float32, copy=False)


def excerpt(y: np.ndarray, sr: int, clip_s: float) -> np.ndarray:
    """Return the middle `clip_s` seconds of mono audio, filled up with zeros at the end.

    The result has ``round(clip_s * sr)`` samples and the dtype of `y`.

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
            if not RATES[0] <= sound.samplerate <= RATES[1] or sound.channels > MOST_CHANNELS:
                raise GenrelibError(
                    f"{path} states {sound.samplerate} Hz and {sound.channels} channels; read are "
                    f"{RATES[0]} to {RATES[1]} Hz and up to {MOST_CHANNELS} channels: convert it."
                )
            yield sound
    # TypeError: soundfile's answer to headerless formats (.raw), whose layout it can't guess
    except (soundfile.SoundFileError, TypeError) as error:
        reason = getattr(error, "error_string", str(error)).rstrip(".")
        raise GenrelibError(
            f"{path} can't be decoded as audio ({reason}); it must be a whole file of "
            f"{', '.join(SUFFIXES)}: convert it or download it again."
        ) from error
