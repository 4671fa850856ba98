"""Leakage: what each system loses when training no longer holds what a test should not know.

The loss from one protocol to another is one quantity with one definition (:func:`between`): each
track counts once, with its mean over repeats and segments, on the tracks that both protocols make
answerable. Its random draws are named after the system and the two protocols, so that every table
that shows the loss shows the same interval.
"""

from itertools import pairwise

import numpy as np
import pandas as pd

from ..base.seeds import rng
from ..corpora.joined import collections
from ..protocols import PROTOCOLS
from ..systems import SYSTEMS
from .comparisons import holm
from .intervals import DIFFERENCE, ClusterBootstrap
from .scores import accuracy_by_track, groups_at, ordered
from .wording import title

CHAIN = (
    "segment_random",
    "segment_track",
    "track_random",
    "size_matched",
    "artist_only",
    "artist_grouped",
)
"""Protocols from the most lenient to the strictest; a study may lack some."""

TAKEN_AWAY = {
    ("segment_random", "segment_track"): "other segments of the track",
    ("segment_random", "track_random"): "other segments of the track",
    ("segment_track", "track_random"): "segments: whole tracks are trained on and tested",
    ("track_random", "size_matched"): "the size of the training part",
    ("size_matched", "artist_only"): "other tracks of the artist",
    ("size_matched", "artist_grouped"): "other tracks of the group",
    ("track_random", "artist_only"): "other tracks of the artist",
    ("track_random", "artist_grouped"): "other tracks of the group",
    ("artist_only", "artist_grouped"): "what else the group joins: artists credited together, "
    "unknown artists, copies",
}

BOTH = LENIENT, STRICT = "track_random", "artist_grouped"
"""The two protocols of the study's first question."""

_RENAMED = {"accuracy_before": f"{LENIENT}_both", "accuracy_after": f"{STRICT}_both"}

LOSS = ["n_tracks", "accuracy_before", "accuracy_after", "difference", "low", "high", "p"]

SIDES = {"within": STRICT, "cross": "cross_collection"}
"""With the tested collection among the training data, and without; both are artist-disjoint."""

CROSSED = ["system", "trained_on", "tested_on", "n_tracks", "n_left_out"]
CROSSED += [f"n_trained_{side}" for side in SIDES]
CROSSED += [f"{name}_{side}" for side in SIDES for name in ("accuracy", "low", "high")]
CROSSED += ["difference", "low", "high"]


def between(
    rows: pd.DataFrame,
    groups: pd.Series,
    before: str,
    after: str,
    *,
    seed: int,
    tracks: pd.Index | None = None,
) -> dict:
    """Compare one system under two protocols, track by track.

    Returns ``n_tracks``, those of `tracks` (default: all) that are answerable under both;
    ``accuracy_before`` and ``accuracy_after``; their ``difference``, the loss, with ``low``,
    ``high`` and the two-sided ``p`` of no loss. NaN when no track is shared.
    """
    rates = [accuracy_by_track(rows[rows["protocol"] == name]) for name in (before, after)]
    shared = rates[0].index.intersection(rates[1].index)
    shared = shared if tracks is None else shared.intersection(tracks)
    if shared.empty:
        return {"n_tracks": 0} | dict.fromkeys(LOSS[1:], np.nan)
    first, last = (rate[shared] for rate in rates)
    generator = rng(seed, "decomposition", rows["system"].iloc[0], before, after)
    bootstrap = ClusterBootstrap(groups_at(shared, groups), generator)
    found = bootstrap.mean(first.to_numpy() - last.to_numpy(), DIFFERENCE)
    accuracies = (float(first.mean()), float(last.mean()))
    values = (len(shared), *accuracies, found.value, *found.interval, found.p_value)
    return dict(zip(LOSS, values, strict=True))


def leakage(predictions: pd.DataFrame, groups: pd.Series, *, seed: int) -> pd.DataFrame:
    """Measure what each system loses from the track-level to the artist-disjoint split.

    Only tracks that both protocols make answerable count: where a genre's only artist is tested,
    nothing can be learnt of the genre, and that is not what knowing the artist is worth. One row
    per system: ``n_tracks`` compared; the accuracies on these, ``track_random_both`` and
    ``artist_grouped_both``; their ``difference`` with its 95 % interval ``low``, ``high``; the
    two-sided ``p`` of no loss, and ``p_holm``, corrected for the number of systems.
    """
    lines = []
    for name in ordered(predictions["system"], SYSTEMS):
        own = predictions[predictions["system"] == name]
        found = between(own, groups, *BOTH, seed=seed)
        if found["n_tracks"]:
            lines.append({"system": name, **found})
    table = pd.DataFrame(lines, columns=["system", *LOSS])
    return table.rename(columns=_RENAMED).assign(p_holm=holm(table["p"]))


def decomposition(
    predictions: pd.DataFrame, groups: pd.Series, lost: pd.DataFrame, *, seed: int
) -> pd.DataFrame:
    """Split the loss from the most lenient protocol to the strictest into steps.

    All steps of a system are taken on the same tracks, those that every protocol of its chain
    makes answerable. The loss from ``track_random`` to ``artist_grouped`` is the one of `lost`;
    the steps between them add up to it where these are the tracks of `lost` too.

    One row per system and step, in the order of :data:`CHAIN`: ``step``, ``"1"`` and so on;
    protocols ``before`` and ``after``; ``taken_away``, in words; the columns of :func:`between`,
    and ``p_holm``, corrected for the number of systems that take the same step. The last row of a
    system, step ``"total"``, is its row of `lost`; it is the only row where no other protocol of
    the chain was run. Empty when a system has fewer than two.
    """
    predictions = predictions[predictions["protocol"].isin(CHAIN)]
    known = lost.rename(columns={new: old for old, new in _RENAMED.items()})
    known = {row.pop("system"): row for row in known.to_dict("records")}
    lines = []
    for name in ordered(predictions["system"], SYSTEMS):
        own = predictions[predictions["system"] == name]
        present = [protocol for protocol in CHAIN if (own["protocol"] == protocol).any()]
        pairs = {str(n): pair for n, pair in enumerate(pairwise(present), 1)}
        if set(BOTH) <= set(present):
            pairs = (pairs if len(pairs) > 1 else {}) | {"total": BOTH}
        rates = [accuracy_by_track(own[own["protocol"] == protocol]) for protocol in present]
        tracks = pd.concat(rates, axis="columns", join="inner").index
        for step, pair in pairs.items():
            found = known.get(name) if pair == BOTH else None
            found = found or between(own, groups, *pair, seed=seed, tracks=tracks)
            ends = {"before": pair[0], "after": pair[1]}
            other = "from {} to {}".format(*(title(protocol, PROTOCOLS) for protocol in pair))
            taken_away = TAKEN_AWAY.get(pair, other)
            lines.append({"system": name, "step": step, **ends, "taken_away": taken_away, **found})
    columns = ["system", "step", "before", "after", "taken_away", *LOSS, "p_holm"]
    table = pd.DataFrame(lines, columns=columns)
    corrected = table.groupby(["before", "after"])["p"].transform(holm)
    table["p_holm"] = table["p_holm"].astype(float).fillna(corrected)
    return table


def cross_collection(
    predictions: pd.DataFrame, records: pd.DataFrame, groups: pd.Series, *, seed: int
) -> pd.DataFrame:
    """Compare training on other collections alone with training on the tested one too.

    Both sides are artist-disjoint and count the same tracks, those that both make answerable, each
    once with its mean over repeats. They differ in what is trained on, and in how much. Empty when
    one of the protocols was not run, as with a corpus of one collection.

    One row per system and direction: collections ``trained_on`` and ``tested_on``; ``n_tracks``
    compared; ``n_left_out``, tracks that are neither trained on nor tested, since the tested
    collection has their artist or recording; ``n_trained_within`` and ``n_trained_cross``, tracks
    of the training and validation part, the mean over folds; ``accuracy_within``,
    ``accuracy_cross`` and their ``difference``, the loss, each with its interval.
    """
    lines = []
    for name in ordered(predictions["system"], SYSTEMS):
        within, cross = (_under(predictions, name, protocol) for protocol in SIDES.values())
        fits_within, fits_cross = (_under(records, name, protocol) for protocol in SIDES.values())
        rate_within, present = accuracy_by_track(within), _collections(cross)
        for fold, part in cross.groupby("fold"):
            rate_cross = accuracy_by_track(part)
            shared = rate_cross.index.intersection(rate_within.index)
            if shared.empty:
                continue
            (tested,) = _collections(part)
            fits = fits_cross[fits_cross["fold"] == fold]
            line = {
                "system": name,
                "trained_on": " and ".join(other for other in present if other != tested),
                "tested_on": tested,
                "n_tracks": len(shared),
                "n_left_out": int(fits["n_left_out"].iloc[0]),
                "n_trained_within": _n_trained(fits_within),
                "n_trained_cross": _n_trained(fits),
            }
            generator = rng(seed, "cross_collection", name, tested)
            bootstrap = ClusterBootstrap(groups_at(shared, groups), generator)
            rates = {"within": rate_within[shared], "cross": rate_cross[shared]}
            for side, rate in rates.items():
                accuracy = bootstrap.mean(rate.to_numpy())
                line |= accuracy.named(f"accuracy_{side}", f"low_{side}", f"high_{side}")
            found = bootstrap.mean((rates["within"] - rates["cross"]).to_numpy(), DIFFERENCE)
            lines.append(line | found.named("difference"))
    return pd.DataFrame(lines, columns=CROSSED)


def _under(table, system, protocol):
    return table[(table["system"] == system) & (table["protocol"] == protocol)]


def _collections(rows: pd.DataFrame) -> list[str]:
    return sorted(collections(rows["track_id"].unique()).unique())


def _n_trained(fits: pd.DataFrame) -> float:
    return float((fits["n_train"] + fits["n_valid"]).mean())
