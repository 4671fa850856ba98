"""Two tests of attributions: that they name what counts, and depend on what was learnt."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.integrate import trapezoid
from scipy.special import softmax
from scipy.stats import spearmanr

from ..base.seeds import derive, rng
from ..inference import means
from .attributions import Explainer

RANDOM, CONTROL = "random", "distance from the baseline"
N_SHARES = 17
N_RANDOM = 3
N_STAGES = 4

LIMIT = 0.5
"""A rank correlation below it leaves attributions less than a quarter of their ranks' variance in
common with those of a network that has learnt nothing."""


def deletion(
    explainer: Explainer,
    X: np.ndarray,
    track_ids: Sequence[str],
    rankings: Mapping[str, np.ndarray],
    *,
    seed: int,
) -> pd.DataFrame:
    """Delete patches, the highest ranked first, and watch the predicted genre's probability.

    Where a ranking names what the network relies on, the probability falls faster than when
    patches are deleted at random (Samek et al. 2017 call it region perturbation). What is deleted
    is replaced by the baseline. So patches that are far from it matter more, whatever the network:
    the order by :meth:`Explainer.distance` is the control that an explanation should beat.

    Parameters
    ----------
    explainer : Explainer
        Asked.
    X : np.ndarray, shape (n_tracks, n_bands, n_frames)
        Features.
    track_ids : sequence of str
        Of the rows of `X`.
    rankings : mapping of str to np.ndarray, shape of `X`
        By title: a number for each cell, added up over each patch; high ones go first. Such as
        :meth:`Explainer.attribute` gives.
    seed : int
        For the random deletions, of which there are :data:`N_RANDOM` per track.

    Returns
    -------
    pd.DataFrame
        One row per track, ranking (those given, ``"distance from the baseline"``, ``"random"``)
        and share: ``track_id, ranking, share`` of the patches deleted, in ``[0, 1]``, and the
        ``probability`` of the genre that is predicted for the whole track.
    """
    patches = explainer.patches()
    n_patches = patches.max() + 1
    shares = np.linspace(0, 1, N_SHARES)
    counts = np.round(shares * n_patches).astype(int)
    targets = explainer.predicted(X)
    rankings = {**rankings, CONTROL: explainer.distance(X)}
    tables = []
    for row, (track_id, target) in enumerate(zip(track_ids, targets, strict=True)):
        orders = {
            title: np.argsort(-_of_patches(values[row], patches), kind="stable")
            for title, values in rankings.items()
        }
        for number in range(N_RANDOM):
            generator = rng(seed, "deletion", track_id, number)
            orders[RANDOM, number] = generator.permutation(n_patches)
        places = np.argsort(list(orders.values()), axis=1)  # when each patch goes
        gone = places[:, None, :] < counts[:, None]  # (n_orders, n_shares, n_patches)
        cells = gone.reshape(-1, n_patches)[:, patches]
        scores = explainer.without(X[row : row + 1], cells[None])[0]
        found = softmax(scores, axis=1)[:, target].reshape(len(orders), -1)
        curves = dict(zip(orders, found, strict=True))
        curves[RANDOM] = np.mean([curves.pop((RANDOM, n)) for n in range(N_RANDOM)], axis=0)
        tables += [
            pd.DataFrame(
                {"track_id": track_id, "ranking": title, "share": shares, "probability": curve}
            )
            for title, curve in curves.items()
        ]
    return pd.concat(tables, ignore_index=True)


def _of_patches(values: np.ndarray, patches: np.ndarray) -> np.ndarray:
    inner = values[:, : patches.shape[1]]
    return np.bincount(patches.ravel(), weights=inner.ravel())


def areas(curves: pd.DataFrame, groups: pd.Series, *, seed: int) -> pd.DataFrame:
    """Measure the areas between the curves of deletion.

    Parameters
    ----------
    curves : pd.DataFrame
        From :func:`deletion`.
    groups : pd.Series, index track_id
        What must stay together when tracks are resampled.
    seed : int
        The study's seed.

    Returns
    -------
    pd.DataFrame
        One row per ranking and other: ``ranking, other`` (``"random"`` or the control)``,
        n_tracks``; ``gain``, by how much the probability is lower than under the other order, the
        mean over all shares and tracks, with its 95 % interval ``low, high``; and ``lower``,
        whether the interval lies above zero. An explanation is faithful where it is lower than
        random, and tells more than its input does where it is lower than the control.
    """
    by_track = curves.pivot_table(
        index="track_id",
        columns="ranking",
        values="probability",
        aggfunc=lambda curve: trapezoid(curve, dx=1 / (N_SHARES - 1)),
        sort=False,
    )
    rows = [
        {"track_id": track_id, "ranking": ranking, "other": other, "gain": gain}
        for other in (RANDOM, CONTROL)
        for ranking in by_track.columns.drop([RANDOM, other], errors="ignore")
        for track_id, gain in (by_track[other] - by_track[ranking]).items()
    ]
    table = means(pd.DataFrame(rows), ["ranking", "other"], "gain", groups, seed=seed)
    return table.assign(lower=table["low"] > 0)


def cascade(
    explainer: Explainer,
    X: np.ndarray,
    track_ids: Sequence[str],
    method: str,
    *,
    groups: pd.Series,
    seed: int,
) -> pd.DataFrame:
    """Randomise the network's weights from the last layer on, and compare the attributions.

    The check of Adebayo et al. (2018, "Sanity checks for saliency maps"): attributions that stay
    what they were show the input, not what the network has learnt.

    Parameters
    ----------
    explainer, X, track_ids
        As for :func:`deletion`.
    method : str
        A key of :data:`METHODS`.
    groups : pd.Series, index track_id
        What must stay together when tracks are resampled.
    seed : int
        Of the new weights.

    Returns
    -------
    pd.DataFrame
        One row per stage, of which there are at most :data:`N_STAGES` after the first: ``method``,
        ``n_layers`` randomised of ``n_all``, the name ``first`` of the earliest of them;
        ``n_tracks``; ``correlation``, Spearman's, of the amounts of the attributions before and
        after, with its 95 % interval ``low, high``; ``signed``, that of the attributions with
        their signs; and ``distance``, that of the amounts before with the distance from the
        baseline, which no network is needed for.
    """
    targets = explainer.predicted(X)
    before, distance = explainer.attribute(method, X, targets), explainer.distance(X)
    names = explainer.layers
    n_stages = min(N_STAGES, len(names))
    rows = []
    for n_layers in np.linspace(0, len(names), n_stages + 1).round().astype(int):
        after = before
        if n_layers:
            other = explainer.randomised(n_layers, seed=derive(seed, "untrained"))
            after = other.attribute(method, X, targets)
        where = {
            "method": method,
            "n_layers": int(n_layers),
            "n_all": len(names),
            "first": names[-n_layers] if n_layers else "",
        }
        for track_id, a, b, far in zip(track_ids, before, after, distance, strict=True):
            found = {
                "track_id": track_id,
                "correlation": _ranks(np.abs(a), np.abs(b)),
                "signed": _ranks(a, b),
                "distance": _ranks(np.abs(a), far),
            }
            rows.append(where | found)
    rows = pd.DataFrame(rows)
    by = ["method", "n_layers", "n_all", "first"]
    others = rows.groupby(by, sort=False)[["signed", "distance"]].mean().reset_index(drop=True)
    return means(rows, by, "correlation", groups, seed=seed).join(others)


def _ranks(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's correlation; a constant map ranks nothing, and has none."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(spearmanr(a, b, axis=None).statistic)
