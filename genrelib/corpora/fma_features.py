"""FMA without audio: the 518 features of each track that come with FMA's metadata."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd

from ..store import DTYPE, packs
from . import credits
from .fma import N_FEATURES, NO_GENRE, about, annotations, features, folder, read_features
from .tracks import Loaded

NAME = "fma_features"
REVISION = 1
"""Raised when the same bytes come to mean other values."""

DURATION_S = 30.0
"""Nominal length of a track in the pack: a study may ask for clips up to this."""

LARGEST = float(np.finfo(DTYPE).max)
"""Values beyond, kurtosis now and then, are cut off at it: a store can't hold more."""


def load_fma_features(data: Path, *, subset: str = "small", n_jobs: int = 1) -> Loaded:
    """Load the features of FMA's metadata (342 MiB to fetch), with artists and official split.

    Each track has 518 values: mean, deviation, skewness, kurtosis, median, least and greatest of
    each of 74 rows of librosa features, over the whole track, not the clip of 30 s. `subset` is
    "small", "medium" or "large". The pack has the feature ``fma_features``; `md5` is of a track's
    values, `duration_s` the whole track's in seconds, at least 1.

    Raises
    ------
    GenrelibError
        When there is no room, the download fails, or what comes is not in FMA's format.
    """
    metadata = folder(Path(os.path.abspath(data)) / "raw")
    table = annotations(metadata, subset)
    path = features(metadata)
    held = read_features(path)
    table["exclude"] = [_reason(held.get(track), genre) for track, genre in table["genre"].items()]
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
        name=NAME,
        path=path,
        revision=REVISION,
        duration_s=DURATION_S,
        n_frames=1,
        content=f"{N_FEATURES} statistics of each whole track",
        read=read_features,
        makers={NAME: column},
    )
    notes = [*about(table), *_about(table, subset, cut_off)]
    return Loaded(table.drop(columns="licence"), notes, pack)


def column(held: np.ndarray) -> np.ndarray:
    """Return a track's 518 values as a matrix of one frame, cut off at :data:`LARGEST`."""
    return np.clip(held, -LARGEST, LARGEST)[:, np.newaxis]


def _reason(values: np.ndarray | None, genre: str) -> str:
    """Return why a track is excluded, or nothing."""
    if genre == NO_GENRE:
        return "no top genre in FMA's metadata"
    if values is None:
        return "missing: tracks.csv lists it, features.csv lacks it"
    bad = np.count_nonzero(~np.isfinite(values))
    if bad:
        return f"{bad} of its {len(values)} features are not finite"
    return "" if values.any() else "all its features are zero: its extraction failed"


def _about(table: pd.DataFrame, subset: str, cut_off: int) -> list[str]:
    usable = (table["exclude"] == "").sum()
    notes = [
        f"features without audio: {usable} of the {len(table)} tracks of FMA-{subset}. The 518 "
        "values sum up whole tracks, of which the clips of 30 s are the middle (mdeff/fma#8): no "
        "result here is that of a clip."
    ]
    if cut_off:
        notes.append(f"values beyond {LARGEST:g}, cut off there: {cut_off}.")
    return notes
