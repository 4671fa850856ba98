"""Rows of predictions: what is in them, of which track, in which order."""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from ..base.errors import GenrelibError
from ..features import segments
from ..protocols.registry import PROTOCOLS
from ..systems import SYSTEMS

FIT = ["system", "protocol", "repeat", "fold"]
NEEDED = (*FIT, "track_id", "genre", "predicted")


def checked(rows: pd.DataFrame) -> pd.DataFrame:
    """Return `rows` as they are, if they are predictions.

    Parameters
    ----------
    rows : pd.DataFrame
        Should be like those of :func:`genrelib.experiments.predictions.read`.

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


def places(labels: pd.Series, genres: list[str]) -> np.ndarray:
    """Return the place of each label among `genres`, -1 for one that is not there."""
    return pd.Categorical(labels, genres).codes.astype(int)


def is_right(rows: pd.DataFrame) -> np.ndarray:
    """Tell of each test whether the predicted genre is the track's: 1.0 or 0.0."""
    return (rows["genre"] == rows["predicted"]).to_numpy(float)


def answerable(rows: pd.DataFrame) -> np.ndarray:
    """Tell of each test whether its genre was in the training data; all are if rows don't say."""
    if "genre_trained" not in rows:
        return np.ones(len(rows), dtype=bool)
    return rows["genre_trained"].to_numpy(bool)


def tracks_of(rows: pd.DataFrame) -> np.ndarray:
    """Return the track of each test: of a segment, the track it was cut from."""
    known = [n for n in rows["protocol"].unique() if n in PROTOCOLS]
    cut = [name for name in known if PROTOCOLS[name].unit == "segment"]
    ids = rows["track_id"].to_numpy(object).copy()
    is_segment = rows["protocol"].isin(cut).to_numpy()
    ids[is_segment] = [segments.parse(i)[0] for i in ids[is_segment]]
    return ids


def groups_of(rows: pd.DataFrame, groups: pd.Series) -> np.ndarray:
    """Return the group of each test's track.

    Raises
    ------
    GenrelibError
        When a track has no group.
    """
    ids = tracks_of(rows)
    unknown = sorted(set(ids) - set(groups.index))
    if unknown:
        raise GenrelibError(
            f"track {unknown[0]!r} and {len(unknown) - 1} more have no group among the "
            f"{len(groups)} known. Take the tracks table of the corpus that was predicted."
        )
    return groups[ids].to_numpy()


def ordered(names: Iterable[str], registry: dict) -> list[str]:
    """Return each name once, in the registry's order; those that it lacks come last, sorted."""
    present = set(names)
    return [n for n in registry if n in present] + sorted(present - set(registry))


def title(name: str, registry: dict) -> str:
    """Return what people call a system or a protocol: its title, else its name."""
    return registry[name].title if name in registry else name


def by_system(rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield system, protocol and their rows, in registry order."""
    parts = dict(tuple(rows.groupby(["system", "protocol"], sort=False)))
    for system in ordered(rows["system"], SYSTEMS):
        for protocol in ordered(rows["protocol"], PROTOCOLS):
            if (system, protocol) in parts:
                yield system, protocol, parts[system, protocol]


def rate_by_track(rows: pd.DataFrame) -> pd.Series:
    """Average over a track's answerable tests whether they were right, in ``[0, 1]``.

    Returns
    -------
    pd.Series, index track_id
    """
    kept = answerable(rows)
    right = pd.Series(is_right(rows)[kept], index=pd.Index(tracks_of(rows)[kept], name="track_id"))
    return right.groupby(level=0).mean()
