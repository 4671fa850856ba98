"""The feature store: one HDF5 file per corpus and feature configuration, read track by track.

Rows are sorted by track id::

    /track_id, /failure, /failed_md5  (n_tracks,)                    text; empty: no failure
    /features/<name>                  (n_tracks, n_bands, n_frames)  float16, chunk = one track
    /md5/<name>                       (n_tracks,)                    of the track's audio or array

Attributes: the configuration (JSON), librosa's version, the corpus and its fingerprint when last
written; on each feature its unit.

Values are float32 when computed and when read, float16 on disk: rounding changes them by at most
1/2048 of themselves, or by 3e-8 if that is more; decibels down to -80, by less than 0.04 dB.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from ..base.errors import GenrelibError, unknown
from ..base.files import replacing, sweep
from ..features.segments import averaged, check_size
from .packs import described

DTYPE = np.dtype(np.float16)

STATE = ("failure", "failed_md5")  # columns of the table of rows that are no feature

# measured: ids, md5s and HDF5's own index
_BYTES_PER_TRACK = 250
_BYTES_PER_FILE = 12_000
_SHOWN = 5  # track ids that an error names


def stored(name: str, matrix: np.ndarray) -> np.ndarray:
    """Return a feature's matrix in the type that is kept on disk; too large a value is an error."""
    with np.errstate(over="ignore"):
        narrow = matrix.astype(DTYPE)
    if not np.isfinite(narrow).all():
        raise GenrelibError(
            f"{name} reaches {np.max(np.abs(matrix)):g}, beyond the {np.finfo(DTYPE).max:g} that "
            "can be stored; audio at full scale (1) stays below: scale it down."
        )
    return narrow


def seconds_per_frame(configuration: Mapping[str, object]) -> float:
    """Return the seconds from one frame of a matrix to the next, from a store's configuration."""
    if "frame_s" in configuration:
        return configuration["frame_s"]
    return configuration["hop_length"] / configuration["sr"]


def size_of(n_tracks: int, names: Iterable[str], n_frames: int) -> int:
    """Return the size in bytes that a store of so many rows and frames will have."""
    bands = sum(described(name).n_bands for name in names)
    per_track = bands * n_frames * DTYPE.itemsize + _BYTES_PER_TRACK
    return n_tracks * per_track + _BYTES_PER_FILE


@dataclass(frozen=True)
class Opened:
    """A file as one process has it open for reading."""

    process: int
    identity: tuple[int, int, int]
    file: h5py.File
    configuration: str
    table: pd.DataFrame

    @cached_property
    def datasets(self) -> dict[str, h5py.Dataset]:
        """The datasets of features, by name."""
        return dict(self.file["features"].items())

    @cached_property
    def places(self) -> dict[str, int]:
        """The number of each track's row."""
        return {track_id: row for row, track_id in enumerate(self.table.index)}

    @cached_property
    def filled(self) -> dict[str, np.ndarray]:
        """Of each feature, whether the rows have it, and did not fail."""
        sound = self.table["failure"] == ""
        return {name: (sound & (self.table[name] != "")).to_numpy() for name in self.datasets}


_OPENED: dict[Path, Opened] = {}


def opened(path: Path) -> Opened:
    """Return the open file: this process's own (handles don't survive a fork), and current.

    A file that is not there, or damaged, is a :class:`GenrelibError`.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise GenrelibError(f"{path} does not exist; build the store first.") from None
    process, identity = os.getpid(), (status.st_dev, status.st_ino, status.st_mtime_ns)
    known = _OPENED.get(path)
    if known and (known.process, known.identity) == (process, identity):
        return known
    if known:
        known.file.close()
    try:
        file = h5py.File(path, "r")
        if elsewhere := links(file):
            raise OSError(f"{elsewhere[0]} is not values of its own")
        configuration = str(file.attrs["configuration"])
        columns = {name: file[name].asstr()[:] for name in STATE}
        columns |= {name: file["md5"][name].asstr()[:] for name in sorted(file["features"])}
        index = pd.Index(file["track_id"].asstr()[:], name="track_id", dtype=str)
        table = pd.DataFrame(columns, index=index, dtype=str)
        for name, values in file["features"].items():
            shape = (len(table), described(name).n_bands, *values.shape[2:])
            if (values.dtype, values.shape, values.chunks) != (DTYPE, shape, (1, *shape[1:])):
                raise ValueError(f"{name} is {values.dtype} of {values.shape}")
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise GenrelibError(
            f"{path} is not a feature store or is damaged ({error}); delete it and build again."
        ) from error
    _OPENED[path] = Opened(process, identity, file, configuration, table)
    return _OPENED[path]


def links(group: h5py.Group) -> list[str]:
    """List what is neither a group nor values that the file itself holds, such as links."""
    found = []
    for name in group:
        place = f"{group.name.rstrip('/')}/{name}"
        is_link = not isinstance(group.get(name, getlink=True), h5py.HardLink)
        held = None if is_link else group[name]
        if isinstance(held, h5py.Group):
            found += links(held)
        elif not isinstance(held, h5py.Dataset) or held.is_virtual or held.external:
            found.append(place)
    return found


def write(
    path: Path,
    table: pd.DataFrame,
    values: Callable[[str], Mapping[str, np.ndarray]],
    *,
    n_frames: int,
    configuration: Mapping[str, object],
    attributes: Mapping[str, str],
) -> None:
    """Write a file, whole or not at all. One process at a time may write it.

    `table` is sorted, as in :class:`Opened`; ``values(track_id)`` returns the track's matrices by
    feature, each of `n_frames`, and is called once per track; `configuration` is what the values
    depend on, librosa's version among it.
    """
    names = [column for column in table.columns if column not in STATE]
    sweep(path)
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["configuration"] = json.dumps(configuration, sort_keys=True)
        file.attrs.update({"librosa": configuration["librosa"], **attributes})
        datasets = create_features(file, names, len(table), n_frames)
        for row, track_id in enumerate(table.index):
            for name, matrix in values(track_id).items():
                datasets[name][row] = matrix
        texts = {"track_id": table.index} | {
            column if column in STATE else f"md5/{column}": table[column] for column in table
        }
        for name, text in texts.items():
            file.create_dataset(name, data=list(text), dtype=h5py.string_dtype())


def create_features(
    file: h5py.File, names: Sequence[str], n_tracks: int, n_frames: int
) -> dict[str, h5py.Dataset]:
    """Create the datasets below ``/features``; a row takes no room until it is written."""
    datasets = {}
    file.create_group("features")
    for name in names:
        feature = described(name)
        shape = (feature.n_bands, n_frames)
        datasets[name] = file.create_dataset(
            f"features/{name}", shape=(n_tracks, *shape), chunks=(1, *shape), dtype=DTYPE
        )
        datasets[name].attrs["unit"] = feature.unit
    return datasets


@dataclass(frozen=True)
class Store:
    """Features on disk, read track by track. Made by :func:`open_store`.

    No handle is kept or pickled: each process opens the file for itself when it first reads, and
    again when the file was replaced. A file rebuilt with another configuration (`made_with`, JSON)
    is an error then: its values are not those that were asked for.
    """

    path: Path
    made_with: str

    @property
    def configuration(self) -> dict[str, object]:
        """What the values depend on, see :func:`genrelib.features.configuration`."""
        return json.loads(self.made_with)

    @property
    def frame_s(self) -> float:
        """Seconds from one frame of a matrix to the next."""
        return seconds_per_frame(self.configuration)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features held, sorted."""
        return tuple(sorted(self._opened().table.columns.drop(list(STATE))))

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

    def shape(
        self, feature: str, *, size: tuple[int | None, int | None] = (None, None)
    ) -> tuple[int, int]:
        """Return bands and frames of the matrices that :meth:`read` gives, without reading any."""
        check_size(size)
        stored = self._values(feature).shape[1:]
        most = zip(size, stored, strict=True)
        n_bands, n_frames = (n if limit is None else min(limit, n) for limit, n in most)
        return n_bands, n_frames

    def read(
        self,
        feature: str,
        track_ids: Sequence[str],
        *,
        size: tuple[int | None, int | None] = (None, None),
    ) -> np.ndarray:
        """Read one feature of many tracks, in any order, in small if so asked.

        Each track is averaged as it is read: no more than one is in memory at full size. `size` is
        the most bands and frames of a matrix, see :func:`~.segments.averaged`. The result has the
        shape ``(n_tracks, n_bands, n_frames)``, float32. Raises :class:`GenrelibError` when the
        feature or a track is not in the store, the track's audio failed, or the file was rebuilt.
        """
        shape = self.shape(feature, size=size)
        rows = self._rows(feature, track_ids)
        values = self._values(feature)
        matrices = np.empty((len(rows), *shape), dtype=np.float32)
        buffer = np.empty(values.shape[1:], dtype=values.dtype)
        for place in np.argsort(rows, kind="stable"):
            # a whole chunk, past HDF5's selections, which take three times as long
            values.id.read_direct_chunk((rows[place], 0, 0), out=buffer.reshape(-1).view(np.uint8))
            # NumPy widens float16 many times faster than HDF5
            if shape == buffer.shape:
                matrices[place] = buffer
            else:
                matrices[place] = averaged(buffer.astype(np.float32), *size)
        return matrices

    def fingerprint(self, track_ids: Sequence[str], feature: str) -> str:
        """Return what identifies the values that :meth:`read` gives: SHA-256, hexadecimal.

        Depends on the configuration, the feature's name, and ids and audio of the tracks; not on
        their order, nor on what else the store holds, nor on when it was built.
        """
        held = self._opened().table[feature].iloc[self._rows(feature, track_ids)]
        audio = sorted(held.items())
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

    def _values(self, feature: str) -> h5py.Dataset:
        datasets = self._opened().datasets
        if feature not in datasets:
            raise unknown("feature of the store", feature, self.features)
        return datasets[feature]

    def _rows(self, feature: str, track_ids: Sequence[str]) -> np.ndarray:
        """Return the tracks' rows, once it is sure that they have the feature."""
        self._values(feature)
        current = self._opened()
        rows = np.array([current.places.get(track_id, -1) for track_id in track_ids], dtype=np.intp)
        if (rows < 0).any() or not current.filled[feature][rows].all():
            self._refuse_rows(feature, track_ids, rows)
        return rows

    def _refuse_rows(self, feature: str, track_ids: Sequence[str], rows: np.ndarray) -> None:
        """Raise the error that says what is wrong with some of the rows."""
        table = self._opened().table
        asked = pd.Index(track_ids, dtype=str)
        _refuse(asked[rows < 0], "are not in the store; build it for them")
        failure = table["failure"].iloc[rows]
        failed = [f"{i} ({reason})" for i, reason in failure[failure != ""].items()]
        _refuse(failed, "have no features, for the reason given; exclude them")
        absent = (table[feature].iloc[rows] == "").to_numpy()
        _refuse(asked[absent], f"have no {feature} yet; build the store for them")


def open_store(path: Path) -> Store:
    """Return the store at `path`; raise :class:`GenrelibError` when it is missing or damaged."""
    path = Path(path).absolute()
    return Store(path, opened(path).configuration)


def _refuse(track_ids: Iterable[str], trouble: str) -> None:
    track_ids = list(track_ids)
    if track_ids:
        shown = ", ".join(track_ids[:_SHOWN]) + (", …" if len(track_ids) > _SHOWN else "")
        raise GenrelibError(f"{len(track_ids)} tracks {trouble}: {shown}.")
