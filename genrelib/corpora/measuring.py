"""What a compressed file really holds: its header may promise more than can be decoded."""

import contextlib
import hashlib
import io
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
import soundfile

from ..base.errors import GenrelibError
from ..base.files import replacing
from ..base.parallel import spread

_BLOCK = 2**16  # frames decoded at once
_CHUNK = 64  # files per task
_BATCH = 4096  # files after which what was found is written down
_STATE = ["size", "mtime_ns"]
_FACTS = ["sha1", "md5", "duration_s", "fault"]


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


def decoded_s(content: bytes) -> float:
    """Decode a whole file and return how many seconds it holds.

    Parameters
    ----------
    content : bytes
        Of a wav, flac, mp3, ogg or au file.

    Raises
    ------
    GenrelibError
        When it is empty, not audio, or damaged.
    """
    if not content:
        raise GenrelibError("the file is empty (0 bytes); download it again.")
    try:
        with quiet(), soundfile.SoundFile(io.BytesIO(content)) as sound:
            n_samples = 0
            # not sound.blocks: that yields as many as the header promises
            while length := len(sound.read(_BLOCK, dtype="int16", always_2d=True)):
                n_samples += length
            return n_samples / sound.samplerate
    except (soundfile.SoundFileError, TypeError) as error:
        reason = getattr(error, "error_string", str(error)).rstrip(".") or "damaged frames"
        raise GenrelibError(f"can't be decoded as audio ({reason}); download it again.") from error


def verified(paths: Mapping[str, Path], record: Path, *, n_jobs: int, label: str) -> pd.DataFrame:
    """Read and decode many files whole, once.

    What was found is written down: a file whose size and time have not changed is not read again,
    and an interruption loses little.

    Parameters
    ----------
    paths : mapping of str to Path
        Audio files that are there, by track id.
    record : Path
        The CSV of what was found.
    n_jobs : int
        Worker processes.
    label : str
        What the progress bar says.

    Returns
    -------
    pd.DataFrame
        `sha1`, `md5`, `duration_s` as decoded, `fault` (in words, or empty); index as `paths`.
    """
    state = pd.DataFrame(
        [(s.st_size, s.st_mtime_ns) for s in map(os.stat, paths.values())], list(paths), _STATE
    )
    known = _seen_before(record)
    same = (known[_STATE].reindex(state.index) == state).all(axis="columns")
    found = known.loc[state.index[same]]
    todo = list(state.index[~same])
    for start in range(0, len(todo), _BATCH):
        batch = todo[start : start + _BATCH]
        items = [(track, os.fspath(paths[track])) for track in batch]
        chunks = [(items[at : at + _CHUNK],) for at in range(0, len(items), _CHUNK)]
        said = f"{label}, {start + len(batch)} of {len(todo)}"
        jobs = n_jobs if len(chunks) > 1 else 1
        rows = dict(row for rows in spread(_facts, chunks, n_jobs=jobs, label=said) for row in rows)
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


def _facts(items: list[tuple[str, str]]) -> list[tuple[str, tuple]]:
    """Read and decode some clips: sha1, md5, seconds, and what is wrong."""
    return [(track, _fact(Path(path))) for track, path in items]


def _fact(path: Path) -> tuple[str, str, float, str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        return "", "", 0.0, f"can't be read: {error.strerror}"
    sha1, md5 = hashlib.sha1(content).hexdigest(), hashlib.md5(content).hexdigest()
    try:
        return sha1, md5, decoded_s(content), ""
    except GenrelibError as error:
        return sha1, md5, 0.0, str(error)
