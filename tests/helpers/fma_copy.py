"""A tiny FMA in the publisher's format: clips of the controlled corpus as MP3, and faults of FMA.

``creation.py`` and ``features.py`` of mdeff/fma say what the archives and tables look like.
"""

import hashlib
import io
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from genrelib.base.seeds import rng
from genrelib.corpora import fma
from genrelib.corpora import fma as fma_metadata
from genrelib.synthesis.recordings import plan
from genrelib.synthesis.rendering import SR

HOST = "os.unil.cloud.switch.ch/fma"

GENRES = {"rock": "Rock", "hiphop": "Hip-Hop", "pop": "Pop"}
"""Genres of the controlled corpus in FMA-small's words."""

MEDIUM_ONLY = {"country": "Old-Time / Historic"}
WITHOUT_GENRE = "reggae"

COLUMNS = {
    "album": "comments date_created date_released engineer favorites id information listens "
    "producer tags title tracks type",
    "artist": "active_year_begin active_year_end associated_labels bio comments date_created "
    "favorites id latitude location longitude members name related_projects tags website "
    "wikipedia_page",
    "set": "split subset",
    "track": "bit_rate comments composer date_created date_recorded duration favorites genre_top "
    "genres genres_all information interest language_code license listens lyricist number "
    "publisher tags title",
}
ROWS_OF = {
    "chroma_stft": 12,
    "chroma_cqt": 12,
    "chroma_cens": 12,
    "tonnetz": 6,
    "mfcc": 20,
    "rmse": 1,
    "zcr": 1,
    "spectral_centroid": 1,
    "spectral_bandwidth": 1,
    "spectral_contrast": 7,
    "spectral_rolloff": 1,
}
STATISTICS = ("mean", "std", "skew", "kurtosis", "median", "min", "max")
LICENCES = (
    "Attribution-Noncommercial-Share Alike 3.0 United States",
    "Attribution",
    "Attribution-NonCommercial-NoDerivatives (aka Music Sharing) 3.0 International",
    "",
)
README = "This .zip archive is part of the FMA, a dataset for music analysis.\n"


@dataclass(frozen=True)
class FmaCopy:
    """The copy as a mirror holds it.

    ``tracks`` is what ``tracks.csv`` says, ``faults`` which clips are broken and how.
    """

    mirror: Path
    tracks: pd.DataFrame
    features: pd.DataFrame
    faults: dict[str, str]
    editions: dict[str, fma.Edition]
    sizes: dict[str, int]
    metadata: tuple[str, str]

    def install(self, monkeypatch):
        """Make the loaders expect this copy's checksums and sizes."""
        for name, edition in self.editions.items():
            monkeypatch.setitem(fma.EDITIONS, name, edition)
        monkeypatch.setattr(fma_metadata, "METADATA", self.metadata)
        monkeypatch.setattr(fma_metadata, "METADATA_BYTES", (100_000, 1_000_000))


def make(folder: Path, *, artists=5, songs=2, seconds=2.0, seed=0) -> FmaCopy:
    """Make the copy below `folder`, laid out as a mirror."""
    kept = _recordings(artists, songs, seconds, seed)
    tracks = _tracks(kept, seed)
    clips = {f"{number:06d}": _mp3(r.sound(), number) for number, r in kept.items()}
    faults = _break(clips, tracks)
    mirror = folder / HOST
    mirror.mkdir(parents=True)
    editions, sizes = {}, {}
    for subset, name in zip(fma_metadata.SUBSETS, fma.EDITIONS, strict=True):
        ids = [f"{n:06d}" for n in tracks.index[_within(tracks, subset)]]
        path = mirror / f"{name}.zip"
        _zip_clips(path, {i: clips[i] for i in ids if i in clips}, faults)
        sizes[name] = len(ids)
        editions[name] = replace(
            fma.EDITIONS[name],
            checksum=f"sha1:{_sha1(path.read_bytes())}",
            n_bytes=path.stat().st_size,
        )
    features = _features(tracks, seed)
    path = mirror / "fma_metadata.zip"
    _zip_metadata(path, tracks, features)
    metadata = (fma_metadata.METADATA[0], f"sha1:{_sha1(path.read_bytes())}")
    return FmaCopy(folder, tracks, features, faults, editions, sizes, metadata)


def _recordings(artists, songs, seconds, seed):
    """Choose recordings without planted faults, and number them as FMA does, with gaps."""
    whole = plan(
        artists_per_genre=artists, songs_per_artist=songs, duration_s=seconds, seed=seed
    ).values()
    wanted = [*GENRES, *MEDIUM_ONLY, WITHOUT_GENRE]
    usable = [r for genre in wanted for r in whole if r.genre == genre and not r.fault]
    return {2 + 373 * number: r for number, r in enumerate(usable)}


def _tracks(kept, seed) -> pd.DataFrame:
    """Lay ``tracks.csv`` out: 52 columns of two rows of names, in FMA's order."""
    names = [(group, name) for group, text in COLUMNS.items() for name in text.split()]
    table = pd.DataFrame(
        "", pd.Index(list(kept), name="track_id"), pd.MultiIndex.from_tuples(names), dtype=object
    )
    numbers = {name: 1 + k for k, name in enumerate(sorted({r.artist.name for r in kept.values()}))}
    licences = rng(seed, "licences").integers(len(LICENCES), size=len(kept))
    for (track, r), licence in zip(kept.items(), licences, strict=True):
        top = {**GENRES, **MEDIUM_ONLY}.get(r.genre, "")
        subset = "small" if r.genre in GENRES else "medium" if top else "large"
        row = {
            ("set", "subset"): subset,
            ("track", "genre_top"): top,
            ("track", "title"): r.song.title,
            ("track", "license"): LICENCES[licence],
            ("track", "duration"): 180 + track % 97,
            ("track", "genres"): "[21]",
            ("artist", "id"): numbers[r.artist.name],
            ("artist", "name"): r.artist.name,
            ("artist", "bio"): f'<p>Line one,\n"line two" of {r.artist.name}</p>',
        }
        table.loc[track, list(row)] = list(row.values())
    table["set", "split"] = _split(table)
    return _with_oddities(table)


def _split(table) -> pd.Series:
    """Give each genre's last artist to the test part and the one before to validation."""
    parts = pd.Series("training", table.index)
    for _, members in table.groupby(("track", "genre_top")):
        artists = sorted(members["artist", "id"].unique())
        parts[members.index[members["artist", "id"] == artists[-1]]] = "test"
        parts[members.index[members["artist", "id"] == artists[-2]]] = "validation"
    return parts


def _with_oddities(table) -> pd.DataFrame:
    """Add what makes FMA's table hard to read: equal names, no name, odd titles, known numbers."""
    rock = table.index[table["track", "genre_top"] == "Rock"]
    pop = table.index[table["track", "genre_top"] == "Pop"]
    table.loc[rock[0], [("track", "title")]] = 'Été, "live"\nat home'
    first, other = (table.loc[tracks[-1], ("artist", "id")] for tracks in (rock, pop))
    table.loc[table["artist", "id"] == first, [("artist", "name")]] = "The Twins"
    table.loc[table["artist", "id"] == other, [("artist", "name")]] = "The Twins"
    nameless = table.loc[pop[0], ("artist", "id")]
    table.loc[table["artist", "id"] == nameless, [("artist", "name")]] = ""
    extra = table.loc[[rock[0], pop[0]]].set_axis([98565, 133297])
    missing = table.loc[[rock[1]]].set_axis([155066])
    return pd.concat([table, extra, missing]).sort_index().rename_axis("track_id")


def _mp3(y: np.ndarray, number: int) -> bytes:
    """Encode as FMA's clips are: 44.1 kHz stereo, some mono."""
    y = np.repeat(y, 44100 // SR)
    target = io.BytesIO()
    sound = y if number % 5 == 0 else np.stack([y, 0.8 * y], axis=1)
    soundfile.write(target, sound, 44100, format="MP3", subtype="MPEG_LAYER_III")
    return target.getvalue()


def _break(clips: dict[str, bytes], tracks) -> dict[str, str]:
    """Break some clips in place; return which, and what should be said of them."""
    training = (tracks["set", "split"] == "training") & (tracks["set", "subset"] == "small")
    small = [i for i in (f"{n:06d}" for n in tracks.index[training]) if i in clips]
    damaged, short, empty, wrong = small[3], small[6], small[9], small[12]
    clips["098565"], clips["133297"] = clips[small[0]][:9000], clips[small[0]][:600]
    middle = len(clips[damaged]) // 2
    clips[damaged] = clips[damaged][:middle] + bytes(5000) + clips[damaged][middle:]
    clips[short] = clips[short][: len(clips[short]) // 5]
    clips[empty] = b""
    clips[small[4]] = clips[small[13]]  # one recording under two artists
    return {
        "098565": "lasts 1.6 s",
        "133297": "lasts 0 s",
        "155066": "missing: ",
        damaged: "can't be decoded",
        short: "at least 1 s are needed",
        empty: "is empty",
        wrong: "differs from the published",
    }


def _zip_clips(path: Path, clips: dict[str, bytes], faults: dict[str, str]) -> None:
    """Write an archive as FMA's ``create_zips`` does."""
    lines = []
    for track, content in clips.items():
        sha1 = _sha1(content + b"x" * faults.get(track, "").startswith("differs"))
        lines.append(f"{sha1}  {track[:3]}/{track}.mp3\n")
    with zipfile.ZipFile(path, "x", zipfile.ZIP_BZIP2) as archive:
        for name, text in (("README.txt", README), ("checksums", "".join(lines))):
            archive.writestr(_info(path, name), text, zipfile.ZIP_BZIP2)
        for track, content in clips.items():
            place = f"{track[:3]}/{track}.mp3"
            archive.writestr(_info(path, place), content, zipfile.ZIP_BZIP2)


def _info(path: Path, name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(f"{path.stem}/{name}", (2017, 4, 1, 0, 0, 0))
    info.external_attr = 0o444 << 16 | 0o2 << 30
    return info


def _features(tracks: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Draw ``features.csv``: 518 columns of three rows of names, values that tell the genre."""
    names = [
        (name, statistic, f"{1 + number:02d}")
        for name, n_rows in ROWS_OF.items()
        for statistic in STATISTICS
        for number in range(n_rows)
    ]
    columns = pd.MultiIndex.from_tuples(names, names=("feature", "statistics", "number"))
    columns = columns.sort_values()
    values = rng(seed, "features").normal(size=(len(tracks), len(columns)))
    for genre, members in tracks.groupby(("track", "genre_top")):
        values[tracks.index.isin(members.index)] += rng(seed, genre).normal(size=len(columns))
    table = pd.DataFrame(values, tracks.index, columns).astype(np.float32)
    table.loc[tracks.index[1], ("zcr", "kurtosis", "01")] = 1e6
    table.loc[tracks.index[2], ("mfcc", "mean", "03")] = np.nan
    table.loc[tracks.index[4]] = 0.0
    return table


def _zip_metadata(path: Path, tracks: pd.DataFrame, features: pd.DataFrame) -> None:
    titles = sorted({*GENRES.values(), *MEDIUM_ONLY.values()})
    rows = [(10 * k, 5, 0, title, 10 * k) for k, title in enumerate(titles, start=1)]
    rows.append((7, 5, 10, "Sub-genre", 10))
    columns = ["genre_id", "#tracks", "parent", "title", "top_level"]
    texts = {
        "tracks.csv": tracks.to_csv(),
        "genres.csv": pd.DataFrame(rows, columns=columns).to_csv(index=False),
        "features.csv": features.to_csv(float_format="%.10e"),
        "raw_tracks.csv": "track_id\n2\n",
        "echonest.csv": "",
        "not_found.pickle": "",
    }
    sums = "".join(f"{_sha1(text.encode())}  {name}\n" for name, text in texts.items())
    with zipfile.ZipFile(path, "x", zipfile.ZIP_BZIP2) as archive:
        for name, text in {"README.txt": README, "checksums": sums, **texts}.items():
            archive.writestr(_info(path, name), text, zipfile.ZIP_BZIP2)


def _within(tracks: pd.DataFrame, subset: str) -> pd.Series:
    held = fma_metadata.SUBSETS[: 1 + fma_metadata.SUBSETS.index(subset)]
    return tracks["set", "subset"].isin(held)


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
