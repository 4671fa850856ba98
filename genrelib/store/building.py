"""How a feature store is filled: what is missing is made, from audio or from a pack."""

import hashlib
import json
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from .. import features
from ..base.errors import GenrelibError
from ..base.files import await_files, check_room, digest, locked, replacing
from ..base.parallel import spread
from ..features import FEATURES, SR, configuration, extract
from ..features.audio import read_middle
from .file import STATE, opened, size_of, stored, write
from .packs import Pack, lacking_in_audio


@dataclass(frozen=True)
class Request:
    """Features of the middle `clip_s` seconds of a track; `md5` is of the audio file's bytes."""

    track_id: str
    md5: str
    names: tuple[str, ...]
    clip_s: float

    def part(self, folder: Path) -> Path:
        """Return where in `folder` the answer is."""
        content = self.track_id, self.md5, self.names, self.clip_s, configuration(self.clip_s)
        text = json.dumps(content)
        return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.npz"


def make_part(request: Request, path: str, folder: Path) -> tuple[str, str]:
    """Extract one track's features into its part, or the reason why that can't be done."""
    target = request.part(folder)
    part = load_part(target)
    if part is None:
        part = _extracted(request, path)
        with replacing(target) as temporary:
            np.savez(temporary, **part)
    return request.track_id, str(part.get("failure", ""))


UNREADABLE_NPZ = (
    *(OSError, EOFError, KeyError, TypeError, ValueError, AttributeError, MemoryError),
    *(NotImplementedError, RuntimeError, OverflowError, zipfile.BadZipFile, zlib.error),
)
"""What NumPy and zipfile raise for a file that is not, or not wholly, what ``np.savez`` wrote."""


def load_part(part: Path) -> dict[str, np.ndarray] | None:
    """Return a part's matrices, or its ``failure`` alone; None when it is missing or damaged."""
    try:
        with np.load(part, allow_pickle=False) as content:  # each member's checksum is verified
            return dict(content)
    except UNREADABLE_NPZ:
        return None


def _extracted(request: Request, path: str) -> dict[str, np.ndarray]:
    try:
        clip = read_middle(Path(path), request.clip_s)
        features = extract(clip, SR, request.names)
        return {name: stored(name, matrix) for name, matrix in features.items()}
    except (GenrelibError, OSError) as error:
        if _md5(path) != request.md5:
            raise GenrelibError(
                f"{path} has vanished or changed since the corpus was loaded, or its disk is not "
                f"there ({error}). See to it and run again: what is finished is kept."
            ) from error
        # without the folder: the same fault must read the same everywhere
        reason = str(error).replace(str(path), Path(path).name)
        return {"failure": np.array(reason)}


def _md5(path: str) -> str:
    """Return the md5 of a file, empty where it can't be read."""
    try:
        return digest(Path(path), "md5")
    except OSError:
        return ""


def build(corpus, names: Iterable[str], path: Path, *, clip_s: float, n_jobs: int) -> Path:
    """Make the store at `path` hold features of every usable track; extend what is there.

    Made is only what is missing: new tracks, new features, and tracks whose audio (or pack)
    changed. Tracks that left the corpus stay, unread. A store of another configuration (clip
    length, version of librosa or of :mod:`genrelib.features`) counts as none. The store is replaced
    at the end, whole; until then finished tracks wait in the folder ``<path>.parts``, and an
    interrupted build goes on from there. Of several processes that build it at once, one does, the
    others wait. `clip_s` seconds are taken from the middle of each track, shorter audio is filled
    up with zeros.

    Raises :class:`GenrelibError` when a name is unknown, the corpus lacks a feature or the clip's
    length, what is at `path` is damaged, or the disk has no room. A track that fails is not an
    error but a row of :attr:`genrelib.store.Store.failures`.
    """
    names, path = tuple(dict.fromkeys(names)), Path(path).absolute()
    usable = corpus.tracks[corpus.tracks["exclude"] == ""].sort_index()
    pack = corpus.pack
    reasons = list(filter(None, map(pack.lacks if pack else lacking_in_audio, names)))
    if reasons:
        had = ", ".join(sorted(pack.makers) if pack else FEATURES)
        raise GenrelibError(f"{'; '.join(reasons)}. Ask for {had} only.")
    if pack is None:
        source = _Audio(usable, path.with_name(f"{path.name}.parts"), clip_s, n_jobs, corpus.name)
    else:
        source = _Packed(usable, pack, clip_s)
    with locked(path):
        _extend(corpus, source, names, path)
    return path


class _Audio:
    """Features from audio files, by way of a part for each track."""

    def __init__(self, usable: pd.DataFrame, folder: Path, clip_s: float, n_jobs: int, label: str):
        self.paths = usable["path"]
        self.known = usable["md5"].to_dict()  # what identifies the audio of each track
        self.folder = folder
        self.clip_s = clip_s
        self.n_jobs = n_jobs
        self.label = label
        self.configuration = features.configuration(clip_s)
        self.n_frames = features.n_frames(clip_s)

    def room(self, requests: Iterable[Request]) -> int:
        """Return how many bytes the parts take that are missing."""
        missing = (request for request in requests if not request.part(self.folder).exists())
        return sum(size_of(1, request.names, self.n_frames) for request in missing)

    def make(self, requests: Iterable[Request]) -> Iterator[tuple[str, str]]:
        """Make the parts; yield each track's id with the reason of its failure, or without."""
        requests = list(requests)
        tasks = [(request, self.paths[request.track_id], self.folder) for request in requests]
        label = f"features of {self.label}"
        yield from spread(make_part, tasks, n_jobs=self.n_jobs, label=label)
        await_files(request.part(self.folder) for request in requests)

    def matrices(self, request: Request) -> dict[str, np.ndarray]:
        """Return what was made for a request, as it is stored."""
        return load_part(request.part(self.folder))

    def clean(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class _Packed:
    """Features from a pack, so quickly had that nothing of them is kept meanwhile."""

    def __init__(self, usable: pd.DataFrame, pack: Pack, clip_s: float):
        self.known = usable["md5"].to_dict()
        self.pack = pack
        self.clip_s = clip_s
        self.n_frames = pack.frames(clip_s)
        self.configuration = pack.configuration(clip_s)

    @cached_property
    def held(self) -> Mapping[str, np.ndarray]:
        """What the pack holds of each track."""
        return self.pack.read(self.pack.path)

    def room(self, requests: Iterable[Request]) -> int:
        return 0

    def make(self, requests: Iterable[Request]) -> Iterator[tuple[str, str]]:
        return ((request.track_id, "") for request in requests)

    def matrices(self, request: Request) -> dict[str, np.ndarray]:
        held, clip_s = self.held[request.track_id], self.clip_s
        return {n: stored(n, self.pack.matrix(held, n, clip_s)) for n in request.names}

    def clean(self) -> None:
        """Leave nothing, since nothing was kept."""


Source = _Audio | _Packed  # where values come from; both have the same methods


def _extend(corpus, source: Source, names: tuple[str, ...], path: Path) -> None:
    """Do what :func:`build` promises, alone at `path`."""
    old = pd.DataFrame(columns=list(STATE), dtype=str)
    if path.exists() and json.loads(opened(path).configuration) == source.configuration:
        old = opened(path).table
    requests = _missing(source, names, old)
    if requests or not path.exists():  # a store of nothing can be opened too
        held = sorted({*names, *old.columns.drop(list(STATE))})
        index = pd.Index(sorted({*old.index, *requests}), name="track_id", dtype=str)
        table = old.reindex(index=index, columns=[*STATE, *held], fill_value="")
        size = size_of(len(table), held, source.n_frames)
        what = f"features ({size / 1e9:.2f} GB of them to stay)"
        remedy = "ask for fewer features or a shorter clip_s"
        check_room(path.parent, source.room(requests.values()) + size, what=what, remedy=remedy)
        table = _noted(table, requests, source.make(requests.values()))
        values = _values(path, old, table, requests, source)
        form = {"n_frames": source.n_frames, "configuration": source.configuration}
        about = {"corpus": corpus.name, "corpus_fingerprint": corpus.fingerprint}
        write(path, table, values, **form, attributes=about)
    source.clean()


def _missing(source: Source, names: Sequence[str], old: pd.DataFrame) -> dict[str, Request]:
    """Return what must be made, by track id, sorted."""
    held = old.to_dict("index")
    requests = {}
    for track_id, md5 in sorted(source.known.items()):
        row = held.get(track_id, {})
        lacking = tuple(name for name in names if row.get(name) != md5)
        if lacking and row.get("failed_md5") != md5:
            requests[track_id] = Request(track_id, md5, lacking, source.clip_s)
    return requests


def _noted(
    table: pd.DataFrame, requests: Mapping[str, Request], made: Iterable[tuple[str, str]]
) -> pd.DataFrame:
    """Return the table with what came of the requests; a failed track loses all its features."""
    failure = pd.Series(dict(made), dtype=str)
    failed, sound = failure[failure != ""], failure.index[failure == ""]
    table = table.copy()
    table.loc[failed.index] = ""
    table.loc[failed.index, "failure"] = failed
    table.loc[failed.index, "failed_md5"] = [requests[i].md5 for i in failed.index]
    table.loc[sound, list(STATE)] = ""
    for name in table.columns.drop(list(STATE)):
        own = [i for i in sound if name in requests[i].names]
        table.loc[own, name] = [requests[i].md5 for i in own]
    return table


def _values(
    path: Path,
    old: pd.DataFrame,
    table: pd.DataFrame,
    requests: Mapping[str, Request],
    source: Source,
) -> Callable[[str], dict[str, np.ndarray]]:
    """Return the function that finds a track's matrices: just made, or in the old store."""
    held = opened(path).file["features"] if len(old) else {}
    rows = {track_id: row for row, track_id in enumerate(old.index)}
    filled = table.drop(columns=list(STATE)).to_dict("index")

    def values(track_id: str) -> dict[str, np.ndarray]:
        made = source.matrices(requests[track_id]) if track_id in requests else {}
        wanted = [name for name, md5 in filled[track_id].items() if md5]
        return {n: made[n] if n in made else held[n][rows[track_id]] for n in wanted}

    return values
