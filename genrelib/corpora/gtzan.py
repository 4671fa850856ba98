"""GTZAN, whole and mini: where its audio comes from, each file held against the published md5."""

import hashlib
import io
import json
import os
import re
from pathlib import Path

import pandas as pd
import soundfile

from ..base.errors import GenrelibError
from ..features.audio import SUFFIXES
from . import archives, credits, fetching
from .fetching import fetch
from .folders import files_below
from .tracks import NO_GENRE, measure

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
    part: (f"{_STURM}/{part}_filtered.txt", f"sha256:{sha256}")
    for part, sha256 in (
        ("train", "6252b4928f0a29185b894aed5babadae41104b4865f00aeff9b79de1c491f45c"),
        ("valid", "2e0a0e0b513ab61ab206ee4e6fb5f18a41d26e469b160a765196cb47841e3b7e"),
        ("test", "ce78134675f23d02ca4b7f73876c5778b36d8c2fbcccbe54a0359d1a2d86bdef"),
    )
}
"""Address and checksum of each part of the fault-filtered split (443, 197, 290 tracks)."""

CHANGES = "gtzan_artists.csv"
"""The changes to Sturm's artists, one row each with its reason, in a table beside this module."""

_LINE = re.compile(r"^([a-z]+\.\d{5})\.wav\s*:::(.*?)(?::::(.*))?$", re.MULTILINE)


def published_md5(edition: str, downloads: Path) -> dict[str, str]:
    """Return the md5 of each track's WAV file, as published."""
    path = fetch(*INDEXES[edition], downloads)
    listed = json.loads(path.read_text(encoding="utf-8"))["tracks"]
    return {track: listed[track]["audio"][1] for track in sorted(listed)}


def annotations(downloads: Path) -> pd.DataFrame:
    """Return what is known of GTZAN's 1000 tracks, audio apart."""
    table = parse_artists(fetch(*ARTISTS, downloads).read_text(encoding="utf-8"))
    grouped_with = _apply_changes(table, changes())
    table["genre"] = [track.partition(".")[0] for track in table.index]
    split = {}
    for part, source in FILTERED.items():
        listed = fetch(*source, downloads).read_text(encoding="utf-8")
        split |= dict.fromkeys(re.findall(r"([a-z]+\.\d{5})\.wav", listed), part)
    table["official_split"] = [split.get(track, "") for track in table.index]
    nameless = table.index[table["artist"] == ""]
    table.loc[nameless, "artist"] = list(map(credits.unknown, nameless))
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
    """Return the changes made to Sturm's artists, each with its `reason`.

    An empty `track_id` means every track of that artist; `grouped_with` names artists, with
    semicolons, whose group the track joins.
    """
    path = Path(__file__).with_name(CHANGES)
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def parse_artists(text: str) -> pd.DataFrame:
    r"""Read Sturm's index: ``blues.00000.wav ::: artist ::: title``, ``#`` beginning a remark.

    >>> text = "# a remark\r\nblues.00000.wav ::: John Lee Hooker ::: Sugar Mama \r\n"
    >>> parse_artists(text).loc["blues.00000"].tolist()
    ['John Lee Hooker', 'Sugar Mama']
    """
    table = pd.DataFrame(_LINE.findall(text), columns=["track_id", "artist", "title"])
    return table.apply(lambda column: column.str.strip()).set_index("track_id").sort_index()


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


def _groups(table: pd.DataFrame, grouped_with: dict, md5: dict[str, str]) -> dict[str, str]:
    """Join artists, collaborations, equal files, and a genre's unknown artists."""
    labels, names = {}, {}
    for row in table.itertuples():
        unknown = credits.is_unknown(row.artist)
        names[row.Index] = credits.unknown(row.genre) if unknown else row.artist
        artists = [] if unknown else credits.credited(row.artist)
        ties = [*grouped_with.get(row.Index, []), md5.get(row.Index, row.Index)]
        labels[row.Index] = {*artists, *ties}
    return credits.joined(labels, names)


GENRES = (
    *("blues", "classical", "country", "disco", "hiphop"),
    *("jazz", "metal", "pop", "reggae", "rock"),
)

_ORIGINAL = (
    "http://opihi.cs.uvic.ca/sound/genres.tar.gz",
    "sha256:24347e0223d2ba798e0a558c4c172d9d4a19c00bb7963fe055d183dadb4ef2c6",
)
ARCHIVES = {
    "gtzan": (
        ("https://web.archive.org/web/20220328223413/" + _ORIGINAL[0], _ORIGINAL[1]),
        (
            "https://huggingface.co/datasets/marsyas/gtzan/resolve/main/data/genres.tar.gz",
            "sha256:b28cc067ff6199bd826f5d1a6931458586d64acae7f44b2e882b7a97af057531",
        ),
    ),
    "gtzan_mini": (
        (
            "https://github.com/TempoBeatDownbeat/gtzan_mini/archive/refs/heads/main.zip",
            "md5:44f7f23af8363d96c59663a987f29a4c",
        ),
    ),
}
"""Addresses and checksums of the audio per edition, the best first."""

DEAD = {"gtzan": (_ORIGINAL,), "gtzan_mini": ()}  # no longer answer; only a mirror is asked
KAGGLE = "https://www.kaggle.com/datasets/andradaolteanu/gtzan-dataset-music-genre-classification"

_NAME = re.compile(rf"((?:{'|'.join(GENRES)})\.\d{{5}})\.(wav|au)", re.IGNORECASE)


def load(edition: str, data: Path, *, source: str | Path | None = None, n_jobs: int = 1):
    """Load GTZAN, 10 genres of 100 excerpts of 30 s, or gtzan_mini, the first 10 of each.

    Every track of the published index is a row, missing and differing files with the reason; so is
    every audio file that the index does not know. `source` is a local archive or folder, in any
    layout whose files are named ``blues.00000.wav`` (or ``.au``); by default the archived copies
    are downloaded.
    """
    raw = Path(os.path.abspath(data)) / "raw"
    downloads = raw / "downloads"
    known = annotations(downloads)
    published = published_md5(edition, downloads)
    folder = _downloaded(edition, raw) if source is None else _given(edition, raw, source)
    place = Path(source).name if source else folder.relative_to(raw.parent)
    tracks, others = _search(folder)
    notes = about(known)
    beyond = [track for track in tracks if track in known.index and track not in published]
    if beyond:
        notes.append(f"{len(beyond)} files belong to the whole GTZAN, not to {edition}; not used.")
    extra = {t: p for t, p in tracks.items() if t not in known.index} | others
    present = {track: tracks[track] for track in published if track in tracks}
    facts = measure(present | extra, n_jobs=n_jobs, label=f"verifying {edition}")
    unverified = _verify(facts, present, published)
    if unverified:
        notes.append(
            f"{len(unverified)} .au files are not in the md5 index, which lists WAV, nor equal "
            f"to those when rewritten as WAV; used unverified, the first is {unverified[0]}.au."
        )
    table = known.loc[list(published)].join(facts)
    table["path"] = pd.Series({t: str(p) for t, p in present.items()}, dtype=object)
    missing = ~table.index.isin(list(present))
    table.loc[missing, "exclude"] = f"missing: the published index lists it, {place} lacks it"
    table = table.fillna({"md5": "", "duration_s": 0.0, "path": ""})
    table = pd.concat([table, _extra_rows(extra, facts)]) if extra else table
    usable = int((table["exclude"] == "").sum())
    notes.append(
        f"{usable} of {len(published)} tracks hold what the published md5 index lists, "
        f"{len(table) - usable} rows are excluded with their reason; audio from {place}."
    )
    return table, notes


def _downloaded(edition: str, raw: Path) -> Path:
    """Return the folder of the edition's audio, extracted before or fetched now."""
    dead = DEAD[edition] if os.environ.get(fetching.MIRROR) else ()
    known = (*dead, *ARCHIVES[edition])
    sources = [(url, sha, raw / edition / sha.partition(":")[2][:8]) for url, sha in known]
    for _, checksum, folder in sources:
        if archives.is_extracted(folder, checksum):
            return folder
    failures = []
    for url, checksum, folder in sources:
        try:
            archive = fetch(url, checksum, raw / "downloads")
            return archives.extract(archive, folder, identity=checksum)
        except GenrelibError as error:
            failures.append(str(error))
    ways = [
        "give source=<archive or folder>, such as genres.tar.gz or Data/genres_original of the "
        f"Kaggle copy, which an account at {KAGGLE} can download",
        f"put an archive into a mirror and name the mirror in {fetching.MIRROR}",
    ]
    if edition == "gtzan":
        ways.append("begin with the corpus 'gtzan_mini', a small download")
    tried, work = ("".join(f"\n- {line}" for line in lines) for lines in (failures, ways))
    raise GenrelibError(
        f"no copy of {edition} could be had; GTZAN's own address {_ORIGINAL[0]} is dead since "
        f"2022. Tried:{tried}\nWays that work:{work}"
    )


def _given(edition: str, raw: Path, source: str | Path) -> Path:
    """Return the folder that the user named, or that the user's archive is extracted to."""
    path = Path(os.path.abspath(Path(source).expanduser()))
    if path.is_dir():
        return path
    if not path.is_file():
        raise GenrelibError(
            f"source={str(source)!r} does not exist (looked at {path}); give the folder or the "
            "archive that holds files like blues/blues.00000.wav."
        )
    stat = path.stat()
    identity = f"{path} {stat.st_size} {stat.st_mtime_ns}"
    folder = raw / edition / hashlib.sha256(identity.encode()).hexdigest()[:8]
    if not archives.is_extracted(folder, identity):
        archives.extract(path, folder, identity=identity)
    return folder


def _search(folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Find GTZAN's files by their names, whatever the folders between; and other audio."""
    tracks: dict[str, Path] = {}
    others: dict[str, Path] = {}
    for path in files_below(folder):
        match = _NAME.fullmatch(path.name)
        if match and match[1].lower() not in tracks:
            tracks[match[1].lower()] = path
        elif path.suffix.lower() in SUFFIXES:
            others[path.relative_to(folder).as_posix()] = path
    if not tracks:
        raise GenrelibError(
            f"{folder} holds no file named like blues.00000.wav; give the folder or archive of "
            "GTZAN, such as genres/ or Data/genres_original/."
        )
    return tracks, others


def _verify(facts: pd.DataFrame, present: dict, published: dict) -> list[str]:
    """Exclude, in place, files whose md5 differs; return the .au files that can't be verified."""
    unverified = []
    for track, path in present.items():
        md5, reason = facts.loc[track, ["md5", "exclude"]]
        if md5 == published[track] or not md5:
            continue
        if path.suffix.lower() == ".au" and not reason:
            if _md5_as_wav(path) != published[track]:
                unverified.append(track)
            continue
        differs = f"md5 {md5} differs from the published {published[track]}"
        facts.loc[track, "exclude"] = f"{differs}; {reason}" if reason else differs
    return unverified


def _md5_as_wav(path: Path) -> str:
    """Return the md5 that an .au file's samples have as a plain 16-bit WAV, the index's form."""
    samples, sr = soundfile.read(path, dtype="int16")
    target = io.BytesIO()
    soundfile.write(target, samples, sr, format="WAV", subtype="PCM_16")
    return hashlib.md5(target.getvalue()).hexdigest()


def _extra_rows(extra: dict[str, Path], facts: pd.DataFrame) -> pd.DataFrame:
    """Make a row, excluded, for each audio file that the published index does not know."""
    folders = [path.parent.name.lower() for path in extra.values()]
    unknown = list(map(credits.unknown, extra))
    return facts.loc[list(extra)].assign(
        genre=[folder if folder in GENRES else NO_GENRE for folder in folders],
        artist=unknown,
        group=unknown,
        path=list(map(str, extra.values())),
        exclude="not in the published index of GTZAN",
        **dict.fromkeys(("title", "official_split"), ""),
    )
