"""Means over tracks with intervals over groups of artists: how tables of explanations end."""

import pandas as pd

from ..base.seeds import rng
from .intervals import DIFFERENCE, cluster_interval


def means(
    rows: pd.DataFrame, by: list[str], value: str, groups: pd.Series, *, seed: int
) -> pd.DataFrame:
    """Average the column `value`, in ``[-1, 1]``, over tracks for each combination of columns `by`.

    Rows without a value (NaN) don't count. Returns the columns of `by`; ``n_tracks``, `value`, and
    the 95 % interval ``low, high``.

    Examples
    --------
    >>> rows = pd.DataFrame({"track_id": ["a", "b"], "part": "bass", "drop": [0.1, 0.3]})
    >>> groups = pd.Series({"a": "x", "b": "y"})
    >>> means(rows, ["part"], "drop", groups, seed=0)[["part", "n_tracks", "drop"]].to_dict("list")
    {'part': ['bass'], 'n_tracks': [2], 'drop': [0.2]}
    """
    found = []
    for key, part in rows[rows[value].notna()].groupby(by, sort=False):
        of_tracks = part.groupby("track_id")[value].mean()
        clusters = groups[of_tracks.index].to_numpy()
        generator = rng(seed, "explain", value, *key)
        low, high = cluster_interval(of_tracks.to_numpy(), clusters, generator, span=DIFFERENCE)
        found.append((*key, len(of_tracks), of_tracks.mean(), low, high))
    return pd.DataFrame(found, columns=[*by, "n_tracks", value, "low", "high"])
