"""What is composed: songs, drawn from the habits of a genre.

A :class:`Song` is what stays the same whoever plays it and however: key, chords, melody. Everything
that depends on the players is in :mod:`.artists` and :mod:`.arrangement`.
"""

import re
from dataclasses import dataclass

import numpy as np

from ..base.errors import GenrelibError
from ..base.seeds import derive, rng
from .styles import Style, in_metre, style

#: Names of the pitch classes, as keys are written.
PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

#: Scales that melodies walk on, in semitones above the tonic.
SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic": (0, 2, 3, 5, 7, 8, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "major pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
}

#: Chord tones above the root by (suffix of the numeral, whether it is upper case).
CHORDS = {
    ("", True): (0, 4, 7),
    ("", False): (0, 3, 7),
    ("7", True): (0, 4, 7, 10),
    ("7", False): (0, 3, 7, 10),
    ("maj7", True): (0, 4, 7, 11),
    ("5", True): (0, 7, 12),
    ("5", False): (0, 7, 12),
    ("o", False): (0, 3, 6),
    ("ø", False): (0, 3, 6, 10),
}

_DEGREES = dict(zip(("I", "II", "III", "IV", "V", "VI", "VII"), SCALES["major"], strict=True))
_NUMERAL = re.compile(r"(b?)([IViv]+)(.*)")
_ADJECTIVES = (
    "Amber", "Autumn", "Blue", "Borrowed", "Broken", "Burning", "Crooked", "Distant",
    "Electric", "Empty", "Fading", "Golden", "Hollow", "Hungry", "Iron", "Lonely", "Midnight",
    "Northern", "Paper", "Quiet", "Restless", "Rolling", "Second", "Silver", "Sleeping",
    "Southern", "Stolen", "Sudden", "Velvet", "Wandering", "Wicked", "Winter",
)  # fmt: skip
_NOUNS = (
    "Avenue", "Bells", "Bridge", "Canyon", "Carnival", "Coast", "Dawn", "Engine", "Fever",
    "Garden", "Harbour", "Highway", "Horizon", "Island", "Ladder", "Lantern", "Letters",
    "Machine", "Meadow", "Mirror", "Moon", "Orchard", "Radio", "Railway", "River", "Shadow",
    "Station", "Summer", "Telephone", "Thunder", "Tower", "Window",
)  # fmt: skip


@dataclass(frozen=True)
class Song:
    """A composition, independent of who plays it.

    Parameters
    ----------
    title : str
        An invented title.
    genre : str
        The genre whose habits it was composed from.
    seed : int
        Seed of everything that players decide about it.
    key : int
        Pitch class of the tonic, 0 is C.
    scale : str
        One of :data:`SCALES`.
    metre : int
        Beats per bar.
    tempo : float
        Position in a genre's tempo range, in [0, 1] (see :meth:`Style.tempo`).
    chords : tuple of tuple of (int, tuple of int)
        For each bar its chords: semitones of the root above the tonic, and the chord tones above
        the root. The bars repeat.
    melody : tuple of (int, float, float, int)
        Notes: bar, start and length as fractions of a bar, semitones above the tonic. Covers a
        whole number of rounds of `chords`.
    """

    title: str
    genre: str
    seed: int
    key: int
    scale: str
    metre: int
    tempo: float
    chords: tuple
    melody: tuple

    @property
    def tempo_bpm(self) -> float:
        """Tempo in quarter notes per minute."""
        return style(self.genre).tempo(self.tempo)

    @property
    def n_bars(self) -> int:
        """Bars until the melody starts again."""
        return _melody_bars(len(self.chords))

    @property
    def key_name(self) -> str:
        """Tonic and scale in words: ``"A minor pentatonic"``."""
        return f"{PITCH_CLASSES[self.key]} {self.scale}"


def compose(genre: str, seed: int, *, tempo: float | None = None, key: int | None = None) -> Song:
    """Compose a song from the habits of a genre.

    Parameters
    ----------
    genre : str
        One of :data:`GENRES`.
    seed : int
        Seed of the composition; the same song for the same arguments.
    tempo : float, optional
        Position in the genre's tempo range, in [0, 1]; drawn by default.
    key : int, optional
        Pitch class of the tonic, in [0, 12); drawn by default.

    Returns
    -------
    Song

    Raises
    ------
    GenrelibError
        When the genre is unknown, or key or tempo are out of range.

    Examples
    --------
    >>> song = compose("blues", 7, key=9)
    >>> len(song.chords), song.key_name
    (12, 'A blues')
    """
    habits = style(genre)
    if key is not None and key not in range(12):
        raise GenrelibError(f"key {key!r} is not a pitch class; give 0 (C) to 11 (B).")
    if tempo is not None and not 0 <= tempo <= 1:
        raise GenrelibError(f"tempo {tempo!r} is a position in the genre's range; give 0 to 1.")
    random = rng(seed, "song", genre)
    drawn_key, drawn_tempo = int(random.integers(12)), float(random.random())
    metre = int(random.choice(habits.metres))
    scale, progression = habits.harmony[random.integers(len(habits.harmony))]
    chords = tuple(tuple(map(_chord, bar.split("/"))) for bar in progression.split())
    return Song(
        title=" ".join(words[random.integers(len(words))] for words in (_ADJECTIVES, _NOUNS)),
        genre=genre,
        seed=derive(seed, "players", genre),
        key=drawn_key if key is None else int(key),
        scale=scale,
        metre=metre,
        tempo=drawn_tempo if tempo is None else float(tempo),
        chords=chords,
        melody=_melody(habits, scale, chords, metre, random),
    )


def _chord(numeral: str) -> tuple[int, tuple[int, ...]]:
    flat, degree, suffix = _NUMERAL.fullmatch(numeral).groups()
    root = _DEGREES[degree.upper()] - len(flat)
    return root % 12, CHORDS[suffix, degree.isupper()]


def _melody_bars(n_chord_bars: int) -> int:
    return n_chord_bars * -(-8 // n_chord_bars)


def _melody(habits: Style, scale: str, chords: tuple, metre: int, random) -> tuple:
    """Walk on the scale in units of two bars, A A B A; strong beats lean on the chord."""
    ladder = np.add.outer(12 * np.arange(-2, 3), SCALES[scale]).ravel()
    rhythms = in_metre(habits.lead, metre)
    units = {}
    for name in "AB":
        bars = [rhythms[random.integers(len(rhythms))] for _ in range(2)]
        n_notes = sum(bar.count("x") for bar in bars)
        leaps = random.random(n_notes) < habits.leap
        steps = random.choice([-1, -1, 0, 1, 1], n_notes) + leaps * random.choice([-3, 3], n_notes)
        units[name] = bars, steps
    notes = []
    height = len(ladder) // 2
    for unit in range(_melody_bars(len(chords)) // 2):
        bars, steps = units["AABA"[unit % 4]]
        walk = iter(steps)
        for bar, rhythm in enumerate(bars, start=2 * unit):
            for start, length in held(rhythm, "x"):
                # a spring towards the middle of the register keeps the walk in reach
                height += next(walk) - round((height - len(ladder) // 2) / 6)
                pitch = int(ladder[np.clip(height, 0, len(ladder) - 1)])
                fraction = start / len(rhythm)
                if start % 8 == 0:
                    pitch = _nearest_chord_tone(pitch, chords[bar % len(chords)], fraction)
                notes.append((bar, fraction, length / len(rhythm), pitch))
    return tuple(notes)


def _nearest_chord_tone(pitch: int, bar: tuple, fraction: float) -> int:
    root, tones = bar[int(fraction * len(bar))]
    return min(
        (12 * octave + root + tone for octave in range(-3, 4) for tone in tones),
        key=lambda tone: (abs(tone - pitch), tone),
    )


def held(pattern: str, letters: str) -> list[tuple[int, int]]:
    """Return start and length, in steps, of each note of a pattern.

    Parameters
    ----------
    pattern : str
        One bar, one letter a step; ``-`` holds the note before it.
    letters : str
        Which letters start a note.

    Examples
    --------
    >>> held("x-..x---", "x")
    [(0, 2), (4, 4)]
    """
    return [(m.start(), len(m.group())) for m in re.finditer(f"[{letters}]-*", pattern)]
