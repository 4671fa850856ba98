"""From songs to sound: notes of instruments, a performance of them, and an artist's production.

Notes are additive wavetables with a second, darker table that takes over as a note decays (the
common two-table approximation of strings and bars), with the formants of vowels and bodies; strokes
of drums are noise and tuned skins. Everything is NumPy and SciPy, without any asset. The same
arguments give the same samples.

>>> from genrelib.synthesis.styles import make_artist
>>> from genrelib.synthesis.composition import compose
>>> song, artist = compose("disco", 3), make_artist("disco", 0, seed=0)
>>> render(song, artist, duration_s=2.0).shape
(44100,)
"""

import functools
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
import scipy.signal

from ..base.seeds import rng
from .composition import Score, Song, arrange
from .styles import Artist, loaded, style

SR = 22050  # sample rate of the controlled corpus, that of GTZAN, in Hz

DRIFT = 0.06  # relative depth of the random drift of the tempo in a concert
HALL_S, HALL_DB = 2.4, -5.0  # reverberation time of its hall, and the level to the direct sound
CROWD_DB = -14.0  # level of its crowd relative to the music

_TABLE = 2048  # samples of a wavetable


def render(
    song: Song,
    artist: Artist,
    *,
    duration_s: float = 30.0,
    start_s: float = 0.0,
    take: int = 0,
    genre: str | None = None,
    is_live: bool = False,
) -> np.ndarray:
    """Render a song as recorded by an artist in the studio: float32 in (-1, 1), mono.

    Two excerpts of one recording differ in `start_s` only; `take` is the number of the recording of
    the song by this artist. In the manner of another `genre` chords, melody, key and the artist's
    production stay; drums, groove, metre, tempo, patterns and instruments are those of that genre.
    A live recording has the hall, the crowd and the drifting tempo of a concert.
    """
    manner = song.genre if genre is None else genre
    seconds = start_s + duration_s
    # the fastest moment of the drifting tempo decides how much must be written
    n_beats = 1.3 * seconds * style(manner).tempo(song.tempo) / 60 + 4
    score = arrange(song, artist, n_beats=n_beats, genre=genre, take=take)
    # one generator for each purpose: a longer rendering starts with the shorter one
    draws = functools.partial(rng, song.seed, "performance", artist.seed, manner, take)
    first, stop = round(start_s * SR), round(start_s * SR) + round(duration_s * SR)
    clock = _clock(score, draws, seconds, DRIFT if is_live else 0.0)
    y = _produce(_mix(score, artist, stop, clock, draws), artist, draws, is_live)
    return y[first:stop]


def adapt(song: Song, artist: Artist) -> Song:
    """Return `song` in the artist's nearest favourite key, half-way to their favourite tempo."""
    key = min(artist.keys, key=lambda key: (min((key - song.key) % 12, (song.key - key) % 12), key))
    return replace(song, key=key, tempo=0.5 * (song.tempo + artist.tempo))


def distort(y: np.ndarray, *, seed: int) -> np.ndarray:
    """Damage a recording as faulty transfers do: hard clipping, crackle and bursts of static."""
    random = rng(seed, "distortion")
    loud = np.clip(
        y / max(np.sqrt(np.mean(np.square(y))), 1e-9) * random.uniform(0.7, 1.2), -0.9, 0.9
    )
    static = 0.15 * random.standard_normal(len(y)) * (random.random(len(y)) < 0.02)
    for start in random.integers(0, len(y), 1 + len(y) // (4 * SR)):
        burst = slice(start, start + int(random.uniform(0.1, 0.6) * SR))
        static[burst] += 0.35 * random.standard_normal(len(static[burst]))
    return np.clip(loud + static, -1, 1).astype(np.float32)


def _clock(score: Score, draws, seconds: float, drift: float):
    """Return the function from beats to seconds, with the score's rubato and a drift."""
    random = draws("clock")
    grid = np.arange(0, seconds + 2, 0.05)
    wave = score.rubato * np.sin(2 * np.pi * (grid / random.uniform(5, 8) + random.random()))
    knots = np.cumsum(random.standard_normal(len(grid) // 40 + 2)) * drift / 2
    wander = np.interp(grid, 2.0 * np.arange(len(knots)), np.clip(knots, -2 * drift, 2 * drift))
    beats = np.cumsum(score.tempo_bpm / 60 * 0.05 * (1 + wave + wander))
    return lambda beat: np.interp(beat, beats - beats[0], grid)


def _mix(score: Score, artist: Artist, n: int, clock, draws) -> np.ndarray:
    mix = np.zeros(n, dtype=np.float32)
    for part, notes in score.notes.items():
        bus = np.zeros(n, dtype=np.float32)
        sounds = {}
        starts = clock(np.array([start for start, *_ in notes]))
        ends = clock(np.array([start + length for start, length, *_ in notes]))
        late = score.looseness_s * draws(part).standard_normal(len(notes))
        name = score.instruments[part]
        for (_, _, pitch, velocity), start, end, delay in zip(
            notes, starts, ends, late, strict=True
        ):
            first = max(int((start + delay) * SR), 0)
            if first >= n:
                continue
            # lengths in steps of 20 ms, so that repeated notes are sounded once
            sound = pitch, max(round((end - start) / 0.02), 2)
            if sound not in sounds:
                sounds[sound] = _sound(part, name, *sound, artist)
            wave = sounds[sound][: n - first]
            bus[first : first + len(wave)] += np.float32(velocity) * wave
        if part != "drums" and INSTRUMENTS[name].drive:
            bus = _amplify(bus, INSTRUMENTS[name].drive)
        mix += np.float32(10 ** (score.levels_db[part] / 20)) * bus
    return mix


def _sound(part: str, name: str, pitch, steps: int, artist: Artist) -> np.ndarray:
    if part == "drums":
        tune, decay, noise = artist.kit
        return stroke(name, pitch, pitch=tune, decay=decay, noise=noise)
    tuned = pitch + artist.tuning_cents / 100
    return note(name, tuned, 0.02 * steps, brightness_db=artist.brightness_db)


def _amplify(bus: np.ndarray, drive: float) -> np.ndarray:
    """Distort a part as an amplifier does, and end its spectrum as a loudspeaker does."""
    sos = scipy.signal.butter(2, (90, min(4500, 0.45 * SR)), btype="bandpass", fs=SR, output="sos")
    return (0.35 * scipy.signal.sosfilt(sos, np.tanh(drive * bus))).astype(np.float32)


def _produce(mix: np.ndarray, artist: Artist, draws, is_live: bool) -> np.ndarray:
    """Add room, equaliser, noise and crowd; set the artist's loudness, below full scale."""
    rooms = [(artist.room_s, artist.wet_db)]
    if is_live:
        rooms.append((HALL_S, HALL_DB))
    n_fft = scipy.fft.next_fast_len(
        len(mix) + int(SR * max(room_s for room_s, _ in rooms)), real=True
    )
    hz = np.fft.rfftfreq(n_fft, 1 / SR)
    response = np.ones(len(hz), dtype=complex)
    for room_s, wet_db in rooms:
        response += 10 ** (wet_db / 20) * scipy.fft.rfft(_impulse(artist, room_s), n_fft)
    response *= 10 ** (artist.curve_db(hz) / 20)
    y = scipy.fft.irfft(scipy.fft.rfft(mix, n_fft) * response, n_fft)[: len(mix)]
    y /= max(np.sqrt(np.mean(y**2)), 1e-9)
    if is_live:
        y += 10 ** (CROWD_DB / 20) * _crowd(len(y), draws("crowd"))
    y += 10 ** (artist.noise_db / 20) * draws("noise").standard_normal(len(y))
    return np.tanh(10 ** (artist.loudness_db / 20) * y).astype(np.float32)


def _impulse(artist: Artist, room_s: float) -> np.ndarray:
    """Return a decaying noise of unit energy, darker than white, as rooms are."""
    t = np.arange(int(room_s * SR)) / SR
    tail = rng(artist.seed, "room").standard_normal(len(t)) * np.exp(-6.9 * t / room_s)
    tail = scipy.signal.lfilter([1 - 0.6], [1, -0.6], tail)
    tail[: int(0.012 * SR)] = 0  # the walls answer later than the instrument
    return tail / np.sqrt(np.sum(tail**2))


def _crowd(n: int, random) -> np.ndarray:
    """Return the murmur of many voices, swelling, with clapping: unit RMS."""
    sos = scipy.signal.butter(1, (250, 2500), btype="bandpass", fs=SR, output="sos")
    seconds = np.arange(n // SR + 2)
    swell = np.interp(np.arange(n) / SR, seconds, random.uniform(0.4, 1.6, len(seconds)))
    murmur = scipy.signal.sosfilt(sos, random.standard_normal(n)) * swell
    claps = (random.random(n) < 40 / SR) * random.uniform(0, 1, n)
    burst = np.exp(-np.arange(int(0.01 * SR)) / (0.002 * SR)) * random.standard_normal(
        int(0.01 * SR)
    )
    clapping = scipy.signal.fftconvolve(claps, burst)[:n]
    crowd = murmur / murmur.std() + 0.5 * clapping / max(clapping.std(), 1e-9)
    return crowd / crowd.std()


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
    tables = loaded("instruments.yaml")
    kits = {kit: strokes for kit, strokes in tables["kits"].items() if kit != "common"}
    return (
        {name: Instrument(**fields) for name, fields in tables["instruments"].items()},
        {kit: {drum: Stroke(**row) for drum, row in rows.items()} for kit, rows in kits.items()},
    )


INSTRUMENTS, KITS = _tables()  # by name, as ``instruments.yaml`` has them


def note(name: str, pitch: float, length_s: float, *, brightness_db: float = 0.0) -> np.ndarray:
    """Sound one note: float32 of RMS about 0.1 to 0.3 at the attack, which ends with the release.

    `pitch` is MIDI as written (69 is A at 440 Hz), the instrument's octave is added; `length_s` is
    the time until the release; `brightness_db` is added to the slope of the partials, dB per
    octave.
    """
    instrument = INSTRUMENTS[name]
    frequency = 440.0 * 2 ** ((pitch - 69) / 12 + instrument.octave)
    while frequency > 0.2 * SR:
        frequency /= 2
    n = int((length_s + instrument.release_s) * SR)
    t = np.arange(n) / SR
    cents = instrument.vibrato_cents * np.sin(2 * np.pi * 5.3 * t) * np.minimum(t / 0.3, 1)
    cents -= 100 * instrument.scoop * np.exp(-t / 0.04)
    cycles = np.cumsum(frequency / SR * 2 ** (cents / 1200))
    # the sung vowel changes from note to note, but not between repetitions
    formants = instrument.formants[int(7 * round(pitch) + 50 * length_s) % len(instrument.formants)]
    slope = instrument.slope_db - brightness_db
    bright = _table(frequency, slope, instrument.even, formants)
    dark = _table(frequency, slope + instrument.damping_db, instrument.even, formants)
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
    kit: str, drum: str, *, pitch: float = 1.0, decay: float = 1.0, noise: float = 1.0
) -> np.ndarray:
    """Sound one stroke of a drum: float32, with a peak about 1 for a drum of 0 dB.

    `kit` and `drum` are keys of :data:`KITS`; `pitch`, `decay` and `noise` are factors on the
    drum's pitch, duration and noise level.
    """
    sound = KITS[kit][drum]
    n = int((max(sound.tone_s, sound.noise_s) * decay + 0.03 * sound.bursts) * SR)
    t = np.arange(n) / SR
    low, high = np.array(sound.band_hz) * pitch**0.5
    sos = scipy.signal.butter(2, (low, min(high, 0.49 * SR)), btype="bandpass", fs=SR, output="sos")
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
        y += np.sin(2 * np.pi * np.cumsum(hz) / SR) * np.exp(-6.9 * t / (sound.tone_s * decay))
    fade = np.minimum((n - np.arange(n)) / (0.01 * SR), 1)
    return (10 ** (sound.gain_db / 20) * y * fade).astype(np.float32)


def _table(frequency: float, slope_db: float, even: float, formants) -> np.ndarray:
    """Return one period of a tone whose partials end below 0.45 of the sample rate."""
    n_partials = int(np.clip(0.45 * SR / frequency, 1, 60))
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
