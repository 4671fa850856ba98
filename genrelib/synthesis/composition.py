"""What is played: songs, drawn from the habits of a genre, and their arrangement for a band.

A :class:`Song` holds what stays the same whoever plays it: key, chords, melody. A :class:`Score` is
one arrangement of it. A longer score starts with the shorter one: each part draws from its own
generator, bar after bar.
"""

import functools
import re
from dataclasses import dataclass

import numpy as np

from ..base.seeds import derive, rng
from .styles import Artist, Style, in_metre, style, words

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


@dataclass(frozen=True)
class Song:
    """A composition, independent of who plays it."""

    title: str  # invented
    genre: str  # whose habits it was composed from
    seed: int  # of everything that players decide about it
    key: int  # pitch class of the tonic, 0 is C
    scale: str  # one of SCALES
    metre: int  # beats per bar
    tempo: float  # position in a genre's tempo range, in [0, 1] (see Style.tempo)
    # per bar: semitones of the root above the tonic, chord tones above the root; repeated
    chords: tuple
    # notes: bar, start and length in bars, semitones above the tonic; whole rounds of `chords`
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
    """Compose a song from the habits of a genre; the same arguments give the same song.

    `tempo`, the position in the genre's range, in [0, 1], and `key`, the pitch class of the tonic,
    in [0, 12), are drawn by default.

    >>> song = compose("blues", 7, key=9)
    >>> len(song.chords), song.key_name
    (12, 'A blues')
    """
    habits = style(genre)
    random = rng(seed, "song", genre)
    drawn_key, drawn_tempo = int(random.integers(12)), float(random.random())
    metre = int(random.choice(habits.metres))
    scale, progression = habits.harmony[random.integers(len(habits.harmony))]
    chords = tuple(tuple(map(_chord, bar.split("/"))) for bar in progression.split())
    return Song(
        title=" ".join(some[random.integers(len(some))] for some in words("titles")),
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
    """Return start and length, in steps, of each note of a pattern of one bar; ``-`` holds a note.

    >>> held("x-..x---", "x")
    [(0, 2), (4, 4)]
    """
    return [(m.start(), len(m.group())) for m in re.finditer(f"[{letters}]-*", pattern)]


PARTS = ("drums", "bass", "comp", "pad", "lead")

# probability that another of the genre's instruments than the artist's own plays a part
_GUESTS = 0.4

_BASS_DEGREES = {"1": 0, "3": 4, "5": 7, "6": 9, "8": 12}
_ACCENTS = {"X": 1.0, "x": 0.8, "o": 0.35}


@dataclass(frozen=True)
class Score:
    """The notes of an arrangement, in a genre's manner."""

    genre: str
    tempo_bpm: float  # quarter notes per minute
    metre: int  # beats per bar
    notes: dict  # by part: (start and length in beats, MIDI pitch or drum, velocity in (0, 1])
    instruments: dict  # of each pitched part, and the kit of the drums
    levels_db: dict  # by part
    looseness_s: float  # see Style
    rubato: float  # see Style


def arrange(
    song: Song, artist: Artist, *, n_beats: float, genre: str | None = None, take: int = 0
) -> Score:
    """Arrange a song for an artist's band."""
    genre = song.genre if genre is None else genre
    own = style(genre)
    metre = song.metre if song.metre in own.metres else own.metres[0]
    draws = functools.partial(rng, song.seed, "take", artist.seed, genre, take)
    random = draws("line-up")
    band = rng(artist.seed, "band", genre)
    sources = {}
    for part in PARTS:
        borrows = random.random() < artist.openness and genre == artist.genre
        other = style(artist.leaning)
        sources[part] = other if borrows and _offers(other, part, metre) else own
    swing = random.uniform(*own.swing)
    n_bars = int(np.ceil(n_beats / metre))
    notes, instruments, levels = {}, {}, {}
    for part, source in sources.items():
        favourite = band.random()
        if not _offers(source, part, metre):
            continue
        offered = source.kits if part == "drums" else source.band[part]
        # most songs are played by the usual line-up
        choice = random.random() if random.random() < _GUESTS else favourite
        instruments[part] = offered[int(choice * len(offered))]
        levels[part] = source.levels_db[part] + artist.balance_db[part]
        notes[part] = _PLAYERS[part](song, source, metre, n_bars, draws(part))
    swung = {
        part: [(_swing(start, own.swing_beats, swing), *rest) for start, *rest in written]
        for part, written in notes.items()
    }
    tempo = performed_tempo(song, artist, genre=genre, take=take)
    return Score(genre, tempo, metre, swung, instruments, levels, own.looseness_s, own.rubato)


def performed_tempo(
    song: Song, artist: Artist, *, genre: str | None = None, take: int = 0
) -> float:
    """Return the tempo of one take in BPM: the song's, a little faster or slower each time."""
    genre = song.genre if genre is None else genre
    random = rng(song.seed, "tempo", artist.seed, genre, take)
    return style(genre).tempo(song.tempo) * 2 ** (0.02 * random.standard_normal())


def _offers(source: Style, part: str, metre: int) -> bool:
    return bool(in_metre(getattr(source, part), metre))


def _swing(beat: float, unit: float, share: float) -> float:
    """Move a straight time to where the swung unit puts it."""
    whole, inner = divmod(beat / unit, 1)
    moved = inner * 2 * share if inner < 0.5 else share + (inner - 0.5) * 2 * (1 - share)
    return float((whole + moved) * unit)


def _chord_at(song: Song, bar: int, fraction: float) -> tuple[int, tuple]:
    chords = song.chords[bar % len(song.chords)]
    return chords[int(fraction * len(chords))]


def _changing(pattern: str, song: Song, bar: int, letter: str) -> str:
    """Let `letter` start anew where the chord changes within a bar and the pattern would hold."""
    middle = len(pattern) // 2
    if len(song.chords[bar % len(song.chords)]) == 1 or pattern[middle] != "-":
        return pattern
    return pattern[:middle] + letter + pattern[middle + 1 :]


def _choice(patterns: list, random) -> str | dict:
    return patterns[random.integers(len(patterns))]


def _drums(song: Song, source: Style, metre: int, n_bars: int, random) -> list:
    rows = _choice(in_metre(source.drums, metre), random)
    steps = 4 * metre
    notes = []
    for bar in range(n_bars):
        fill = bar % 4 == 3 and random.random() < 0.6
        for drum, row in rows.items():
            for step, letter in enumerate(row):
                if letter == "." or (
                    fill and step >= steps - 4 and drum in ("hat", "open", "ride")
                ):
                    continue
                velocity = _ACCENTS[letter] * random.uniform(0.85, 1.0)
                notes.append((bar * metre + step / 4, 0.25, drum, velocity))
        if fill:
            drum = "tom" if "kick" in rows else "snare"
            for step in range(steps - 4, steps, int(random.integers(1, 3))):
                notes.append((bar * metre + step / 4, 0.25, drum, random.uniform(0.5, 0.9)))
        if bar % 8 == 0 and bar and random.random() < 0.5 and "brush" not in rows:
            notes.append((bar * metre, 1.0, "crash", 0.8))
    return notes


def _bass(song: Song, source: Style, metre: int, n_bars: int, random) -> list:
    pattern = _choice(in_metre(source.bass, metre), random)
    notes = []
    for bar in range(n_bars):
        letters = _changing(pattern, song, bar, "1")
        for step, length in held(letters, "13568a"):
            fraction = step / len(pattern)
            root, tones = _chord_at(song, bar, fraction)
            if letters[step] == "a":
                target = _chord_at(song, bar + 1, 0)[0]
                interval = target - root + int(random.choice([-1, 1]))
            else:
                # the third and the fifth follow the chord, if it has them
                wanted = _BASS_DEGREES[letters[step]]
                near = [tone for tone in tones if abs(tone - wanted) <= 1]
                interval = near[0] if near else 12 * round(wanted / 12)
            pitch = 55 + (song.key + root - 7) % 12 + interval
            notes.append((bar * metre + step / 4, length / 4, pitch, random.uniform(0.8, 1.0)))
    return notes


def _chords(part: str, base: int, song: Song, source: Style, metre: int, n_bars: int, random):
    """Play the chords of `part`, the comp or the pad, around the MIDI pitch `base`."""
    pattern = _choice(in_metre(getattr(source, part), metre), random)
    notes = []
    for bar in range(n_bars):
        letters = _changing(pattern, song, bar, "x")
        for step, length in held(letters, "x1234"):
            root, tones = _chord_at(song, bar, step / len(pattern))
            if tones == (0, 7, 12):  # a power chord is not inverted
                voicing = [base - 5 + (song.key + root + 1) % 12 + tone for tone in tones]
            else:
                voicing = sorted(base + (song.key + root + tone - base) % 12 for tone in tones)
            if letters[step] != "x":
                index = int(letters[step]) - 1
                voicing = [voicing[index % len(voicing)] + 12 * (index // len(voicing))]
            velocity = random.uniform(0.7, 1.0) / np.sqrt(len(voicing))
            start = bar * metre + step / 4
            notes += [(start, length / 4, pitch, velocity) for pitch in voicing]
    return notes


def _lead(song: Song, source: Style, metre: int, n_bars: int, random) -> list:
    sings = random.spawn(1)[0].random(n_bars // 2 + 1) < source.singing
    sings[int(random.integers(2)) : 2] = True
    base = source.register + (song.key - source.register + 6) % 12 - 6
    notes = []
    for round_start in range(0, n_bars, song.n_bars):
        for bar, fraction, length, pitch in song.melody:
            bar += round_start
            if bar < n_bars and sings[bar // 2]:
                # another metre than the song's: to its nearest step
                start = round(fraction * 4 * metre) / 4
                notes.append(
                    (bar * metre + start, length * metre, base + pitch, random.uniform(0.75, 1.0))
                )
    return notes


_PLAYERS = {
    "drums": _drums,
    "bass": _bass,
    "comp": functools.partial(_chords, "comp", 64),
    "pad": functools.partial(_chords, "pad", 67),
    "lead": _lead,
}
