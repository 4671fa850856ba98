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

import contextlib
import hashlib
import io
import math
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from numbers import Real
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import soundfile

from ..base.errors import GenrelibError
from ..base.files import digest, replacing
from ..base.parallel import spread
from ..features.audio import inspect
from ..store import Pack

COLUMNS = (
    *("genre", "artist", "title", "path", "duration_s", "group", "exclude"),
    *("official_split", "md5"),
)
PLANTED = (
    *("song", "fault", "fault_of", "true_genre", "take", "start_s", "tempo_bpm", "metre", "key"),
)
"""Further columns, of the controlled corpus only: there the true causes are known."""

SPLITS = ("", "train", "valid", "test")

NO_GENRE = "(none)"  # stands for the genre of a track that has none; such tracks are excluded

NO_FILE = {"path": "", "duration_s": 0.0, "official_split": "", "md5": ""}
"""What a row has of a track that is missing."""

SHORTEST_S = 1.0  # audio below this duration is excluded: it is no music to judge a genre by
TOO_SHORT = f"lasts {{:.2f}} s, at least {SHORTEST_S:g} s are needed"  # the reason, of seconds
_BLOCK = 2**16  # frames decoded at once
_CHUNK = 64  # files per task: a small corpus is measured without starting worker processes
_BATCH = 4096  # files after which what was found is written down
_STATE = ["size", "mtime_ns"]
_FACTS = ["sha1", "md5", "duration_s", "fault"]


class Loaded(NamedTuple):
    """What a loader returns: the table, notes in sentences, and what stands in for the audio.

    A loader of audio may return the first two alone.
    """

    tracks: pd.DataFrame
    notes: Sequence[str]
    pack: Pack | None = None


def found_at(base: Path, place: str) -> Path:
    """Return the file that a person's table names: slashes and Unicode form may be another's."""
    slashed = place.replace("\\", "/")
    forms = [place, slashed, *(unicodedata.normalize(form, slashed) for form in ("NFC", "NFD"))]
    paths = [base / Path(form).expanduser() for form in dict.fromkeys(forms)]
    return next((path for path in paths if path.is_file()), paths[0])


def named(source: str | Path | None, corpus: str, kind: str, wanted: str) -> Path:
    """Return the "file" or "folder" that a person names as a corpus's source, absolute."""
    if source is None or not str(source).strip():
        raise GenrelibError(f"source={source!r}: the corpus {corpus!r} needs one; {wanted}.")
    path = Path(os.path.abspath(Path(source).expanduser()))
    if not (path.is_file() if kind == "file" else path.is_dir()):
        raise GenrelibError(f"source={str(source)!r} is not a {kind} (looked at {path}); {wanted}.")
    return path


def measure(paths: Mapping[str, Path], *, n_jobs: int, label: str) -> pd.DataFrame:
    """Read `md5`, `duration_s` and the reason to `exclude` of many audio files, by track id.

    Only headers are decoded: samples that are damaged or not finite are found when features are
    extracted.
    """
    rows = for_each(_facts, paths, n_jobs=n_jobs, label=label)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["md5", "duration_s", "exclude"])
    return table.reindex(list(paths))


def checked(tracks: pd.DataFrame) -> pd.DataFrame:
    """Return a tracks table that keeps its contract, rows sorted, columns in order.

    Raises :class:`GenrelibError` when ids are not unique strings, columns are wanting or unknown, a
    text is empty that must not be, or a usable track has no file, md5 or duration.
    """
    wanting = [column for column in COLUMNS if column not in tracks]
    known = tracks.columns.isin([*COLUMNS, *PLANTED])
    strange = list(tracks.columns[~known | tracks.columns.duplicated()])
    if wanting or strange:
        raise GenrelibError(
            f"a tracks table lacks the columns {wanting} and has the unknown or double {strange}; "
            f"allowed are {', '.join((*COLUMNS, *PLANTED))}."
        )
    ids = tracks.index.to_series()
    _refuse(ids[[not isinstance(value, str) or not value for value in ids]], "no usable id")
    _refuse(ids[ids.duplicated()], "an id that another track has too")
    tracks = tracks.sort_index().rename_axis("track_id")
    ids = tracks.index.to_series()
    for column in set(COLUMNS) - {"duration_s"}:
        text = tracks[column].map(lambda value: isinstance(value, str))
        _refuse(ids[~text], f"a {column} that is not text")
    for column in ("genre", "artist", "group"):
        _refuse(ids[tracks[column].str.strip() == ""], f"an empty {column}")
    _refuse(ids[~tracks["official_split"].isin(SPLITS)], f"a split other than {SPLITS}")
    usable = tracks["exclude"] == ""
    _refuse(ids[usable & ~tracks["path"].map(os.path.isabs)], "no absolute path")
    _refuse(ids[usable & (tracks["md5"] == "")], "no md5")
    seconds = tracks["duration_s"].map(lambda value: isinstance(value, Real) and value < math.inf)
    _refuse(ids[~seconds.astype(bool)], "no duration in seconds")
    _refuse(ids[usable & ~(tracks["duration_s"] > 0)], "no duration")
    extra = [column for column in PLANTED if column in tracks]
    return tracks[[*COLUMNS, *extra]].astype({"duration_s": float})


def for_each(read: Callable, paths: Mapping[str, Path], *, n_jobs: int, label: str) -> dict:
    """Return what ``read(path)`` finds of each file, by track id; many files are a task."""
    items = [(track, os.fspath(path)) for track, path in paths.items()]
    chunks = [(items[start : start + _CHUNK],) for start in range(0, len(items), _CHUNK)]
    n_jobs = n_jobs if len(chunks) > 1 else 1
    found = spread(partial(_each, read), chunks, n_jobs=n_jobs, label=label)
    return {track: facts for chunk in found for track, facts in chunk}


def _refuse(bad: pd.Series, fault: str) -> None:
    if len(bad):
        shown = ", ".join(map(repr, bad.index[:5]))
        raise GenrelibError(
            f"{len(bad)} tracks have {fault}: {shown}; correct the source of the table."
        )


def _each(read: Callable[[Path], tuple], items: list[tuple[str, str]]) -> list[tuple[str, tuple]]:
    return [(track, read(Path(path))) for track, path in items]


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
        return md5, duration_s, TOO_SHORT.format(duration_s)
    return md5, duration_s, ""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the decoder's remarks on damaged frames, which it writes past Python, off the screen."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _decoded(content: bytes) -> tuple[float, str]:
    """Decode a whole file: how many seconds it holds, and what is wrong."""
    if not content:
        return 0.0, "the file is empty (0 bytes); download it again."
    try:
        with quiet(), soundfile.SoundFile(io.BytesIO(content)) as sound:
            n_samples = 0
            # not sound.blocks: that yields as many as the header promises
            while length := len(sound.read(_BLOCK, dtype="int16", always_2d=True)):
                n_samples += length
            return n_samples / sound.samplerate, ""
    except (soundfile.SoundFileError, TypeError) as error:
        reason = getattr(error, "error_string", str(error)).rstrip(".") or "damaged frames"
        return 0.0, f"can't be decoded as audio ({reason}); download it again."


def verified(paths: Mapping[str, Path], record: Path, *, n_jobs: int, label: str) -> pd.DataFrame:
    """Read and decode many files whole, once: `sha1`, `md5`, `duration_s` as decoded, and `fault`.

    What was found is written down in the CSV `record`: a file whose size and time have not changed
    is not read again, and an interruption loses little. A fault is in words, or empty.
    """
    states = [(s.st_size, s.st_mtime_ns) for s in map(os.stat, paths.values())]
    state = pd.DataFrame(states, list(paths), _STATE)
    known = _seen_before(record)
    same = (known[_STATE].reindex(state.index) == state).all(axis="columns")
    found = known.loc[state.index[same]]
    todo = list(state.index[~same])
    for start in range(0, len(todo), _BATCH):
        batch = todo[start : start + _BATCH]
        said = f"{label}, {start + len(batch)} of {len(todo)}"
        rows = for_each(_decode_file, {t: paths[t] for t in batch}, n_jobs=n_jobs, label=said)
        new = pd.DataFrame.from_dict(rows, orient="index", columns=_FACTS).join(state)
        found = pd.concat([found, new[[*_STATE, *_FACTS]]]).sort_index()
        with replacing(record) as temporary:
            readable = found[found["sha1"] != ""]  # what a disk did not give is asked for again
            readable.to_csv(temporary, index_label="track_id")
    return found.loc[list(paths), _FACTS]


def _seen_before(record: Path) -> pd.DataFrame:
    """Read what was found of clips before; nothing when that is damaged or not there."""
    columns = ["track_id", *_STATE, *_FACTS]
    types = dict.fromkeys(columns, str) | dict.fromkeys(_STATE, int) | {"duration_s": float}
    try:
        table = pd.read_csv(record, dtype=types, keep_default_na=False)[columns]
    except (OSError, ValueError, KeyError):
        table = pd.DataFrame(columns=columns).astype(types)
    return table.set_index("track_id")


def _decode_file(path: Path) -> tuple[str, str, float, str]:
    """Read and decode a clip: sha1, md5, seconds, and what is wrong."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return "", "", 0.0, f"can't be read: {error.strerror}"
    sha1, md5 = hashlib.sha1(content).hexdigest(), hashlib.md5(content).hexdigest()
    return sha1, md5, *_decoded(content)
