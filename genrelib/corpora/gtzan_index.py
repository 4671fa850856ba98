"""What is published of GTZAN's tracks: md5 of each file, artist, title, the fault-filtered split.

The md5s are mirdata's index. Who plays what was found out by Sturm [1]_; his pinned lists also hold
the fault-filtered split [2]_.

.. [1] B. L. Sturm, "The state of the art ten years after a state of the art", J. New Music Research
   43(2), 2014.
.. [2] C. Kereliuk, B. L. Sturm, J. Larsen, "Deep learning and music adversaries", IEEE Trans.
   Multimedia 17(11), 2015.
"""

import json
import re
from importlib import resources
from pathlib import Path

import pandas as pd

from ..errors import GenrelibError
from . import credits
from .download import fetch

INDEXES = {
    "gtzan": (
        "https://zenodo.org/records/13993311/files/gtzan_genre_index_1.0.json?download=1",
        "md5:533ca050855f22acf2feb283d9957fe3",
    ),
    "gtzan_mini": (
        "https://zenodo.org/records/14004436/files/gtzan_genre_1.0_mini_index.json?download=1",
        "md5:ac97f5a783d7843cf92ed8875d85af3d",
    ),
}
"""Address and checksum of the JSON that lists the md5 of each audio file, per edition."""

_STURM = (
    "https://raw.githubusercontent.com/boblsturm/GTZAN/fedc781026cf1a20034830f8071c98d93a422016"
)
ARTISTS = (
    f"{_STURM}/index.txt",
    "sha256:52b42c6a5a309caae4a4ac1b5ca24ac9959508033735a0237e57b198ec77987e",
)
"""Address and checksum of the list of artists and titles."""

FILTERED = {
    "train": (
        f"{_STURM}/train_filtered.txt",
        "sha256:6252b4928f0a29185b894aed5babadae41104b4865f00aeff9b79de1c491f45c",
    ),
    "valid": (
        f"{_STURM}/valid_filtered.txt",
        "sha256:2e0a0e0b513ab61ab206ee4e6fb5f18a41d26e469b160a765196cb47841e3b7e",
    ),
    "test": (
        f"{_STURM}/test_filtered.txt",
        "sha256:ce78134675f23d02ca4b7f73876c5778b36d8c2fbcccbe54a0359d1a2d86bdef",
    ),
}
"""Address and checksum of each part of the fault-filtered split (443, 197, 290 tracks)."""

CHANGES = "gtzan_artists.csv"
"""The changes to Sturm's artists, one row each with its reason, in a table beside this module."""

_LINE = re.compile(r"([a-z]+\.\d{5})\.wav\s*:::(.*?)(?::::(.*))?")


def published_md5(edition: str, downloads: Path) -> dict[str, str]:
    """Return the md5 of each track's WAV file, as published.

    Parameters
    ----------
    edition : {"gtzan", "gtzan_mini"}
        Which of the two.
    downloads : Path
        Where fetched files are kept.

    Returns
    -------
    dict of str to str
        Hexadecimal md5 per track id (``"blues.00000"``), sorted.
    """
    path = fetch(*INDEXES[edition], downloads)
    listed = json.loads(path.read_text(encoding="utf-8"))["tracks"]
    return {track: listed[track]["audio"][1] for track in sorted(listed)}


def annotations(downloads: Path) -> pd.DataFrame:
    """Return what is known of GTZAN's 1000 tracks, audio apart.

    An artist that Sturm does not know is flagged as the track's own. Groups follow the credits that
    the index prints (and :data:`CHANGES`): a collaboration joins its artists, equal md5s join their
    tracks, and the unknown artists of one genre form one group, for they may be one person. Guest
    appearances and band memberships that the index does not print are not joined.

    Parameters
    ----------
    downloads : Path
        Where fetched files are kept.

    Returns
    -------
    pd.DataFrame
        Columns `genre`, `artist`, `title`, `group`, `official_split`; index `track_id`.
    """
    raw = _text(fetch(*ARTISTS, downloads))
    table = parse_artists(raw)
    grouped_with = _apply_changes(table, changes())
    table["genre"] = [track.partition(".")[0] for track in table.index]
    split = {
        track: part
        for part, source in FILTERED.items()
        for track in parse_list(_text(fetch(*source, downloads)))
    }
    table["official_split"] = [split.get(track, "") for track in table.index]
    _name_unknown(table)
    table["group"] = pd.Series(_groups(table, grouped_with, published_md5("gtzan", downloads)))
    return table


def about(known: pd.DataFrame) -> list[str]:
    """Say what was changed in the artists of :func:`annotations`, and what stays unknown."""
    unknown = known.index[known["artist"].map(credits.is_unknown)]
    shown = "; ".join(
        f"{row.track_id or row.raw} -> {row.used or 'unknown'}"
        + (f" (grouped with {row.grouped_with})" if row.grouped_with else "")
        for row in changes().itertuples()
    )
    return [
        f"of GTZAN's {len(known)} tracks {len(unknown)} have no known artist; those of a genre are "
        f"one group, but could be by an artist who is named elsewhere: {', '.join(unknown)}.",
        f"artists changed against Sturm's index (why: genrelib/corpora/{CHANGES}): {shown}.",
    ]


def changes() -> pd.DataFrame:
    """Return the changes made to Sturm's artists.

    Returns
    -------
    pd.DataFrame
        `track_id` (empty: every track of that artist), `raw`, `used`, `grouped_with` (artists, with
        semicolons, whose group the track joins), `reason`.
    """
    with resources.files(__package__).joinpath(CHANGES).open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False)


def parse_artists(text: str) -> pd.DataFrame:
    r"""Read Sturm's index: ``blues.00000.wav ::: artist ::: title``, ``#`` beginning a remark.

    Examples
    --------
    >>> text = "# a remark\r\nblues.00000.wav ::: John Lee Hooker ::: Sugar Mama \r\n"
    >>> parse_artists(text).loc["blues.00000"].tolist()
    ['John Lee Hooker', 'Sugar Mama']
    """
    rows = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None or match[1] in rows:
            raise GenrelibError(
                f"line {number} of the artist index is {line!r}; expected a new track as "
                "'genre.00000.wav ::: artist ::: title': fetch the pinned file again."
            )
        rows[match[1]] = (match[2].strip(), (match[3] or "").strip())
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["artist", "title"])
    return table.rename_axis("track_id").sort_index()


def parse_list(text: str) -> list[str]:
    r"""Read a list of files, one per line, as track ids.

    Examples
    --------
    >>> parse_list("blues/blues.00012.wav\r\nrock/rock.00001.wav \n\n")
    ['blues.00012', 'rock.00001']
    """
    lines = filter(None, map(str.strip, text.splitlines()))
    return [line.rpartition("/")[2].removesuffix(".wav") for line in lines]


def _text(path: Path) -> str:
    """Decode a list as UTF-8 or, when it is none, as Latin-1."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _apply_changes(table: pd.DataFrame, table_of_changes: pd.DataFrame) -> dict[str, list[str]]:
    """Correct the artists in place; return which tracks join another artist's group."""
    grouped_with = {}
    for row in table_of_changes.itertuples():
        hit = table["artist"] == row.raw
        if row.track_id:
            hit &= table.index == row.track_id
        if row.grouped_with:
            grouped_with.update(dict.fromkeys(table.index[hit], credits.credited(row.grouped_with)))
        table.loc[hit, "artist"] = row.used
    table["artist"] = table["artist"].replace(credits.one_spelling(table["artist"]))
    return grouped_with


def _name_unknown(table: pd.DataFrame) -> None:
    """Flag the artists that nobody knows, each as its track's own."""
    for track in table.index[table["artist"] == ""]:
        table.loc[track, "artist"] = credits.unknown(track)


def _groups(table: pd.DataFrame, grouped_with: dict, md5: dict[str, str]) -> dict[str, str]:
    """Join artists, collaborations, equal files, and a genre's unknown artists."""
    labels, names = {}, {}
    for row in table.itertuples():
        unknown = credits.is_unknown(row.artist)
        names[row.Index] = credits.unknown(row.genre) if unknown else row.artist
        artists = [] if unknown else credits.credited(row.artist)
        labels[row.Index] = {
            *artists,
            *grouped_with.get(row.Index, []),
            md5.get(row.Index, row.Index),
        }
    return credits.joined(labels, names)
