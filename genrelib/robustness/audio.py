"""Interventions on sound: ``(y, strength, generator) -> y`` of the same length, at 22050 Hz.

:class:`~genrelib.robustness.Intervention` checks the arguments and calls these. Lossy codecs
encode and decode in memory, by libsndfile.
"""

import io
from collections.abc import Callable

import numpy as np
import scipy.fft
import scipy.signal
import soundfile
from scipy.interpolate import CubicSpline

from ..base.errors import GenrelibError
from ..features import SR
from ..features.compiled import librosa

WET = 0.5  # share of the reverberation in the energy of a reverberant sound

MP3_KBITS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""Bit rates of MPEG-2 layer III, the kind of MP3 that 22050 Hz is, in kbit/s."""

OPUS_KBITS = (6, 256)  # lowest and highest rate of libsndfile's Opus for one channel, in kbit/s

# of the encoder (576) and the decoder (529); where a frame has room for LAME's tag, that says so,
# and decoding starts after it
_MP3_DELAY = 1105

_OPUS_SR = 24000
_ORDER = 4  # Butterworth, 24 dB per octave
_TAPS = 4095  # odd: a delay of whole samples, which "same" takes back


def _butterworth(kind):
    def change(y, cutoff_hz, generator):
        sos = scipy.signal.butter(_ORDER, cutoff_hz, btype=kind, fs=SR, output="sos")
        return scipy.signal.sosfilt(sos, y)

    return change


high_pass, low_pass = _butterworth("highpass"), _butterworth("lowpass")
"""Take away what lies below or above the strength in Hz, where the gain is -3 dB."""


def equaliser(y, largest_db, generator):
    """Filter with a random smooth curve, whose largest rise or dip is `largest_db`.

    The curve is a spline through one draw per octave from 43 Hz up; the draws do not depend on
    `largest_db`, so a stronger one of the same seed is the same curve, magnified.
    """
    nyquist = SR / 2
    octaves = np.linspace(-8, 0, 9)
    spline = CubicSpline(octaves, generator.standard_normal(len(octaves)), bc_type="natural")
    hz = np.concatenate([[0], nyquist * 2 ** np.linspace(-8, 0, 257)])
    curve = spline(np.log2(np.maximum(hz, hz[1]) / nyquist))
    gain_db = curve * largest_db / np.max(np.abs(curve))
    taps = scipy.signal.firwin2(_TAPS, hz, 10 ** (gain_db / 20), fs=SR)
    # not "same": that is as long as the longer of the two
    filtered = scipy.signal.oaconvolve(y.astype(float), taps)
    return filtered[_TAPS // 2 : _TAPS // 2 + len(y)]


def gain(y, gain_db, generator):
    """Make louder by `gain_db`; nothing is clipped."""
    return y * 10 ** (gain_db / 20)


def white(n_samples: int, generator: np.random.Generator) -> np.ndarray:
    """Draw noise of equal power per hertz."""
    return generator.standard_normal(n_samples)


def pink(n_samples: int, generator: np.random.Generator) -> np.ndarray:
    """Draw noise of equal power per octave above 20 Hz, and per hertz below."""
    n_drawn = scipy.fft.next_fast_len(n_samples, real=True)
    spectrum = scipy.fft.rfft(white(n_drawn, generator))
    hz = np.maximum(scipy.fft.rfftfreq(n_drawn, 1 / SR), 20.0)
    return scipy.fft.irfft(spectrum / np.sqrt(hz), n_drawn)[:n_samples]


def noisy(noise: Callable) -> Callable:
    """Make the intervention that adds what ``noise(n_samples, generator)`` draws."""

    def change(y, snr_db, generator):
        added = noise(len(y), generator)
        # in double precision: squares of faint single precision samples vanish
        y = y.astype(float)
        ratio = np.mean(np.square(y)) / np.mean(np.square(added))
        return y + np.sqrt(ratio * 10 ** (-snr_db / 10)) * added

    return change


def reverberation(y, rt60_s, generator):
    """Put into a room: exponentially decaying white noise, 60 dB down after `rt60_s` seconds.

    Half of the energy is the direct sound, and the level stays (Moorer, "About this reverberation
    business", Computer Music Journal 3(2), 1979, has such noise as the model of a concert hall).
    """
    n_tail = max(1, round(rt60_s * SR))
    tail = generator.standard_normal(n_tail) * 10 ** (-3 * np.arange(n_tail) / n_tail)
    tail *= np.sqrt(WET / np.sum(np.square(tail)))
    tail[0] += np.sqrt(1 - WET)
    return scipy.signal.oaconvolve(y.astype(float), tail)[: len(y)]


def resampling(y, rate_hz, generator):
    """Resample to `rate_hz` and back: what lies above half of it is lost."""
    back = _resampled(_resampled(y, SR, rate_hz), rate_hz, SR)
    return librosa.util.fix_length(data=back, size=len(y))


def _resampled(y, sr, target_sr):
    return librosa.resample(y=y, orig_sr=sr, target_sr=target_sr, res_type="soxr_hq")


def time_stretch(y, percent, generator):
    """Play `percent` faster at the same pitch, with a phase vocoder.

    Of a longer result the middle stays; a shorter one is repeated on both sides.
    """
    stretched = librosa.effects.time_stretch(y=y, rate=1 + percent / 100)
    return stretched[repeated(len(stretched), len(y))]


def repeated(n_there: int, n_wanted: int) -> np.ndarray:
    """Return indices into `n_there` items: the middle `n_wanted`, going round where they end."""
    return (np.arange(n_wanted) + (n_there - n_wanted) // 2) % n_there


def pitch_shift(y, semitones, generator):
    """Play `semitones` higher at the same tempo, with a phase vocoder."""
    return librosa.effects.pitch_shift(y=y, sr=SR, n_steps=semitones)


def clipping(y, percent, generator):
    """Clip the loudest `percent` of the samples, at both ends alike."""
    limit = np.quantile(np.abs(y), 1 - percent / 100)
    return np.clip(y, -limit, limit)


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
    how = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT"}
    decoded = decoded_again(y, SR, compression_level=level, **how)
    start = _MP3_DELAY if len(decoded) > len(y) else 0
    return librosa.util.fix_length(data=decoded[start:], size=len(y))


def vorbis(y, quality, generator):
    """Encode as Ogg Vorbis of a `quality` from 0 to 10; its bit rate follows the music."""
    how = {"format": "OGG", "subtype": "VORBIS", "compression_level": 1 - quality / 10}
    decoded = decoded_again(y, SR, **how)
    return librosa.util.fix_length(data=decoded, size=len(y))


def opus(y, kbits, generator):
    """Encode as Ogg Opus at `kbits` on average, resampled to 24 kHz, which Opus asks for."""
    lowest, highest = OPUS_KBITS
    level = (highest - kbits) / (highest - lowest)
    upsampled = _resampled(y, SR, _OPUS_SR)
    how = {"format": "OGG", "subtype": "OPUS", "compression_level": level}
    decoded = decoded_again(upsampled, _OPUS_SR, **how)
    return librosa.util.fix_length(data=_resampled(decoded, _OPUS_SR, SR), size=len(y))


def decoded_again(y: np.ndarray, sr: int, **how) -> np.ndarray:
    """Write mono audio to memory as `how` says (see soundfile), and read it again in float32."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", samplerate=sr, channels=1, **how) as sound:
        # second by second: libsndfile's Vorbis overflows the stack when given minutes at once
        for start in range(0, len(y), sr):
            sound.write(y[start : start + sr])
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]
