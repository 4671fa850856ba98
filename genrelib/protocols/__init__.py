"""Protocols: every way to split a tracks table into training, validation and test.

A protocol promises what never crosses from the test part to the others: the ``segment``, the
``track``, the ``artist`` or the whole ``group`` (artist, joined with duplicates and excerpts).
:func:`check` proves the promise on the ids that a fit really uses.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .. import segments
from ..errors import GenrelibError, unknown
from ..seeds import derive
from . import splits

MOST_FOLDS = 5


@dataclass(frozen=True)
class Fold:
    """One split: three tuples of track ids, in the order of the tracks table.

    ``repeat`` and ``fold`` count from zero.
    """

    protocol: str
    repeat: int
    fold: int
    train: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class Protocol:
    """A row of the registry.

    Parameters
    ----------
    name, title : str
        For code, and for people.
    keeps : str
        What stays on one side: ``"segment"``, ``"track"``, ``"artist"`` or ``"group"``.
    description : str
        What it does and what its number means, in a sentence or two.
    split : callable
        ``split(units, n_folds, seed)`` yields ``(train, valid, test)`` boolean masks.
    unit : {"track", "segment"}
        What is trained on and tested.
    is_draw : bool
        Whether `split` yields one random split, which does not test every unit.
    is_published : bool
        Whether `split` yields the one split that a corpus was published with, which nothing draws.
    seeded_as : str
        The protocol whose draws it repeats, if any.
    """

    name: str
    title: str
    keeps: str
    description: str
    split: Callable[[pd.DataFrame, int, int], Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]]
    unit: str = "track"
    is_draw: bool = False
    is_published: bool = False
    seeded_as: str = ""


def protocol(name: str) -> Protocol:
    """Look a protocol up.

    Raises
    ------
    GenrelibError
        For an unknown name; the message lists the known ones.
    """
    if name not in PROTOCOLS:
        raise unknown("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]


def folds(
    name: str,
    tracks: pd.DataFrame,
    *,
    n_folds: int,
    n_repeats: int,
    seed: int,
    clip_s: float = 30.0,
) -> list[Fold]:
    """Apply a protocol to a tracks table.

    Parameters
    ----------
    name : str
        A name in :data:`PROTOCOLS`.
    tracks : pd.DataFrame
        The usable rows of a tracks table (see :class:`genrelib.corpora.Corpus`).
    n_folds : int
        In ``[2, 5]``: with more, a genre's few artists no longer fill the folds.
    n_repeats : int
        How many times the whole split is drawn anew, at least 1. A protocol of single draws is
        drawn ``n_folds * n_repeats`` times, so that all protocols have as many fits; a published
        split is one, whatever is asked for.
    seed : int
        The study's seed.
    clip_s : float
        Seconds of each track, which tell how many segments it has.

    Returns
    -------
    list of Fold
        Repeat by repeat; within a repeat each unit is tested exactly once, or at most once by
        single draws, by published splits and across collections. The validation part is empty
        where every genre has a single unit left.

    Raises
    ------
    GenrelibError
        For an unknown protocol, a number out of range, too few tracks or artists, and a published
        split that the corpus lacks or that keeps less apart than the protocol promises.
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
    """List what a protocol splits: tracks, or at least two segments of each.

    Returns
    -------
    pd.DataFrame, index id of the unit
        The tracks table's columns, and ``track`` and ``segment``, ids.
    """
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
    if not 2 <= n_folds <= MOST_FOLDS:
        raise GenrelibError(f"n_folds={n_folds}; 2 to {MOST_FOLDS} are allowed.")
    if n_repeats < 1:
        raise GenrelibError(f"n_repeats={n_repeats}; at least 1 is needed.")
    counts = tracks["genre"].value_counts()
    if len(counts) < 2:
        raise GenrelibError(f"{len(counts)} genre with usable tracks; at least 2 are needed.")
    if counts.min() < n_folds:
        raise GenrelibError(
            f"genre {counts.idxmin()!r} has {counts.min()} usable tracks, fewer than "
            f"n_folds={n_folds}. Add tracks, leave the genre out, or lower n_folds."
        )


def check(fold: Fold, tracks: pd.DataFrame) -> None:
    """Assert that nothing the protocol keeps together lies on two sides of `fold`.

    Called by the fit itself, on the ids it uses.

    Raises
    ------
    GenrelibError
        Naming what crosses, and on which sides.
    """
    row = PROTOCOLS[fold.protocol]
    sides = {
        part: set(located(row, getattr(fold, part), tracks)[row.keeps])
        for part in ("train", "valid", "test")
    }
    for one, other in (("train", "test"), ("valid", "test"), ("train", "valid")):
        crossing = sorted(map(str, sides[one] & sides[other]))
        if crossing:
            shown = ", ".join(crossing[:5]) + (", ..." if len(crossing) > 5 else "")
            raise GenrelibError(
                f"{fold.protocol} repeat {fold.repeat} fold {fold.fold}: {len(crossing)} "
                f"{row.keeps}(s) in both {one} and {other}: {shown}. {_remedy(row)}"
            )


def _remedy(row):
    if row.is_published:
        return "This corpus was not published with such a split; leave the protocol out."
    return "The split leaks; make it with protocols.folds."


def overlap(fold: Fold, tracks: pd.DataFrame) -> dict[str, float]:
    """Measure what of the test part the training part already holds.

    Returns
    -------
    dict
        ``n_train``, ``n_valid``, ``n_test``; ``n_left_out``, tracks in none of these parts;
        ``known_track``, ``known_artist`` and ``known_group``, the share of tests whose track,
        artist or group is in training or validation, in ``[0, 1]``; ``known_genre``, the share
        whose genre is, without which no system can be right.
    """
    row = PROTOCOLS[fold.protocol]
    seen = located(row, [*fold.train, *fold.valid], tracks)
    test = located(row, fold.test, tracks)
    shares = {
        f"known_{name}": float(test[name].isin(seen[name]).mean())
        for name in ("track", "artist", "group", "genre")
    }
    sizes = {f"n_{part}": len(getattr(fold, part)) for part in ("train", "valid", "test")}
    sizes["n_left_out"] = len(tracks.index.difference([*seen["track"], *test["track"]]))
    return {"protocol": fold.protocol, "repeat": fold.repeat, "fold": fold.fold, **sizes, **shares}


PROTOCOLS: dict[str, Protocol] = {
    row.name: row
    for row in (
        Protocol(
            "segment_random",
            "segments at random",
            "segment",
            "Stratified k-fold over segments of three seconds: pieces of one track lie on both "
            "sides. Shown only to measure the harm.",
            splits.stratified("segment"),
            unit="segment",
        ),
        Protocol(
            "segment_track",
            "segments, tracks kept apart",
            "track",
            "Stratified group k-fold over segments of three seconds, whole tracks on one side: "
            "what segments at random are held against.",
            splits.stratified("track"),
            unit="segment",
        ),
        Protocol(
            "random_90_10",
            "90/10 at random",
            "track",
            "A tenth of each genre's tracks is tested, drawn at random, repeatedly. A share of "
            "the rest validates.",
            splits.draw(0.72, 0.18, 0.1),
            is_draw=True,
        ),
        Protocol(
            "random_60_20_20",
            "60/20/20 at random",
            "track",
            "Of each genre's tracks, drawn at random, repeatedly: 60 in 100 train, 20 validate, "
            "20 are tested.",
            splits.draw(0.6, 0.2, 0.2),
            is_draw=True,
        ),
        Protocol(
            "random_50_20_30",
            "50/20/30 at random",
            "track",
            "Of each genre's tracks, drawn at random, repeatedly: 50 in 100 train, 20 validate, "
            "30 are tested.",
            splits.draw(0.5, 0.2, 0.3),
            is_draw=True,
        ),
        Protocol(
            "track_random",
            "tracks at random",
            "track",
            "Stratified k-fold over tracks, as most studies do: an artist of the test part is "
            "usually known from training.",
            splits.stratified("track"),
        ),
        Protocol(
            "size_matched",
            "tracks at random, sizes matched",
            "track",
            "As many tracks of each genre to train and to test as with artists kept apart, but "
            "tracks at random: what is lost from here is knowing the artist, not having less data.",
            splits.size_matched,
            seeded_as="artist_grouped",
        ),
        Protocol(
            "fault_filtered",
            "the fault-filtered split",
            "track",
            "The one split published for GTZAN with faults removed (Kereliuk, Sturm and Larsen "
            "2015); a few artists remain on both sides.",
            splits.official,
            is_published=True,
        ),
        Protocol(
            "artist_only",
            "artists kept apart, copies not",
            "artist",
            "Stratified group k-fold over artists as they are credited: copies and excerpts of a "
            "recording under another artist's name may lie on both sides.",
            splits.stratified("artist"),
        ),
        *(
            Protocol(
                name,
                f"artists kept apart, {words} of them",
                "group",
                f"As with artists kept apart, on the same tests, but with {words} of each genre's "
                "artists to train on: what more artists would be worth.",
                splits.fewer_artists(share),
                seeded_as="artist_grouped",
            )
            for name, words, share in (
                ("artist_quarter", "a quarter", 0.25),
                ("artist_half", "half", 0.5),
            )
        ),
        Protocol(
            "artist_grouped",
            "artists kept apart",
            "group",
            "Stratified group k-fold: an artist, with all duplicates and excerpts, lies on one "
            "side only. What is left is closer to genre.",
            splits.stratified("group"),
        ),
        Protocol(
            "official",
            "the published split",
            "artist",
            "The one split that the corpus was published with, artists as they are credited on one "
            "side only (FMA: about 80/10/10). Copies, and namesakes, may lie on both sides; how "
            "many do is measured.",
            splits.official,
            is_published=True,
        ),
        Protocol(
            "cross_collection",
            "collections kept apart",
            "group",
            "Each collection of a joined corpus is tested whole by what was learnt from the "
            "others, less the artists and recordings that it has too: one fold per direction.",
            splits.across_collections,
        ),
    )
}

GROWTH = {"artist_quarter": 0.25, "artist_half": 0.5, "artist_grouped": 1.0}
"""Protocols that differ in the share of the training artists alone."""

DECOMPOSITION = (
    *("segment_random", "segment_track", "size_matched", "artist_only"),
    *("artist_quarter", "artist_half"),
)
"""Protocols beside ``track_random`` and ``artist_grouped`` that tell what leaks, step by step, and
what more artists are worth."""
