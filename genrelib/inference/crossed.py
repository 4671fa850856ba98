"""Cross-collection: what a system loses that has learnt nothing from the tested collection."""

import numpy as np
import pandas as pd

from ..base.seeds import rng
from ..corpora.joined import collections
from ..systems import SYSTEMS
from .frames import ordered, rate_by_track
from .intervals import DIFFERENCE, ClusterBootstrap

SIDES = {"within": "artist_grouped", "cross": "cross_collection"}
"""With the tested collection among the training data, and without; artists apart in both."""

COLUMNS = (
    *("system", "trained_on", "tested_on", "n_tracks", "n_left_out"),
    *(f"n_trained_{side}" for side in SIDES),
    *(f"{name}_{side}" for side in SIDES for name in ("accuracy", "low", "high")),
    *("difference", "low", "high"),
)


def cross_collection(
    predictions: pd.DataFrame, records: pd.DataFrame, groups: pd.Series, *, seed: int
) -> pd.DataFrame:
    """Compare training on other collections alone with training on the tested one too.

    Both sides keep artists apart and count the same tracks, those that both make answerable, each
    once with its mean over repeats. They differ in what is trained on, and in how much.

    Parameters
    ----------
    predictions, records : pd.DataFrame
        From :func:`.predictions.read`; only ``cross_collection`` and ``artist_grouped``
        count.
    groups : pd.Series, index track_id
        Group of artists of every track, the unit of resampling.
    seed : int
        The study's seed.

    Returns
    -------
    pd.DataFrame
        One row per system and direction: collections ``trained_on`` and ``tested_on``; ``n_tracks``
        compared; ``n_left_out``, tracks that are neither trained on nor tested, since the tested
        collection has their artist or recording; ``n_trained_within`` and ``n_trained_cross``,
        tracks of the training and validation part, the mean over folds; ``accuracy_within`` and
        ``accuracy_cross``; ``difference``, the loss. Each with its 95 % interval over groups:
        ``low_within``, ``high_within``, ``low_cross``, ``high_cross``, ``low``, ``high``. All are
        fractions. Empty when one of the protocols was not run, as with a corpus of one collection.
    """
    lines = []
    for name in ordered(predictions["system"], SYSTEMS):
        own = {
            side: predictions[(predictions["system"] == name) & (predictions["protocol"] == row)]
            for side, row in SIDES.items()
        }
        fits = {
            side: records[(records["system"] == name) & (records["protocol"] == row)]
            for side, row in SIDES.items()
        }
        within, present = rate_by_track(own["within"]), _collections(own["cross"])
        for fold, part in own["cross"].groupby("fold"):
            cross = rate_by_track(part)
            shared = cross.index.intersection(within.index)
            if shared.empty:
                continue
            (tested,) = _collections(part)
            fits_cross = fits["cross"][fits["cross"]["fold"] == fold]
            lines.append(
                {
                    "system": name,
                    "trained_on": " and ".join(other for other in present if other != tested),
                    "tested_on": tested,
                    "n_tracks": len(shared),
                    "n_left_out": int(fits_cross["n_left_out"].iloc[0]),
                    "n_trained_within": _n_trained(fits["within"]),
                    "n_trained_cross": _n_trained(fits_cross),
                    **_compared(
                        {"within": within[shared], "cross": cross[shared]},
                        groups[shared].to_numpy(),
                        rng(seed, "cross_collection", name, tested),
                    ),
                }
            )
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _collections(rows: pd.DataFrame) -> list[str]:
    return sorted(collections(rows["track_id"].unique()).unique())


def _n_trained(fits: pd.DataFrame) -> float:
    return float((fits["n_train"] + fits["n_valid"]).mean())


def _compared(rates: dict[str, pd.Series], clusters: np.ndarray, generator) -> dict[str, float]:
    """Estimate both accuracies and their difference from the same resamples."""
    bootstrap, ones = ClusterBootstrap(clusters, generator), np.ones(len(clusters))
    found = {}
    for side, rate in rates.items():
        accuracy = bootstrap.estimate(np.column_stack([rate, ones]))
        low, high = accuracy.interval
        found |= {f"accuracy_{side}": accuracy.value, f"low_{side}": low, f"high_{side}": high}
    lost = np.column_stack([rates["within"] - rates["cross"], ones])
    difference = bootstrap.estimate(lost, span=DIFFERENCE)
    low, high = difference.interval
    return found | {"difference": difference.value, "low": low, "high": high}
