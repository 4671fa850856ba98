"""From songs to sound: a performance in an artist's production, and its variants.

Everything is NumPy and SciPy, without any asset. The same arguments give the same samples.

>>> from genrelib.synthesis.styles import make_artist
>>> from genrelib.synthesis.composition import compose
>>> song, artist = compose("disco", 3), make_artist("disco", 0, seed=0)
>>> render(song, artist, sr=22050, duration_s=2.0).shape
(44100,)
"""

import functools
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
import scipy.signal

from ..base.errors import GenrelibError
from ..base.seeds import rng
from .composition import Score, Song, arrange
from .instruments import INSTRUMENTS, note, stroke
from .styles import Artist, style

SR = 22050  # sample rate of the controlled corpus, that of GTZAN, in Hz


@dataclass(frozen=True)
class Stage:
    """What a concert adds to a performance."""

    drift: float = 0.06  # relative depth of the tempo's random drift
    room_s: float = 2.4  # reverberation time of the hall
    wet_db: float = -5.0  # its level relative to the direct sound
    crowd_db: float = -14.0  # level of the crowd relative to the music


def render(
    song: Song,
    artist: Artist,
    *,
    sr: int = SR,
    duration_s: float = 30.0,
    start_s: float = 0.0,
    take: int = 0,
) -> np.ndarray:
    """Render a song as recorded by an artist in the studio: float32 in (-1, 1), mono.

    `sr` is at least 16000 Hz, `duration_s` in (0, 600], and `start_s` in [0, 600]: two excerpts of
    one recording differ in it only. `take` is the number of the recording of the song by this
    artist.
    """
    return _record(song, artist, sr, duration_s, start_s, take=take)


def cover(
    song: Song, artist: Artist, *, sr: int = SR, duration_s: float = 30.0, take: int = 0
) -> np.ndarray:
    """Render a song as covered by another artist: in their favourite key and tempo, by their band.

    Chords and melody stay, transposed, and so does the genre; all else is as in :func:`render`.
    """
    return render(adapt(song, artist), artist, sr=sr, duration_s=duration_s, take=take)


def adapt(song: Song, artist: Artist) -> Song:
    """Return `song` in the artist's nearest favourite key, half-way to their favourite tempo."""
    key = min(artist.keys, key=lambda key: (min((key - song.key) % 12, (song.key - key) % 12), key))
    return replace(song, key=key, tempo=0.5 * (song.tempo + artist.tempo))


def genre_swap(
    song: Song, artist: Artist, genre: str, *, sr: int = SR, duration_s: float = 30.0, take: int = 0
) -> np.ndarray:
    """Render a song in the manner of another genre by the same artist, see :func:`render`.

    Chords, melody, key and the artist's production stay; drums, groove, metre, tempo, patterns and
    instruments are those of `genre`. Raise :class:`GenrelibError` when it is unknown.
    """
    return _record(song, artist, sr, duration_s, 0.0, take=take, genre=genre)


def live(
    song: Song,
    artist: Artist,
    *,
    sr: int = SR,
    duration_s: float = 30.0,
    take: int = 1,
    stage: Stage | None = None,
) -> np.ndarray:
    """Render a song in concert, as :func:`render`: hall, crowd, drifting tempo, another take."""
    return _record(song, artist, sr, duration_s, 0.0, take=take, stage=stage or Stage())


def distort(y: np.ndarray, *, seed: int, sr: int = SR) -> np.ndarray:
    """Damage a recording as faulty transfers do: hard clipping, crackle and bursts of static."""
    random = rng(seed, "distortion")
    loud = np.clip(
        y / max(np.sqrt(np.mean(np.square(y))), 1e-9) * random.uniform(0.7, 1.2), -0.9, 0.9
    )
    static = 0.15 * random.standard_normal(len(y)) * (random.random(len(y)) < 0.02)
    for start in random.integers(0, len(y), 1 + len(y) // (4 * sr)):
        burst = slice(start, start + int(random.uniform(0.1, 0.6) * sr))
        static[burst] += 0.35 * random.standard_normal(len(static[burst]))
    return np.clip(loud + static, -1, 1).astype(np.float32)


def _record(
    song: Song,
    artist: Artist,
    sr: int,
    duration_s: float,
    start_s: float,
    *,
    take: int,
    genre: str | None = None,
    stage: Stage | None = None,
) -> np.ndarray:
    if not 0 < duration_s <= 600 or not 0 <= start_s <= 600:
        raise GenrelibError(
            f"duration {duration_s!r} s from {start_s!r} s; give a duration in (0, 600] s and a "
            "start in [0, 600] s."
        )
    if sr < 16000:
        raise GenrelibError(f"sample rate {sr!r} Hz; give at least 16000 Hz.")
    manner = song.genre if genre is None else genre
    seconds = start_s + duration_s
    # the fastest moment of the drifting tempo decides how much must be written
    n_beats = 1.3 * seconds * style(manner).tempo(song.tempo) / 60 + 4
    score = arrange(song, artist, n_beats=n_beats, genre=genre, take=take)
    # one generator for each purpose: a longer rendering starts with the shorter one
    draws = functools.partial(rng, song.seed, "performance", artist.seed, manner, take)
    first, stop = round(start_s * sr), round(start_s * sr) + round(duration_s * sr)
    clock = _clock(score, draws, seconds, 0.0 if stage is None else stage.drift)
    y = _produce(_mix(score, artist, sr, stop, clock, draws), artist, sr, draws, stage)
    return y[first:stop]


def _clock(score: Score, draws, seconds: float, drift: float):
    """Return the function from beats to seconds, with the score's rubato and a drift."""
    random = draws("clock")
    grid = np.arange(0, seconds + 2, 0.05)
    wave = score.rubato * np.sin(2 * np.pi * (grid / random.uniform(5, 8) + random.random()))
    knots = np.cumsum(random.standard_normal(len(grid) // 40 + 2)) * drift / 2
    wander = np.interp(grid, 2.0 * np.arange(len(knots)), np.clip(knots, -2 * drift, 2 * drift))
    beats = np.cumsum(score.tempo_bpm / 60 * 0.05 * (1 + wave + wander))
    return lambda beat: np.interp(beat, beats - beats[0], grid)


def _mix(score: Score, artist: Artist, sr: int, n: int, clock, draws) -> np.ndarray:
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
            first = max(int((start + delay) * sr), 0)
            if first >= n:
                continue
            # lengths in steps of 20 ms, so that repeated notes are sounded once
            sound = pitch, max(round((end - start) / 0.02), 2)
            if sound not in sounds:
                sounds[sound] = _sound(part, name, *sound, artist, sr)
            wave = sounds[sound][: n - first]
            bus[first : first + len(wave)] += np.float32(velocity) * wave
        if part != "drums" and INSTRUMENTS[name].drive:
            bus = _amplify(bus, INSTRUMENTS[name].drive, sr)
        mix += np.float32(10 ** (score.levels_db[part] / 20)) * bus
    return mix


def _sound(part: str, name: str, pitch, steps: int, artist: Artist, sr: int) -> np.ndarray:
    if part == "drums":
        tune, decay, noise = artist.kit
        return stroke(name, pitch, sr=sr, pitch=tune, decay=decay, noise=noise)
    return note(
        name,
        pitch + artist.tuning_cents / 100,
        0.02 * steps,
        sr=sr,
        brightness_db=artist.brightness_db,
    )


def _amplify(bus: np.ndarray, drive: float, sr: int) -> np.ndarray:
    """Distort a part as an amplifier does, and end its spectrum as a loudspeaker does."""
    sos = scipy.signal.butter(2, (90, min(4500, 0.45 * sr)), btype="bandpass", fs=sr, output="sos")
    return (0.35 * scipy.signal.sosfilt(sos, np.tanh(drive * bus))).astype(np.float32)


def _produce(mix: np.ndarray, artist: Artist, sr: int, draws, stage: Stage | None) -> np.ndarray:
    """Add room, equaliser, noise and crowd; set the artist's loudness, below full scale."""
    rooms = [(artist.room_s, artist.wet_db)]
    if stage is not None:
        rooms.append((stage.room_s, stage.wet_db))
    n_fft = scipy.fft.next_fast_len(
        len(mix) + int(sr * max(room_s for room_s, _ in rooms)), real=True
    )
    hz = np.fft.rfftfreq(n_fft, 1 / sr)
    response = np.ones(len(hz), dtype=complex)
    for room_s, wet_db in rooms:
        response += 10 ** (wet_db / 20) * scipy.fft.rfft(_impulse(artist, room_s, sr), n_fft)
    response *= 10 ** (artist.curve_db(hz) / 20)
    y = scipy.fft.irfft(scipy.fft.rfft(mix, n_fft) * response, n_fft)[: len(mix)]
    y /= max(np.sqrt(np.mean(y**2)), 1e-9)
    if stage is not None:
        y += 10 ** (stage.crowd_db / 20) * _crowd(len(y), sr, draws("crowd"))
    y += 10 ** (artist.noise_db / 20) * draws("noise").standard_normal(len(y))
    return np.tanh(10 ** (artist.loudness_db / 20) * y).astype(np.float32)


def _impulse(artist: Artist, room_s: float, sr: int) -> np.ndarray:
    """Return a decaying noise of unit energy, darker than white, as rooms are."""
    t = np.arange(int(room_s * sr)) / sr
    tail = rng(artist.seed, "room").standard_normal(len(t)) * np.exp(-6.9 * t / room_s)
    tail = scipy.signal.lfilter([1 - 0.6], [1, -0.6], tail)
    tail[: int(0.012 * sr)] = 0  # the walls answer later than the instrument
    return tail / np.sqrt(np.sum(tail**2))


def _crowd(n: int, sr: int, random) -> np.ndarray:
    """Return the murmur of many voices, swelling, with clapping: unit RMS."""
    sos = scipy.signal.butter(1, (250, 2500), btype="bandpass", fs=sr, output="sos")
    seconds = np.arange(n // sr + 2)
    swell = np.interp(np.arange(n) / sr, seconds, random.uniform(0.4, 1.6, len(seconds)))
    murmur = scipy.signal.sosfilt(sos, random.standard_normal(n)) * swell
    claps = (random.random(n) < 40 / sr) * random.uniform(0, 1, n)
    burst = np.exp(-np.arange(int(0.01 * sr)) / (0.002 * sr)) * random.standard_normal(
        int(0.01 * sr)
    )
    clapping = scipy.signal.fftconvolve(claps, burst)[:n]
    crowd = murmur / murmur.std() + 0.5 * clapping / max(clapping.std(), 1e-9)
    return crowd / crowd.std()
