"""Who made a track, and which tracks must stay together: by credits, and by a manifest.

A manifest is a CSV of what an audit decided, which tracks to leave out and which to keep together.
Columns: `track`; `action`, ``exclude`` or ``group``; `with`, for ``group`` the other track, else
empty; `reason`, in words, which becomes the reason of the exclusion; `evidence`, may be empty.
"""

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import pandas as pd
from scipy.cluster.hierarchy import DisjointSet

from ..base.errors import GenrelibError
from ..base.text import unguarded, visible

UNKNOWN = "(unknown)"  # how an artist begins whom nobody knows; the rest makes it its own

NOBODY = {
    *("unknown", "unknown artist", "no artist", "various", "various artists", "va", "untitled"),
    *("n a", "na", "none", "null", "nan", "unbekannt", "unbekannter künstler", "diverse"),
    *("verschiedene interpreten", "artiste inconnu", "artistes divers", "artista desconocido"),
    *("varios artistas", "artista sconosciuto", "artisti vari", "artista desconhecido"),
    *("", "-", "?"),
}
"""Words that stand where an artist's name is not known, in lower case without punctuation."""


def unknown(track_id: str) -> str:
    """Return the flagged artist of a track whose artist is not known: ``(unknown) jazz.00047``."""
    return f"{UNKNOWN} {track_id}"


def is_unknown(artist: str) -> bool:
    """Whether an artist is one that :func:`unknown` made."""
    return artist.startswith(UNKNOWN)


def known(artist: str) -> str:
    """Return an artist's name in its plain form; nothing for one of :data:`NOBODY`."""
    name = plain(artist)
    words = re.sub(r"[\W_]+", " ", name.casefold()).strip()
    return "" if (words or name) in NOBODY else name


def plain(text: str) -> str:
    """Return text in one Unicode form, spaces of all kinds as one, what is no text escaped.

    >>> plain("mu\u0301sica \u00a0 popular ") == "m\u00fasica popular"
    True
    """
    whole = text if is_utf8(text) else text.encode("utf-8", "backslashreplace").decode("utf-8")
    return unicodedata.normalize("NFC", visible(" ".join(whole.split())))


def is_utf8(text: str) -> bool:
    """Whether text can be written as UTF-8; names of files need not be."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def credited(artist: str) -> list[str]:
    """Split a collaboration, written with semicolons, into its artists.

    An ampersand or "and" is left alone: most often it is part of one name.

    >>> credited("Lauryn Hill; Bob Marley"), credited("Ashford & Simpson")
    (['Lauryn Hill', 'Bob Marley'], ['Ashford & Simpson'])
    """
    return [name.strip() for name in artist.split(";") if name.strip()]


def spelling_key(name: str) -> str:
    """Return what two spellings of one artist share.

    Case, accents, punctuation, spaces, a leading "The", and "&" against "and" do not count.

    >>> spelling_key("The Gibson Brothers") == spelling_key("gibson brothers")
    True
    >>> spelling_key("Motörhead") == spelling_key("Motorhead")
    True
    """
    plain = unicodedata.normalize("NFKD", name).casefold().replace("&", " and ")
    words = re.findall(r"\w+", "".join(c for c in plain if not unicodedata.combining(c)))
    if len(words) > 1 and words[0] == "the":
        words = words[1:]
    return "".join(words) or name


def one_spelling(artists: Iterable[str]) -> dict[str, str]:
    """Choose one spelling for artists that differ only as :func:`spelling_key` forgives.

    Returns every artist that has to change, and what it becomes: of each name the commonest
    spelling, then the first in the alphabet. Collaborations are split.

    >>> one_spelling(["Abba", "ABBA", "Abba", "Abba; Cher", "Queen"])
    {'ABBA': 'Abba'}
    """
    artists = [artist for artist in artists if not is_unknown(artist)]
    chosen = commonest(name for artist in artists for name in credited(artist))
    changes = {}
    for artist in sorted(set(artists)):
        used = [chosen[spelling_key(name)] for name in credited(artist)]
        if used != credited(artist):
            changes[artist] = "; ".join(used)
    return changes


def commonest(names: Iterable[str]) -> dict[str, str]:
    """Return the commonest spelling, then the first in the alphabet, by :func:`spelling_key`."""
    chosen: dict[str, str] = {}
    for name, _ in sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])):
        chosen.setdefault(spelling_key(name), name)
    return chosen


def respelled(changes: Mapping[str, str], what: str = "artists") -> list[str]:
    """Say in a note which spellings are changed; nothing when none are."""
    shown = "; ".join(f"{raw} -> {used}" for raw, used in sorted(changes.items()))
    return [f"{what} whose spellings differ are one: {shown}."] if changes else []


def joined(labels: Mapping[str, Collection[str]], names: Mapping[str, str]) -> dict[str, str]:
    """Put tracks that share a label, directly or through others, into one group.

    `labels` are, per track id, everything that ties it to other tracks: its artists, the md5 of its
    audio; `names`, the name that it brings for its group, which is a label as well. A group has the
    name that most of its tracks bring, then the first in the alphabet.

    >>> joined({"a": {"x"}, "b": {"x", "y"}, "c": {"y"}, "d": {}}, dict(a="A", b="A", c="C", d="D"))
    {'a': 'A', 'b': 'A', 'c': 'A', 'd': 'D'}
    """
    tied = DisjointSet(names[track] for track in labels)
    for track, ties in labels.items():
        for tie in ties:
            tied.add(tie)
            tied.merge(names[track], tie)
    brought: dict[str, Counter] = {}
    for track in labels:
        brought.setdefault(tied[names[track]], Counter())[names[track]] += 1
    chosen = {
        root: min(tally, key=lambda n, t=tally: (-t[n], n)) for root, tally in brought.items()
    }
    return {track: chosen[tied[names[track]]] for track in labels}


COLUMNS = ("track", "action", "with", "reason", "evidence")
ACTION_NAMES = ("exclude", "group")


def read_sheet(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read a CSV in UTF-8: the header, and each line that is not empty with its number.

    Quotation marks within a cell stay. A line whose last one is not closed has no cells. The
    character 0, which no store can hold, becomes the one for what is no text.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig").replace("\0", "\ufffd")
    except (OSError, ValueError) as error:
        raise GenrelibError(
            f"{path} can't be read as a CSV in UTF-8 ({error}); save it as one."
        ) from error
    try:
        lines = list(_filled(csv.reader(io.StringIO(text, newline=""), strict=True)))
    except csv.Error:  # a line of its own is at fault: then none goes over several
        lines = [*_one_by_one(text)]
    names = _shortened(lines[0][1], 0) if lines else []
    return names, [(number, _shortened(cells, len(names))) for number, cells in lines[1:]]


def _filled(lines) -> Iterator[tuple[int, list[str]]]:
    for cells in lines:
        cells = [cell.strip() for cell in cells]
        if any(cells):
            yield lines.line_num, cells


def _one_by_one(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        try:
            cells = next(csv.reader([line], strict=True), [])
        except csv.Error:
            if line.count('"') % 2:
                yield number, []
                continue
            cells = [c.strip().replace("\0", ",") for c in _unquoted(line).split(",")]
        if any(cell.strip() for cell in cells):
            yield number, [cell.strip() for cell in cells]


def _unquoted(line: str) -> str:
    """Hide the commas of whole quoted cells, and take the marks off these."""
    quoted = re.compile(r'(?:(?<=^)|(?<=,))\s*"((?:[^"]|"")*)"\s*(?=,|$)')
    return quoted.sub(lambda m: m[1].replace('""', '"').replace(",", "\0"), line)


def _shortened(cells: list[str], n: int) -> list[str]:
    """Take empty cells off the end as long as there are more than `n`."""
    while len(cells) > n and not cells[-1]:
        cells = cells[:-1]
    return cells


def read(path: Path) -> pd.DataFrame:
    """Read a manifest, a CSV in UTF-8: :data:`COLUMNS`, all text; the index is the file's line.

    Raises :class:`GenrelibError` for what is no such CSV, and for a line with an unknown action, an
    empty reason, or a `with` that does not suit the action.
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
    table = pd.DataFrame([cells for _, cells in lines], index, list(COLUMNS), dtype=str)
    return table.map(unguarded)  # as a report's table has them


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
    tracks["group"] = tracks.index.map(joined(labels, before.to_dict())).astype(before.dtype)
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
