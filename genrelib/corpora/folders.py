"""Anyone's own collection: ``root/<genre>/...`` with wav, flac, mp3, ogg or au files."""

import os
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path, PurePosixPath

import pandas as pd

from ..base.errors import GenrelibError
from ..features.audio import SUFFIXES
from . import credits
from .archives import is_stray
from .tracks import NO_FILE, measure, named

LIST = "tracks.csv"  # optional, in the root: `file` (with slashes), `artist`, `title`

UNREAD = (
    *(".m4a", ".m4b", ".mp4", ".aac", ".ac3", ".mp2", ".mpga", ".wma", ".opus", ".oga", ".spx"),
    *(".aif", ".aiff", ".aifc", ".caf", ".w64", ".rf64", ".amr", ".ape", ".wv", ".tta", ".alac"),
    *(".mka", ".webm", ".weba", ".ra", ".dsf", ".dff", ".mpc"),
)
"""Endings of audio of a kind that is not read: such a file is a row with that reason."""

PARTS = {"train", "training", "test", "testing", "valid", "validation", "val", "dev", "eval"}
"""Names of folders that hold the parts of a split, not genres."""

MANY_GENRES = 25  # more folders than these are asked about: they may be artists


def files_below(folder: Path) -> Iterator[Path]:
    """Yield everything below a folder that is no folder itself, sorted, stray files left out."""
    yield from _below(Path(folder), os.path.realpath(folder), set())


def load_folder(data: Path, *, source: str | Path | None = None, n_jobs: int = 1):
    """Load a collection of one's own: ``source/<genre>/[<artist>/]*.{wav,flac,mp3,ogg,au}``.

    The artist is what ``source/tracks.csv`` says, else the name of the folder between the genre's
    and the file; else it is unknown, and the track counts as an artist of its own. Nothing is
    copied.
    """
    wanted = "give source=<folder> that holds one folder per genre with audio files in it"
    root = named(source, "folder", "folder", wanted)
    found, notes = _search(root)
    listed = _listed(root / LIST, notes)
    ids = _ids(found)
    paths = {track: root / place for track, place in ids.items()}
    facts = measure(paths, n_jobs=n_jobs, label=f"reading {root.name}")
    rows = {t: _row(t, paths[t], place, facts.loc[t], listed) for t, place in ids.items()}
    rows |= _missing(listed, set(map(str, found)), set(rows), notes)
    table = pd.DataFrame.from_dict(rows, orient="index")
    changes = credits.one_spelling(table["artist"])
    table["artist"] = table["artist"].replace(changes)
    notes += credits.respelled(changes)
    labels = {
        row.Index: credits.credited(row.artist) + ([row.md5] if row.exclude == "" else [])
        for row in table.itertuples()
    }
    table["group"] = pd.Series(credits.joined(labels, table["artist"].to_dict()))
    usable = table[table["exclude"] == ""]
    twins = usable[usable["md5"].duplicated(keep=False)]
    if len(twins):
        notes.append(
            f"byte for byte the same as another, and kept in its group: {_some(list(twins.index))}."
        )
    unknown = table["artist"].map(credits.is_unknown).sum()
    if unknown:
        notes.append(
            f"{unknown} of {len(table)} tracks have no known artist and count as an artist each: "
            "that no artist is on both sides of a split is not proven. Name them in "
            f"{LIST} or by folders <genre>/<artist>/."
        )
    return table, notes


def _below(folder: Path, root: str, followed: set[str]) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise GenrelibError(
            f"{folder} can't be listed ({error.strerror}); check its permissions."
        ) from error
    for entry in entries:
        if is_stray(entry.name):
            continue
        if not os.path.isdir(entry) or entry.suffix.lower() in SUFFIXES:
            yield entry
        elif not entry.is_symlink() or _is_new(os.path.realpath(entry), root, followed):
            yield from _below(entry, root, followed)


def _is_new(real: str, root: str, followed: set[str]) -> bool:
    """Whether a link leads to what is not in the collection, above it, or followed already."""
    if os.path.commonpath([real, root]) in (real, root) or real in followed:
        return False
    followed.add(real)
    return True


def _search(root: Path) -> tuple[list[PurePosixPath], list[str]]:
    """Sort what lies below the root into tracks, by their places there, and notes of the rest."""
    found, loose, others = [], [], []
    for path in files_below(root):
        place = PurePosixPath(path.relative_to(root).as_posix())
        if path.suffix.lower() not in (*SUFFIXES, *UNREAD):
            if str(place) != LIST:
                others.append(str(place))
        elif len(place.parts) == 1:
            loose.append(str(place))
        else:
            found.append(place)
    genres = {credits.plain(place.parts[0]) for place in found}
    if len(genres) < 2:
        raise GenrelibError(
            f"{root} holds audio for {len(genres)} genres {sorted(genres)}; at least 2 are needed. "
            f"Put {', '.join(SUFFIXES)} files into one folder per genre, as {root.name}/<genre>/."
        )
    if {genre.casefold() for genre in genres} <= PARTS:
        raise GenrelibError(
            f"{root} holds {', '.join(sorted(genres))}, which are parts of a split and no genres; "
            f"give source={root / min(genres)}, or put the files of all parts into one folder per "
            "genre: a study makes splits of its own."
        )
    notes = []
    if len(genres) > MANY_GENRES:
        notes.append(
            f"{len(genres)} folders are read as genres. Are they artists, with albums below? A "
            "genre's folder comes first: <genre>/<artist>/."
        )
    suffixes = (place.suffix.lower() for place in found)
    kinds = Counter(suffix for suffix in suffixes if suffix in UNREAD)
    if kinds:
        shown = ", ".join(f"{count} {suffix}" for suffix, count in sorted(kinds.items()))
        notes.append(f"{kinds.total()} files are audio of a kind that is not read: {shown}.")
    if loose:
        notes.append(f"{_some(loose)} lie outside a genre's folder and have no genre; not used.")
    if others:
        notes.append(f"{_some(others)} are no audio; not used.")
    return found, notes


def _listed(path: Path, notes: list[str]) -> pd.DataFrame:
    """Read ``tracks.csv``: index `file`, columns `artist`, `title`; empty when there is none."""
    if not path.exists():
        return pd.DataFrame(columns=["artist", "title"])
    names, lines = credits.read_sheet(path)
    if not {"file", "artist"} <= set(names) <= {"file", "artist", "title"}:
        raise GenrelibError(
            f"{path} has the columns {names}; needed are file and artist, title may "
            "be added, others not. A file is written as genre/name.wav, below that folder."
        )
    file = names.index("file")
    bad = [n for n, cells in lines if len(cells) != len(names) or not cells[file]]
    if bad:
        notes.append(
            f"{LIST}, {_some([f'line {n}' for n in bad])}: no file, more or fewer cells than its "
            f"columns {', '.join(names)}, or a quotation mark that is not closed; not used."
        )
    lines = [(n, cells) for n, cells in lines if n not in bad]
    table = pd.DataFrame([cells for _, cells in lines], columns=names, dtype=str)
    table = table.reindex(columns=["file", "artist", "title"], fill_value="")
    table["file"] = table["file"].map(_place)
    table = table.apply(lambda column: column.map(credits.plain))
    twice = table["file"][table["file"].duplicated()]
    if len(twice):
        raise GenrelibError(f"{path} lists {_some(list(twice))} twice; keep one row per file.")
    return table.set_index("file")


def _place(file: str) -> str:
    """Return what is the same of a file's place, whoever wrote it down."""
    return credits.plain(str(PurePosixPath(file.replace("\\", "/"))))


def _ids(found: list[PurePosixPath]) -> dict[str, PurePosixPath]:
    """Name each file by its place, without the ending where that is enough to tell it apart."""
    short = {place: ".".join(map(credits.plain, place.with_suffix("").parts)) for place in found}
    uses = Counter(short.values())
    ids: dict[str, PurePosixPath] = {}
    for place, name in short.items():
        if uses[name] > 1:
            name = ".".join(map(credits.plain, place.parts))
        numbered = (f"{name}~{number}" for number in count(2))
        ids[name if name not in ids else next(n for n in numbered if n not in ids)] = place
    return ids


def _row(
    track: str, file: Path, place: PurePosixPath, facts: pd.Series, listed: pd.DataFrame
) -> dict:
    key = _place(str(place))
    artist, title = listed.loc[key] if key in listed.index else ("", "")
    reason = facts["exclude"]
    if place.suffix.lower() in UNREAD:
        kind = f"{place.suffix} is audio of a kind that is not read"
        reason = f"{kind}; convert it to one of {', '.join(SUFFIXES)}"
    folder = credits.plain(place.parts[1]) if len(place.parts) > 2 else ""  # below the genre's
    path = str(file)
    if not credits.is_utf8(path):
        reason = "the file's name is not valid UTF-8; rename it"
        path = path.encode("utf-8", "backslashreplace").decode("utf-8")
    return {
        "genre": credits.plain(place.parts[0]),
        "artist": credits.known(artist) or credits.known(folder) or credits.unknown(track),
        "title": title or credits.plain(place.stem),
        "path": path,
        "duration_s": facts["duration_s"],
        "exclude": reason,
        "official_split": "",
        "md5": facts["md5"],
    }


def _missing(listed: pd.DataFrame, there: set[str], taken: set[str], notes: list[str]) -> dict:
    """Make a row for each file that ``tracks.csv`` lists and the folder lacks."""
    rows, strange = {}, []
    there = {_place(place) for place in there}
    for file, artist, title in listed.itertuples():
        place = PurePosixPath(file)
        if file in there:
            continue
        if len(place.parts) < 2 or place.is_absolute() or ".." in place.parts:
            strange.append(file)
            continue
        track = ".".join(place.parts)
        track = track if track not in taken else f"{track} (listed)"
        rows[track] = {
            "genre": place.parts[0],
            "artist": credits.known(artist) or credits.unknown(track),
            "title": title or place.stem,
            "exclude": f"missing: {LIST} lists {file}, the folder lacks it",
            **NO_FILE,
        }
    if strange:
        notes.append(f"{LIST} lists {_some(strange)}, no place below a genre's folder; not used.")
    return rows


def _some(names: list[str]) -> str:
    """Return how many there are and the first few by name."""
    shown = ", ".join(map(credits.plain, names[:5])) + (", ..." if len(names) > 5 else "")
    return f"{len(names)} ({shown})"
