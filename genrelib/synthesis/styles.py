"""Who plays, and how: the styles of ten genres, as ``styles.yaml`` has them, and artists.

An artist takes a band from the genre; equaliser, room, noise, loudness, tuning, timbre and the
tuning of the kit are drawn in the same way for all genres. A classifier that recognises the
production recognises the artist, not the genre: the shortcut that an artist-disjoint split removes.
"""

import functools
from dataclasses import dataclass, field
from importlib.resources import files

import numpy as np
import yaml

from ..base.errors import unknown
from ..base.seeds import derive, rng

#: Genres in GTZAN's order.
GENRES = (
    "blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock",
)  # fmt: skip


@dataclass(frozen=True)
class Style:
    """How one genre plays; the ten are in ``styles.yaml``, which explains the patterns."""

    tempo_bpm: list  # lowest and highest tempo, quarter notes per minute
    metres: list  # beats per bar; a repeated entry is likelier
    swing: list  # range of the first half's share of a swung unit: 0.5 straight, 0.67 triplets
    kin: list  # genres that this one borrows from
    harmony: list  # scale of the melody and progression
    bass: list  # patterns of the bass
    comp: list  # of the chords
    lead: list  # of the melody
    band: dict  # instruments to choose from, by part
    levels_db: dict  # level of each part in the mix
    register: int  # MIDI pitch around which the melody moves
    singing: float  # share of the phrases in which the lead plays, in [0, 1]
    pad: list = field(default_factory=list)  # of held chords; none: no such part
    drums: list = field(default_factory=list)  # patterns by drum; empty for a genre without drums
    kits: list = field(default_factory=lambda: ["acoustic"])  # drum kits to choose from
    swing_beats: float = 1.0  # length of the swung unit: 1 swings eighths, 0.5 sixteenths
    looseness_s: float = 0.008  # standard deviation of the players' timing, seconds
    rubato: float = 0.0  # relative depth of a slow wave of the tempo
    leap: float = 0.15  # probability that a step of the melody is a leap, in [0, 1]

    def tempo(self, position: float) -> float:
        """Return the tempo at `position` (0 slowest, 1 fastest) of the genre's range, in BPM."""
        low, high = self.tempo_bpm
        return float(low * (high / low) ** np.clip(position, 0, 1))


@functools.cache
def loaded(name: str) -> dict:
    """Return a table of this room by its file's name."""
    return yaml.safe_load(files(__package__).joinpath(name).read_text(encoding="utf-8"))


def words(kind: str) -> list[list[str]]:
    """Return the words of invented names, "titles" or "bands": the first ones and the second."""
    return loaded("words.yaml")[kind]


@functools.cache
def style(genre: str) -> Style:
    """Return the style of `genre`; raise :class:`GenrelibError` for an unknown one."""
    if genre not in GENRES:
        raise unknown("genre", genre, GENRES)
    return Style(**loaded("styles.yaml")[genre])


def in_metre(patterns: list, metre: int) -> list:
    """Return those patterns that are one bar of `metre` beats long; a dict counts by its rows."""
    return [p for p in patterns if len(p if isinstance(p, str) else min(p.values())) == 4 * metre]


@dataclass(frozen=True)
class Artist:
    """A band and its production."""

    name: str  # invented, different for every genre and number
    genre: str
    seed: int  # of the artist's choices
    leaning: str  # related genre, to borrow from
    openness: float  # probability that a part is borrowed from `leaning`, in [0, 1]
    keys: tuple  # favourite pitch classes of the tonic
    tempo: float  # favourite position in a genre's tempo range, in [0, 1]
    tilt_db: float  # tilt of the equaliser around 1 kHz, dB per octave
    bumps: tuple  # of the equaliser: centre in Hz, width in octaves, gain in dB
    low_cut_hz: float  # band limits of the recording
    high_cut_hz: float
    room_s: float  # reverberation time (60 dB), seconds
    wet_db: float  # level of the reverberation relative to the direct sound
    noise_db: float  # level of the recording's noise relative to the music
    loudness_db: float  # RMS of the music relative to full scale, before the limiter
    tuning_cents: float  # deviation from A = 440 Hz
    brightness_db: float  # tilt of all pitched instruments, dB per octave of their partials
    kit: tuple  # factors on the drums' pitch, decay and noisiness
    balance_db: dict  # deviation of each part from the genre's usual level

    def curve_db(self, frequencies) -> np.ndarray:
        """Return the gain in dB of equaliser and band limits at `frequencies`, in Hz >= 0."""
        hz = np.maximum(np.asarray(frequencies, dtype=float), 10.0)
        gain = self.tilt_db * np.clip(np.log2(hz / 1000), -4, 4)
        for centre, width, height in self.bumps:
            gain += height * np.exp(-0.5 * (np.log2(hz / centre) / width) ** 2)
        # second order below, eighth order above: how microphones and how media end
        gain -= 10 * np.log10(1 + (self.low_cut_hz / hz) ** 4)
        gain -= 10 * np.log10(1 + (hz / self.high_cut_hz) ** 16)
        return gain


def make_artist(genre: str, number: int, seed: int) -> Artist:
    """Draw artist `number` of a genre, counted from 0; all names of one seed differ.

    >>> make_artist("jazz", 3, seed=0) == make_artist("jazz", 3, seed=0)
    True
    """
    habits = style(genre)
    random = rng(seed, "artist", genre, number)
    tonic = int(random.integers(12))
    return Artist(
        name=_name(genre, number, seed),
        genre=genre,
        seed=derive(seed, "artist's choices", genre, number),
        leaning=str(random.choice(habits.kin)),
        openness=float(random.uniform(0.0, 0.05)),
        # a tonic with its neighbours on the circle of fifths: what lies well under the fingers
        keys=tuple((tonic + step) % 12 for step in (0, 5, 7)),
        tempo=float(random.uniform(0, 1)),
        tilt_db=float(random.normal(0, 0.4)),
        bumps=tuple(
            (
                float(60 * 2 ** random.uniform(0, 7)),
                float(random.uniform(0.1, 0.35)),
                float(random.normal(0, 2.4)),
            )
            for _ in range(9)
        ),
        low_cut_hz=float(np.exp(random.uniform(np.log(25), np.log(120)))),
        high_cut_hz=float(np.exp(random.uniform(np.log(7000), np.log(10500)))),
        room_s=float(random.uniform(0.2, 1.6)),
        wet_db=float(random.uniform(-24, -12)),
        noise_db=float(random.uniform(-64, -52)),
        loudness_db=float(random.uniform(-20, -13)),
        tuning_cents=float(random.normal(0, 12)),
        brightness_db=float(random.normal(0, 0.55)),
        kit=tuple(float(2 ** random.uniform(-0.25, 0.25)) for _ in range(3)),
        balance_db={
            part: float(random.normal(0, 1.0)) for part in ("drums", "bass", "comp", "pad", "lead")
        },
    )


def _name(genre: str, number: int, seed: int) -> str:
    """Name each (genre, number) by its position in a shuffled list of all pairs of words."""
    firsts, seconds = words("bands")
    n_names = len(firsts) * len(seconds)
    order = rng(seed, "names").permutation(n_names)
    again, place = divmod(number * len(GENRES) + GENRES.index(genre), n_names)
    first, second = divmod(int(order[place]), len(seconds))
    suffix = f" {again + 1}" if again else ""
    return f"The {firsts[first]} {seconds[second]}{suffix}"
