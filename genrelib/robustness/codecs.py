"""Lossy codecs: ``(y, strength, generator) -> y``, encoded and decoded in memory by libsndfile."""

import io

import numpy as np
import soundfile

from ..base.errors import GenrelibError
from ..features import SR
from ..features.compiled import librosa

MP3_KBITS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""The bit rates of MPEG-2 layer III, the kind of MP3 that 22050 Hz is, in kbit/s."""

OPUS_KBITS = (6, 256)
"""Lowest and highest rate of libsndfile's Opus for one channel, in kbit/s."""

# of the encoder (576) and the decoder (529); where a frame has room for LAME's tag, that says so,
# and decoding starts after it
_MP3_DELAY = 1105

_OPUS_SR = 24000


def mp3(y, kbits, generator):
    """Encode as MP3 at a constant bit rate of `kbits`, one of :data:`MP3_KBITS`."""
    if kbits not in MP3_KBITS:
        allowed = ", ".join(map(str, MP3_KBITS))
        raise GenrelibError(
            f"MP3 has no bit rate of {kbits!r} kbit/s at {SR} Hz; give one of {allowed}."
        )
    lowest, highest = MP3_KBITS[0], MP3_KBITS[-1]
    # level 1 is refused, therefore a little less; libsndfile takes the nearest rate
    level = 0.999 * (highest - kbits) / (highest - lowest)
    decoded = _there_and_back(
        y, SR, format="MP3", subtype="MPEG_LAYER_III", compression_level=level,
        bitrate_mode="CONSTANT",
    )  # fmt: skip
    start = _MP3_DELAY if len(decoded) > len(y) else 0
    return librosa.util.fix_length(data=decoded[start:], size=len(y))


def vorbis(y, quality, generator):
    """Encode as Ogg Vorbis of a `quality` from 0 to 10; its bit rate follows the music."""
    decoded = _there_and_back(
        y, SR, format="OGG", subtype="VORBIS", compression_level=1 - quality / 10
    )
    return librosa.util.fix_length(data=decoded, size=len(y))


def opus(y, kbits, generator):
    """Encode as Ogg Opus at `kbits` on average, resampled to 24 kHz, which Opus asks for."""
    lowest, highest = OPUS_KBITS
    upsampled = librosa.resample(y=y, orig_sr=SR, target_sr=_OPUS_SR, res_type="soxr_hq")
    level = (highest - kbits) / (highest - lowest)
    decoded = _there_and_back(
        upsampled, _OPUS_SR, format="OGG", subtype="OPUS", compression_level=level
    )
    back = librosa.resample(y=decoded, orig_sr=_OPUS_SR, target_sr=SR, res_type="soxr_hq")
    return librosa.util.fix_length(data=back, size=len(y))


def _there_and_back(y: np.ndarray, sr: int, **how) -> np.ndarray:
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", samplerate=sr, channels=1, **how) as sound:
        # second by second: libsndfile's Vorbis overflows the stack when given minutes at once
        for start in range(0, len(y), sr):
            sound.write(y[start : start + sr])
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]
