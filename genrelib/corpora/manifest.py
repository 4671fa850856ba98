"""Tables that people write: read line by line, so that each fault is named; and manifests.

A manifest is a CSV of what an audit decided, which tracks to leave out and which to keep together.
Columns: `track`; `action`, ``exclude`` or ``group``; `with`, for ``group`` the other track, else
empty; `reason`, in words, which becomes the reason of the exclusion; `evidence`, may be empty.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from ..base.errors import GenrelibError
from . import credits

COLUMNS = ("track", "action", "with", "reason", "evidence")
ACTION_NAMES = ("exclude", "group")


def read_sheet(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read a CSV in UTF-8, with a byte-order mark or without."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = list(_filled(csv.reader(file, strict=True)))
    except (OSError, ValueError, csv.Error) as error:
        raise GenrelibError(
            f"{path} can't be read as a CSV in UTF-8 ({error}); save it as one."
        ) from error
    names = _shortened(lines[0][1], 0) if lines else []
    return names, [(number, _shortened(cells, len(names))) for number, cells in lines[1:]]


def _filled(lines) -> Iterator[tuple[int, list[str]]]:
    for cells in lines:
        cells = [cell.strip() for cell in cells]
        if any(cells):
            yield lines.line_num, cells


def _shortened(cells: list[str], n: int) -> list[str]:
    """Take empty cells off the end as long as there are more than `n`."""
    while len(cells) > n and not cells[-1]:
        cells = cells[:-1]
    return cells


def read(path: Path) -> pd.DataFrame:
    """Read a manifest, a CSV in UTF-8: :data:`COLUMNS`, all text; the index is the file's line.

    Raises
    ------
    GenrelibError
        When there is no such file, it is no UTF-8 text or has other columns, a line has not one
        cell for each, the action is unknown, the reason empty, or `with` does not suit the action.
    """
    path = Path(path)
    names, lines = read_sheet(path)
    if tuple(names) != COLUMNS:
        raise GenrelibError(
            f"the manifest {path.name} begins with {', '.join(names) or 'nothing'}; its first line "
            f"must be {','.join(COLUMNS)}."
        )
    for number, cells in lines:
        trouble = _trouble(cells)
        if trouble:
            raise _refused(path, number, trouble)
    index = pd.Index([number for number, _ in lines], name="line", dtype=int)
    return pd.DataFrame([cells for _, cells in lines], index, list(COLUMNS), dtype=str)


def applied(tracks: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, str]:
    """Do to a tracks table what a manifest says; return it and what was done, in a sentence.

    A track that was excluded before keeps its first reason. The groups of tracks that are to stay
    together are joined, with all their other tracks. A track that is not in the table is an error.
    """
    listed = read(path)
    for row in listed.itertuples():
        for track in (row.track, row[3]):  # row[3] is `with`, which is no Python name
            if track and track not in tracks.index:
                raise _refused(Path(path), row.Index, f"unknown track {track!r}")
    tracks = tracks.copy()
    reasons = listed[listed["action"] == "exclude"].drop_duplicates("track")
    reasons = reasons.set_index("track")["reason"]
    fresh = reasons[tracks.loc[reasons.index, "exclude"] == ""]
    tracks.loc[fresh.index, "exclude"] = fresh
    before = tracks["group"]
    labels: dict[str, set[str]] = {track: set() for track in tracks.index}
    for line, row in listed[listed["action"] == "group"].iterrows():
        for track in (row["track"], row["with"]):
            labels[track].add(f"line {line} of the manifest")
    tracks["group"] = tracks.index.map(credits.joined(labels, before.to_dict())).astype(
        before.dtype
    )
    n_joined = before.nunique() - tracks["group"].nunique()
    done = f"{len(fresh)} tracks excluded, {n_joined} groups joined with others"
    return tracks, f"manifest {Path(path).name}: {done}."


def _trouble(cells: list[str]) -> str:
    """Return what is wrong with one line, in words; or nothing."""
    if len(cells) != len(COLUMNS):
        return f"{len(cells)} cells instead of {len(COLUMNS)}"
    track, action, other, reason, _ = cells
    if not track:
        return "no track"
    if action not in ACTION_NAMES:
        return f"unknown action {action!r}; known: {', '.join(ACTION_NAMES)}"
    if not reason.strip():
        return "an empty reason"
    if action == "group" and other in ("", track):
        return f"the group of {track!r} with {other!r}; name another track"
    if action == "exclude" and other:
        return f"an exclusion with {other!r}; leave `with` empty"
    return ""


def _refused(path: Path, line: int, trouble: str) -> GenrelibError:
    return GenrelibError(f"line {line} of the manifest {path.name}: {trouble}. Correct the line.")
