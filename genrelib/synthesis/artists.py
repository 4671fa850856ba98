"""Who plays: artists, whose production is a fingerprint that has nothing to do with their genre.

What an artist takes from the genre is a band; equaliser, room, noise, loudness, tuning, timbre and
the tuning of the kit are drawn alike for all genres. A classifier that recognises the production
recognises the artist, not the genre: this is the shortcut that a split by artists takes away.
"""

from dataclasses import dataclass

import numpy as np

from ..base.errors import GenrelibError
from ..base.seeds import derive, rng
from .styles import GENRES, style

_FIRST = (
    "Ashen", "Basement", "Bitter", "Copper", "Crimson", "Curious", "Desert", "Drowsy", "Early",
    "Eastern", "Emerald", "Faded", "Feral", "Foggy", "Frozen", "Gentle", "Glass", "Humble",
    "Indigo", "Ivory", "Local", "Lucky", "Marble", "Modest", "Mossy", "Plastic", "Rusty",
    "Salty", "Scarlet", "Stray", "Tidal", "Woollen",
)  # fmt: skip
_SECOND = (
    "Almanacs", "Anchors", "Badgers", "Beacons", "Brothers", "Cartographers", "Cousins",
    "Deputies", "Falcons", "Ferrymen", "Gardeners", "Herons", "Innkeepers", "Janitors",
    "Lanterns", "Librarians", "Magpies", "Mechanics", "Millers", "Neighbours", "Otters",
    "Pilgrims", "Pilots", "Prophets", "Rascals", "Sailors", "Sisters", "Sparrows", "Strangers",
    "Travellers", "Weavers", "Wolves",
)  # fmt: skip


@dataclass(frozen=True)
class Artist:
    """A band and its production.

    Parameters
    ----------
    name : str
        An invented name, different for every genre and number.
    genre : str
        The genre that the artist plays.
    seed : int
        Seed of the artist's choices.
    leaning : str
        The related genre from which the artist borrows.
    openness : float
        Probability that a part of an arrangement is borrowed from `leaning`, in [0, 1].
    keys : tuple of int
        Favourite pitch classes of the tonic.
    tempo : float
        Favourite position in a genre's tempo range, in [0, 1].
    tilt_db : float
        Tilt of the equaliser around 1 kHz, dB per octave.
    bumps : tuple of (float, float, float)
        Peaks and dips of the equaliser: centre in Hz, width in octaves, gain in dB.
    low_cut_hz, high_cut_hz : float
        Band limits of the recording.
    room_s : float
        Reverberation time (60 dB), seconds.
    wet_db : float
        Level of the reverberation relative to the direct sound.
    noise_db : float
        Level of the recording's noise relative to the music.
    loudness_db : float
        Level of the music relative to full scale (RMS), before the limiter.
    tuning_cents : float
        Deviation from A = 440 Hz.
    brightness_db : float
        Tilt of all pitched instruments, dB per octave of their partials.
    kit : tuple of float
        Factors on the drums' pitch, decay and noisiness.
    balance_db : dict of str to float
        Deviation of each part from the genre's usual level.
    """

    name: str
    genre: str
    seed: int
    leaning: str
    openness: float
    keys: tuple
    tempo: float
    tilt_db: float
    bumps: tuple
    low_cut_hz: float
    high_cut_hz: float
    room_s: float
    wet_db: float
    noise_db: float
    loudness_db: float
    tuning_cents: float
    brightness_db: float
    kit: tuple
    balance_db: dict

    def curve_db(self, frequencies) -> np.ndarray:
        """Return the gain of the artist's equaliser and band limits.

        Parameters
        ----------
        frequencies : array_like of float, shape (n,)
            In Hz, >= 0.

        Returns
        -------
        numpy.ndarray of float, shape (n,)
            Gain in dB.
        """
        hz = np.maximum(np.asarray(frequencies, dtype=float), 10.0)
        gain = self.tilt_db * np.clip(np.log2(hz / 1000), -4, 4)
        for centre, width, height in self.bumps:
            gain += height * np.exp(-0.5 * (np.log2(hz / centre) / width) ** 2)
        # second order below, eighth order above: how microphones and how media end
        gain -= 10 * np.log10(1 + (self.low_cut_hz / hz) ** 4)
        gain -= 10 * np.log10(1 + (hz / self.high_cut_hz) ** 16)
        return gain


def make_artist(genre: str, number: int, seed: int) -> Artist:
    """Draw artist `number` of a genre.

    Parameters
    ----------
    genre : str
        One of :data:`~genrelib.synthesis.styles.GENRES`.
    number : int
        Counts the genre's artists from 0.
    seed : int
        Seed of the whole population; names differ between all artists of one population.

    Returns
    -------
    Artist

    Raises
    ------
    GenrelibError
        When the genre is unknown or the number is negative.

    Examples
    --------
    >>> make_artist("jazz", 3, seed=0) == make_artist("jazz", 3, seed=0)
    True
    """
    habits = style(genre)
    if number < 0:
        raise GenrelibError(f"artist number {number} is negative; artists count from 0.")
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
    """Name each (genre, number) by its place in a shuffled list of all pairs of words."""
    n_names = len(_FIRST) * len(_SECOND)
    order = rng(seed, "names").permutation(n_names)
    again, place = divmod(number * len(GENRES) + GENRES.index(genre), n_names)
    first, second = divmod(int(order[place]), len(_SECOND))
    suffix = f" {again + 1}" if again else ""
    return f"The {_FIRST[first]} {_SECOND[second]}{suffix}"
