"""A collection from a list: a CSV of links or paths becomes a corpus of 30-second segments."""

import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path, PurePath, PurePosixPath
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import soundfile
from tqdm import tqdm

from ..base.errors import GenrelibError
from ..base.files import check_room, digest, locked, replacing, write_text
from ..base.parallel import spread
from ..features import SR, audio
from ..features.audio import SUFFIXES
from . import credits, fetching
from .tracks import NO_GENRE, SHORTEST_S, TOO_SHORT, found_at, named, quiet

SEGMENT_S = 30.0  # seconds of a segment; what is left over at the end of a song is not used
_MARKER = "segments.json"
_BYTES_PER_S = 2 * SR  # of a segment: mono, 16 bit


def cut_songs(
    songs: pd.DataFrame, folder: Path, *, n_jobs: int
) -> tuple[dict[int, list[dict]], dict[int, str]]:
    """Cut songs into segments of :data:`SEGMENT_S`, once."""
    once = songs.drop_duplicates("md5").set_index("md5")["path"]
    done = {md5: segments for md5 in once.index if (segments := _cut_before(folder / md5))}
    todo = [(md5, path, folder / md5) for md5, path in once.items() if md5 not in done]
    troubles, needed = {}, 0.0
    for md5, path, _ in todo:
        try:
            with quiet():
                needed += audio.held_s(path) * _BYTES_PER_S
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
            for number in range(max(1, int(audio.held_s(path) // SEGMENT_S))):
                y = audio.read(path, offset_s=number * SEGMENT_S, duration_s=SEGMENT_S)
                duration_s = len(y) / SR
                # a header may promise more than there is
                if duration_s < SEGMENT_S - 0.01 and number:
                    break
                if duration_s < SHORTEST_S:
                    return md5, [], TOO_SHORT.format(duration_s)
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


MOST_BYTES = 200_000_000  # what is larger is no song: a radio station never ends

AGAIN_AFTER_S = {"failed": 24 * 3600.0, "passing": 3600.0}
"""Seconds for which a link is not asked for again: refused, or failed as any may for a while."""


def fetch_all(urls: Iterable[str], folder: Path, *, pause_s: float) -> dict[str, Path | str]:
    """Fetch links in their order, one at a time."""
    urls = list(dict.fromkeys(urls))
    found: dict[str, Path | str] = {}
    ended: dict[str, float] = {}
    with locked(Path(folder) / "links"):
        for url in tqdm(urls, desc="fetching links", disable=not urls):
            path = place(url, folder)
            known = _known(path)
            if known is None:
                host = urlsplit(url).netloc
                time.sleep(max(0.0, ended.get(host, -pause_s) + pause_s - time.monotonic()))
                known = _fetch(url, path)
                ended[host] = time.monotonic()
            found[url] = known
    return found


def place(url: str, folder: Path) -> Path:
    """Return where the file of a link is kept."""
    suffix = PurePosixPath(urlsplit(url).path).suffix.lower()
    name = hashlib.sha256(url.encode()).hexdigest()[:20]
    return Path(folder) / f"{name}{suffix if suffix in SUFFIXES else ''}"


def _known(path: Path) -> Path | str | None:
    """Return what earlier calls found, or None when the link is to be asked for."""
    if path.is_file():
        return path
    for ending, seconds in AGAIN_AFTER_S.items():
        failed = _beside(path, ending)
        if failed.is_file() and time.time() - failed.stat().st_mtime < seconds:
            return failed.read_text(encoding="utf-8")
    return None


def _fetch(url: str, path: Path) -> Path | str:
    """Ask for a link, and write down what came of it."""
    for ending in AGAIN_AFTER_S:
        _beside(path, ending).unlink(missing_ok=True)
    try:
        fetching.bring(url, path, most_bytes=MOST_BYTES)
        _refuse_other_than_audio(url, path)
    except GenrelibError as error:
        ending = "passing" if isinstance(error, fetching.PassingError) else "failed"
        again = _beside(path, ending)
        hours = AGAIN_AFTER_S[ending] / 3600
        reason = f"{error} Asked for again after {hours:g} h, or once {again.name} is deleted."
        write_text(again, reason)
        return reason
    return path


def _refuse_other_than_audio(url: str, path: Path) -> None:
    """Keep no page that a server sent in the place of a song."""
    try:
        with quiet():
            audio.inspect(path)
    except GenrelibError as error:
        reason = str(error).replace(f"{path} ", "")
        path.unlink()
        raise GenrelibError(f"{url} holds no song that can be read: it {reason}") from error


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f"{path.name}.{ending}")


COLUMNS = ("url_or_path", "genre", "artist", "title")
"""Of the CSV, in any order; artist and title may be empty. Paths are relative to the CSV."""


def load_list(data: Path, *, source: str | Path | None = None, pause_s: float = 1.0, n_jobs=1):
    """Load a collection from a list of songs, by links or by paths.

    Links are fetched politely, `pause_s` seconds (0 to 3600) between two requests to one host;
    songs are cut into segments of 30 s, a shorter song is one segment. The segments of a song, of
    equal songs and of one artist are a group. A line that comes to nothing is an excluded row with
    the reason. The table has a row per segment, with `song` and `start_s`.

    Who makes the list (a CSV with :data:`COLUMNS`, named by `source`) answers for the rights: that
    the music may be downloaded, kept, and worked with. Nothing of it is published by a study.
    """
    if not 0 <= pause_s <= 3600:
        raise GenrelibError(f"pause_s={pause_s!r}; 0 to 3600 seconds between requests are allowed.")
    wanted = f"give source=<file>, a CSV with the columns {', '.join(COLUMNS)}"
    path = named(source, "list", "file", wanted)
    rows = read_list(path)
    folder = Path(os.path.abspath(data)) / "raw" / "list"
    wanted = rows[rows["trouble"] == ""]
    urls = [place for place in wanted["url_or_path"] if _is_link(place)]
    fetched = fetch_all(urls, folder / "songs", pause_s=pause_s)
    songs, troubles = _songs(wanted, fetched, path.parent)
    segments, broken = cut_songs(songs, folder / "segments", n_jobs=n_jobs)
    rows["md5"] = songs["md5"].reindex(rows.index, fill_value="")
    for found in (troubles, broken):
        rows.loc[list(found), "trouble"] = pd.Series(found, dtype=object)
    rows["song"] = _song_names(rows)
    table = _table(rows, segments, folder / "segments")
    notes = _about(rows, table)
    changes = credits.one_spelling(rows.loc[rows["trouble"] == "", "artist"])
    table["artist"] = table["artist"].replace(changes)
    notes += credits.respelled(changes)
    table["group"] = _groups(table, rows["md5"])
    return table.drop(columns="line"), notes


def read_list(path: Path) -> pd.DataFrame:
    """Read a list."""
    names, lines = credits.read_sheet(path)
    if sorted(names) != sorted(COLUMNS):
        raise GenrelibError(
            f"{path} has the columns {names}; needed are {', '.join(COLUMNS)}, in any order."
        )
    if not lines:
        raise GenrelibError(f"{path} lists no song below its header; add a line for each.")
    rows, seen = {}, {}
    for number, cells in lines:
        fits = len(cells) == len(names)
        row = dict(zip(names, cells, strict=True)) if fits else {}
        row = dict.fromkeys(COLUMNS, "") | row
        row |= {"genre": credits.plain(row["genre"]), "artist": credits.known(row["artist"])}
        trouble = f"{len(cells)} cells instead of {len(names)}"
        if fits or not cells:
            trouble = _trouble(row, seen) if fits else "a quotation mark is not closed"
        if not trouble:
            seen[row["url_or_path"]] = number
        rows[number] = {**row, "trouble": trouble}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=[*COLUMNS, "trouble"])
    return table.rename_axis("line")


def _trouble(row: dict[str, str], seen: dict[str, int]) -> str:
    """Return what is wrong with a line that has all its cells, or nothing."""
    place = row["url_or_path"]
    if not place:
        return "no link and no path"
    if not row["genre"]:
        return "no genre"
    if place in seen:
        return f"the same as line {seen[place]}"
    if "://" in place and not _is_link(place):
        return f"{place.partition('://')[0]} is not fetched, http and https are"
    if _is_link(place) and not _has_host(place):
        return f"{place} is no address"
    return ""


def _is_link(place: str) -> bool:
    return place.lower().startswith(("http://", "https://"))


def _has_host(url: str) -> bool:
    try:
        split = urlsplit(url)
        return bool(split.hostname) and split.port != 0
    except ValueError:  # brackets, or a port that is no number
        return False


def _songs(wanted: pd.DataFrame, fetched: dict, base: Path) -> tuple[pd.DataFrame, dict[int, str]]:
    """Find each line's audio file: `path` and `md5`; or the reason why there is none."""
    rows, troubles = {}, {}
    for line, place in wanted["url_or_path"].items():
        try:
            path = fetched[place] if _is_link(place) else found_at(base, place)
            if isinstance(path, str):
                troubles[line] = path
            elif not path.is_file():
                troubles[line] = f"{_shown(place)} is no file"
            else:
                rows[line] = (path, digest(path, "md5"))
        except (OSError, RuntimeError, ValueError) as error:  # no such user, too long, not allowed
            reason = getattr(error, "strerror", None) or error
            troubles[line] = f"{_shown(place)} can't be read ({reason})"
    return pd.DataFrame.from_dict(rows, orient="index", columns=["path", "md5"]), troubles


def _shown(place: str) -> str:
    """Name a file as the list does, but without the folders of one machine."""
    path = PurePath(place)
    return path.name if path.is_absolute() or place.startswith(("~", "..")) else place


def _song_names(rows: pd.DataFrame) -> pd.Series:
    """Name songs so that two lines of the same artist and title are the same song."""
    names = {}
    for line, row in rows.iterrows():
        known = row["artist"] and row["title"]
        keys = (credits.spelling_key(row["artist"]), credits.spelling_key(row["title"]))
        names[line] = " - ".join(keys) if known else f"line {line}"
    return pd.Series(names, dtype=object)


def _table(rows: pd.DataFrame, segments: dict[int, list[dict]], folder: Path) -> pd.DataFrame:
    """Lay out a row for each segment, and one for each line without."""
    nothing = {"file": "", "duration_s": 0.0, "md5": ""}
    table = {}
    for line, row in rows.iterrows():
        reason = f"line {line}: {row['trouble']}" if row["trouble"] else ""
        found = [nothing] if reason else segments[line]
        for number, segment in enumerate(found):
            track = f"{line:05d}" if reason else f"{line:05d}.{number:03d}"
            table[track] = {
                "genre": row["genre"] or NO_GENRE,
                "artist": row["artist"] or credits.unknown(f"line {line}"),
                "title": credits.plain(row["title"]),
                "path": "" if reason else str(folder / row["md5"] / segment["file"]),
                "duration_s": segment["duration_s"],
                "exclude": reason,
                "official_split": "",
                "md5": segment["md5"],
                "song": row["song"],
                "start_s": number * SEGMENT_S,
                "line": line,
            }
    return pd.DataFrame.from_dict(table, orient="index")


def _groups(table: pd.DataFrame, md5s: pd.Series) -> pd.Series:
    """Join segments by song, by credited artist, and by equal bytes of songs and of segments."""
    labels = {}
    for row in table.itertuples():
        ties = {f"song {row.song}"} | {f"md5 {md5}" for md5 in (row.md5, md5s[row.line]) if md5}
        labels[row.Index] = ties | set(credits.credited(row.artist))
    return pd.Series(credits.joined(labels, table["artist"].to_dict()), dtype=object)


def _about(rows: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    failed = rows[rows["trouble"] != ""]
    good = rows[rows["trouble"] == ""]
    notes = [
        f"a collection from a list: {len(good)} of {len(rows)} lines became "
        f"{(table['exclude'] == '').sum()} segments of {SEGMENT_S:g} s. Whoever made the list "
        "answers for the rights to the music; it must not be passed on with the study unless its "
        "licence allows that."
    ]
    if len(failed):
        few = failed["trouble"].head(20).str.rstrip(".")
        shown = "; ".join(f"line {line}: {trouble}" for line, trouble in few.items())
        notes.append(f"{len(failed)} lines came to nothing: {shown}.")
    for column, what in (("md5", "byte for byte the same"), ("song", "the same artist and title")):
        same = good[good[column].duplicated(keep=False)].groupby(column, sort=False)
        if len(same):
            shown = "; ".join("lines " + ", ".join(map(str, twins.index)) for _, twins in same)
            notes.append(f"{what}, and kept in one group: {shown}.")
    unknown = (good["artist"] == "").sum()
    if unknown:
        notes.append(
            f"{unknown} songs have no artist and count as an artist each: that no artist is on "
            "both sides of a split is not proven."
        )
    return notes
