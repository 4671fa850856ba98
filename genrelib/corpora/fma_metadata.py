"""What is published of FMA's tracks beside audio: artists, genres, licences, the split, features.

FMA [1]_ is a dump of the Free Music Archive. ``fma_metadata.zip`` holds ``tracks.csv`` (two header
rows and one with the index's name), ``genres.csv`` and ``features.csv`` (three header rows and one
with the index's name): as the publisher's ``utils.py`` reads them.

.. [1] M. Defferrard, K. Benzi, P. Vandergheynst, X. Bresson, "FMA: A dataset for music analysis",
   ISMIR 2017. The metadata is under CC BY 4.0; each track is under the licence of its artist.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from tqdm import tqdm

from ..errors import GenrelibError, unknown
from ..files import check_room, replacing
from ..packs import ROWS_OF_PACKED
from . import archives, credits, resuming

SITE = "https://os.unil.cloud.switch.ch/fma"
METADATA = (f"{SITE}/fma_metadata.zip", "sha1:f0df49ffe5f2a6008d7dc83c6915b31835dfe733")
"""Address and checksum of the metadata."""

METADATA_BYTES = (360_000_000, 1_500_000_000)
"""About what the archive takes, and what is in it."""

MEMORY_BYTES = 500_000_000
"""About what reading the metadata of all tracks takes."""

SUBSETS = ("small", "medium", "large")
"""Each holds those before it."""

SPLITS = {"training": "train", "validation": "valid", "test": "test"}
"""FMA's names of the parts, and ours."""

NO_GENRE = "(none)"
"""Stands for the genre of a track that has none; such tracks are excluded."""

COLUMNS = tuple(row for _, row in ROWS_OF_PACKED["fma_features"])
"""Names of the columns of ``features.csv``: feature, statistic and number of each."""

N_FEATURES = len(COLUMNS)

_COLUMNS = {
    ("set", "split"): "official_split",
    ("set", "subset"): "subset",
    ("track", "genre_top"): "genre",
    ("track", "title"): "title",
    ("track", "license"): "licence",
    ("track", "duration"): "duration_s",
    ("artist", "id"): "artist_id",
    ("artist", "name"): "artist",
}
_ROWS = 4000  # of features.csv that are parsed at once: 40 MB of text


def folder(raw: Path) -> Path:
    """Return the folder of the extracted metadata, which is fetched when it is not there.

    Parameters
    ----------
    raw : Path
        The ``raw`` folder of the study's data.
    """
    url, checksum = METADATA
    target = raw / "fma_metadata" / checksum.partition(":")[2][:8]
    if not archives.is_extracted(target, checksum):
        what, remedy = "FMA's metadata", "choose another data folder"
        archived, content = METADATA_BYTES
        fetched = resuming.wanting_bytes(url, raw / "downloads", archived)
        there = archives.extracted_bytes(target, checksum)
        check_room(raw, fetched + max(0, content - there), what=what, remedy=remedy)
        archive = resuming.fetch(url, checksum, raw / "downloads")
        archives.extract(archive, target, identity=checksum)
    return target / "fma_metadata"


def annotations(metadata: Path, subset: str) -> pd.DataFrame:
    """Return what is known of a subset's tracks.

    An artist's name that several artists of FMA have is followed by the number of each, so that
    equal artists are the same artist, whose tracks are all in one part of the official split. The
    `group` also joins artists of equal names.

    Parameters
    ----------
    metadata : Path
        From :func:`folder`.
    subset : {"small", "medium", "large"}
        Which tracks.

    Returns
    -------
    pd.DataFrame
        Columns `genre` (:data:`NO_GENRE` where there is none), `artist`, `title`, `group`,
        `official_split`, `licence`, `duration_s` (of the whole track, in whole seconds);
        index `track_id`, six digits.

    Raises
    ------
    GenrelibError
        When a file is not in FMA's format, or holds genres or parts that it should not know.
    """
    if subset not in SUBSETS:
        raise unknown("subset of FMA", subset, SUBSETS)
    table = _tracks(metadata / "tracks.csv")
    table = table[table["subset"].isin(SUBSETS[: SUBSETS.index(subset) + 1])]
    genres = top_genres(metadata / "genres.csv")
    _known(table["genre"], {"", *genres}, "top genre", "genres.csv")
    _known(table["official_split"], SPLITS, "part of the split", "FMA's README")
    table["genre"] = table["genre"].replace("", NO_GENRE)
    table["official_split"] = table["official_split"].map(SPLITS)
    named = table["artist"].map(credits.spelling_key, na_action="ignore")
    ties = zip("artist " + table["artist_id"], "name " + named, strict=True)
    labels = {track: set(tie) for track, tie in zip(table.index, ties, strict=True)}
    table["artist"] = _named(table)
    for track in table.index[table["artist"].map(credits.is_unknown)]:
        labels[track] = set()  # nameless artists are no less different for it
    table["group"] = pd.Series(credits.joined(labels, table["artist"].to_dict()), dtype=object)
    columns = ["genre", "artist", "title", "group", "official_split", "licence", "duration_s"]
    return table[columns]


def top_genres(path: Path) -> list[str]:
    """Return the titles of the genres that have no parent, sorted."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        roots = table.loc[table["genre_id"] == table["top_level"], "title"]
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error
    return sorted(roots)


def about(table: pd.DataFrame) -> list[str]:
    """Say what a reader should know of tracks from :func:`annotations`: licences, artists."""
    licences = table["licence"].replace("", "(not stated)").value_counts()
    shown = "; ".join(f"{name}: {count}" for name, count in licences.head(5).items())
    more = f"; {len(licences) - 5} others" if len(licences) > 5 else ""
    crossing = table.groupby("group")["official_split"].nunique()
    notes = [
        "FMA: metadata under CC BY 4.0, each track under the licence that its artist chose, which "
        f"holds for what is made of it too. Licences: {shown}{more}.",
    ]
    if (crossing > 1).any():
        notes.append(
            "FMA's official split keeps artists apart by their number only. Groups on several "
            f"sides of it: {(crossing > 1).sum()} (artists of equal names, equal recordings)."
        )
    return notes


def features(metadata: Path) -> Path:
    """Return an HDF5 file of what ``features.csv`` holds, made when it is not there.

    It holds ``track_id`` and ``values`` (n, 518), float32, and ``name``, of each column, those of
    :data:`COLUMNS`; rows and columns as in ``features.csv``.

    Raises
    ------
    GenrelibError
        When ``features.csv`` is not in FMA's format.
    """
    path = metadata.parent / "features.h5"
    if path.is_file():
        return path
    source = metadata / "features.csv"
    names, n_header = _header(source, 3)
    _check_columns([" ".join(name) for name in names], source)
    types = {0: int} | dict.fromkeys(range(1, 1 + N_FEATURES), np.float32)
    try:
        with (
            replacing(path) as temporary,
            h5py.File(temporary, "w") as file,
            tqdm(desc="parsing features.csv", unit=" tracks") as bar,
        ):
            file["name"] = list(COLUMNS)
            ids = file.create_dataset("track_id", (0,), "i4", maxshape=(None,))
            shape = (0, N_FEATURES)
            values = file.create_dataset("values", shape, "f4", maxshape=(None, N_FEATURES))
            for rows in pd.read_csv(
                source, header=None, skiprows=n_header, dtype=types, index_col=0, chunksize=_ROWS
            ):
                for dataset, content in ((ids, rows.index), (values, rows.to_numpy())):
                    dataset.resize(len(dataset) + len(rows), axis=0)
                    dataset[-len(rows) :] = content
                bar.update(len(rows))
    except ValueError as error:
        raise _damaged(source, error) from error
    return path


def _check_columns(names: list[str], source: Path) -> None:
    if len(names) != N_FEATURES:
        raise _damaged(source, f"{len(names)} columns instead of {N_FEATURES}")
    for name, known in zip(names, COLUMNS, strict=True):
        if name != known:
            raise _damaged(source, f"the column {name!r} where {known!r} should be")


def read_features(path: Path) -> Mapping[str, np.ndarray]:
    """Read a file that :func:`features` made.

    Returns
    -------
    dict of str to np.ndarray [shape=(518,), dtype=float32]
        By track id, six digits.
    """
    with h5py.File(path, "r") as file:
        ids, values = file["track_id"][:], file["values"][:]
    return {f"{number:06d}": row for number, row in zip(ids, values, strict=True)}


def _tracks(path: Path) -> pd.DataFrame:
    """Read the columns of ``tracks.csv`` that are used, as text but for the duration."""
    names, n_header = _header(path, 2)
    wanting = [" ".join(name) for name in _COLUMNS if name not in names]
    if wanting:
        raise _damaged(path, f"the columns {', '.join(wanting)} are wanting")
    places = {1 + names.index(name): column for name, column in _COLUMNS.items()}
    try:
        table = pd.read_csv(
            path, header=None, skiprows=n_header, usecols=[0, *places], dtype=str, na_filter=False
        )
        table = table.rename(columns=places).set_index(0)
        table.index = pd.Index([f"{int(number):06d}" for number in table.index], name="track_id")
        table["duration_s"] = table["duration_s"].astype(float)
    except ValueError as error:
        raise _damaged(path, error) from error
    text = table.columns.drop("duration_s")
    table[text] = table[text].apply(lambda column: column.str.strip())
    return table


def _header(path: Path, n_rows: int) -> tuple[list[tuple[str, ...]], int]:
    """Return the names of the columns and how many lines stand before the first track."""
    try:
        rows = pd.read_csv(path, header=None, nrows=n_rows + 1, dtype=str, na_filter=False)
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if len(rows) <= n_rows:
        raise _damaged(path, "it ends in its header")
    names = list(zip(*rows.iloc[:n_rows, 1:].to_numpy(), strict=True))
    return names, n_rows + (rows.iloc[n_rows, 0] == "track_id")


def _named(table: pd.DataFrame) -> pd.Series:
    """Return artists by names that are theirs alone; one without a name is unknown."""
    several = table.groupby("artist")["artist_id"].transform("nunique") > 1
    named = table["artist"].where(~several, table["artist"] + " (" + table["artist_id"] + ")")
    nameless = pd.Series([credits.unknown(f"artist {i}") for i in table["artist_id"]], table.index)
    return named.where(table["artist"] != "", nameless)


def _known(values: pd.Series, known, what: str, source: str) -> None:
    strange = sorted(set(values) - set(known))
    if strange:
        raise GenrelibError(
            f"tracks.csv of FMA has the {what} {', '.join(map(repr, strange[:5]))}, which {source} "
            f"does not know; known: {', '.join(sorted(filter(None, known)))}. Fetch "
            f"{os.path.basename(METADATA[0])} again."
        )


def _damaged(path: Path, fault: object) -> GenrelibError:
    return GenrelibError(
        f"{path} is not in FMA's format ({fault}); delete the folder {path.parent} and fetch "
        f"{METADATA[0]} again."
    )
