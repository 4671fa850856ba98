"""The feature store: features of a corpus, extracted once, extended when needed, read lazily.

One HDF5 file per corpus and feature configuration; its layout and precision are in
:mod:`genrelib.storefile`.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .corpora import Corpus
from .errors import GenrelibError, unknown
from .features import checked_names, configuration
from .files import check_room, locked
from .parallel import spread
from .parts import Request, audio_md5, load_part, make_part
from .storefile import DTYPE, STATE, Opened, opened, size_bytes, write

__all__ = ["Store", "build", "open_store", "size_bytes"]

_SHOWN = 5  # track ids that an error names


@dataclass(frozen=True)
class Store:
    """Features on disk, read track by track. Made by :func:`open_store`.

    No handle is kept or pickled: each process opens the file for itself when it first reads, and
    again when the file was replaced. A file rebuilt with another configuration is an error then:
    its values are not those that were asked for.

    Parameters
    ----------
    path : Path
        The HDF5 file.
    made_with : str
        Its configuration, as JSON.
    """

    path: Path
    made_with: str

    @property
    def configuration(self) -> dict[str, object]:
        """What the values depend on, see :func:`genrelib.features.configuration`."""
        return json.loads(self.made_with)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features held, sorted."""
        return tuple(sorted(self._opened().file["features"]))

    @property
    def track_ids(self) -> tuple[str, ...]:
        """Ids of all rows, sorted, failed ones among them."""
        return tuple(self._opened().table.index)

    @property
    def failures(self) -> pd.DataFrame:
        """Tracks without features: index `track_id`, columns `reason` and `md5` of the audio."""
        table = self._opened().table
        failed = table.loc[table["failure"] != "", list(STATE)]
        return failed.set_axis(["reason", "md5"], axis="columns")

    def read(self, feature: str, track_ids: Sequence[str]) -> np.ndarray:
        """Read one feature of many tracks.

        Parameters
        ----------
        feature : str
            One of :attr:`features`.
        track_ids : sequence of str
            In any order, repeated ones too.

        Returns
        -------
        np.ndarray [shape=(n_tracks, n_bands, n_frames), dtype=float32]
            In the order of `track_ids`.

        Raises
        ------
        GenrelibError
            When the feature or a track is not in the store, the track's audio failed, or the file
            was rebuilt with another configuration.
        """
        table = self._holding(feature, track_ids)
        values = self._opened().file["features"][feature]
        matrices = np.empty((len(track_ids), *values.shape[1:]), dtype=np.float32)
        # through a buffer: NumPy widens float16 many times faster than HDF5
        buffer = np.empty(values.shape[1:], dtype=DTYPE)
        for matrix, row in zip(matrices, table.index.get_indexer(track_ids), strict=True):
            values.read_direct(buffer, source_sel=np.s_[row])
            matrix[:] = buffer
        return matrices

    def fingerprint(self, track_ids: Sequence[str], feature: str) -> str:
        """Return what identifies the values that :meth:`read` gives.

        Depends on the configuration, the feature's name, and ids and audio of the tracks; not on
        their order, nor on what else the store holds, nor on when it was built.

        Returns
        -------
        str
            SHA-256, hexadecimal.

        Raises
        ------
        GenrelibError
            As :meth:`read`.
        """
        table = self._holding(feature, track_ids)
        audio = sorted(table.loc[list(track_ids), feature].items())
        text = json.dumps([self.configuration, feature, audio], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _opened(self) -> Opened:
        """Return the open file, once it is sure that it is of the configuration expected."""
        current = opened(self.path)
        if current.configuration != self.made_with:
            raise GenrelibError(
                f"{self.path} was made with {self.made_with}, and rebuilt since with "
                f"{current.configuration}; build and open it again, and give each configuration "
                "that is in use a path of its own."
            )
        return current

    def _holding(self, feature: str, track_ids: Sequence[str]) -> pd.DataFrame:
        """Return the table of rows, once it is sure that the tracks have the feature."""
        if feature not in self.features:
            raise unknown("feature of the store", feature, self.features)
        table = self._opened().table
        asked = pd.Index(track_ids, dtype=str)
        _refuse(asked[~asked.isin(table.index)], "are not in the store; build it for them")
        failed = self.failures["reason"]
        failed = [f"{i} ({reason})" for i, reason in failed[failed.index.isin(asked)].items()]
        _refuse(failed, "have no features, for the reason given; exclude them")
        absent = asked[(table.loc[asked, feature] == "").to_numpy()]
        _refuse(absent, f"have no {feature} yet; build the store for them")
        return table


def open_store(path: Path) -> Store:
    """Return the store at `path`.

    Raises
    ------
    GenrelibError
        When there is no store, or the file is damaged.
    """
    path = Path(path).absolute()
    return Store(path, opened(path).configuration)


def build(corpus: Corpus, names: Iterable[str], path: Path, *, clip_s: float, n_jobs: int) -> Path:
    """Make the store at `path` hold features of every usable track; extend what is there.

    Extracted is only what is missing: new tracks, new features, and tracks whose audio changed.
    Tracks that left the corpus stay, unread. A store of another configuration (clip length,
    version of librosa or of :mod:`genrelib.features`) counts as none. The store is replaced at the
    end, whole. Until then finished tracks wait in the folder ``<path>.parts``: an interrupted build
    goes on from there. Of several processes that build it at once, one does, the others wait.

    Parameters
    ----------
    corpus : Corpus
        Its tracks with an empty `exclude` are extracted.
    names : iterable of str
        Keys of :data:`genrelib.features.FEATURES`.
    path : Path
        The HDF5 file.
    clip_s : float
        Seconds of each track, from the middle; shorter tracks are filled up with zeros.
    n_jobs : int
        Worker processes; -1 takes every core.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    GenrelibError
        When a name is unknown, no track is usable, what is at `path` is no store or damaged, or
        the disk has no room. A track that fails is not an error but a row of
        :attr:`Store.failures`.
    """
    names, path = checked_names(dict.fromkeys(names)), Path(path).absolute()
    with locked(path):
        _extend(corpus, names, path, clip_s, n_jobs)
    return path


def _extend(corpus: Corpus, names: tuple[str, ...], path: Path, clip_s: float, n_jobs: int) -> None:
    """Do what :func:`build` promises, alone at `path`."""
    usable = corpus.tracks[corpus.tracks["exclude"] == ""].sort_index()
    if usable.empty:
        raise GenrelibError(
            f"corpus {corpus.name} has no usable track, of {len(corpus.tracks)}; see the reasons "
            "in the column exclude."
        )
    old = _table_to_extend(path, clip_s)
    requests = _missing(usable, names, old, clip_s, n_jobs)
    folder = path.with_name(f"{path.name}.parts")
    if requests:
        features = sorted({*names, *old.columns.drop(list(STATE))})
        table = old.reindex(
            index=pd.Index(sorted({*old.index, *requests}), name="track_id", dtype=str),
            columns=[*STATE, *features],
            fill_value="",
        )
        _refuse_if_full(folder, requests, size_bytes(len(table), features, clip_s))
        tasks = [(request, usable["path"][i], folder) for i, request in requests.items()]
        label = f"features of {corpus.name}"
        for track_id, failure in spread(make_part, tasks, n_jobs=n_jobs, label=label):
            _note(table, requests[track_id], failure)
        write(
            path,
            table,
            _values(path, old, table, requests, folder),
            configuration=configuration(clip_s),
            attributes={"corpus": corpus.name, "corpus_fingerprint": corpus.fingerprint},
        )
    shutil.rmtree(folder, ignore_errors=True)


def _table_to_extend(path: Path, clip_s: float) -> pd.DataFrame:
    """Return the table of rows at `path`, empty when there is no store of this configuration."""
    if path.exists() and open_store(path).configuration == configuration(clip_s):
        return opened(path).table
    return pd.DataFrame(columns=list(STATE), dtype=str)


def _missing(
    usable: pd.DataFrame, names: tuple[str, ...], old: pd.DataFrame, clip_s: float, n_jobs: int
) -> dict[str, Request]:
    """Return what must be extracted, by track id, sorted."""
    md5s = usable["md5"].to_dict() if "md5" in usable else {}
    unread = [(i, path) for i, path in usable["path"].items() if not md5s.get(i)]
    md5s.update(spread(audio_md5, unread, n_jobs=n_jobs, label="checksums of audio"))
    held = old.to_dict("index")
    requests = {}
    for track_id in usable.index:
        row, md5 = held.get(track_id, {}), md5s[track_id]
        lacking = tuple(name for name in names if row.get(name) != md5)
        if lacking and row.get("failed_md5") != md5:
            requests[track_id] = Request(track_id, md5, lacking, clip_s)
    return requests


def _refuse_if_full(folder: Path, requests: Mapping[str, Request], store_bytes: int) -> None:
    """Raise an error when the disk can't take the parts that are missing and the new store."""
    parts_bytes = sum(
        size_bytes(1, request.names, request.clip_s)
        for request in requests.values()
        if not request.part(folder).exists()
    )
    what = f"features ({store_bytes / 1e9:.2f} GB of them to stay)"
    remedy = "ask for fewer features or a shorter clip_s"
    check_room(folder, parts_bytes + store_bytes, what=what, remedy=remedy)


def _note(table: pd.DataFrame, request: Request, failure: str) -> None:
    """Enter what came of a request into the table; a track that fails loses all its features."""
    if failure:
        table.loc[request.track_id] = ""
        table.loc[request.track_id, list(STATE)] = failure, request.md5
    else:
        table.loc[request.track_id, list(STATE)] = ""
        table.loc[request.track_id, list(request.names)] = request.md5


def _values(
    path: Path,
    old: pd.DataFrame,
    table: pd.DataFrame,
    requests: Mapping[str, Request],
    folder: Path,
) -> Callable[[str], dict[str, np.ndarray]]:
    """Return the function that finds a track's matrices in its part and in the old store."""
    held = opened(path).file["features"] if len(old) else {}
    filled = table.drop(columns=list(STATE)) != ""

    def values(track_id: str) -> dict[str, np.ndarray]:
        names = filled.columns[filled.loc[track_id]]
        part = load_part(requests[track_id].part(folder)) if track_id in requests else {}
        kept = {n: held[n][old.index.get_loc(track_id)] for n in names if n not in part}
        return kept | {name: part[name] for name in names if name in part}

    return values


def _refuse(track_ids: Iterable[str], trouble: str) -> None:
    """Raise an error that names some of the tracks, if there are any."""
    track_ids = list(track_ids)
    if track_ids:
        shown = ", ".join(track_ids[:_SHOWN]) + (", …" if len(track_ids) > _SHOWN else "")
        raise GenrelibError(f"{len(track_ids)} tracks {trouble}: {shown}.")
