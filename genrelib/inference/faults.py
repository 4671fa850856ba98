"""Faults: the accuracies and losses again, without the tracks that are known to be faulty.

Beside the main analysis, never instead of it: the claims are about the collection as it is.
"""

import pandas as pd

from ..corpora import CORPORA
from .leakage import leakage
from .scores import scores, tracks_of

WITHOUT = ["system", "quantity", "n_tracks", "value", "low", "high"]
WITHOUT += ["n_left", "without", "without_low", "without_high", "change"]


def faulty(tracks: pd.DataFrame, corpus: str) -> pd.Series:
    """Tell of each track whether it is known to be faulty.

    In the controlled corpus, the planted faults; in GTZAN, what the published fault-filtered split
    (Kereliuk, Sturm & Larsen 2015, after Sturm's catalogue) leaves out; elsewhere nothing.
    """
    if "fault" in tracks:
        return tracks["fault"].fillna("") != ""
    is_unlisted = tracks["official_split"].fillna("") == ""
    return is_unlisted & bool(CORPORA[corpus].of_gtzan)


def without_faults(
    predictions: pd.DataFrame,
    scored: pd.DataFrame,
    lost: pd.DataFrame,
    groups: pd.Series,
    is_faulty: pd.Series,
    *,
    seed: int,
) -> pd.DataFrame:
    """Leave faulty tracks out of the tests; they stay in the training parts.

    `scored` and `lost` are the tables of all tracks. One row per system and ``quantity``, accuracy
    under a protocol or loss: ``n_tracks`` and its ``value`` with the interval; ``n_left`` tracks
    and the value ``without`` the others, with its interval; the ``change``, this less that. Empty
    where no fault is known.
    """
    kept = ~is_faulty[tracks_of(predictions)].to_numpy()
    if kept.all() or not kept.any():
        return pd.DataFrame(columns=WITHOUT)
    rows = predictions[kept]
    tables = (scored, scores(rows, groups, seed=seed)), (lost, leakage(rows, groups, seed=seed))
    lines = []
    for every, left in tables:
        value = "accuracy" if "accuracy" in every else "difference"
        by = ["system", "protocol" if value == "accuracy" else "before"]
        for row in every.merge(left, on=by, suffixes=("", "_left")).to_dict("records"):
            kind = "accuracy, " if value == "accuracy" else "loss from "
            line = {"system": row["system"], "quantity": kind + row[by[1]]}
            line |= {"n_tracks": row["n_tracks"], "value": row[value]}
            line |= {"low": row["low"], "high": row["high"], "n_left": row["n_tracks_left"]}
            line |= {"without": row[f"{value}_left"], "change": row[f"{value}_left"] - row[value]}
            lines.append(line | {f"without_{end}": row[f"{end}_left"] for end in ("low", "high")})
    return pd.DataFrame(lines, columns=WITHOUT)
