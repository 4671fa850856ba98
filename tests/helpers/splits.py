"""Tracks that suit a protocol."""

import pandas as pd

JOINED = "cross_collection"


def suiting(name: str, tracks: pd.DataFrame) -> pd.DataFrame:
    """Return `tracks` or, for a protocol that needs a joined corpus, one that holds them twice."""
    if name != JOINED:
        return tracks
    parts = [
        tracks.assign(artist=f"{c} " + tracks["artist"], group=f"{c} " + tracks["group"]).set_axis(
            f"{c}:" + tracks.index, axis="index"
        )
        for c in ("new", "old")
    ]
    return pd.concat(parts)
