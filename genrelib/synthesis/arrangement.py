"""What is played when: a song, arranged in a genre's manner by an artist's band.

A longer score starts with the shorter one: each part draws from its own generator, bar after bar.
"""

import functools
from dataclasses import dataclass

import numpy as np

from ..base.seeds import rng
from .artists import Artist
from .composition import Song, held
from .styles import Style, in_metre, style

PARTS = ("drums", "bass", "comp", "pad", "lead")

# probability that another of the genre's instruments than the artist's own plays a part
_GUESTS = 0.4

_BASS_DEGREES = {"1": 0, "3": 4, "5": 7, "6": 9, "8": 12}
_ACCENTS = {"X": 1.0, "x": 0.8, "o": 0.35}


@dataclass(frozen=True)
class Score:
    """The notes of an arrangement.

    Parameters
    ----------
    genre : str
        The genre in whose manner it is arranged.
    tempo_bpm : float
        Quarter notes per minute.
    metre : int
        Beats per bar.
    notes : dict of str to list of (float, float, object, float)
        For each part, ``"drums"`` among them: start and length in beats, MIDI pitch (or the drum's
        name), velocity in (0, 1].
    instruments : dict of str to str
        Instrument of each pitched part, and the kit of the drums.
    levels_db : dict of str to float
        Level of each part.
    looseness_s, rubato : float
        As in :class:`~genrelib.synthesis.styles.Style`.
    """

    genre: str
    tempo_bpm: float
    metre: int
    notes: dict
    instruments: dict
    levels_db: dict
    looseness_s: float
    rubato: float


def arrange(
    song: Song, artist: Artist, *, n_beats: float, genre: str | None = None, take: int = 0
) -> Score:
    """Arrange a song for an artist's band.

    Parameters
    ----------
    song : Song
        The composition: chords and melody are played as they are.
    artist : Artist
        Whose band plays, and borrows parts of the arrangement from a related genre.
    n_beats : float
        How much to write at least, in beats.
    genre : str, optional
        Whose manner; the song's own by default. An artist borrows only in the own genre.
    take : int
        Another take chooses other patterns.

    Returns
    -------
    Score
    """
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


def _comp(song: Song, source: Style, metre: int, n_bars: int, random) -> list:
    pattern = _choice(in_metre(source.comp, metre), random)
    return _chords(song, pattern, metre, n_bars, random, base=64)


def _pad(song: Song, source: Style, metre: int, n_bars: int, random) -> list:
    pattern = _choice(in_metre(source.pad, metre), random)
    return _chords(song, pattern, metre, n_bars, random, base=67)


def _chords(song: Song, pattern: str, metre: int, n_bars: int, random, *, base: int) -> list:
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


_PLAYERS = {"drums": _drums, "bass": _bass, "comp": _comp, "pad": _pad, "lead": _lead}
