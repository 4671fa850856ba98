"""Genre styles: how each of the ten genres plays, as ``styles.yaml`` has it."""

import functools
from dataclasses import dataclass, field
from importlib.resources import files

import numpy as np
import yaml

from ..base.errors import unknown

#: Genres in GTZAN's order.
GENRES = (
    "blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock",
)  # fmt: skip


@dataclass(frozen=True)
class Style:
    """How one genre plays; the ten are in ``styles.yaml``, which explains the patterns.

    Parameters
    ----------
    tempo_bpm : sequence of float
        Lowest and highest tempo, quarter notes per minute.
    metres : sequence of int
        Beats per bar; a repeated entry is likelier.
    swing : sequence of float
        Range of the share that the first half of a swung unit takes: 0.5 straight, 0.67 triplets.
    kin : sequence of str
        Genres that this one borrows from.
    harmony : sequence of (str, str)
        Scale of the melody and progression.
    bass, comp, lead, pad : sequence of str
        Patterns of the parts; without any, the genre lacks the part.
    band : dict of str to sequence of str
        Instruments to choose from, by part.
    levels_db : dict of str to float
        Level of each part in the mix.
    register : int
        MIDI pitch around which the melody moves.
    singing : float
        Share of the phrases in which the lead plays, in [0, 1].
    drums : sequence of dict of str to str
        Patterns by drum; empty for a genre without drums.
    kits : sequence of str
        Drum kits to choose from.
    swing_beats : float
        Length of the swung unit: 1 swings eighths, 0.5 sixteenths.
    looseness_s : float
        Standard deviation of the players' timing, seconds.
    rubato : float
        Relative depth of a slow wave of the tempo.
    leap : float
        Probability that a step of the melody is a leap, in [0, 1].
    """

    tempo_bpm: list
    metres: list
    swing: list
    kin: list
    harmony: list
    bass: list
    comp: list
    lead: list
    band: dict
    levels_db: dict
    register: int
    singing: float
    pad: list = field(default_factory=list)
    drums: list = field(default_factory=list)
    kits: list = field(default_factory=lambda: ["acoustic"])
    swing_beats: float = 1.0
    looseness_s: float = 0.008
    rubato: float = 0.0
    leap: float = 0.15

    def tempo(self, position: float) -> float:
        """Return the tempo at `position` (0 slowest, 1 fastest) of the genre's range, in BPM."""
        low, high = self.tempo_bpm
        return float(low * (high / low) ** np.clip(position, 0, 1))


@functools.cache
def _styles() -> dict[str, Style]:
    text = files(__package__).joinpath("styles.yaml").read_text(encoding="utf-8")
    return {genre: Style(**fields) for genre, fields in yaml.safe_load(text).items()}


def style(genre: str) -> Style:
    """Return the style of `genre`.

    Raises
    ------
    GenrelibError
        When the genre is not one of :data:`GENRES`.
    """
    if genre not in GENRES:
        raise unknown("genre", genre, GENRES)
    return _styles()[genre]


def in_metre(patterns: list, metre: int) -> list:
    """Return those patterns that are one bar of `metre` beats long; a dict counts by its rows."""
    return [p for p in patterns if len(p if isinstance(p, str) else min(p.values())) == 4 * metre]
