"""The controlled corpus with one cause taken out: parts that are not played, other productions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from ..base.parallel import spread
from ..base.seeds import rng
from ..features import SR, extract
from ..robustness import UNCHANGED
from ..robustness.variants import Variant, controlled_variants
from ..store import DTYPE
from ..synthesis.styles import Artist

PARTS = {"drums": ("drums",), "bass": ("bass",), "chords": ("comp", "pad"), "melody": ("lead",)}
CHANGES = {
    **{f"no_{cause}": f"without {cause}" for cause in PARTS},
    "neutral": "neutral production",
    "other": "production of another genre's artist",
}

_MUSIC = ("name", "genre", "seed", "leaning", "openness", "keys", "tempo")
_PRODUCTION = tuple(field.name for field in fields(Artist) if field.name not in _MUSIC)


@dataclass(frozen=True, eq=False)
class Renditions:
    """Tracks of the controlled corpus, as they are and changed.

    `rows` has one row per rendition: ``track_id, genre, change`` (``"unchanged"`` or of
    :data:`CHANGES`) and ``donor``, the genre of the artist whose production was taken, or empty.
    `X`, float16 of shape ``(n_rows, n_bands, n_frames)``, holds the log-mel of each.
    """

    rows: pd.DataFrame
    X: np.ndarray


def without(artist: Artist, parts: Iterable[str]) -> Artist:
    """Return an artist in whose recordings some parts are not heard; nothing else changes.

    >>> from genrelib.synthesis import make_artist
    >>> without(make_artist("disco", 0, seed=0), ["drums"]).balance_db["drums"]
    -inf
    """
    return replace(artist, balance_db=artist.balance_db | dict.fromkeys(parts, -np.inf))


def produced_as(artist: Artist, other: Artist) -> Artist:
    """Return an artist who plays as before and sounds like `other`."""
    return replace(artist, **{name: getattr(other, name) for name in _PRODUCTION})


def neutral(artists: Sequence[Artist]) -> Artist:
    """Return an artist with the middle production of several, and without their resonances.

    The median of each number: what nearly every recording has (some room, some noise, an upper end)
    stays, so that the recording is not of a kind that no system has met.
    """
    middle = {
        name: float(np.median([getattr(artist, name) for artist in artists]))
        for name in _PRODUCTION
        if name not in ("bumps", "kit", "balance_db")
    }
    kit = tuple(np.median([artist.kit for artist in artists], axis=0).tolist())
    levels = {part: [a.balance_db[part] for a in artists] for part in artists[0].balance_db}
    balance = {part: float(np.median(own)) for part, own in levels.items()}
    return replace(artists[0], **middle, bumps=(), kit=kit, balance_db=balance)


def renditions(
    track_ids: Sequence[str],
    trained_on: Sequence[str],
    options: Mapping[str, object],
    *,
    n_jobs: int = 1,
) -> Renditions:
    """Record tracks of the controlled corpus again, each time with one cause changed.

    What is left is brought to the artist's loudness, as every recording is. Of a part that a track
    does not have there is no row. Tracks are those whose ``fault`` is empty; others raise
    GenrelibError. The other production is that of an artist of another genre, drawn from those of
    `trained_on`: tracks that a system has seen, or it could not know the production. `options` are
    those with which the corpus ``synthetic`` was loaded; the values do not depend on `n_jobs`.
    """
    originals = controlled_variants(track_ids, kinds=[UNCHANGED], **options)
    known = controlled_variants(trained_on, kinds=[UNCHANGED], **options)
    artists = list({v.artist.name: v.artist for v in known}.values())
    middle, seed = neutral(artists), int(options["seed"])
    tasks = [(variant, _changed(variant, artists, middle, seed)) for variant in originals]
    made = dict(spread(_rendered, tasks, n_jobs=n_jobs, label="renditions"))
    parts = [made[track_id] for track_id in track_ids]
    rows = pd.DataFrame([row for rows, _ in parts for row in rows])
    return Renditions(rows, np.concatenate([matrices for _, matrices in parts]))


def _changed(variant: Variant, artists, middle: Artist, seed: int) -> dict[str, tuple]:
    """Return the artist of each change, and the donor's genre."""
    own = variant.artist
    foreign = [artist for artist in artists if artist.genre != variant.recording.song.genre]
    donor = foreign[rng(seed, "donor", variant.track_id).integers(len(foreign))]
    return {
        **{f"no_{cause}": (without(own, parts), "") for cause, parts in PARTS.items()},
        "neutral": (produced_as(own, middle), ""),
        "other": (produced_as(own, donor), donor.genre),
    }


def _rendered(variant: Variant, changed: dict) -> tuple[str, tuple[list, np.ndarray]]:
    """Render one track in all ways, in a worker process: its id, rows and matrices."""
    original = variant.sound()
    sounds = {UNCHANGED: (original, "")}
    for change, (artist, donor) in changed.items():
        recording = replace(variant.recording, artist=artist)
        y = replace(variant, artist=artist, recording=recording).sound()
        if not np.array_equal(y, original):
            sounds[change] = y, donor
    here = {"track_id": variant.track_id, "genre": variant.recording.genre}
    rows = [here | {"change": name, "donor": donor} for name, (_, donor) in sounds.items()]
    matrices = [extract(y, SR, ["log_mel"])["log_mel"].astype(DTYPE) for y, _ in sounds.values()]
    return variant.track_id, (rows, np.stack(matrices))


def effects(
    estimator: BaseEstimator, renditions: Renditions, X: np.ndarray, genres: Sequence[str]
) -> pd.DataFrame:
    """Ask a system about the renditions.

    The classes of the fitted `estimator` are positions in `genres`, which are in the corpus's
    order. `X` is ``segments.averaged(renditions.X, *fit.size)``, the system's size.

    One row per changed rendition: ``drop`` of the probability of the track's own genre;
    ``toward``, the rise of the probability of the donor's genre, NaN without a donor. For
    :func:`genrelib.inference.means`.
    """
    rows = renditions.rows.reset_index(drop=True)
    probabilities = np.zeros((len(rows), len(genres)))
    probabilities[:, estimator.classes_] = estimator.predict_proba(X)
    own = pd.Categorical(rows["genre"], genres).codes
    p_own = probabilities[np.arange(len(rows)), own]
    is_original = rows["change"] == UNCHANGED
    original = pd.Series(rows.index[is_original], index=rows.loc[is_original, "track_id"])
    changed = rows[~is_original]
    before, after = original[changed["track_id"]].to_numpy(), changed.index.to_numpy()
    donor = np.array([genres.index(name) if name else -1 for name in changed["donor"]])
    risen = probabilities[after, donor] - probabilities[before, donor]
    return changed[["track_id", "change"]].assign(
        drop=p_own[before] - p_own[after],
        toward=np.where(donor >= 0, risen, np.nan),
    )
