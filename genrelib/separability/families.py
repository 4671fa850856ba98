"""Families and rows of one feature: what each gives alone, and what is lost without it."""

import numpy as np
import pandas as pd

from ..inference.intervals import DIFFERENCE, SHARE
from ..seeds import rng
from .probes import Folds, correct, estimate, fit, probe
from .summaries import checked, parts_of

N_PERMUTATIONS = 5


def alone_and_without(
    X: pd.DataFrame, tracks: pd.DataFrame, folds: Folds, *, seed: int
) -> pd.DataFrame:
    """Probe each family of rows alone, and the feature without it.

    Parameters
    ----------
    X : pd.DataFrame
        From :func:`genrelib.separability.summaries`, of two families at least.
    tracks : pd.DataFrame
        The tracks table.
    folds : Folds
        From :func:`genrelib.separability.fitted_folds`.
    seed : int
        The study's seed.

    Returns
    -------
    pd.DataFrame
        One row per protocol and family: ``protocol``, ``family``, ``n_rows``, ``n_tracks``; the
        accuracy ``alone``, with its 95 % interval ``alone_low``, ``alone_high``; ``lost``, the
        accuracy of the whole feature less the one without the family, with ``lost_low``,
        ``lost_high``. As fractions; intervals resample groups of artists.
    """
    whole = correct(probe(X, tracks, folds))
    rows = []
    for (family,), columns in parts_of(X, "family").items():
        others = np.setdiff1d(np.arange(X.shape[1]), columns)
        alone = correct(probe(X.iloc[:, columns], tracks, folds))
        lost = whole - correct(probe(X.iloc[:, others], tracks, folds))
        for protocol in whole:
            n_rows = X.columns[columns].unique("row").size
            row = {"protocol": protocol, "family": family, "n_rows": n_rows}
            row["n_tracks"] = len(whole)
            for name, values, span in (("alone", alone, SHARE), ("lost", lost, DIFFERENCE)):
                generator = rng(seed, "family", name, family, protocol)
                row |= _named(name, estimate(values[protocol], tracks, generator, span=span))
            rows.append(row)
    return pd.DataFrame(rows).sort_values("protocol", key=_position(folds), kind="stable")


def importances(X: pd.DataFrame, tracks: pd.DataFrame, folds: Folds, *, seed: int) -> pd.DataFrame:
    """Measure what the probe loses when a row, or a family, is shuffled among the test tracks.

    Permutation importance (Breiman 2001) of rows that the probe has, on artists that it has not
    seen. Rows that say the same share the credit: each alone then seems to matter little, which
    is why families are shuffled too, all their rows together.

    Parameters
    ----------
    X, tracks, folds, seed
        As for :func:`alone_and_without`.

    Returns
    -------
    pd.DataFrame
        One row per row of the feature, and one per family with an empty ``row``: ``family``,
        ``row``, ``n_tracks``, ``drop`` of the accuracy with its 95 % interval ``drop_low``,
        ``drop_high`` over groups of artists, as fractions. Under the strictest protocol, over
        tracks whose genre was in the training data.
    """
    checked(X, tracks)
    genres = tracks.loc[X.index, "genre"]
    parts = {(*key, ""): columns for key, columns in parts_of(X, "family").items()}
    parts |= parts_of(X, "family", "row")
    drops = pd.concat(
        [
            _drops(X, genres, fold, parts, rng(seed, "importance", fold.fold))
            for fold in folds.by_protocol[folds.strictest]
        ]
    )
    rows = []
    for key, values in drops.items():
        row = dict(zip(("family", "row"), key, strict=True)) | {"n_tracks": len(values)}
        generator = rng(seed, "importance", *key)
        rows.append(row | _named("drop", estimate(values, tracks, generator, span=DIFFERENCE)))
    return pd.DataFrame(rows)


def _drops(X, genres, fold, parts, generator):
    """Return how much less often each test track is named rightly, a column per part."""
    train = [*fold.train, *fold.valid]
    model = fit(X.loc[train].to_numpy(), genres[train].to_numpy())
    test = [i for i in fold.test if genres[i] in model.classes_]
    if not test:
        return pd.DataFrame(columns=pd.MultiIndex.from_tuples(list(parts)), dtype=float)
    known, right = X.loc[test].to_numpy(), genres[test].to_numpy()
    before = (model.predict(known) == right).astype(float)
    orders = np.concatenate([generator.permutation(len(test)) for _ in range(N_PERMUTATIONS)])
    shuffled = np.tile(known, (N_PERMUTATIONS, 1))
    drops = {}
    for key, columns in parts.items():
        kept = shuffled[:, columns]
        shuffled[:, columns] = known[np.ix_(orders, columns)]
        after = model.predict(shuffled).reshape(N_PERMUTATIONS, -1) == right
        drops[key] = before - after.mean(axis=0)
        shuffled[:, columns] = kept
    return pd.DataFrame(drops, index=test)


def _named(name, estimated):
    """Return mean and interval under the names of the tables."""
    return dict(zip((name, f"{name}_low", f"{name}_high"), estimated, strict=True))


def _position(folds):
    """Return the key that sorts protocols as `folds` has them."""
    order = {name: number for number, name in enumerate(folds.by_protocol)}
    return lambda column: column.map(order)
