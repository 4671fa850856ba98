"""Songs cut into segments on disk, each whole or not at all, and not twice."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from ..audio import SR, inspect, read
from ..errors import GenrelibError
from ..files import check_room, digest, replacing, write_text
from ..parallel import spread
from .decoding import quiet
from .tracks import SHORTEST_S

SEGMENT_S = 30.0
"""Seconds of a segment; what is left over at the end of a song is not used."""

_MARKER = "segments.json"
_BYTES_PER_S = 2 * SR  # of a segment: mono, 16 bit


def cut_songs(
    songs: pd.DataFrame, folder: Path, *, n_jobs: int
) -> tuple[dict[int, list[dict]], dict[int, str]]:
    """Cut songs into segments of :data:`SEGMENT_S`, once.

    Equal songs are cut once. A song shorter than a segment is one segment.

    Parameters
    ----------
    songs : pd.DataFrame
        `path` and `md5`, by any index.
    folder : Path
        Where segments are kept, in a folder for each song named by its md5: WAV, mono, 22050 Hz.
    n_jobs : int
        Worker processes.

    Returns
    -------
    segments : dict
        By the index of `songs`: `file` (its name), `duration_s`, `size` and `md5` of each segment.
    troubles : dict
        By the index, in words, why a song has none.

    Raises
    ------
    GenrelibError
        When there is no room for the segments.
    """
    once = songs.drop_duplicates("md5").set_index("md5")["path"]
    done = {md5: segments for md5 in once.index if (segments := _cut_before(folder / md5))}
    todo = [(md5, path, folder / md5) for md5, path in once.items() if md5 not in done]
    troubles = {}
    needed = 0.0
    for md5, path, _ in todo:
        try:
            with quiet():
                needed += inspect(path).duration_s * _BYTES_PER_S
        except GenrelibError as error:
            troubles[md5] = str(error).replace(f"{path} ", "")
    check_room(folder, round(needed), what="the segments of the list", remedy="shorten the list")
    tasks = [task for task in todo if task[0] not in troubles]
    for md5, segments, trouble in spread(_cut, tasks, n_jobs=n_jobs, label="cutting songs"):
        if trouble:
            troubles[md5] = trouble
        else:
            done[md5] = segments
    md5s = list(songs["md5"].items())
    segments = {key: done[md5] for key, md5 in md5s if md5 in done}
    return segments, {key: troubles[md5] for key, md5 in md5s if md5 in troubles}


def _cut_before(folder: Path) -> list[dict]:
    """Return what :func:`_cut` left of a song, if all of it is there."""
    try:
        segments = json.loads((folder / _MARKER).read_text(encoding="utf-8"))
        whole = all((folder / s["file"]).stat().st_size == s["size"] for s in segments)
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return segments if whole else []


def _cut(md5: str, path: Path, folder: Path) -> tuple[str, list[dict], str]:
    """Cut a song: its md5, what each segment is, and why there is none, if there is none."""
    segments = []
    try:
        with quiet():
            for number in range(max(1, int(inspect(path).duration_s // SEGMENT_S))):
                y = read(path, offset_s=number * SEGMENT_S, duration_s=SEGMENT_S)
                duration_s = len(y) / SR
                # a header may promise more than there is
                if duration_s < SEGMENT_S - 0.01 and number:
                    break
                if duration_s < SHORTEST_S:
                    reason = f"lasts {duration_s:.2f} s, at least {SHORTEST_S:g} s are needed"
                    return md5, [], reason
                segments.append(_write(y, folder / f"{number:03d}.wav"))
    except (GenrelibError, OSError) as error:
        return md5, [], str(error).replace(f"{path} ", "")
    write_text(folder / _MARKER, json.dumps(segments, indent=0))
    return md5, segments, ""


def _write(y: np.ndarray, path: Path) -> dict:
    with replacing(path) as temporary:
        soundfile.write(temporary, y, SR, subtype="PCM_16")
    facts = {"file": path.name, "duration_s": len(y) / SR, "size": path.stat().st_size}
    return {**facts, "md5": digest(path, "md5")}
