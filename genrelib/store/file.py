"""The HDF5 file behind a store: its layout, its size, how it is opened and how it is written.

Rows are sorted by track id::

    /track_id, /failure, /failed_md5  (n_tracks,)                    text; empty: no failure
    /features/<name>                  (n_tracks, n_bands, n_frames)  float16, chunk = one track
    /md5/<name>                       (n_tracks,)                    of the track's audio or array

Attributes: the configuration (JSON), librosa's version, the corpus and its fingerprint when last
written; on each feature its unit.

Values are float32 when computed and when read, float16 on disk: rounding changes them by at most
1/2048 of themselves (:data:`RELATIVE_ERROR`), or by 3e-8 (:data:`ABSOLUTE_ERROR`) if that is more.
For decibels down to -80 that is less than 0.04 dB.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from ..base.errors import GenrelibError
from ..base.files import replacing, sweep
from .packs import described

DTYPE = np.dtype(np.float16)
RELATIVE_ERROR = 2.0**-11
ABSOLUTE_ERROR = 2.0**-25

STATE = ("failure", "failed_md5")
"""Columns of the table of rows that are no feature."""

# measured: ids, md5s and HDF5's own index
_BYTES_PER_TRACK = 250
_BYTES_PER_FILE = 12_000


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
        configuration = str(file.attrs["configuration"])
        columns = {name: file[name].asstr()[:] for name in STATE}
        columns |= {name: file["md5"][name].asstr()[:] for name in sorted(file["features"])}
        index = pd.Index(file["track_id"].asstr()[:], name="track_id", dtype=str)
        table = pd.DataFrame(columns, index=index, dtype=str)
    except (OSError, KeyError) as error:
        raise GenrelibError(
            f"{path} is not a feature store or is damaged ({error}); delete it and build again."
        ) from error
    _OPENED[path] = Opened(process, identity, file, configuration, table)
    return _OPENED[path]


def read_row(values: h5py.Dataset, row: int, buffer: np.ndarray) -> None:
    """Read one track's matrix, a whole chunk, past HDF5's selections: in a third of their time."""
    values.id.read_direct_chunk((row, 0, 0), out=buffer.reshape(-1).view(np.uint8))


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
