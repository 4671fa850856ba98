"""Protocols: every way to split a tracks table into training, validation and test.

A protocol promises what never crosses from the test part to the others: the ``track`` itself, or
its whole ``group`` (artist, joined with duplicates and excerpts). :func:`check` proves the promise
on the ids that a fit really uses.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from .errors import GenrelibError, unknown
from .seeds import derive, rng

VALID_SHARE = 0.2
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
        The column whose values stay on one side: ``"track"`` or ``"group"``.
    description : str
        What it does and what its number means, in a sentence or two.
    split : callable
        ``split(tracks, n_folds, seed)`` yields ``(train, valid, test)`` boolean masks.
    """

    name: str
    title: str
    keeps: str
    description: str
    split: Callable[[pd.DataFrame, int, int], Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]]


def folds(
    name: str, tracks: pd.DataFrame, *, n_folds: int, n_repeats: int, seed: int
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
        How many times the whole split is drawn anew, at least 1.
    seed : int
        The study's seed.

    Returns
    -------
    list of Fold
        Repeat by repeat; within a repeat each track is tested exactly once. The validation part
        is empty where every genre has a single unit left.

    Raises
    ------
    GenrelibError
        For an unknown protocol, a number out of range, and too few tracks or artists.
    """
    if name not in PROTOCOLS:
        raise unknown("protocol", name, PROTOCOLS)
    _check_counts(tracks, n_folds, n_repeats)
    protocol, ids = PROTOCOLS[name], tracks.index.to_numpy()
    n_units = tracks["group"].nunique() if protocol.keeps == "group" else len(tracks)
    if n_units < n_folds:
        raise GenrelibError(
            f"{n_units} groups of artists cannot fill n_folds={n_folds} of {name!r}. Name more "
            "artists, lower n_folds, or leave the protocol out of the study."
        )
    result = []
    for repeat in range(n_repeats):
        parts = protocol.split(tracks, n_folds, derive(seed, name, repeat))
        for number, masks in enumerate(parts):
            fold = Fold(name, repeat, number, *(tuple(ids[mask]) for mask in masks))
            check(fold, tracks)
            _check_trainable(fold, tracks)
            result.append(fold)
    return result


def _check_trainable(fold, tracks):
    genres = tracks.loc[list(fold.train), "genre"].unique()
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
    column = tracks["group"] if PROTOCOLS[fold.protocol].keeps == "group" else tracks.index
    kept = pd.Series(column, index=tracks.index)
    sides = {part: set(kept[list(getattr(fold, part))]) for part in ("train", "valid", "test")}
    for one, other in (("train", "test"), ("valid", "test"), ("train", "valid")):
        crossing = sorted(map(str, sides[one] & sides[other]))
        if crossing:
            shown = ", ".join(crossing[:5]) + (", ..." if len(crossing) > 5 else "")
            raise GenrelibError(
                f"{fold.protocol} repeat {fold.repeat} fold {fold.fold}: {len(crossing)} "
                f"{PROTOCOLS[fold.protocol].keeps}(s) in both {one} and {other}: {shown}. "
                "The split leaks; make it with protocols.folds."
            )


def overlap(fold: Fold, tracks: pd.DataFrame) -> dict[str, float]:
    """Measure what of the test part the training part already holds.

    Returns
    -------
    dict
        ``n_train``, ``n_valid``, ``n_test``; ``known_artist`` and ``known_group``, the share of
        test tracks whose artist or group is in training or validation, in ``[0, 1]``;
        ``known_genre``, the share whose genre is, without which no system can be right.
    """
    seen = tracks.loc[[*fold.train, *fold.valid]]
    test = tracks.loc[list(fold.test)]
    shares = {
        f"known_{name}": float(test[name].isin(seen[name]).mean())
        for name in ("artist", "group", "genre")
    }
    sizes = {f"n_{part}": len(getattr(fold, part)) for part in ("train", "valid", "test")}
    return {"protocol": fold.protocol, "repeat": fold.repeat, "fold": fold.fold, **sizes, **shares}


def _track_random(tracks, n_folds, seed):
    """Stratified k-fold over tracks."""
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    yield from _with_validation(tracks, splitter, tracks.index.to_numpy(), seed)


def _artist_grouped(tracks, n_folds, seed):
    """Stratified k-fold over groups."""
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    yield from _with_validation(tracks, splitter, tracks["group"].to_numpy(), seed)


def _with_validation(tracks, splitter, units, seed):
    """Split off the test part, then whole units of the rest for validation."""
    genre = tracks["genre"].to_numpy()
    groups = units if isinstance(splitter, StratifiedGroupKFold) else None
    for number, (rest, test) in enumerate(splitter.split(genre, genre, groups)):
        chosen = _validation_units(genre[rest], units[rest], rng(seed, "valid", number))
        in_test = np.isin(np.arange(len(tracks)), test)
        in_valid = ~in_test & np.isin(units, list(chosen))
        yield ~in_test & ~in_valid, in_valid, in_test


def _validation_units(genre, unit, generator):
    """Choose whole units: about a share of each genre, at most half, never a genre's last one."""
    rest = pd.DataFrame({"genre": genre, "unit": unit})
    chosen = set()
    for _, members in rest.groupby("genre"):
        sizes = members["unit"].value_counts().sort_index()
        taken = sizes[sizes.index.isin(chosen)].sum()
        for name in generator.permutation(sizes.index.to_numpy()):
            if taken >= VALID_SHARE * len(members):
                break
            left = rest[~rest["unit"].isin(chosen | {name})]
            fits = taken + sizes[name] <= len(members) / 2
            if name not in chosen and fits and left["genre"].nunique() == rest["genre"].nunique():
                chosen.add(name)
                taken += sizes[name]
    return chosen


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "track_random",
            "tracks at random",
            "track",
            "Stratified k-fold over tracks, as most studies do: an artist of the test part is "
            "usually known from training.",
            _track_random,
        ),
        Protocol(
            "artist_grouped",
            "artists kept apart",
            "group",
            "Stratified group k-fold: an artist, with all duplicates and excerpts, lies on one "
            "side only. What is left is closer to genre.",
            _artist_grouped,
        ),
    )
}
