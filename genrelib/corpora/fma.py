"""FMA's clips of 30 s, small, medium and large: fetched, verified by decoding, with its split."""

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..errors import GenrelibError, unknown
from ..files import check_room
from . import archives, credits, fma_metadata, resuming
from .decoding import verified
from .tracks import SHORTEST_S

_GIB = 2**30


@dataclass(frozen=True)
class Edition:
    """One published size of FMA.

    Parameters
    ----------
    subset : str
        Its name in ``tracks.csv``.
    url, checksum : str
        Of the archive.
    n_clips : int
        MP3 files in it, as published.
    n_bytes : int
        What the archive takes, as published; the clips take as much, for MP3 is compressed already.
    """

    subset: str
    url: str
    checksum: str
    n_clips: int
    n_bytes: int


EDITIONS = {
    "fma_small": Edition(
        "small",
        f"{fma_metadata.SITE}/fma_small.zip",
        "sha1:ade154f733639d52e35e32f5593efe5be76c6d70",
        8_000,
        round(7.2 * _GIB),
    ),
    "fma_medium": Edition(
        "medium",
        f"{fma_metadata.SITE}/fma_medium.zip",
        "sha1:c67b69ea232021025fca9231fc1c7c1a063ab50b",
        25_000,
        22 * _GIB,
    ),
    "fma_large": Edition(
        "large",
        f"{fma_metadata.SITE}/fma_large.zip",
        "sha1:497109f4dd721066b5ce5e5f250ec604dc78939e",
        106_574,
        93 * _GIB,
    ),
}
"""Editions by corpus name."""

_SHORT = "FMA cut it at the wrong place, so that it lasts {} (mdeff/fma#8)"
_CUT = "FMA cut it at the wrong place, so that it is short or empty (mdeff/fma#8)"
KNOWN = {
    "098565": _SHORT.format("1.6 s"),
    "098567": _SHORT.format("0.5 s"),
    "098569": _SHORT.format("1.5 s"),
    "099134": _SHORT.format("0 s"),
    "108925": _SHORT.format("0 s"),
    "133297": _SHORT.format("0 s"),
    **dict.fromkeys(
        (
            *("001486", "005574", "065753", "080391", "098558", "098559", "098560", "098566"),
            *("098568", "098571", "105247", "108924", "126981", "127336", "143992"),
        ),
        _CUT,
    ),
}
"""Clips that the publisher knows to be no music to judge a genre by, and why; others are found."""

CLIP_S = 30.0

SECONDS_PER_CLIP = 0.04
"""Of one core, to read, verify and decode a clip: measured on 30 s of stereo at 144 kbit/s."""


def load_fma_small(data: Path, *, n_jobs: int = 1):
    """Load FMA-small: 8000 clips of 30 s, 8 genres of 1000, official split 6400/800/800.

    The archive is fetched (a download that ends early goes on), extracted, and each clip is held
    against its published sha1 and decoded, once. What fails is a row with the reason.

    Parameters
    ----------
    data : Path
        Folder below which downloads, clips and what was found of them are kept, in ``raw/``.
    n_jobs : int
        Worker processes that verify clips.

    Returns
    -------
    (pd.DataFrame, list of str)
        Tracks table and notes.

    Raises
    ------
    GenrelibError
        When there is no room, the download fails, or what comes is not in FMA's format.
    """
    return _load("fma_small", data, n_jobs)


def load_fma_medium(data: Path, *, n_jobs: int = 1):
    """Load FMA-medium: 25,000 clips of 16 genres, very unequal; see :func:`load_fma_small`."""
    return _load("fma_medium", data, n_jobs)


def load_fma_large(data: Path, *, n_jobs: int = 1):
    """Load FMA-large: 106,574 clips, of which under half have one top genre.

    The others are excluded; see :func:`load_fma_small`.
    """
    return _load("fma_large", data, n_jobs)


def needs(name: str) -> pd.Series:
    """Return what an edition needs before any feature is extracted.

    Features need room besides, see :func:`genrelib.store.size_bytes`.

    Parameters
    ----------
    name : str
        A key of :data:`EDITIONS`.

    Returns
    -------
    pd.Series
        ``download_gb``; ``disk_gb``, while archives and what is in them lie side by side;
        ``kept_gb``, when the archives are deleted; ``verify_core_hours``; ``memory_gb`` of the
        metadata.

    Examples
    --------
    >>> needs("fma_small").round(1).to_dict()  # doctest: +NORMALIZE_WHITESPACE
    {'download_gb': 8.1, 'disk_gb': 17.3, 'kept_gb': 9.2, 'verify_core_hours': 0.1,
     'memory_gb': 0.5}
    """
    if name not in EDITIONS:
        raise unknown("edition of FMA", name, EDITIONS)
    edition = EDITIONS[name]
    archive, content = fma_metadata.METADATA_BYTES
    fetched, kept = edition.n_bytes + archive, edition.n_bytes + content
    hours = edition.n_clips * SECONDS_PER_CLIP / 3600
    return pd.Series(
        {
            "download_gb": fetched / 1e9,
            "disk_gb": (fetched + kept) / 1e9,
            "kept_gb": kept / 1e9,
            "verify_core_hours": hours,
            "memory_gb": fma_metadata.MEMORY_BYTES / 1e9,
        },
        name=name,
    )


def _load(name: str, data: Path, n_jobs: int):
    edition, raw = EDITIONS[name], Path(os.path.abspath(data)) / "raw"
    _check_room(edition, _folder(name, raw), raw)
    table = fma_metadata.annotations(fma_metadata.folder(raw), edition.subset)
    clips = _clips(name, raw)
    paths = {track: clips / track[:3] / f"{track}.mp3" for track in table.index}
    table["exclude"] = _known_reasons(table, paths, name)
    wanted = table.index[table["exclude"] == ""]
    record = clips.parent / "verified.csv"
    present = {track: paths[track] for track in wanted}
    facts = verified(present, record, n_jobs=n_jobs, label=f"verifying {name}")
    table["md5"] = facts["md5"].reindex(table.index, fill_value="")
    table["duration_s"] = facts["duration_s"].reindex(table.index, fill_value=0.0)
    published = _published(clips / "checksums")
    table.loc[wanted, "exclude"] = [
        _reason(row, published.get(f"{row.Index[:3]}/{row.Index}.mp3", ""))
        for row in facts.itertuples()
    ]
    table["path"] = [str(path) if path.is_file() else "" for path in paths.values()]
    labels = {track: {md5} if md5 else set() for track, md5 in table["md5"].items()}
    table["group"] = pd.Series(credits.joined(labels, table["group"].to_dict()), dtype=object)
    unknown_files = len(set(published) - {f"{t[:3]}/{t}.mp3" for t in table.index})
    notes = [*fma_metadata.about(table), *_about(table, name, unknown_files)]
    return table.drop(columns="licence"), notes


def _folder(name: str, raw: Path) -> Path:
    """Return where an edition is extracted to."""
    return raw / name / EDITIONS[name].checksum.partition(":")[2][:8]


def _check_room(edition: Edition, target: Path, raw: Path) -> None:
    """Refuse, before anything is fetched, an edition that the disk can't take."""
    if archives.is_extracted(target, edition.checksum):
        return
    fetched = resuming.wanting_bytes(edition.url, raw / "downloads", edition.n_bytes)
    there = archives.extracted_bytes(target, edition.checksum)
    check_room(
        raw,
        max(0, edition.n_bytes - there) + fetched,
        what=f"the clips of FMA-{edition.subset} and their archive",
        remedy="take a smaller edition (fma_features needs no audio) or another data folder",
    )


def _clips(name: str, raw: Path) -> Path:
    """Return the folder of the clips, extracted before or fetched now."""
    edition, target = EDITIONS[name], _folder(name, raw)
    if not archives.is_extracted(target, edition.checksum):
        archive = resuming.fetch(edition.url, edition.checksum, raw / "downloads")
        archives.extract(archive, target, identity=edition.checksum)
    return target / Path(edition.url).stem


def _known_reasons(table: pd.DataFrame, paths: dict[str, Path], name: str) -> pd.Series:
    """Return why tracks are excluded that need no decoding for it."""
    reasons = pd.Series("", table.index)
    absent = [track for track, path in paths.items() if not path.is_file()]
    reasons[absent] = f"missing: FMA's metadata lists it, the archive of {name} lacks it"
    known = table.index.intersection(list(KNOWN))
    reasons[known] = [KNOWN[track] for track in known]
    reasons[table["genre"] == fma_metadata.NO_GENRE] = "no top genre in FMA's metadata"
    return reasons


def _published(path: Path) -> dict[str, str]:
    """Read ``checksums``: sha1 by place below the folder, as ``000/000002.mp3``."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise GenrelibError(
            f"{path}, the published checksums, can't be read ({error}); delete the folder "
            f"{path.parent.parent} and load the corpus again."
        ) from error
    return {place: sha1 for sha1, _, place in (line.partition("  ") for line in lines)}


def _reason(row, published: str) -> str:
    """Return why a verified clip is excluded, or nothing."""
    if row.fault:
        return row.fault
    if row.sha1 != published:
        return f"sha1 {row.sha1} differs from the published {published or '(none)'}"
    if row.duration_s < SHORTEST_S:
        return f"lasts {row.duration_s:.2f} s, at least {SHORTEST_S:g} s are needed"
    return ""


def _about(table: pd.DataFrame, name: str, unknown_files: int) -> list[str]:
    """Say how many clips are used, and which are shorter than they should be."""
    usable = table[table["exclude"] == ""]
    short = usable.index[usable["duration_s"] < CLIP_S - 1]
    notes = [
        f"{len(usable)} of the {len(table)} clips of {name} are used, decoded whole; the others "
        "are excluded with their reason."
    ]
    if len(short):
        shown = ", ".join(short[:5]) + (", ..." if len(short) > 5 else "")
        notes.append(
            f"{len(short)} clips last less than {CLIP_S - 1:g} s and are filled up with silence: "
            f"{shown}."
        )
    if unknown_files:
        notes.append(f"{unknown_files} clips of the archive are not in the metadata; not used.")
    return notes
