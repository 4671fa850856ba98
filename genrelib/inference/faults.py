"""Faults: the accuracies and losses again, without the tracks that are known to be faulty.

Beside the main analysis, never instead of it: the claims are about the collection as it is.
"""

import pandas as pd

from ..corpora import CORPORA
from .leakage import leakage
from .scores import scores, tracks_of

WITHOUT = ["system", "quantity", "protocol", "n_tracks", "value", "low", "high"]
WITHOUT += ["n_tracks_without", "value_without", "low_without", "high_without"]


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

    `scored` and `lost` are the tables of all tracks. One row per system and ``quantity``, its
    accuracy under a ``protocol`` or its loss from one: ``n_tracks``, the ``value`` and its
    interval; and the same ``..._without`` the faulty tracks. Empty where no fault is known.
    """
    kept = ~is_faulty[tracks_of(predictions)].to_numpy()
    if kept.all() or not kept.any():
        return pd.DataFrame(columns=WITHOUT)
    rows, parts = predictions[kept], []
    left = scores(rows, groups, seed=seed), leakage(rows, groups, seed=seed)
    for quantity, by, whole, rest in (
        ("accuracy", "protocol", scored, left[0]),
        ("difference", "before", lost, left[1]),
    ):
        columns = ["system", by, "n_tracks", quantity, "low", "high"]
        both = whole[columns].merge(rest[columns], on=columns[:2], suffixes=("", "_without"))
        names = {by: "protocol", quantity: "value", f"{quantity}_without": "value_without"}
        kind = "loss" if by == "before" else quantity
        parts.append(both.rename(columns=names).assign(quantity=kind))
    return pd.concat(parts, ignore_index=True)[WITHOUT]
