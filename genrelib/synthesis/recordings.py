"""What the controlled corpus consists of: recordings with known causes, faults included.

The faults are those that Sturm found in GTZAN ("The GTZAN dataset: its contents, its faults, their
effects on evaluation, and its future use", arXiv:1306.1461): exact duplicates, excerpts of one
recording, versions of one song, mislabelled and distorted tracks, and one truncated file.
"""

import itertools
from dataclasses import asdict, dataclass, replace
from numbers import Integral, Real

import numpy as np
import pandas as pd

from ..base.errors import GenrelibError
from ..base.seeds import derive, rng
from .composition import Song, compose
from .rendering import adapt, distort, render
from .styles import GENRES, Artist, make_artist, style

FAULTY = 0.07  # share of the tracks that are faulty; a tiny corpus has one of each kind

#: In which order faults are dealt, after the one truncated file.
_DEALT = (
    "duplicate", "excerpt", "version", "mislabel", "distorted",
    "excerpt", "version", "mislabel", "duplicate", "mislabel",
)  # fmt: skip

FAULTS = ("truncated", *dict.fromkeys(_DEALT))  # kinds of fault, as in the column ``fault``

# fewer artists than this, and covers would join a genre into too few groups to split
_ARTISTS_FOR_COVERS = 4


@dataclass(frozen=True)
class Recording:
    """One track of the corpus, with everything that caused it."""

    genre: str  # the label; of a mislabelled track it is not the song's genre
    song_id: str  # the same for all recordings of one song
    song: Song  # as this artist plays it
    artist: Artist  # who plays
    duration_s: float  # length of the track, seconds
    take: int = 0  # which recording of the song by the artist
    start_s: float = 0.0  # where in the recording the track starts, seconds
    fault: str = ""  # empty, or one of FAULTS
    fault_of: str = ""  # the original of a duplicate, an excerpt or a version; or empty
    exclude: str = ""  # why the track can't be used; or empty

    def sound(self) -> np.ndarray:
        """Render the track: float32, shape (round(duration_s * SR),), in [-1, 1]."""
        y = render(
            self.song, self.artist, duration_s=self.duration_s, start_s=self.start_s, take=self.take
        )
        return distort(y, seed=self.song.seed) if self.fault == "distorted" else y


def plan(
    *, artists_per_genre: int, songs_per_artist: int, duration_s: float, seed: int
) -> dict[str, Recording]:
    """Plan the corpus without rendering it: recordings by track id (``blues.00007``), sorted.

    There are at least 2 artists and songs each, or faults would have no partners; `duration_s` is
    in [1, 120] seconds.

    >>> corpus = plan(artists_per_genre=2, songs_per_artist=2, duration_s=4.0, seed=0)
    >>> len(corpus), sum(recording.fault != "" for recording in corpus.values())
    (40, 6)
    """
    for name, value, kind, low, high in (
        ("artists_per_genre", artists_per_genre, Integral, 2, 1000),
        ("songs_per_artist", songs_per_artist, Integral, 2, 1000),
        ("seed", seed, Integral, 0, np.inf),
        ("duration_s", duration_s, Real, 1, 120),
    ):
        if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
            what = "a whole number" if kind is Integral else "a number"
            bound = f"from {low} to {high}" if high < np.inf else f"at least {low}"
            raise GenrelibError(f"{name} is {value!r}; give {what} {bound}.")
    recordings = {}
    for genre in GENRES:
        for slot in range(artists_per_genre * songs_per_artist):
            number, piece = divmod(slot, songs_per_artist)
            recordings[f"{genre}.{slot:05d}"] = _record(
                genre,
                make_artist(genre, number, seed),
                f"{number:03d}.{piece:03d}",
                seed,
                float(duration_s),
            )
    return _with_faults(recordings, artists_per_genre, seed)


def fingerprints(recordings: dict[str, Recording]) -> pd.DataFrame:
    """Return the artists' fingerprints: index ``artist``, the numbers of :class:`Artist`."""
    artists = {recording.artist.name: recording.artist for recording in recordings.values()}
    rows = pd.json_normalize([asdict(artist) for _, artist in sorted(artists.items())])
    return rows.rename(columns={"name": "artist"}).set_index("artist")


def _record(genre: str, artist: Artist, piece: str, seed: int, duration_s: float) -> Recording:
    random = rng(seed, "programme", genre, piece)
    song = compose(
        genre,
        derive(seed, "piece", genre, piece),
        key=int(random.choice(artist.keys)),
        tempo=float(np.clip(artist.tempo + 0.15 * random.standard_normal(), 0, 1)),
    )
    return Recording(genre, f"{genre}.{piece}", song, artist, duration_s)


def _with_faults(
    recordings: dict[str, Recording], artists_per_genre: int, seed: int
) -> dict[str, Recording]:
    """Replace some tracks by faulty ones; an original is never faulty itself."""
    random = rng(seed, "faults")
    names = list(recordings)
    free = [names[i] for i in random.permutation(len(names))]
    n_faulty = max(len(FAULTS), round(FAULTY * len(names)))
    result, n_versions = dict(recordings), 0
    for kind in ("truncated", *itertools.islice(itertools.cycle(_DEALT), n_faulty - 1)):
        if kind in ("duplicate", "excerpt", "version"):
            n_versions += kind == "version"
            covers = kind == "version" and n_versions % 2 == 0
            covers = covers and artists_per_genre >= _ARTISTS_FOR_COVERS
            name, original = _pair(recordings, free, same_artist=not covers)
            free = [other for other in free if other not in (name, original)]
            fault = _tied(kind, recordings[original], recordings[name].artist)
            fault = replace(fault, fault_of=original)
        else:
            name = free.pop()
            fault = _alone(kind, name, recordings[name], random, artists_per_genre, seed)
        result[name] = replace(fault, fault=kind)
    return result


def _pair(recordings: dict, free: list, *, same_artist: bool) -> tuple[str, str]:
    """Return the first two free tracks of one genre by the same artist, or by two."""
    for name, other in itertools.combinations(free, 2):
        here, there = recordings[name], recordings[other]
        if here.genre == there.genre and (here.artist == there.artist) == same_artist:
            return name, other
    raise GenrelibError("the corpus is too small for its faults; give more songs per artist.")


def _alone(kind: str, name: str, here: Recording, random, artists_per_genre, seed) -> Recording:
    """Return what a track becomes by a fault that ties it to no other."""
    if kind == "truncated":
        short = min(3.0, here.duration_s / 4)
        reason = f"truncated: {short:g} s of {here.duration_s:g} s"
        return replace(here, duration_s=short, exclude=reason)
    if kind == "mislabel":  # another song, of an artist of a related genre
        true = str(random.choice(style(here.genre).kin))
        artist = make_artist(true, int(random.integers(artists_per_genre)), seed)
        other = _record(true, artist, f"for {name}", seed, here.duration_s)
        return replace(other, genre=here.genre)
    return here  # distorted when it is rendered


def _tied(kind: str, original: Recording, artist: Artist) -> Recording:
    """Return a duplicate, an excerpt, or a version by an artist, of another track."""
    if kind == "excerpt":
        return replace(original, start_s=original.duration_s / 2)
    if kind == "version" and artist == original.artist:
        return replace(original, take=1)
    if kind == "version":
        return replace(original, artist=artist, song=adapt(original.song, artist))
    return original
