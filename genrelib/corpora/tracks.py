"""The tracks table: what every corpus is, one row per track, dropped ones with their reason.

Columns, with `track_id` (str) as the sorted index:

=================  ==============================================================================
`genre`            the label
`artist`           never empty; an unknown artist is a value of its own, see :mod:`.credits`
`title`            may be empty
`path`             absolute path of the audio or the pack; empty when the file is missing
`duration_s`       seconds, from the file's header; 0 when it can't be read
`group`            what must stay on one side of a split: artist, joined with exact duplicates
`exclude`          empty, or the reason, in words, why the track is not used
`official_split`   ``train``, ``valid``, ``test`` or empty
`md5`              of the audio file's bytes (of what a pack holds); empty when it can't be read
=================  ==============================================================================

The controlled corpus adds what is planted and what it was made of, see :data:`PLANTED`.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ..base.errors import GenrelibError
from ..base.files import digest
from ..base.parallel import spread
from ..features.audio import inspect
from ..store import Pack

COLUMNS = (
    "genre",
    "artist",
    "title",
    "path",
    "duration_s",
    "group",
    "exclude",
    "official_split",
    "md5",
)
PLANTED = (
    "song",
    "fault",
    "fault_of",
    "true_genre",
    "take",
    "start_s",
    "tempo_bpm",
    "metre",
    "key",
)
"""Further columns, of the controlled corpus only: there the true causes are known."""

SPLITS = ("", "train", "valid", "test")

SHORTEST_S = 1.0
"""Audio below this duration, in seconds, is excluded: it is no music to judge a genre by."""

_CHUNK = 64  # files per task: a small corpus is measured without starting worker processes


class Loaded(NamedTuple):
    """What a loader returns; one of audio may return the first two alone.

    Parameters
    ----------
    tracks : pd.DataFrame
        The table.
    notes : sequence of str
        What a reader of the results should know, in sentences.
    pack : Pack, optional
        What stands in for the audio, see :mod:`genrelib.store.packs`.
    """

    tracks: pd.DataFrame
    notes: Sequence[str]
    pack: Pack | None = None


def alike(genres: Iterable[str]) -> list[str]:
    """Say in a note which genres differ only in capitals; nothing when none do.

    Examples
    --------
    >>> alike(["rock", "Rock", "jazz"])
    ['genres differ only in capitals and count as different: Rock, rock.']
    """
    genres = sorted(set(genres))
    uses = Counter(genre.casefold() for genre in genres)
    same = [genre for genre in genres if uses[genre.casefold()] > 1]
    said = f"genres differ only in capitals and count as different: {', '.join(same)}."
    return [said] if same else []


def measure(paths: Mapping[str, Path], *, n_jobs: int, label: str) -> pd.DataFrame:
    """Read the md5 and the header of many audio files.

    Only headers are decoded: samples that are damaged or not finite are found when features are
    extracted.

    Parameters
    ----------
    paths : mapping of str to Path
        Audio file per track id.
    n_jobs : int
        Worker processes.
    label : str
        What the progress bar says.

    Returns
    -------
    pd.DataFrame
        Columns `md5`, `duration_s`, `exclude`; index as `paths`.
    """
    items = [(track, os.fspath(path)) for track, path in paths.items()]
    chunks = [(items[start : start + _CHUNK],) for start in range(0, len(items), _CHUNK)]
    found = spread(_measure, chunks, n_jobs=n_jobs if len(chunks) > 1 else 1, label=label)
    rows = {track: facts for chunk in found for track, facts in chunk}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["md5", "duration_s", "exclude"])
    return table.reindex(list(paths))


def checked(tracks: pd.DataFrame) -> pd.DataFrame:
    """Return a tracks table that keeps its contract, rows sorted, columns in order.

    Raises
    ------
    GenrelibError
        When ids are not unique strings, columns are wanting or unknown, a text is empty that must
        not be, or a usable track has no file or no duration.
    """
    wanting = [column for column in COLUMNS if column not in tracks]
    strange = [column for column in tracks if column not in (*COLUMNS, *PLANTED)]
    if wanting or strange:
        raise GenrelibError(
            f"a tracks table lacks the columns {wanting} and has the unknown {strange}; "
            f"allowed are {', '.join((*COLUMNS, *PLANTED))}."
        )
    tracks = tracks.sort_index()
    tracks.index.name = "track_id"
    ids = tracks.index.to_series()
    _refuse(ids[~ids.map(lambda value: isinstance(value, str) and value != "")], "no usable id")
    _refuse(ids[ids.duplicated()], "an id that another track has too")
    for column in set(COLUMNS) - {"duration_s"}:
        text = tracks[column].map(lambda value: isinstance(value, str))
        _refuse(ids[~text], f"a {column} that is not text")
    for column in ("genre", "artist", "group"):
        _refuse(ids[tracks[column].str.strip() == ""], f"an empty {column}")
    _refuse(ids[~tracks["official_split"].isin(SPLITS)], f"a split other than {SPLITS}")
    usable = tracks["exclude"] == ""
    _refuse(ids[usable & ~tracks["path"].map(os.path.isabs)], "no absolute path")
    _refuse(ids[usable & ~(tracks["duration_s"] > 0)], "no duration")
    extra = [column for column in PLANTED if column in tracks]
    return tracks[[*COLUMNS, *extra]].astype({"duration_s": float})


def _refuse(bad: pd.Series, fault: str) -> None:
    if len(bad):
        shown = ", ".join(map(repr, bad.index[:5]))
        raise GenrelibError(
            f"{len(bad)} tracks have {fault}: {shown}; correct the source of the table."
        )


def _measure(items: list[tuple[str, str]]) -> list[tuple[str, tuple]]:
    return [(track, _facts(Path(path))) for track, path in items]


def _facts(path: Path) -> tuple[str, float, str]:
    """Return md5, duration and the reason to exclude of one file, whatever it is."""
    if not os.path.isfile(path):
        if os.path.isdir(path):
            return "", 0.0, "a folder, not an audio file; what it holds is not read"
        return "", 0.0, "a broken link" if os.path.islink(path) else "not a regular file"
    try:
        md5 = digest(path, "md5")
    except OSError as error:
        return "", 0.0, f"can't be read: {error.strerror}"
    try:
        duration_s = inspect(path).duration_s
    except GenrelibError as error:
        return md5, 0.0, str(error).replace(str(path), path.name)
    if duration_s < SHORTEST_S:
        return md5, duration_s, f"lasts {duration_s:.2f} s, at least {SHORTEST_S:g} s are needed"
    return md5, duration_s, ""
