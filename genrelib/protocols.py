"""Protocols: every way to split a tracks table into training, validation and test.

A protocol promises what never lies in the test part and another part too: the ``segment``, the
``track``, the ``artist`` or the whole ``group`` (artist, joined with duplicates and excerpts).
:func:`check` proves the promise on the ids that a fit really uses.
A new protocol needs no more than a row of :data:`PROTOCOLS`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, train_test_split

from .base.errors import GenrelibError, check_limits, unknown
from .base.seeds import derive, rng
from .corpora.joined import collections
from .features import segments

VALID_SHARE = 0.2
PARTS = ("train", "valid", "test")


def stratified(keeps: str):
    """Return the split that is a stratified k-fold over whole values of column `keeps`."""

    def split(table, n_folds, seed):
        genre, kept = table["genre"].to_numpy(), table[keeps].to_numpy()
        if table[keeps].is_unique:
            splitter, groups = StratifiedKFold(n_folds, shuffle=True, random_state=seed), None
        else:
            splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
            groups = kept
        for number, (_, test) in enumerate(splitter.split(genre, genre, groups)):
            in_test = np.isin(np.arange(len(table)), test)
            in_valid = _validation(genre, kept, in_test, VALID_SHARE, rng(seed, "valid", number))
            yield ~in_test & ~in_valid, in_valid, in_test

    return split


def _validation(genre, kept, in_test, share, generator):
    """Choose whole units of the rest: a share of each genre, at most half, never its last unit."""
    rest = pd.DataFrame({"genre": genre[~in_test], "unit": kept[~in_test]})
    genres_of = rest.groupby("unit")["genre"].agg(frozenset)
    left = rest.groupby("genre")["unit"].nunique().to_dict()
    chosen = set()
    for _, members in rest.groupby("genre"):
        sizes = members["unit"].value_counts().sort_index()
        taken = sizes[sizes.index.isin(chosen)].sum()
        for name in generator.permutation(sizes.index.to_numpy()):
            if taken >= round(share * len(members), 6):  # 0.2 / 0.7 of 70 is 20
                break
            fits = taken + sizes[name] <= len(members) / 2
            if name not in chosen and fits and all(left[g] > 1 for g in genres_of[name]):
                chosen.add(name)
                taken += sizes[name]
                for g in genres_of[name]:
                    left[g] -= 1
    return ~in_test & pd.Index(kept).isin(chosen)


def draw(train: float, valid: float, test: float):
    """Return the split that draws three shares of each genre's tracks at random, once."""

    def split(table, _n_folds, seed):
        genre, place = table["genre"].to_numpy(), np.arange(len(table))
        n_test = max(round(test * len(table)), len(np.unique(genre)))  # one of each genre at least
        _, tested = train_test_split(place, test_size=n_test, stratify=genre, random_state=seed)
        in_test = np.isin(place, tested)
        share = valid / (train + valid)
        in_valid = _validation(genre, place, in_test, share, rng(seed, "valid"))
        yield ~in_test & ~in_valid, in_valid, in_test

    return split


def size_matched(table, n_folds, seed):
    """Fill the parts of the artist-disjoint folds with tracks drawn at random within genres."""
    order, genre, generator = np.arange(len(table)), table["genre"].to_numpy(), rng(seed, "order")
    for name in np.unique(genre):
        members = np.flatnonzero(genre == name)
        order[members] = generator.permutation(members)
    for masks in stratified("group")(table, n_folds, seed):
        yield tuple(mask[order] for mask in masks)


def fewer_artists(share: float):
    """Return the artist-disjoint split with only a share of each genre's artists to learn from."""

    def split(table, n_folds, seed):
        kept = table["group"].to_numpy()
        for number, (train, valid, test) in enumerate(stratified("group")(table, n_folds, seed)):
            generator, chosen = rng(seed, "fewer", number), set()
            for part in (train, valid):
                for _, members in table[part].groupby("genre"):
                    names = generator.permutation(np.unique(members["group"]))
                    chosen |= set(names[: max(1, round(share * len(names)))])
            is_kept = pd.Index(kept).isin(chosen)
            yield train & is_kept, valid & is_kept, test

    return split


def official(table, _n_folds, _seed):
    """Take the split that the corpus was published with."""
    parts = [(table["official_split"] == part).to_numpy() for part in PARTS]
    if not (parts[0].any() and parts[2].any()):
        sizes = {"usable tracks": len(table)}
        sizes |= {part: int(mask.sum()) for part, mask in zip(PARTS, parts, strict=True)}
        shown = ", ".join(f"{name}: {count}" for name, count in sizes.items())
        raise GenrelibError(
            f"the column official_split has no split of this corpus ({shown}); tracks to train "
            "and to test are needed. Leave the protocol out of this study, or choose a corpus "
            "that was published with a split, such as fma_small."
        )
    yield tuple(parts)


def across_collections(table, _n_folds, seed):
    """Test each collection of a joined corpus by what is learnt from the others alone."""
    genre, group = table["genre"].to_numpy(), table["group"].to_numpy()
    collection = collections(table.index).to_numpy()
    names = np.unique(collection)
    if len(names) < 2 or "" in names:
        raise GenrelibError(
            f"the tracks are of {len(names)} collections: "
            f"{', '.join(name or 'no joined corpus' for name in names)}; two or more joined ones "
            "are needed, such as the corpus 'gtzan_fma' has. Leave the protocol out of this study."
        )
    for name in names:
        tested = collection == name
        shared = np.isin(genre, np.intersect1d(genre[tested], genre[~tested]))
        learnt = ~tested & shared & ~pd.Index(group).isin(group[tested])
        in_valid = _validation(genre, group, ~learnt, VALID_SHARE, rng(seed, "valid", name))
        yield learnt & ~in_valid, in_valid, tested & shared


@dataclass(frozen=True)
class Protocol:
    """A row of the registry."""

    name: str
    title: str  # for people
    keeps: str  # what stays in one part: segment, track, artist or group
    description: str  # what it does and what its number means
    # split(units, n_folds, seed) yields boolean masks (train, valid, test)
    split: Callable[[pd.DataFrame, int, int], Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]]
    unit: str = "track"  # what is trained on and tested: track or segment
    is_draw: bool = False  # one random split, which does not test every unit
    is_published: bool = False  # the one split that a corpus was published with
    seeded_as: str = ""  # the protocol whose draws it repeats


PROTOCOLS: dict[str, Protocol] = {
    row.name: row
    for row in (
        Protocol(
            "segment_random",
            "segments at random",
            "segment",
            "Stratified k-fold over segments of three seconds: pieces of one track lie on both "
            "sides. Shown only to measure the harm.",
            stratified("segment"),
            unit="segment",
        ),
        Protocol(
            "segment_track",
            "segments, track-disjoint",
            "track",
            "Stratified group k-fold over segments of three seconds, whole tracks on one side: "
            "the reference for segments at random.",
            stratified("track"),
            unit="segment",
        ),
        Protocol(
            "random_90_10",
            "90/10 at random",
            "track",
            "A tenth of each genre's tracks is tested, drawn at random, repeatedly. A share of "
            "the rest validates.",
            draw(0.72, 0.18, 0.1),
            is_draw=True,
        ),
        *(
            Protocol(
                f"random_{train}_20_{test}",
                f"{train}/20/{test} at random",
                "track",
                f"Of each genre's tracks, drawn at random, repeatedly: {train} in 100 train, 20 "
                f"validate, {test} are tested.",
                draw(train / 100, 0.2, test / 100),
                is_draw=True,
            )
            for train, test in ((60, 20), (50, 30))
        ),
        Protocol(
            "track_random",
            "tracks at random",
            "track",
            "Stratified k-fold over tracks, as most studies do: an artist of the test part is "
            "usually known from training.",
            stratified("track"),
        ),
        Protocol(
            "size_matched",
            "tracks at random, sizes matched",
            "track",
            "Parts as large as those of the artist-disjoint split, of tracks at random within "
            "genres: what is lost from here is knowing the artist, not having less data.",
            size_matched,
            seeded_as="artist_grouped",
        ),
        Protocol(
            "fault_filtered",
            "the fault-filtered split",
            "track",
            "The one split published for GTZAN with faults removed (Kereliuk, Sturm and Larsen "
            "2015); a few artists remain on both sides.",
            official,
            is_published=True,
        ),
        Protocol(
            "artist_only",
            "artist-disjoint but for copies",
            "artist",
            "Stratified group k-fold over artists as they are credited: copies and excerpts of a "
            "recording under another artist's name may lie on both sides.",
            stratified("artist"),
        ),
        *(
            Protocol(
                name,
                f"artist-disjoint, {words} of the artists",
                "group",
                f"The tests of the artist-disjoint split, but with {words} of each genre's "
                "artists to train on: what more artists would be worth.",
                fewer_artists(share),
                seeded_as="artist_grouped",
            )
            for name, words, share in (
                ("artist_quarter", "a quarter", 0.25),
                ("artist_half", "half", 0.5),
            )
        ),
        Protocol(
            "artist_grouped",
            "artist-disjoint split",
            "group",
            "Stratified group k-fold: an artist, with all duplicates and excerpts, lies on one "
            "side only. What is left is closer to genre.",
            stratified("group"),
        ),
        Protocol(
            "official",
            "the published split",
            "artist",
            "The one split that the corpus was published with, artists as they are credited on one "
            "side only (FMA: about 80/10/10). Copies, and namesakes, may lie on both sides; how "
            "many do is measured.",
            official,
            is_published=True,
        ),
        Protocol(
            "cross_collection",
            "collection-disjoint split",
            "group",
            "Each collection of a joined corpus is tested whole by what was learnt from the "
            "others, less the artists and recordings that it has too: one fold per direction.",
            across_collections,
        ),
    )
}

GROWTH = {"artist_quarter": 0.25, "artist_half": 0.5, "artist_grouped": 1.0}
"""Protocols that differ in the share of the training artists alone."""

DECOMPOSITION = (
    *("segment_random", "segment_track", "size_matched", "artist_only"),
    *("artist_quarter", "artist_half"),
)
"""Protocols beside ``track_random`` and ``artist_grouped`` that measure the steps of leakage."""


def protocol(name: str) -> Protocol:
    """Look a protocol up; raise :class:`GenrelibError` for an unknown name."""
    if name not in PROTOCOLS:
        raise unknown("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]


@dataclass(frozen=True)
class Fold:
    """One split: three tuples of track ids, in the order of the tracks table; numbers from zero."""

    protocol: str
    repeat: int
    fold: int
    train: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]


def folds(
    name: str,
    tracks: pd.DataFrame,
    *,
    n_folds: int,
    n_repeats: int,
    seed: int,
    clip_s: float = 30.0,
) -> list[Fold]:
    """Apply a protocol to the usable rows of a tracks table, repeat by repeat.

    Each unit is tested once per repeat, or at most once by single draws, published splits and
    across collections. Validation is empty where each genre has one unit left. `n_folds` is in
    ``[2, 5]``: with more, a genre's few artists no longer fill the folds. `n_repeats` says how
    often the whole split is drawn anew; a protocol of single draws is drawn ``n_folds * n_repeats``
    times, so that all have as many fits, and a published split is one. The seconds of each track,
    `clip_s`, tell how many segments it has.

    Raises :class:`GenrelibError` for an unknown protocol, a number out of range, too few tracks or
    artists, and a published split that the corpus lacks or that breaks the protocol's promise.
    """
    row = protocol(name)
    _check_counts(tracks, n_folds, n_repeats)
    table = units(row, tracks, clip_s)
    n_kept = table[row.keeps].nunique()
    if n_kept < n_folds and not row.is_published:
        raise GenrelibError(
            f"{n_kept} {row.keeps}s cannot fill n_folds={n_folds} of {name!r}. Name more "
            "artists, lower n_folds, or leave the protocol out of the study."
        )
    result = []
    ids = table.index.to_numpy()
    n_draws = 1 if row.is_published else n_repeats * (n_folds if row.is_draw else 1)
    for repeat in range(n_draws):
        parts = row.split(table, n_folds, derive(seed, row.seeded_as or name, repeat))
        for number, masks in enumerate(parts):
            fold = Fold(name, repeat, number, *(tuple(ids[mask]) for mask in masks))
            check(fold, tracks)
            _check_trainable(fold, tracks)
            result.append(fold)
    return result


def units(row: Protocol, tracks: pd.DataFrame, clip_s: float) -> pd.DataFrame:
    """List what a protocol splits, tracks or their segments: rows of tracks, with ids of both."""
    ids = list(tracks.index)
    if row.unit == "segment":
        ids = segments.ids(ids, n_segments(row, clip_s))
    return located(row, ids, tracks)


def n_segments(row: Protocol, clip_s: float) -> int:
    """Return how many units a protocol makes of a track: at least two where it splits segments."""
    return max(2, segments.count(clip_s)) if row.unit == "segment" else 1


def located(row: Protocol, ids: Sequence[str], tracks: pd.DataFrame) -> pd.DataFrame:
    """Find the rows of the tracks table that units belong to; columns as in :func:`units`."""
    ids = list(ids)
    is_segment = row.unit == "segment"
    track_ids = [segments.parse(i)[0] for i in ids] if is_segment else ids
    table = tracks.loc[track_ids].assign(track=track_ids, segment=ids)
    return table.set_axis(pd.Index(ids, name="track_id", dtype=object), axis="index")


def _check_trainable(fold, tracks):
    genres = located(PROTOCOLS[fold.protocol], fold.train, tracks)["genre"].unique()
    if len(genres) < 2:
        raise GenrelibError(
            f"{fold.protocol} repeat {fold.repeat} fold {fold.fold} leaves {len(genres)} genre to "
            f"train on ({', '.join(genres) or 'none'}): the artists of the others are all tested. "
            "Name more artists per genre, or leave the protocol out of the study."
        )


def _check_counts(tracks, n_folds, n_repeats):
    check_limits(n_folds=n_folds, n_repeats=n_repeats)
    counts = tracks["genre"].value_counts()
    if counts.min() < n_folds:
        raise GenrelibError(
            f"genre {counts.idxmin()!r} has {counts.min()} usable tracks, fewer than "
            f"n_folds={n_folds}. Add tracks, leave the genre out, or lower n_folds."
        )


def check(fold: Fold, tracks: pd.DataFrame) -> None:
    """Raise the error for a fold that breaks its protocol's promise, naming what crosses."""
    row = PROTOCOLS[fold.protocol]
    sides = {part: set(located(row, getattr(fold, part), tracks)[row.keeps]) for part in PARTS}
    for one, other in (("train", "test"), ("valid", "test"), ("train", "valid")):
        crossing = sorted(map(str, sides[one] & sides[other]))
        if crossing:
            shown = ", ".join(crossing[:5]) + (", ..." if len(crossing) > 5 else "")
            remedy = "The split leaks; make it with protocols.folds."
            if row.is_published:
                remedy = "This corpus was not published with such a split; leave the protocol out."
            raise GenrelibError(
                f"{fold.protocol} repeat {fold.repeat} fold {fold.fold}: {len(crossing)} "
                f"{row.keeps}(s) in both {one} and {other}: {shown}. {remedy}"
            )


def overlap(fold: Fold, tracks: pd.DataFrame) -> dict[str, float]:
    """Measure how much of the test part is known from training and validation.

    Returns the sizes of the parts; ``n_left_out``, tracks in none of them; and ``known_<what>``,
    the shares of tests in ``[0, 1]`` whose track, artist, group or genre is in training or
    validation.
    """
    row = PROTOCOLS[fold.protocol]
    seen = located(row, [*fold.train, *fold.valid], tracks)
    test = located(row, fold.test, tracks)
    names = ("track", "artist", "group", "genre")
    shares = {f"known_{name}": float(test[name].isin(seen[name]).mean()) for name in names}
    sizes = {f"n_{part}": len(getattr(fold, part)) for part in PARTS}
    sizes["n_left_out"] = len(tracks.index.difference([*seen["track"], *test["track"]]))
    return {"protocol": fold.protocol, "repeat": fold.repeat, "fold": fold.fold, **sizes, **shares}
