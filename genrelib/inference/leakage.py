"""Leakage: what each system loses when training no longer holds what a test should not know.

The loss from one protocol to another is one quantity with one definition (:class:`Paired`): each
track counts once, with its mean over repeats, seeds and segments, on the tracks that both protocols
make answerable: where a genre's only artist is tested, nothing can be learnt of the genre, and that
is not what knowing the artist is worth. Random draws are named after the system and the two
protocols, so that every table that shows the loss shows the same interval.

The pair that counts is ``size_matched`` to ``artist_grouped``: from ``track_random`` a system also
loses tracks to learn from. Even then a loss need not be the artist's: tracks that are alone in
their group lose nothing by leakage, and :func:`controls` shows what they lose.
"""

from itertools import pairwise

import numpy as np
import pandas as pd

from ..base.seeds import rng
from ..corpora import CORPORA
from ..corpora.joined import collections
from ..protocols import PROTOCOLS
from ..systems import SYSTEMS
from .intervals import DIFFERENCE, ClusterBootstrap, holm
from .scores import (
    accuracy_by_track,
    answerable,
    checked,
    groups_at,
    is_right,
    ordered,
    scores,
    seed_draws,
    tracks_of,
)
from .wording import title

LADDER = (
    *("segment_random", "segment_track", "track_random"),
    *("size_matched", "artist_only", "artist_grouped"),
)
"""Protocols from the most lenient to the strictest; a study may lack some."""

TAKEN_AWAY = {
    ("segment_random", "segment_track"): "no other segments of the track",
    ("segment_random", "track_random"): "no other segments of the track",
    ("segment_track", "track_random"): "whole tracks are learnt and tested",
    ("track_random", "size_matched"): "a training part of another size",
    ("size_matched", "artist_only"): "no other tracks by the artist",
    ("size_matched", "artist_grouped"): "no other tracks of the group",
    ("track_random", "artist_only"): "no other tracks by the artist",
    ("track_random", "artist_grouped"): "no other tracks of the group, fewer tracks to learn from",
    ("artist_only", "artist_grouped"): "nothing else that the group joins: artists credited "
    "together, unknown artists, copies",
}

MATCHED, LENIENT, STRICT = "size_matched", "track_random", "artist_grouped"
"""The split with matched sizes, where a system met it, else the lenient one, before the strict."""

LOSS = ["n_tracks", "accuracy_before", "accuracy_after", "difference", "low", "high", "p"]
LOST = ["system", "before", *LOSS, "by_artist", "by_artist_low", "by_artist_high", "p_holm", "note"]
RUNG = ["system", "protocol", "accuracy", "low", "high", "before", "taken_away", "n_both"]
RUNG += ["difference", "difference_low", "difference_high", "p", "p_holm", "reason"]
CONTROL = ["system", "tracks", *LOSS, "p_holm"]
GENRE = ["system", "genre", *LOSS, "n_groups", "p_holm"]
INFLUENCE = ["system", "group", "genre", "n_tracks", "n_lost", "share", "loss", "loss_without"]
ALONE, TOGETHER, EXCESS = "alone in their group", "with others", "with others less alone"

UNMATCHED = "no fits with matched sizes: the loss also holds that of fewer tracks to learn from"
NOT_MET = "not run for this system"
NO_ONE_MET = "not run in this study"

WITHOUT = ["system", "quantity", "protocol", "n_tracks", "value", "low", "high"]
WITHOUT += ["n_tracks_without", "value_without", "low_without", "high_without"]

SIDES = {"within": STRICT, "cross": "cross_collection"}
"""With the tested collection among the training data, and without; both are artist-disjoint."""

CROSSED = ["system", "trained_on", "tested_on", "n_tracks", "n_left_out"]
CROSSED += [f"n_trained_{side}" for side in SIDES]
CROSSED += [f"{name}_{side}" for side in SIDES for name in ("accuracy", "low", "high")]
CROSSED += ["difference", "low", "high"]


class Paired:
    """One system under two protocols, track by track.

    ``tracks`` are those of `tracks` (default: all) that are answerable under both, ``groups`` their
    groups, and ``lost`` of each its accuracy before less that after.
    """

    def __init__(self, rows, groups, before, after, *, seed, tracks=None):
        rows = checked(rows).assign(track=tracks_of(rows), right=is_right(rows))[answerable(rows)]
        parts = [rows[rows["protocol"] == name] for name in (before, after)]
        rates = [part.groupby("track")["right"].mean() for part in parts]
        shared = rates[0].index.intersection(rates[1].index)
        self.tracks = shared if tracks is None else shared.intersection(tracks)
        self.groups = pd.Series(groups_at(self.tracks, groups), self.tracks)
        self.lost = (rates[0] - rates[1])[self.tracks]
        self._sides = []
        for part in parts if len(self.tracks) else ():
            part = part[part["track"].isin(self.tracks)]
            share = 1 / part.groupby("track")["right"].transform("size")
            generator = rng(seed, "decomposition", rows["system"].iloc[0], before, after)
            clusters = self.groups[part["track"]].to_numpy()
            bootstrap = ClusterBootstrap(clusters, generator, seed_draws(part, seed))
            self._sides.append((part, share, bootstrap))

    @classmethod
    def of(cls, predictions, groups, name, *, seed) -> "Paired | None":
        """Pair a system by its best pair of protocols; None where it has none, or no track."""
        own = predictions[predictions["system"] == name]
        if own.empty:
            return None
        before = MATCHED if (own["protocol"] == MATCHED).any() else LENIENT
        found = cls(own, groups, before, STRICT, seed=seed)
        found.before = before
        return found if len(found.tracks) else None

    def accuracies(self, weights: pd.Series | None = None):
        """Return the accuracies before and after as estimates; `weights` by track, default 1."""
        found = []
        for part, share, bootstrap in self._sides:
            weight = share if weights is None else share * part["track"].map(weights)
            columns = np.column_stack([part["right"] * weight, weight])
            found.append(bootstrap.estimate(columns))
        return found

    def loss(self, weights: pd.Series | None = None) -> dict:
        """Return the columns :data:`LOSS`; NaN where no track counts."""
        n_tracks = len(self.tracks) if weights is None else int((weights > 0).sum())
        if not n_tracks:
            return {"n_tracks": 0} | dict.fromkeys(LOSS[1:], np.nan)
        before, after = self.accuracies(weights)
        found = before - after
        values = (n_tracks, before.value, after.value, found.value, *found.interval, found.p_value)
        return dict(zip(LOSS, values, strict=True))


def _each(predictions, groups, seed):
    for name in ordered(predictions["system"], SYSTEMS):
        found = Paired.of(predictions, groups, name, seed=seed)
        if found is not None:
            yield name, found


def leakage(predictions: pd.DataFrame, groups: pd.Series, *, seed: int) -> pd.DataFrame:
    """Measure what each system loses by a new artist, from matched sizes to the strict split.

    One row per system: the protocol ``before``, ``size_matched`` where it was run, else
    ``track_random`` (the ``note`` then says so); ``n_tracks`` compared; both accuracies and their
    ``difference`` with its 95 % interval over groups and seeds; the two-sided ``p`` of no loss, and
    ``p_holm``, corrected for the number of systems. ``by_artist``, with its interval, is the loss
    where each group counts once, whatever its number of tracks.
    """
    lines = []
    for name, paired in _each(predictions, groups, seed):
        before, after = paired.accuracies(1 / paired.groups.map(paired.groups.value_counts()))
        by_artist = (before - after).named("by_artist", "by_artist_low", "by_artist_high")
        note = "" if paired.before == MATCHED else UNMATCHED
        line = {"system": name, "before": paired.before, **paired.loss(), **by_artist}
        lines.append(line | {"note": note})
    table = pd.DataFrame(lines, columns=LOST)
    return table.assign(p_holm=holm(table["p"]))


def controls(predictions: pd.DataFrame, groups: pd.Series, *, seed: int) -> pd.DataFrame:
    """Take the loss of each system apart by whether a track has company in its group.

    Nothing can leak to a track that is alone in its group (artist, copies and excerpts) among all
    that are predicted: what it loses is the control. Rows per system, as of :func:`leakage`: the
    ``tracks`` that are alone, those with others, and the latter's loss less the former's
    (accuracies NaN), what only company explains.
    """
    known = pd.Index(tracks_of(predictions)).unique()
    sizes = pd.Series(groups_at(known, groups), known).groupby(groups_at(known, groups))
    is_alone = sizes.transform("size") == 1
    lines = []
    for name, paired in _each(predictions, groups, seed):
        alone = is_alone[paired.tracks]
        losses = {}
        for kind, counted in ((ALONE, alone), (TOGETHER, ~alone)):
            weights = counted.astype(float)
            lines.append({"system": name, "tracks": kind, **paired.loss(weights)})
            if counted.any():
                before, after = paired.accuracies(weights)
                losses[kind] = before - after
        if len(losses) == 2:
            excess = losses[TOGETHER] - losses[ALONE]
            line = {"system": name, "tracks": EXCESS, "n_tracks": len(alone), "p": excess.p_value}
            lines.append(line | excess.named("difference"))
    table = pd.DataFrame(lines, columns=CONTROL)
    return table.assign(p_holm=table.groupby("tracks")["p"].transform(holm))


def genre_losses(
    predictions: pd.DataFrame, groups: pd.Series, genre: pd.Series, *, seed: int
) -> pd.DataFrame:
    """Measure the loss of each system in each genre, as :func:`leakage` does.

    `genre` is that of every track; ``n_groups`` are the artists that a row rests on, ``p_holm`` is
    corrected over the genres of a system.
    """
    lines = []
    for name, paired in _each(predictions, groups, seed):
        own = genre[paired.tracks]
        for one in sorted(own.unique()):
            counted = own == one
            line = {"system": name, "genre": one, **paired.loss(counted.astype(float))}
            lines.append(line | {"n_groups": paired.groups[counted].nunique()})
    table = pd.DataFrame(lines, columns=GENRE)
    return table.assign(p_holm=table.groupby("system")["p"].transform(holm))


def influence(
    predictions: pd.DataFrame, groups: pd.Series, genre: pd.Series, *, seed: int, n: int = 5
) -> pd.DataFrame:
    """Leave out one artist at a time: on whom the loss of each system rests.

    The `n` groups that move it most, per system, with the ``genre`` of most of their tracks:
    ``n_lost``, tracks right before less right after, a mean over seeds; its ``share`` of all net
    lost tracks (can be negative, or above 1); ``loss``, and ``loss_without`` the group.
    """
    lines = []
    for name, paired in _each(predictions, groups, seed):
        by_group = paired.lost.groupby(paired.groups).agg(["size", "sum"])
        n_all, lost = by_group.sum()
        own = genre[paired.tracks].groupby(paired.groups).agg(lambda g: g.mode().iloc[0])
        for group in by_group["sum"].abs().sort_values(ascending=False, kind="stable").index[:n]:
            size, part = by_group.loc[group]
            rest = (lost - part) / (n_all - size) if n_all > size else np.nan
            share = part / lost if lost else np.nan
            line = (name, group, own[group], int(size), part, share, lost / n_all, rest)
            lines.append(line)
    return pd.DataFrame(lines, columns=INFLUENCE)


def ladder(
    predictions: pd.DataFrame,
    groups: pd.Series,
    scores: pd.DataFrame,
    lost: pd.DataFrame,
    *,
    seed: int,
) -> pd.DataFrame:
    """Walk each system from the most lenient protocol to the strictest, rung by rung.

    One row per system and protocol of :data:`LADDER`: the ``accuracy`` of `scores` with its
    interval; the rung ``before``, the last one that the system met, and what was ``taken_away``
    since, in words; the loss since, ``difference``, on the ``n_both`` tracks that every rung of the
    system makes answerable; ``p_holm``, corrected for the number of systems that take the same
    step. A step that `lost` has too is its row there. A rung that was not run is empty, with its
    ``reason``.
    """
    known = {(row["system"], row["before"]): row for row in lost.to_dict("records")}
    names = ["system", "protocol"]
    accuracies = scores.set_index(names)[["accuracy", "low", "high"]].to_dict("index")
    met = {protocol for _, protocol in accuracies}
    lines = []
    for name in ordered(predictions["system"], SYSTEMS):
        own = predictions[predictions["system"] == name]
        present = [protocol for protocol in LADDER if (name, protocol) in accuracies]
        rates = [accuracy_by_track(own[own["protocol"] == protocol]) for protocol in present]
        tracks = pd.concat(rates, axis="columns", join="inner").index if rates else pd.Index([])
        steps = dict(pairwise(reversed(present)))
        for protocol in LADDER:
            line = dict.fromkeys(["before", "taken_away", "reason"], "")
            line |= {"system": name, "protocol": protocol}
            line |= accuracies.get((name, protocol), {})
            if protocol not in present:
                line["reason"] = NOT_MET if protocol in met else NO_ONE_MET
            elif protocol in steps:
                pair = steps[protocol], protocol
                found = known.get((name, pair[0])) if protocol == STRICT else None
                found = found or Paired(own, groups, *pair, seed=seed, tracks=tracks).loss()
                other = "from {} to {}".format(*(title(one, PROTOCOLS) for one in pair))
                line |= {"before": pair[0], "taken_away": TAKEN_AWAY.get(pair, other)}
                line |= {"n_both": found["n_tracks"], "difference": found["difference"]}
                line |= {f"difference_{end}": found[end] for end in ("low", "high")}
                line["p"] = found["p"]
            lines.append(line)
    table = pd.DataFrame(lines, columns=RUNG)
    return table.assign(p_holm=table.groupby(["before", "protocol"])["p"].transform(holm))


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
    """Leave faulty tracks out of the tests, beside the main analysis; they stay in training.

    `scored` and `lost` are the tables of all tracks. One row per system and ``quantity``, its
    accuracy under a ``protocol`` or its loss from one, with its interval; and the same
    ``..._without`` the faulty tracks. Empty where no fault is known.
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


def cross_collection(
    predictions: pd.DataFrame, records: pd.DataFrame, groups: pd.Series, *, seed: int
) -> pd.DataFrame:
    """Compare training on other collections alone with training on the tested one too.

    Both sides are artist-disjoint and count the same tracks, those that both make answerable, each
    once with its mean over repeats. They differ in what is trained on, and in how much. Empty when
    one of the protocols was not run, as with a corpus of one collection.

    One row per system and direction: ``n_left_out``, tracks neither trained on nor tested, since
    the tested collection has their artist or recording; ``n_trained_within`` and
    ``n_trained_cross``, tracks trained and validated on, the mean over folds; both accuracies and
    their ``difference``, the loss, each with its interval.
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
