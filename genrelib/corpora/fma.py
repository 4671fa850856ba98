"""FMA: clips of 30 s, verified by decoding, and the features of each track in its metadata."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from ..base.errors import GenrelibError, unknown
from ..base.files import check_room, digest, replacing
from ..store import DTYPE, packs
from ..store.building import UNREADABLE_NPZ
from . import archives, credits, fetching
from .tracks import NO_GENRE, SHORTEST_S, TOO_SHORT, Loaded, verified

SITE = "https://os.unil.cloud.switch.ch/fma"
METADATA = (f"{SITE}/fma_metadata.zip", "sha1:f0df49ffe5f2a6008d7dc83c6915b31835dfe733")
METADATA_BYTES = (360_000_000, 1_500_000_000)  # about what the archive takes, and what is in it
SUBSETS = ("small", "medium", "large")  # each holds those before it
SPLITS = {"training": "train", "validation": "valid", "test": "test"}  # FMA's names, and ours

COLUMNS = tuple(row for _, row in packs.ROWS_OF_PACKED["fma_features"])  # of features.csv
N_FEATURES = len(COLUMNS)

_COLUMNS = {
    ("set", "split"): "official_split",
    ("set", "subset"): "subset",
    ("track", "genre_top"): "genre",
    ("track", "title"): "title",
    ("track", "license"): "licence",
    ("track", "duration"): "duration_s",
    ("artist", "id"): "artist_id",
    ("artist", "name"): "artist",
}
_ROWS = 4000  # of features.csv that are parsed at once: 40 MB of text


def folder(raw: Path, source: str | Path | None = None) -> Path:
    """Return the folder of the extracted metadata: the user's own, or fetched once."""
    where = _Where("fma_metadata", *METADATA, raw, source)
    remedy = "choose another data folder"
    where.check_room(*METADATA_BYTES, what="FMA's metadata", remedy=remedy)
    return where.obtained()


@dataclass(frozen=True)
class _Where:
    """A folder of FMA's, `name`: where it is published, and the place that the user names."""

    name: str
    url: str
    checksum: str
    raw: Path
    source: str | Path | None = None

    @property
    def target(self) -> Path:
        """Where what is fetched is extracted to."""
        return self.raw / self.name / self.checksum.partition(":")[2][:8]

    @property
    def given(self) -> Path | None:
        """The user's own folder ``<name>/`` or archive ``<name>.zip``."""
        if self.source is None:
            return None
        root = Path(os.path.abspath(Path(self.source).expanduser()))
        if not root.exists():
            raise GenrelibError(
                f"source={str(self.source)!r} does not exist (looked at {root}); give the folder "
                f"that holds {self.name}/ or {self.name}.zip, or leave source out: then it is "
                "fetched."
            )
        places = (root, root / self.name, root / f"{self.name}.zip", root.parent / self.name)
        return next((p for p in places if p.exists() and p.stem == self.name), None)

    def check_room(self, archived: int, content: int, **words: str) -> None:
        """Refuse, before anything is fetched, what the disk can't take."""
        wanting = fetching.wanting_bytes(self.url, self.raw / "downloads", archived)
        known = self.given or archives.is_extracted(self.target, self.checksum)
        if wanting and not known:  # extracting asks for room itself
            check_room(self.raw, wanting + content, **words)

    def obtained(self) -> Path:
        """Return the user's folder, or the one extracted from the user's or a fetched archive."""
        given = self.given
        if given and given.is_dir():
            return given
        if not archives.is_extracted(self.target, self.checksum):
            if given and f"sha1:{digest(given, 'sha1')}" != self.checksum:
                raise GenrelibError(
                    f"{given} is not the archive that FMA published ({self.checksum}); download "
                    "it again, or extract it and name the folder."
                )
            archive = given or fetching.fetch(self.url, self.checksum, self.raw / "downloads")
            archives.extract(archive, self.target, identity=self.checksum)
        return self.target / self.name


def annotations(metadata: Path, subset: str) -> pd.DataFrame:
    """Return what is known of a subset's tracks."""
    if subset not in SUBSETS:
        raise unknown("subset of FMA", subset, SUBSETS)
    table = _tracks(metadata / "tracks.csv")
    table = table[table["subset"].isin(SUBSETS[: SUBSETS.index(subset) + 1])]
    genres = top_genres(metadata / "genres.csv")
    _known(table["genre"], {"", *genres}, "top genre", "genres.csv")
    _known(table["official_split"], SPLITS, "part of the split", "FMA's README")
    table["genre"] = table["genre"].replace("", NO_GENRE)
    table["official_split"] = table["official_split"].map(SPLITS)
    named = table["artist"].map(credits.spelling_key, na_action="ignore")
    ties = zip("artist " + table["artist_id"], "name " + named, strict=True)
    labels = {track: set(tie) for track, tie in zip(table.index, ties, strict=True)}
    table["artist"] = _named(table)
    for track in table.index[table["artist"].map(credits.is_unknown)]:
        labels[track] = set()  # nameless artists are no less different for it
    table["group"] = pd.Series(credits.joined(labels, table["artist"].to_dict()), dtype=object)
    columns = ["genre", "artist", "title", "group", "official_split", "licence", "duration_s"]
    return table[columns]


def top_genres(path: Path) -> list[str]:
    """Return the titles of the genres that have no parent, sorted."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        roots = table.loc[table["genre_id"] == table["top_level"], "title"]
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error
    return sorted(roots)


def about(table: pd.DataFrame) -> list[str]:
    """Say what a reader should know of tracks from :func:`annotations`: licences, artists."""
    licences = table["licence"].replace("", "(not stated)").value_counts()
    shown = "; ".join(f"{name}: {count}" for name, count in licences.head(5).items())
    more = f"; {len(licences) - 5} others" if len(licences) > 5 else ""
    crossing = table.groupby("group")["official_split"].nunique()
    notes = [
        "FMA: metadata under CC BY 4.0, each track under the licence that its artist chose, which "
        f"holds for what is made of it too. Licences: {shown}{more}."
    ]
    if (crossing > 1).any():
        notes.append(
            "FMA's official split keeps artists apart by their number only. Groups on several "
            f"sides of it: {(crossing > 1).sum()} (artists of equal names, equal recordings)."
        )
    return notes


def features(metadata: Path, kept: Path) -> Path:
    """Return an ``.npz`` file of what ``features.csv`` holds, made when it is not there.

    It holds ``track_id`` and ``values`` (n, 518), float32, in the order of :data:`COLUMNS`.
    """
    path = kept / "features.npz"
    if path.is_file():
        return path
    source = metadata / "features.csv"
    ids, values = [], []
    try:
        with (
            pd.read_csv(source, header=[0, 1, 2], index_col=0, chunksize=_ROWS) as parts,
            tqdm(desc="parsing features.csv", unit=" tracks") as bar,
        ):
            for rows in parts:
                _check_columns(list(map(" ".join, rows.columns)))
                ids += map(int, rows.index)
                values.append(rows.to_numpy(np.float32))
                bar.update(len(rows))
        values = np.concatenate(values)
    except (OSError, ValueError) as error:
        raise _damaged(source, error) from error
    with replacing(path) as temporary:
        np.savez(temporary, track_id=ids, values=values)
    return path


def _check_columns(names: list[str]) -> None:
    if len(names) != N_FEATURES:
        raise ValueError(f"{len(names)} columns instead of {N_FEATURES}")
    for name, known in zip(names, COLUMNS, strict=True):
        if name != known:
            raise ValueError(f"the column {name!r} where {known!r} should be")


def read_features(path: Path) -> Mapping[str, np.ndarray]:
    """Read a file that :func:`features` made."""
    try:
        with np.load(path, allow_pickle=False) as content:
            ids, values = content["track_id"], content["values"]
        if values.shape != (len(ids), N_FEATURES):
            raise ValueError(f"values of shape {values.shape}")
    except UNREADABLE_NPZ as error:
        raise GenrelibError(
            f"{path} is damaged ({error}); delete it: it is made again from features.csv."
        ) from error
    return {f"{number:06d}": row for number, row in zip(ids, values, strict=True)}


def _tracks(path: Path) -> pd.DataFrame:
    """Read the columns of ``tracks.csv`` that are used, as text but for the duration."""
    try:
        table = pd.read_csv(path, header=[0, 1], index_col=0, dtype=str, na_filter=False)
        wanting = [" ".join(name) for name in _COLUMNS if name not in table]
        if wanting:
            raise ValueError(f"the columns {', '.join(wanting)} are wanting")
        table = table[list(_COLUMNS)].apply(lambda column: column.str.strip())
        table = table.set_axis(list(_COLUMNS.values()), axis="columns")
        table.index = pd.Index([f"{int(number):06d}" for number in table.index], name="track_id")
        return table.astype({"duration_s": float})
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _named(table: pd.DataFrame) -> pd.Series:
    """Return artists by names that are theirs alone; one without a name is unknown."""
    several = table.groupby("artist")["artist_id"].transform("nunique") > 1
    named = table["artist"].where(~several, table["artist"] + " (" + table["artist_id"] + ")")
    nameless = pd.Series([credits.unknown(f"artist {i}") for i in table["artist_id"]], table.index)
    return named.where(table["artist"] != "", nameless)


def _known(values: pd.Series, known, what: str, source: str) -> None:
    strange = sorted(set(values) - set(known))
    if strange:
        raise GenrelibError(
            f"tracks.csv of FMA has the {what} {', '.join(map(repr, strange[:5]))}, which {source} "
            f"does not know; known: {', '.join(sorted(filter(None, known)))}. Fetch "
            f"{os.path.basename(METADATA[0])} again."
        )


def _damaged(path: Path, fault: object) -> GenrelibError:
    return GenrelibError(
        f"{path} is not in FMA's format ({fault}); delete the folder {path.parent} and fetch "
        f"{METADATA[0]} again."
    )


@dataclass(frozen=True)
class Edition:
    """One published size of FMA."""

    subset: str
    url: str
    checksum: str
    n_bytes: int


EDITIONS = {
    f"fma_{subset}": Edition(subset, f"{SITE}/fma_{subset}.zip", f"sha1:{sha1}", round(gib * 2**30))
    for subset, sha1, gib in (
        ("small", "ade154f733639d52e35e32f5593efe5be76c6d70", 7.2),
        ("medium", "c67b69ea232021025fca9231fc1c7c1a063ab50b", 22),
        ("large", "497109f4dd721066b5ce5e5f250ec604dc78939e", 93),
    )
}

_LASTS = {"098565": 1.6, "098567": 0.5, "098569": 1.5, "099134": 0, "108925": 0, "133297": 0}
_SHORT = (
    *("001486", "005574", "065753", "080391", "098558", "098559", "098560", "098566", "098568"),
    *("098571", "105247", "108924", "126981", "127336", "143992"),
)
_WHY = {track: f"lasts {seconds} s" for track, seconds in _LASTS.items()}
_WHY |= dict.fromkeys(_SHORT, "is short or empty")
KNOWN = {
    track: f"FMA cut it at the wrong place, so that it {why} (mdeff/fma#8)"
    for track, why in _WHY.items()
}
"""Clips that the publisher knows to be no music to judge a genre by, and why; others are found."""

CLIP_S = 30.0


def load(name: str, data: Path, *, source: str | Path | None = None, n_jobs: int = 1):
    """Load an edition of FMA, with its official split.

    The archive is fetched (a download that ends early goes on), extracted, and each clip is held
    against its published sha1 and decoded, once. What fails is a row with the reason, and so are
    clips without a top genre: more than half of FMA-large. `source` is a folder that holds the
    edition or its archive, such as ``fma_small/`` or ``fma_small.zip``; the metadata beside it are
    taken too.
    """
    edition, raw = EDITIONS[name], Path(os.path.abspath(data)) / "raw"
    where = _Where(name, edition.url, edition.checksum, raw, source)
    what = f"the clips of FMA-{edition.subset} and their archive"
    remedy = "take a smaller edition (fma_features needs no audio) or another data folder"
    where.check_room(edition.n_bytes, edition.n_bytes, what=what, remedy=remedy)
    table = annotations(folder(raw, source), edition.subset)
    clips = where.obtained()
    paths = {track: clips / track[:3] / f"{track}.mp3" for track in table.index}
    table["exclude"] = _known_reasons(table, paths, name)
    wanted = table.index[table["exclude"] == ""]
    record = where.target / "verified.csv"
    present = {track: paths[track] for track in wanted}
    facts = verified(present, record, n_jobs=n_jobs, label=f"verifying {name}")
    table["md5"] = facts["md5"].reindex(table.index, fill_value="")
    table["duration_s"] = facts["duration_s"].reindex(table.index, fill_value=0.0)
    published = _published(clips / "checksums")
    sha1s = [published.get(f"{track[:3]}/{track}.mp3", "") for track in facts.index]
    table.loc[wanted, "exclude"] = list(map(_reason, facts.itertuples(), sha1s))
    table["path"] = [str(path) if path.is_file() else "" for path in paths.values()]
    labels = {track: {md5} if md5 else set() for track, md5 in table["md5"].items()}
    table["group"] = pd.Series(credits.joined(labels, table["group"].to_dict()), dtype=object)
    notes = [
        *about(table),
        f"{(table['exclude'] == '').sum()} of the {len(table)} clips of {name} are used, decoded "
        "whole; the others are excluded with their reason.",
    ]
    if unknown_files := len(set(published) - {f"{t[:3]}/{t}.mp3" for t in table.index}):
        notes.append(f"{unknown_files} clips of the archive are not in the metadata; not used.")
    return table.drop(columns="licence"), notes


def _known_reasons(table: pd.DataFrame, paths: dict[str, Path], name: str) -> pd.Series:
    """Return why tracks are excluded that need no decoding for it."""
    reasons = pd.Series("", table.index)
    absent = [track for track, path in paths.items() if not path.is_file()]
    reasons[absent] = f"missing: FMA's metadata lists it, the archive of {name} lacks it"
    known = table.index.intersection(list(KNOWN))
    reasons[known] = [KNOWN[track] for track in known]
    reasons[table["genre"] == NO_GENRE] = "no top genre in FMA's metadata"
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
    if row.fault:
        return row.fault
    if row.sha1 != published:
        return f"sha1 {row.sha1} differs from the published {published or '(none)'}"
    if row.duration_s < SHORTEST_S:
        return TOO_SHORT.format(row.duration_s)
    return ""


LARGEST = float(np.finfo(DTYPE).max)  # values beyond are cut off: a store can't hold more


def load_fma_features(
    data: Path, *, subset: str = "small", source: str | Path | None = None, n_jobs: int = 1
) -> Loaded:
    """Load the features of FMA's metadata (342 MiB to fetch), with artists and official split.

    Each track has 518 values: mean, deviation, skewness, kurtosis, median, least and greatest of
    each of 74 rows of librosa features, over the whole track, not the clip of 30 s. `subset` is one
    of :data:`SUBSETS`; `source`, a folder that holds ``fma_metadata/`` or its archive. `md5` is of
    a track's values, `duration_s` the whole track's in seconds, at least 1.
    """
    raw = Path(os.path.abspath(data)) / "raw"
    metadata = folder(raw, source)
    table = annotations(metadata, subset)
    path = features(metadata, _Where("fma_metadata", *METADATA, raw).target)
    held = read_features(path)
    table["exclude"] = [
        _reason_of_values(held.get(track), genre) for track, genre in table["genre"].items()
    ]
    table["md5"] = [
        hashlib.md5(held[track].tobytes()).hexdigest() if track in held else ""
        for track in table.index
    ]
    table["duration_s"] = table["duration_s"].clip(lower=1.0)  # FMA counts whole seconds
    table["path"] = str(path)
    usable = table[table["exclude"] == ""]
    labels = {track: set() for track in table.index} | {t: {m} for t, m in usable["md5"].items()}
    table["group"] = pd.Series(credits.joined(labels, table["group"].to_dict()), dtype=object)
    cut_off = sum(int((np.abs(held[track]) > LARGEST).sum()) for track in usable.index)
    pack = packs.Pack(
        name="fma_features",
        path=path,
        revision=1,
        duration_s=CLIP_S,  # nominal: a study may ask for clips up to this
        n_frames=1,
        content=f"{N_FEATURES} statistics of each whole track",
        read=read_features,
        makers={"fma_features": column},
    )
    notes = [
        *about(table),
        f"features without audio: {len(usable)} of the {len(table)} tracks of FMA-{subset}. The "
        "518 values sum up whole tracks, of which the clips of 30 s are the middle (mdeff/fma#8): "
        "no result here is that of a clip.",
    ]
    if cut_off:
        notes.append(f"values beyond {LARGEST:g}, cut off there: {cut_off}.")
    return Loaded(table.drop(columns="licence"), notes, pack)


def column(held: np.ndarray) -> np.ndarray:
    """Return a track's 518 values as a matrix of one frame, cut off at :data:`LARGEST`."""
    return np.clip(held, -LARGEST, LARGEST)[:, np.newaxis]


def _reason_of_values(values: np.ndarray | None, genre: str) -> str:
    if genre == NO_GENRE:
        return "no top genre in FMA's metadata"
    if values is None:
        return "missing: tracks.csv lists it, features.csv lacks it"
    bad = np.count_nonzero(~np.isfinite(values))
    if bad:
        return f"{bad} of its {len(values)} features are not finite"
    return "" if values.any() else "all its features are zero: its extraction failed"
