"""How single notes and strokes sound: wavetables with envelopes, noise and tuned skins.

Sources: additive wavetables with a second, darker table that takes over as a note decays (the
common two-table approximation of strings and bars), with the formants of vowels and bodies.
"""

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import scipy.signal
import yaml

from ..base.seeds import rng

_TABLE = 2048


@dataclass(frozen=True)
class Instrument:
    """A pitched instrument."""

    slope_db: float  # decrease of the partials, dB per octave
    octave: int = 0  # transposition of a written note, in octaves
    even: float = 1.0  # weight of the even partials, in [0, 1]
    attack_s: float = 0.004  # time to the full level
    release_s: float = 0.06  # time in which the end fades
    decay_s: float = 0.5  # time constant towards `sustain`
    sustain: float = 0.0  # level held as long as the note lasts, in [0, 1]
    damping_db: float = 6.0  # slope in dB per octave that the partials lose as the note decays
    formants: tuple = ((),)  # sets of resonances: centre in Hz, gain in dB, width in octaves
    vibrato_cents: float = 0.0  # depth of the vibrato
    scoop: float = 0.0  # semitones below the pitch from which a note is reached
    breath: float = 0.0  # noise relative to the tone
    chorus_cents: float = 0.0  # detuning of a second voice; 0 for one voice
    drive: float = 0.0  # gain into the distorting amplifier of the whole part; 0 for clean


@dataclass(frozen=True)
class Stroke:
    """One drum: a falling tone and filtered noise."""

    tone_hz: float  # final pitch
    tone_s: float  # time in which the tone decays by 60 dB
    noise_s: float  # and the noise
    band_hz: tuple  # band of the noise
    fall: float = 0.0  # octaves above tone_hz at which the tone starts
    noise: float = 1.0  # level of the noise relative to the tone
    gain_db: float = 0.0  # level in the kit
    bursts: int = 1  # repetitions of the noise, 11 ms apart: the hands of a clap
    swell_s: float = 0.0  # attack of the noise: a brush


def _tables() -> tuple[dict[str, Instrument], dict[str, dict[str, Stroke]]]:
    text = files(__package__).joinpath("instruments.yaml").read_text(encoding="utf-8")
    tables = yaml.safe_load(text)
    kits = {kit: strokes for kit, strokes in tables["kits"].items() if kit != "common"}
    return (
        {name: Instrument(**fields) for name, fields in tables["instruments"].items()},
        {kit: {drum: Stroke(**row) for drum, row in rows.items()} for kit, rows in kits.items()},
    )


INSTRUMENTS, KITS = _tables()  # by name, as ``instruments.yaml`` has them


def note(
    name: str, pitch: float, length_s: float, *, sr: int, brightness_db: float = 0.0
) -> np.ndarray:
    """Sound one note: float32 of RMS about 0.1 to 0.3 at the attack, which ends with the release.

    `pitch` is MIDI as written (69 is A at 440 Hz), the instrument's octave is added; `length_s` is
    the time until the release; `brightness_db` is added to the slope of the partials, dB per
    octave.
    """
    instrument = INSTRUMENTS[name]
    frequency = 440.0 * 2 ** ((pitch - 69) / 12 + instrument.octave)
    while frequency > 0.2 * sr:
        frequency /= 2
    n = int((length_s + instrument.release_s) * sr)
    t = np.arange(n) / sr
    cents = instrument.vibrato_cents * np.sin(2 * np.pi * 5.3 * t) * np.minimum(t / 0.3, 1)
    cents -= 100 * instrument.scoop * np.exp(-t / 0.04)
    cycles = np.cumsum(frequency / sr * 2 ** (cents / 1200))
    # the sung vowel changes from note to note, but not between repetitions
    formants = instrument.formants[int(7 * round(pitch) + 50 * length_s) % len(instrument.formants)]
    slope = instrument.slope_db - brightness_db
    bright = _table(frequency, sr, slope, instrument.even, formants)
    dark = _table(frequency, sr, slope + instrument.damping_db, instrument.even, formants)
    mix = np.exp(-t / (0.5 * instrument.decay_s)).astype(np.float32)
    index = (cycles * _TABLE).astype(np.int64) % _TABLE
    y = dark[index] + mix * (bright[index] - dark[index])
    if instrument.chorus_cents:
        index = (cycles * 2 ** (instrument.chorus_cents / 1200) * _TABLE).astype(np.int64) % _TABLE
        y += dark[index] + mix * (bright[index] - dark[index])
        y *= 0.7
    if instrument.breath:
        y += instrument.breath * _noise(n) * (bright.std())
    return y * _envelope(instrument, t, length_s)


def stroke(
    kit: str, drum: str, *, sr: int, pitch: float = 1.0, decay: float = 1.0, noise: float = 1.0
) -> np.ndarray:
    """Sound one stroke of a drum: float32, with a peak about 1 for a drum of 0 dB.

    `kit` and `drum` are keys of :data:`KITS`; `pitch`, `decay` and `noise` are factors on the
    drum's pitch, duration and noise level.
    """
    sound = KITS[kit][drum]
    n = int((max(sound.tone_s, sound.noise_s) * decay + 0.03 * sound.bursts) * sr)
    t = np.arange(n) / sr
    low, high = np.array(sound.band_hz) * pitch**0.5
    sos = scipy.signal.butter(2, (low, min(high, 0.49 * sr)), btype="bandpass", fs=sr, output="sos")
    hiss = scipy.signal.sosfilt(sos, _noise(n))
    hiss /= np.abs(hiss).max()
    envelope = np.zeros(n)
    for burst in range(sound.bursts):
        late = t - 0.011 * burst
        rise = np.minimum(late / sound.swell_s, 1) if sound.swell_s else 1
        envelope += (
            (late >= 0) * rise * np.exp(-6.9 * np.maximum(late, 0) / (sound.noise_s * decay))
        )
    y = sound.noise * noise * envelope * hiss
    if sound.tone_s:
        hz = sound.tone_hz * pitch * 2 ** (sound.fall * np.exp(-t / 0.03))
        y += np.sin(2 * np.pi * np.cumsum(hz) / sr) * np.exp(-6.9 * t / (sound.tone_s * decay))
    fade = np.minimum((n - np.arange(n)) / (0.01 * sr), 1)
    return (10 ** (sound.gain_db / 20) * y * fade).astype(np.float32)


def _table(frequency: float, sr: int, slope_db: float, even: float, formants) -> np.ndarray:
    """Return one period of a tone whose partials end below 0.45 of the sample rate."""
    n_partials = int(np.clip(0.45 * sr / frequency, 1, 60))
    partials = np.arange(1, n_partials + 1)
    gain_db = -slope_db * np.log2(partials)
    for centre, gain, width in formants:
        gain_db += gain * np.exp(-0.5 * (np.log2(partials * frequency / centre) / width) ** 2)
    spectrum = np.zeros(_TABLE // 2 + 1, dtype=complex)
    # quadratic phases keep the crest low (Schroeder, IEEE Trans. Inf. Theory 16, 1970)
    spectrum[1 : n_partials + 1] = 10 ** (gain_db / 20) * np.exp(
        -1j * np.pi * partials**2 / n_partials
    )
    spectrum[2 : n_partials + 1 : 2] *= even
    table = np.fft.irfft(spectrum)
    return (0.3 * table / np.sqrt(2 * np.mean(table**2))).astype(np.float32)


def _envelope(instrument: Instrument, t: np.ndarray, length_s: float) -> np.ndarray:
    held = instrument.sustain + (1 - instrument.sustain) * np.exp(-t / instrument.decay_s)
    rise = np.minimum(t / instrument.attack_s, 1)
    fall = np.clip((length_s + instrument.release_s - t) / instrument.release_s, 0, 1)
    return (held * rise * fall).astype(np.float32)


def _noise(n: int) -> np.ndarray:
    return rng(0, "noise of instruments").standard_normal(n).astype(np.float32)
