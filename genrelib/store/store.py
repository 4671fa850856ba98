"""The feature store: features of a corpus, extracted once, extended when needed, read lazily.

One HDF5 file per corpus and feature configuration; its layout and precision are in
:mod:`genrelib.store.file`, how it is filled in :mod:`genrelib.store.building`.

``python -m genrelib pack`` and ``unpack`` share stores, see :mod:`genrelib.store.sharing`.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from ..base.errors import GenrelibError, unknown
from ..features import n_frames
from ..features.segments import averaged, check_size
from .building import build
from .file import STATE, Opened, opened, read_row, seconds_per_frame, size_of
from .packs import Pack

__all__ = ["Store", "build", "open_store", "size_bytes"]

_SHOWN = 5  # track ids that an error names


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
        """Read one feature of many tracks, in small if so asked.

        Each track is averaged as it is read: no more than one is in memory at full size. They are
        read in the order in which they lie on the disk.

        Parameters
        ----------
        feature : str
            One of :attr:`features`.
        track_ids : sequence of str
            In any order, repeated ones too.
        size : tuple of (int or None)
            Most bands and most frames of a matrix, see :func:`~.segments.averaged`.

        Returns
        -------
        np.ndarray [shape=(n_tracks, n_bands, n_frames), dtype=float32]
            In the order of `track_ids`.

        Raises
        ------
        GenrelibError
            When the feature or a track is not in the store, the track's audio failed, a size is
            below 1, or the file was rebuilt with another configuration.
        """
        shape = self.shape(feature, size=size)
        rows = self._rows(feature, track_ids)
        values = self._values(feature)
        matrices = np.empty((len(rows), *shape), dtype=np.float32)
        buffer = np.empty(values.shape[1:], dtype=values.dtype)
        for place in np.argsort(rows, kind="stable"):
            read_row(values, int(rows[place]), buffer)
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


def size_bytes(
    n_tracks: int, names: Iterable[str], clip_s: float, *, pack: Pack | None = None
) -> int:
    """Return the size that a store will have.

    Parameters
    ----------
    n_tracks : int
        Rows.
    names : iterable of str
        Features.
    clip_s : float
        Seconds kept of each track.
    pack : Pack, optional
        Where the values come from, ``corpus.pack``; audio without.

    Examples
    --------
    >>> round(size_bytes(1000, ["log_mel"], clip_s=30.0) / 1e6)  # megabytes
    331
    """
    return size_of(n_tracks, names, n_frames(clip_s) if pack is None else pack.frames(clip_s))


def _refuse(track_ids: Iterable[str], trouble: str) -> None:
    """Raise an error that names some of the tracks, if there are any."""
    track_ids = list(track_ids)
    if track_ids:
        shown = ", ".join(track_ids[:_SHOWN]) + (", …" if len(track_ids) > _SHOWN else "")
        raise GenrelibError(f"{len(track_ids)} tracks {trouble}: {shown}.")
