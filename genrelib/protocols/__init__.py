"""Protocols: every way to split a tracks table into training, validation and test.

A protocol promises what never lies in the test part and another part too: the ``segment``, the
``track``, the ``artist`` or the whole ``group`` (artist, joined with duplicates and excerpts).
:func:`check` proves the promise on the ids that a fit really uses.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ..base.errors import GenrelibError
from ..base.limits import check_limits
from ..base.seeds import derive
from ..features import segments
from .registry import DECOMPOSITION, GROWTH, PARTS, PROTOCOLS, Protocol, protocol


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
    """Apply a protocol to the usable rows of a tracks table.

    Parameters
    ----------
    n_folds : int
        In ``[2, 5]``: with more, a genre's few artists no longer fill the folds.
    n_repeats : int
        How often the whole split is drawn anew, at least 1. A protocol of single draws is drawn
        ``n_folds * n_repeats`` times, so that all have as many fits; a published split is one.
    clip_s : float
        Seconds of each track, which tell how many segments it has.

    Returns
    -------
    list of Fold
        Repeat by repeat. Each unit is tested once per repeat, or at most once by single draws,
        published splits and across collections. Validation is empty where each genre has one unit
        left.

    Raises
    ------
    GenrelibError
        For an unknown protocol, a number out of range, too few tracks or artists, and a published
        split that the corpus lacks or that breaks the protocol's promise.
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
    """List what a protocol splits, tracks or at least two segments of each, by id.

    Columns are those of the tracks table, and ``track`` and ``segment``, ids.
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
    check_limits(n_folds=n_folds, n_repeats=n_repeats)
    counts = tracks["genre"].value_counts()
    if len(counts) < 2:
        raise GenrelibError(f"{len(counts)} genre with usable tracks; at least 2 are needed.")
    if counts.min() < n_folds:
        raise GenrelibError(
            f"genre {counts.idxmin()!r} has {counts.min()} usable tracks, fewer than "
            f"n_folds={n_folds}. Add tracks, leave the genre out, or lower n_folds."
        )


def check(fold: Fold, tracks: pd.DataFrame) -> None:
    """Raise the error for a fold that breaks its protocol's promise, naming what crosses.

    Called by the fit itself, on the ids it uses.
    """
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

    Returns ``n_train``, ``n_valid``, ``n_test``; ``n_left_out``, tracks in none of these parts; and
    the shares of tests in ``[0, 1]`` whose track, artist, group or genre is in training or
    validation: ``known_track``, ``known_artist``, ``known_group``, ``known_genre``.
    """
    row = PROTOCOLS[fold.protocol]
    seen = located(row, [*fold.train, *fold.valid], tracks)
    test = located(row, fold.test, tracks)
    shares = {
        f"known_{name}": float(test[name].isin(seen[name]).mean())
        for name in ("track", "artist", "group", "genre")
    }
    sizes = {f"n_{part}": len(getattr(fold, part)) for part in PARTS}
    sizes["n_left_out"] = len(tracks.index.difference([*seen["track"], *test["track"]]))
    return {"protocol": fold.protocol, "repeat": fold.repeat, "fold": fold.fold, **sizes, **shares}
