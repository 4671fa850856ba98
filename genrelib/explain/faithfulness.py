"""Two tests of attributions: that they name what counts, and depend on what was learnt."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.integrate import trapezoid
from scipy.special import softmax
from scipy.stats import spearmanr

from ..base.seeds import derive, rng
from ..inference import means
from ..inference.wording import opening
from ..systems import SYSTEMS
from .attributions import METHODS, Explainer
from .causes import CHANGES

RANDOM, CONTROL = "random", "distance from the baseline"
N_SHARES = 17
N_RANDOM = 3
N_STAGES = 4

LIMIT = 0.5
"""A rank correlation below it leaves attributions less than a quarter of their ranks' variance in
common with those of a network that has learnt nothing."""

_TAIL = 0.025  # of intervals of 95 % that lie above a true zero, and below


def deletion(
    explainer: Explainer,
    X: np.ndarray,
    track_ids: Sequence[str],
    rankings: Mapping[str, np.ndarray],
    *,
    seed: int,
) -> pd.DataFrame:
    """Delete patches, the highest ranked first, and watch the predicted genre's probability.

    Where a ranking names what the network relies on, the probability falls faster than when patches
    are deleted at random (Samek et al. 2017 call it region perturbation). What is deleted is
    replaced by the baseline. So patches that are far from it matter more, whatever the network: the
    order by :meth:`Explainer.distance` is the control that an explanation should beat.

    `X` has shape ``(n_tracks, n_bands, n_frames)``. `rankings` hold, by title, a number for each of
    its cells, such as from :meth:`Explainer.attribute`; they are added up over each patch. There
    are :data:`N_RANDOM` random deletions per track.

    One row per track, ranking (those given, :data:`CONTROL`, :data:`RANDOM`) and ``share`` of the
    patches deleted: the ``probability`` of the genre that is predicted for the whole track.
    """
    patches = explainer.patches()
    numbers, n_frames, n_patches = patches.ravel(), patches.shape[1], patches.max() + 1
    shares = np.linspace(0, 1, N_SHARES)
    counts = np.round(shares * n_patches).astype(int)
    targets = explainer.predicted(X)
    rankings = {**rankings, CONTROL: explainer.distance(X)}
    tables = []
    for row, (track_id, target) in enumerate(zip(track_ids, targets, strict=True)):
        orders = {}
        for title, values in rankings.items():
            amounts = np.bincount(numbers, values[row, :, :n_frames].ravel())
            orders[title] = np.argsort(-amounts, kind="stable")
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
        for title, curve in curves.items():
            line = {"track_id": track_id, "ranking": title, "share": shares, "probability": curve}
            tables.append(pd.DataFrame(line))
    return pd.concat(tables, ignore_index=True)


def areas(curves: pd.DataFrame, groups: pd.Series, *, seed: int) -> pd.DataFrame:
    """Measure the areas between the curves of deletion.

    `curves` are from :func:`deletion`; groups of tracks stay together when they are resampled. One
    row per ranking and ``other`` (:data:`RANDOM` or :data:`CONTROL`): ``gain``, by how much the
    probability is lower than under the other order, the mean over all shares and tracks, with its
    95 % interval; and ``lower``, whether that lies above zero. An explanation is faithful where it
    is lower than random, and tells more than its input does where it is lower than the control.
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
    what they were show the input, not what the network has learnt. Parameters are those of
    :func:`deletion` and :func:`areas`; `method` is a key of :data:`METHODS`.

    One row per stage, at most :data:`N_STAGES` after the first: ``n_layers`` randomised of
    ``n_all``, the earliest named ``first``; ``correlation``, Spearman's, of the amounts before and
    after, with its 95 % interval; ``signed``, that of the attributions with their signs; and
    ``distance``, that of the amounts before with the distance from the baseline, which needs no
    network.
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
        first = names[-n_layers] if n_layers else ""
        for track_id, a, b, far in zip(track_ids, before, after, distance, strict=True):
            unsigned, signed = _ranks(np.abs(a), np.abs(b)), _ranks(a, b)
            where = (track_id, method, int(n_layers), len(names), first)
            rows.append((*where, unsigned, signed, _ranks(np.abs(a), far)))
    by = ["method", "n_layers", "n_all", "first"]
    rows = pd.DataFrame(rows, columns=["track_id", *by, "correlation", "signed", "distance"])
    others = rows.groupby(by, sort=False)[["signed", "distance"]].mean().reset_index(drop=True)
    return means(rows, by, "correlation", groups, seed=seed).join(others)


def _ranks(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's correlation, 0 for a constant map, which ranks nothing."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(spearmanr(a, b, axis=None).statistic)


def findings(
    *,
    areas: pd.DataFrame | None = None,
    cascades: pd.DataFrame | None = None,
    causes: pd.DataFrame | None = None,
    toward: pd.DataFrame | None = None,
    importances: pd.DataFrame | None = None,
) -> list[str]:
    """Say what systems listen to and which explanations can be believed.

    `areas` and `cascades` are from the functions, of one method or several; the others are means,
    of :func:`genrelib.explain.effects` and :func:`genrelib.explain.importance`.
    """
    said = []
    tell = {_areas: areas, _cascades: cascades, _causes: causes}
    tell |= {_toward: toward, _importances: importances}
    for sentences_of, table in tell.items():
        if table is not None and len(table):
            said += sentences_of(table)
    return said


def _areas(table):
    for ranking, part in table.groupby("ranking", sort=False):
        if ranking == CONTROL:
            continue
        random, control = (part[part["other"] == name].iloc[0] for name in (RANDOM, CONTROL))
        verdict = "it names" if random["lower"] else "it is not shown to name"
        more = "tells more" if control["lower"] else "is not shown to tell more"
        yield (
            f"Deleting patches in the order of {ranking} lowers the predicted genre's probability "
            f"by {_points(random, 'gain')} points more than deleting them at random, over "
            f"{random['n_tracks']} tracks: {verdict} what the network relies on. Compared with "
            f"the order by mere {CONTROL}, it is {_points(control, 'gain')} points: the "
            f"explanation {more} than the picture itself."
        )


def _cascades(table):
    for method, part in table.groupby("method", sort=False):
        last = part.iloc[-1]
        verdict = "fails" if last["low"] > LIMIT else "neither passes nor fails for certain"
        if last["high"] < LIMIT:
            verdict = "passes"
        yield (
            f"Do the attributions of {METHODS[method]} depend on what the network has learnt? "
            f"With all {last['n_all']} layers put back to before training, their amounts still "
            f"have a rank correlation of {last['correlation']:.2f} [{last['low']:.2f}, "
            f"{last['high']:.2f}] with those of the trained network ({last['signed']:.2f} with "
            f"signs; {last['n_tracks']} tracks, one draw of weights). With a limit of {LIMIT:g}, "
            f"the method {verdict}. The mere distance from the baseline, which knows no network, "
            f"has a correlation of {last['distance']:.2f}."
        )


def _causes(table):
    for system, part in table.groupby("system", sort=False):
        sure = part[part["low"] > 0].sort_values("drop", ascending=False)
        named = _named(sure["change"].map(CHANGES), sure, "drop")
        yield (
            f"{opening(system, SYSTEMS)}: the probability of a track's own genre falls under "
            f"{len(sure)} of {len(part)} changes, each interval read by itself{named}."
        )
    rises = int((table["high"] < 0).sum())
    yield (
        f"In {rises} of all {len(table)} cases that probability rises; by chance "
        f"alone about {len(table) * _TAIL:.1f} would rise and as many fall."
    )


def _toward(table):
    pulled = table[table["low"] > 0]
    named = _named((opening(name, SYSTEMS) for name in pulled["system"]), pulled, "toward")
    yield (
        "Under the production of another genre's artist, the probability of that genre rises "
        f"with {len(pulled)} of {len(table)} systems, each interval read by itself{named}."
    )


def _importances(table):
    for system, part in table.groupby("system", sort=False):
        sure = part[part["low"] > 0].sort_values("drop", ascending=False)
        yield (
            f"{opening(system, SYSTEMS)}: shuffling {len(sure)} of {len(part)} families of inputs "
            "costs accuracy, each interval read by itself (by chance about "
            f"{len(part) * _TAIL:.1f} would), over {part['n_tracks'].iloc[0]} tracks"
            f"{_named(sure['family'], sure, 'drop')}."
        )


def _named(titles, table, name):
    """List a table's rows after a colon, with the points of each."""
    rows = zip(titles, table.to_dict("records"), strict=True)
    named = [f"{title}, {_points(row, name)} points" for title, row in rows]
    return f": {'; '.join(named)}" if named else ""


def _points(row, name):
    return f"{100 * row[name]:.1f} [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]"
