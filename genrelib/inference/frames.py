"""Rows of predictions: what is in them, of which track, in which order."""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from ..base.errors import GenrelibError
from ..features import segments
from ..protocols import PROTOCOLS
from ..systems import SYSTEMS

FIT = ["system", "protocol", "repeat", "fold"]
NEEDED = (*FIT, "track_id", "genre", "predicted")


def checked(rows: pd.DataFrame) -> pd.DataFrame:
    """Return `rows` unchanged if they are predictions.

    Raises
    ------
    GenrelibError
        When there is no row, a column is missing, a genre has no column of probabilities, or a
        probability is not in ``[0, 1]``.
    """
    missing = [name for name in NEEDED if name not in rows]
    if missing:
        raise GenrelibError(
            f"predictions without {', '.join(missing)}; needed are {', '.join(NEEDED)} and one "
            "p_<genre> per genre. Take the rows of predictions.read."
        )
    if rows.empty:
        raise GenrelibError("no predictions: 0 rows; at least one test is needed. Run a system.")
    strange = sorted(set(rows["genre"]) - set(genres_of(rows)))
    if strange:
        raise GenrelibError(
            f"genre {strange[0]!r} has no column p_{strange[0]}; there are "
            f"{', '.join(genres_of(rows)) or 'none'}. Take the rows of one corpus."
        )
    values = probabilities(rows)
    bad = ~((values >= 0) & (values <= 1))
    if bad.any():
        where = int(bad.any(axis=1).argmax())
        raise GenrelibError(
            f"probability {values[bad][0]} of track {rows['track_id'].iloc[where]!r}; "
            "0 to 1 is allowed. Run the system again."
        )
    return rows


def genres_of(rows: pd.DataFrame) -> list[str]:
    """List the genres that have a column of probabilities, in the order of the columns."""
    return [name.removeprefix("p_") for name in rows.columns if name.startswith("p_")]


def probabilities(rows: pd.DataFrame) -> np.ndarray:
    """Return the probabilities, shape ``(n_rows, n_genres)``."""
    return rows[[f"p_{genre}" for genre in genres_of(rows)]].to_numpy(float)


def codes_of(labels: pd.Series, genres: list[str]) -> np.ndarray:
    """Return the index of each label in `genres`, -1 for a label that is not in it."""
    return pd.Categorical(labels, genres).codes.astype(int)


def is_right(rows: pd.DataFrame) -> np.ndarray:
    """Return 1.0 for each test whose predicted genre is the track's, else 0.0."""
    return (rows["genre"] == rows["predicted"]).to_numpy(float)


def answerable(rows: pd.DataFrame) -> np.ndarray:
    """Return which tests have a genre that was trained on; all, if the rows lack the column."""
    if "genre_trained" not in rows:
        return np.ones(len(rows), dtype=bool)
    return rows["genre_trained"].to_numpy(bool)


def tracks_of(rows: pd.DataFrame) -> np.ndarray:
    """Return the track of each test; for a segment, the track it was cut from."""
    known = [n for n in rows["protocol"].unique() if n in PROTOCOLS]
    cut = [name for name in known if PROTOCOLS[name].unit == "segment"]
    ids = rows["track_id"].to_numpy(object).copy()
    is_segment = rows["protocol"].isin(cut).to_numpy()
    ids[is_segment] = [segments.parse(i)[0] for i in ids[is_segment]]
    return ids


def groups_of(rows: pd.DataFrame, groups: pd.Series) -> np.ndarray:
    """Return the group of each test's track; see :func:`groups_at`."""
    return groups_at(tracks_of(rows), groups)


def groups_at(track_ids: Iterable[str], groups: pd.Series) -> np.ndarray:
    """Return the group of each track."""
    unknown = sorted(set(track_ids) - set(groups.index))
    if unknown:
        raise GenrelibError(
            f"track {unknown[0]!r} and {len(unknown) - 1} more have no group among the "
            f"{len(groups)} known. Take the tracks table of the corpus that was predicted."
        )
    return groups[track_ids].to_numpy()


def ordered(names: Iterable[str], registry: dict) -> list[str]:
    """Return each name once, in the registry's order; unknown names come last, sorted."""
    present = set(names)
    return [n for n in registry if n in present] + sorted(present - set(registry))


def by_system(rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield system, protocol and their rows, in registry order."""
    parts = dict(tuple(rows.groupby(["system", "protocol"], sort=False)))
    for system in ordered(rows["system"], SYSTEMS):
        for protocol in ordered(rows["protocol"], PROTOCOLS):
            if (system, protocol) in parts:
                yield system, protocol, parts[system, protocol]


def accuracy_by_track(rows: pd.DataFrame) -> pd.Series:
    """Return the mean over each track's answerable tests, in ``[0, 1]``; index ``track_id``."""
    kept = answerable(rows)
    right = pd.Series(is_right(rows)[kept], index=pd.Index(tracks_of(rows)[kept], name="track_id"))
    return right.groupby(level=0).mean()
