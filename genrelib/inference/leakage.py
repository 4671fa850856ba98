"""Leakage: what each system loses when what it should not know is taken away, step by step."""

from itertools import pairwise

import numpy as np
import pandas as pd

from ..base.seeds import rng
from ..corpora.joined import collections
from ..protocols import PROTOCOLS
from ..systems import SYSTEMS
from .comparisons import holm
from .frames import answerable, groups_of, is_right, ordered, rate_by_track, title
from .intervals import DIFFERENCE, ClusterBootstrap, Estimate

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
BOTH = ("track_random", "artist_grouped")
STEP = ["system", "step", "before", "after", "taken_away", "n_tracks", "accuracy_before"]
STEP = [*STEP, "accuracy_after", "difference", "low", "high", "p"]
LOSS = ["system", "n_tracks", *BOTH, "difference", "low", "high", "p"]


def leakage(predictions: pd.DataFrame, groups: pd.Series, *, seed: int) -> pd.DataFrame:
    """Measure what each system loses when artists are kept apart.

    Only tests that both protocols make answerable in the same repeat count: where a genre's only
    artist is tested, nothing can be learnt of the genre, and that is not what knowing the artist
    is worth.

    Returns
    -------
    pd.DataFrame
        One row per system: ``n_tracks`` compared, accuracy under ``track_random`` and
        ``artist_grouped``, their ``difference`` and its 95 % interval ``low``, ``high`` from
        resampling the same groups on both sides, all as fractions; the two-sided ``p`` of no loss,
        and ``p_holm``, corrected for the number of systems. Empty when a protocol was not run.
    """
    lines = []
    for name in ordered(predictions["system"], SYSTEMS):
        own = predictions[(predictions["system"] == name) & answerable(predictions)]
        rates = [_by_test(own[own["protocol"] == protocol]) for protocol in BOTH]
        shared = rates[0].index.intersection(rates[1].index)
        if shared.empty:
            continue
        rates = [rate[shared] for rate in rates]
        generator = rng(seed, "leakage", name)
        tracks = shared.get_level_values("track_id")
        found = _difference(*rates, groups[tracks].to_numpy(), generator)
        low, high = found.interval
        lines.append(
            {
                "system": name,
                "n_tracks": tracks.nunique(),
                **{name: float(rate.mean()) for name, rate in zip(BOTH, rates, strict=True)},
                "difference": found.value,
                "low": low,
                "high": high,
                "p": found.p_value,
            }
        )
    table = pd.DataFrame(lines, columns=LOSS)
    return table.assign(p_holm=holm(table["p"]))


def _by_test(part):
    """Whether each test was right, by repeat and track."""
    where = pd.MultiIndex.from_frame(part[["repeat", "track_id"]])
    return pd.Series(is_right(part), index=where)


def _difference(before: pd.Series, after: pd.Series, clusters, generator) -> Estimate:
    columns = np.column_stack([before.to_numpy() - after.to_numpy(), np.ones(len(before))])
    return ClusterBootstrap(clusters, generator).estimate(columns, span=DIFFERENCE)


def between(
    predictions: pd.DataFrame,
    groups: pd.Series,
    before: str,
    after: str,
    *,
    generator: np.random.Generator,
    tracks: pd.Index | None = None,
) -> dict:
    """Compare one system under two protocols, track by track.

    Parameters
    ----------
    predictions : pd.DataFrame
        Of one system.
    groups : pd.Series, index track_id
        The unit of resampling.
    before, after : str
        Protocols.
    generator : np.random.Generator
        Source of the resamples.
    tracks : pd.Index, optional
        Count only these; by default all tracks that are answerable under both.

    Returns
    -------
    dict
        ``n_tracks``; ``accuracy_before`` and ``accuracy_after``, means over tracks of the mean
        over a track's answerable tests; ``difference``, the loss, with ``low`` and ``high`` and
        the two-sided ``p`` of no loss. NaN when no track is shared.
    """
    rates = [rate_by_track(predictions[predictions["protocol"] == n]) for n in (before, after)]
    shared = rates[0].index.intersection(rates[1].index)
    shared = shared if tracks is None else shared.intersection(tracks)
    if shared.empty:
        return {"n_tracks": 0} | dict.fromkeys(STEP[6:], np.nan)
    first, last = (rate[shared] for rate in rates)
    found = _difference(first, last, groups[shared].to_numpy(), generator)
    low, high = found.interval
    values = (float(first.mean()), float(last.mean()), found.value, low, high, found.p_value)
    return {"n_tracks": len(shared)} | dict(zip(STEP[6:], values, strict=True))


def decomposition(predictions: pd.DataFrame, groups: pd.Series, *, seed: int) -> pd.DataFrame:
    """Split the loss from the most lenient protocol to the strictest into steps.

    All steps of a system are taken on the same tracks, those that every protocol of its chain
    makes answerable, so that they add up. Each track counts once, with its mean over repeats and
    segments; the system is fitted anew under each protocol.

    Parameters
    ----------
    predictions : pd.DataFrame
        From :func:`.predictions.read`; protocols outside :data:`CHAIN` don't count.
    groups : pd.Series, index track_id
        The unit of resampling, the same on both sides of a step.
    seed : int
        The study's seed.

    Returns
    -------
    pd.DataFrame
        One row per system and step, in the order of :data:`CHAIN`: ``step``, ``"1"`` and so on;
        protocols ``before`` and ``after``; ``taken_away``, in words; and as :func:`between` has
        them ``n_tracks, accuracy_before, accuracy_after, difference, low, high, p``, and
        ``p_holm``, corrected for the number of systems that take the same step. The last row of a
        system, of step ``"total"``, goes from ``track_random`` to ``artist_grouped`` where
        both were run, and is the only one where nothing else was. Empty when a system has fewer
        than two protocols.
    """
    predictions = predictions[predictions["protocol"].isin(CHAIN)]
    lines = []
    for name in ordered(predictions["system"], SYSTEMS):
        own = predictions[predictions["system"] == name]
        groups_of(own, groups)
        present = [protocol for protocol in CHAIN if (own["protocol"] == protocol).any()]
        pairs = {str(n): pair for n, pair in enumerate(pairwise(present), 1)}
        if set(BOTH) <= set(present):
            pairs = (pairs if len(pairs) > 1 else {}) | {"total": BOTH}
        tracks = _shared(own, present)
        for step, (before, after) in pairs.items():
            generator = rng(seed, "decomposition", name, before, after)
            found = between(own, groups, before, after, generator=generator, tracks=tracks)
            words = {"before": before, "after": after, "taken_away": _words(before, after)}
            lines.append({"system": name, "step": step, **words, **found})
    table = pd.DataFrame(lines, columns=STEP)
    table["p_holm"] = table.groupby(["before", "after"])["p"].transform(holm)
    return table


def _shared(own, present):
    """List the tracks that are answerable under all protocols."""
    tracks = [rate_by_track(own[own["protocol"] == protocol]).index for protocol in present]
    shared = tracks[0]
    for others in tracks[1:]:
        shared = shared.intersection(others)
    return shared


def _words(before, after):
    known = f"from {title(before, PROTOCOLS)} to {title(after, PROTOCOLS)}"
    return TAKEN_AWAY.get((before, after), known)


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
