"""Corpora by name: every one a tracks table with notes, loaded the same way.

>>> sorted(CORPORA)  # doctest: +ELLIPSIS
['fma_features', 'fma_large', 'fma_medium', 'fma_small', 'folder', 'gtzan', ...]
"""

import dataclasses
import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import pandas as pd

from ..base.errors import GenrelibError, unknown
from ..store import Pack
from ..store.packs import lacking_in_audio
from . import credits, fma, gtzan
from .credits import applied
from .folders import load_folder
from .joined import load_gtzan_fma
from .listed import load_list
from .packed import described_levels, load_gtzan_mel_dev, load_pack
from .tracks import Loaded, checked, measure


@dataclass(frozen=True, eq=False)
class Corpus:
    """A named set of tracks; see :mod:`genrelib.corpora.tracks` for the table.

    Tracks that are dropped are among them; `genres`, in alphabetical order, have usable tracks;
    `notes` are what a reader of the results should know, in sentences; a `pack` stands in for the
    audio. `options` are those of the loader, defaults among them.
    """

    name: str
    tracks: pd.DataFrame
    genres: tuple[str, ...]
    notes: tuple[str, ...]
    pack: Pack | None = None
    options: Mapping[str, object] = dataclasses.field(default_factory=dict)

    @property
    def usable(self) -> pd.DataFrame:
        """The tracks that are not excluded."""
        return self.tracks[self.tracks["exclude"] == ""]

    @property
    def is_rendered(self) -> bool:
        """Whether the music is rendered here, see :class:`Collection`."""
        return self.name in CORPORA and CORPORA[self.name].is_rendered

    def without(self, reasons: pd.Series) -> "Corpus":
        """Exclude tracks that turned out to be unusable, such as those that can't be decoded.

        `reasons`, index track_id, go to `exclude`; tracks of other corpora and those already
        excluded don't count, and genres that have no track left go. Fewer than two genres are an
        error.
        """
        lost = reasons[reasons.index.isin(self.usable.index)]
        tracks = self.tracks.copy()
        tracks.loc[lost.index, "exclude"] = lost
        return _corpus(self.name, Loaded(tracks, self.notes, self.pack), self.options)

    def noting_short_clips(self, clip_s: float) -> "Corpus":
        """Note which tracks are so much shorter than a clip that silence fills it up."""
        if self.pack is not None:
            return self
        short = self.usable.index[self.usable["duration_s"] < 0.95 * clip_s]
        if not len(short):
            return self
        shown = ", ".join(short[:5]) + (", ..." if len(short) > 5 else "")
        note = (
            f"{len(short)} tracks are shorter than clips of {clip_s:g} s and are filled up with "
            f"silence: {shown}."
        )
        return replace(self, notes=(*self.notes, note))

    def lacks(self, feature: str) -> str:
        """Reason a feature is unavailable in this corpus, or an empty string."""
        return lacking_in_audio(feature) if self.pack is None else self.pack.lacks(feature)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids, genres, groups, exclusions and md5: same data, same digits.

        Where files lie, when they changed, and how a reason is worded do not count.
        """
        rows = self.tracks.itertuples()
        rows = [[row.Index, row.genre, row.group, row.exclude != "", row.md5] for row in rows]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def load_synthetic(
    data: Path,
    *,
    artists_per_genre: int = 10,
    songs_per_artist: int = 4,
    duration_s: float = 12.0,
    seed: int = 0,
    n_jobs: int = 1,
):
    """Render the controlled corpus, or take what is there of it; see :mod:`genrelib.synthesis`."""
    from ..synthesis import controlled  # the synthesiser is only loaded when something is rendered

    config = f"a{artists_per_genre}-s{songs_per_artist}-d{duration_s:g}-seed{seed}"
    sizes = {"artists_per_genre": artists_per_genre, "songs_per_artist": songs_per_artist}
    folder = Path(data).absolute() / "raw" / f"synthetic-{config}"
    table = controlled.write_corpus(
        folder, **sizes, duration_s=duration_s, seed=seed, n_jobs=n_jobs
    )
    paths = {track: Path(path) for track, path in table["path"].items()}
    facts = measure(paths, n_jobs=n_jobs, label="verifying synthetic")
    table = table.assign(md5=facts["md5"], duration_s=facts["duration_s"])
    table["exclude"] = table["exclude"].where(table["exclude"] != "", facts["exclude"])
    planted = table.loc[table["fault"] != "", "fault"].value_counts().sort_index()
    faults = ", ".join(f"{count} {fault}" for fault, count in planted.items()) or "none"
    return table, [f"synthetic music, rendered from seed {seed}; planted faults: {faults}."]


@dataclass(frozen=True)
class Collection:
    """What is known of a corpus before it is loaded: a row of :data:`CORPORA`.

    ``loader(data, *, n_jobs, **options)`` returns what :class:`~.tracks.Loaded` holds; it keeps
    downloads and audio below ``data/raw/``. `origins` name passages of
    ``report/templates/origins.md``, on consent and licences. `of_gtzan` is "whole" or "part" where
    the music is GTZAN's, which most claims are about.
    """

    loader: Callable
    origins: tuple[str, ...]
    of_gtzan: str = ""

    @property
    def is_rendered(self) -> bool:
        """Whether its music is rendered here, so that songs can be played again otherwise."""
        return self.origins == ("rendered",)


CORPORA: dict[str, Collection] = {
    "synthetic": Collection(load_synthetic, ("rendered",)),
    "gtzan_mini": Collection(partial(gtzan.load, "gtzan_mini"), ("gtzan",), of_gtzan="part"),
    "gtzan_mel_dev": Collection(load_gtzan_mel_dev, ("gtzan",), of_gtzan="part"),
    "gtzan": Collection(partial(gtzan.load, "gtzan"), ("gtzan",), of_gtzan="whole"),
    "fma_features": Collection(fma.load_fma_features, ("fma",)),
    **{name: Collection(partial(fma.load, name), ("fma",)) for name in fma.EDITIONS},
    "gtzan_fma": Collection(load_gtzan_fma, ("gtzan", "fma")),
    "folder": Collection(load_folder, ("own",)),
    "list": Collection(load_list, ("links", "own")),
    "pack": Collection(load_pack, ("shared",)),
}
"""Collections by corpus name: all that a new corpus needs is a row here."""


def load(
    name: str, data: Path, *, n_jobs: int = 1, manifest: str | Path | None = None, **options
) -> Corpus:
    """Load a corpus of :data:`CORPORA`: download, extract, render and verify what is not there yet.

    `data` is the study's data folder; `manifest`, a CSV of tracks to leave out and to keep
    together, see :mod:`.credits`; `options` are the loader's keywords, such as ``source``.

    Raises :class:`GenrelibError` when the name or an option is unknown, the manifest is malformed,
    the loader fails, or fewer than two genres have usable tracks.
    """
    if name not in CORPORA:
        raise unknown("corpus", name, CORPORA)
    taken = inspect.signature(CORPORA[name].loader).parameters.values()
    allowed = {p.name: p.default for p in taken if p.kind is p.KEYWORD_ONLY and p.name != "n_jobs"}
    for option in options:
        if option not in allowed:
            raise unknown(f"option of the corpus {name!r}", option, allowed)
        given, default = options[option], allowed[option]
        is_number = isinstance(given, int | float) and not isinstance(given, bool)
        if isinstance(default, int | float) and not is_number:
            raise GenrelibError(f"{option}={given!r}; a number such as {default!r} is needed.")
    loaded = Loaded(*CORPORA[name].loader(Path(data), n_jobs=n_jobs, **options))
    loaded = _with_one_spelling(loaded._replace(tracks=checked(loaded.tracks)))
    if manifest is not None:
        tracks, done = applied(loaded.tracks, Path(manifest))
        loaded = loaded._replace(tracks=tracks, notes=[*loaded.notes, done])
    return _corpus(name, loaded, allowed | options)


def of_levels(paths: list[Path], known: pd.DataFrame) -> Corpus:
    """Make a corpus of files of levels; for `known` see :func:`.packed.described_levels`."""
    tracks, pack = described_levels(paths, known)
    return _corpus("levels", _with_one_spelling(Loaded(checked(tracks), [], pack)), {})


def _with_one_spelling(loaded: Loaded) -> Loaded:
    """Make genres that differ only in their spelling one, and note it."""
    given = loaded.tracks["genre"]
    plain = given.map(credits.plain)
    chosen = credits.commonest(plain[loaded.tracks["exclude"] == ""])
    genre = plain.map(lambda name: chosen.get(credits.spelling_key(name), name))
    changes = dict(zip(given[genre != given], genre[genre != given], strict=True))
    notes = [*loaded.notes, *credits.respelled(changes, "genres")]
    return loaded._replace(tracks=loaded.tracks.assign(genre=genre), notes=notes)


def _corpus(name: str, loaded: Loaded, options: Mapping[str, object]) -> Corpus:
    """Name the genres that have usable tracks, of which there must be two."""
    tracks, notes, pack = loaded
    usable = tracks[tracks["exclude"] == ""]
    genres = tuple(sorted(usable["genre"].unique()))
    if len(genres) < 2:
        reasons = tracks["exclude"][tracks["exclude"] != ""].head(3)
        shown = "; ".join(f"{track}: {reason}" for track, reason in reasons.items())
        raise GenrelibError(
            f"{name} has usable tracks of {len(genres)} genres {genres}, at least 2 are needed; "
            f"{len(tracks) - len(usable)} tracks are excluded, such as {shown}. Mend those files."
        )
    said = []
    empty = sorted(set(tracks["genre"]) - set(genres))
    if empty:
        said.append(f"no usable track is left of {', '.join(empty)}: not among the genres.")
    groups = usable.groupby("genre")["group"].nunique()
    if (groups == 1).any():
        said.append(
            f"the tracks of {', '.join(groups.index[groups == 1])} are one group each: a split by "
            "artist has such a genre either in training or in test, never in both."
        )
    notes = tuple(dict.fromkeys([*notes, *said]))
    return Corpus(name, tracks, genres, notes, pack, options)


def summary(corpus: Corpus) -> pd.DataFrame:
    """Count tracks, artists, groups and minutes of a corpus by genre, with a last row ``(all)``."""
    usable = corpus.usable
    by_genre = usable.groupby("genre")
    table = pd.DataFrame(
        {
            "tracks": corpus.tracks.groupby("genre").size(),
            "usable": by_genre.size(),
            "artists": by_genre["artist"].nunique(),
            "groups": by_genre["group"].nunique(),
            "minutes": by_genre["duration_s"].sum() / 60,
        }
    ).fillna(0)
    total = table.sum()
    total["artists"], total["groups"] = usable["artist"].nunique(), usable["group"].nunique()
    table.loc["(all)"] = total
    table.insert(1, "excluded", table["tracks"] - table["usable"])
    counts = table.columns.drop("minutes")
    return table.astype(dict.fromkeys(counts, int)).round({"minutes": 1})


def exclusions(corpus: Corpus) -> pd.DataFrame:
    """Return the tracks that are not used: `genre` and the reason, `exclude`."""
    return corpus.tracks.loc[corpus.tracks["exclude"] != "", ["genre", "exclude"]]
