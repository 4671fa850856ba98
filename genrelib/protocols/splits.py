"""Ways to split: each yields boolean masks of the training, validation and test part.

Units are looked up by ``pd.Index.isin``, since ``np.isin`` compares every pair of texts.
"""

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, train_test_split

from ..corpora.joined import collections
from ..errors import GenrelibError
from ..seeds import rng

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
    """Choose whole units of the rest for validation."""
    chosen = _validation_units(genre[~in_test], kept[~in_test], share, generator)
    return ~in_test & pd.Index(kept).isin(chosen)


def _validation_units(genre, unit, share, generator):
    """Choose whole units: about a share of each genre, at most half, never a genre's last one."""
    rest = pd.DataFrame({"genre": genre, "unit": unit})
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
    return chosen


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
    """Return the artist-disjoint split with only a share of each genre's artists to learn from.

    The validation part is cut too, since some systems join it to the training part.
    """

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
    """Test each collection of a joined corpus by what is learnt from the others alone.

    Genres that only one side has are in no part; nor are groups of the others that lie in the
    tested collection too.
    """
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
