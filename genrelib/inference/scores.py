"""Scores: accuracy, macro F1, log loss, Brier score and ECE of each system, with intervals."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..base.errors import GenrelibError
from ..base.seeds import rng
from ..features import segments
from ..protocols import PROTOCOLS
from ..systems import SYSTEMS
from .intervals import (
    FLOOR,
    LOSS,
    SHARE,
    ClusterBootstrap,
    Estimate,
    SeedDraws,
    minimum_detectable_difference,
    ratio,
)

FIT = ["system", "protocol", "repeat", "fold", "seed"]
NEEDED = (*FIT[:-1], "track_id", "genre", "predicted")


def checked(rows: pd.DataFrame) -> pd.DataFrame:
    """Return `rows`, with a `seed`, if they are predictions, with probabilities in ``[0, 1]``."""
    missing = [name for name in NEEDED if name not in rows]
    if missing:
        raise GenrelibError(
            f"predictions without {', '.join(missing)}; needed are {', '.join(NEEDED)} and one "
            "p_<genre> per genre. Take the rows of predictions.read."
        )
    if rows.empty:
        raise GenrelibError("no predictions: 0 rows; at least one test is needed. Run a system.")
    strange = sorted(set(rows["genre"]) - set(genres_of(rows)))
    if strange:
        raise GenrelibError(
            f"genre {strange[0]!r} has no column p_{strange[0]}; there are "
            f"{', '.join(genres_of(rows)) or 'none'}. Take the rows of one corpus."
        )
    values = probabilities(rows)
    bad = ~((values >= 0) & (values <= 1))
    if bad.any():
        where = int(bad.any(axis=1).argmax())
        raise GenrelibError(
            f"probability {values[bad][0]} of track {rows['track_id'].iloc[where]!r}; "
            "0 to 1 is allowed. Run the system again."
        )
    return rows if "seed" in rows else rows.assign(seed=0)


def genres_of(rows: pd.DataFrame) -> list[str]:
    """List the genres that have a column of probabilities, in the order of the columns."""
    return [name.removeprefix("p_") for name in rows.columns if name.startswith("p_")]


def probabilities(rows: pd.DataFrame) -> np.ndarray:
    """Return the probabilities, shape ``(n_rows, n_genres)``."""
    return rows[[f"p_{genre}" for genre in genres_of(rows)]].to_numpy(float)


def codes_of(labels: pd.Series, genres: list[str]) -> np.ndarray:
    """Return the index of each label in `genres`, -1 for a label that is not in it."""
    return pd.Categorical(labels, genres).codes.astype(int)


def is_right(rows: pd.DataFrame) -> np.ndarray:
    """Return 1.0 for each test whose predicted genre is the track's, else 0.0."""
    return (rows["genre"] == rows["predicted"]).to_numpy(float)


def answerable(rows: pd.DataFrame) -> np.ndarray:
    """Return which tests have a genre that was trained on; all, if the rows lack the column."""
    if "genre_trained" not in rows:
        return np.ones(len(rows), dtype=bool)
    return rows["genre_trained"].to_numpy(bool)


def tracks_of(rows: pd.DataFrame) -> np.ndarray:
    """Return the track of each test; for a segment, the track it was cut from."""
    known = [n for n in rows["protocol"].unique() if n in PROTOCOLS]
    cut = [name for name in known if PROTOCOLS[name].unit == "segment"]
    ids = rows["track_id"].to_numpy(object).copy()
    is_segment = rows["protocol"].isin(cut).to_numpy()
    ids[is_segment] = [segments.parse(i)[0] for i in ids[is_segment]]
    return ids


def groups_of(rows: pd.DataFrame, groups: pd.Series) -> np.ndarray:
    """Return the group of each test's track; see :func:`groups_at`."""
    return groups_at(tracks_of(rows), groups)


def groups_at(track_ids: Iterable[str], groups: pd.Series) -> np.ndarray:
    """Return the group of each track."""
    unknown = sorted(set(track_ids) - set(groups.index))
    if unknown:
        raise GenrelibError(
            f"track {unknown[0]!r} and {len(unknown) - 1} more have no group among the "
            f"{len(groups)} known. Take the tracks table of the corpus that was predicted."
        )
    return groups[track_ids].to_numpy()


def ordered(names: Iterable[str], registry: dict) -> list[str]:
    """Return each name once, in the registry's order; unknown names come last, sorted."""
    present = set(names)
    return [n for n in registry if n in present] + sorted(present - set(registry))


def by_system(rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield system, protocol and their rows, in registry order."""
    parts = dict(tuple(rows.groupby(["system", "protocol"], sort=False)))
    for system in ordered(rows["system"], SYSTEMS):
        for protocol in ordered(rows["protocol"], PROTOCOLS):
            if (system, protocol) in parts:
                yield system, protocol, parts[system, protocol]


def accuracy_by_track(rows: pd.DataFrame) -> pd.Series:
    """Return the mean over each track's answerable tests, in ``[0, 1]``; index ``track_id``."""
    kept = answerable(rows)
    right = pd.Series(is_right(rows)[kept], index=pd.Index(tracks_of(rows)[kept], name="track_id"))
    return right.groupby(level=0).mean()


def seed_draws(rows: pd.DataFrame, seed: int) -> SeedDraws:
    """Return the resamples of the fits of one system and protocol, the same in every table."""
    return SeedDraws(rows, rng(seed, "seeds", *rows[["system", "protocol"]].iloc[0]))


def bootstrap_of(
    rows: pd.DataFrame, groups: pd.Series, *names: object, seed: int
) -> ClusterBootstrap:
    """Return the resamples, named `names`, of the artists and fits of a system and protocol."""
    return ClusterBootstrap(groups_of(rows, groups), rng(seed, *names), seed_draws(rows, seed))


TEST = ["repeat", "fold", "track_id"]
N_BINS = 10


class Metric(NamedTuple):
    """A row of :data:`METRICS`."""

    columns: Callable[[pd.DataFrame], np.ndarray]
    statistic: Callable[[np.ndarray], np.ndarray]
    span: tuple[float, float]
    is_biased: bool = False


def _accuracy(rows):
    return np.column_stack([is_right(rows), np.ones(len(rows))])


def _macro_f1(rows):
    """Right, tested and predicted, by genre."""
    genres = np.array(genres_of(rows))
    tested, called = (rows[name].to_numpy()[:, None] == genres for name in ("genre", "predicted"))
    return np.column_stack([tested & called, tested, called, np.ones(len(rows))]).astype(float)


def _mean_f1(totals):
    """Average F1 over the genres that were tested; the others have no F1."""
    right, tested, called = np.split(totals[..., :-1], 3, axis=-1)
    both = tested + called
    f1 = np.divide(2 * right, both, out=np.zeros_like(both), where=both > 0)
    return (f1 * (tested > 0)).sum(axis=-1) / np.maximum((tested > 0).sum(axis=-1), 1)


def _log_loss(rows):
    counts = answerable(rows).astype(float)
    right = probabilities(rows)[np.arange(len(rows)), codes_of(rows["genre"], genres_of(rows))]
    return np.column_stack([-np.log(np.clip(right, FLOOR, 1)) * counts, counts])


def _brier(rows):
    counts = answerable(rows).astype(float)
    genres = genres_of(rows)
    truth = np.eye(len(genres))[codes_of(rows["genre"], genres)]
    return np.column_stack([((probabilities(rows) - truth) ** 2).sum(axis=1) * counts, counts])


def bins_of(confidence: np.ndarray) -> np.ndarray:
    """Return the bin of equal width, ``0 .. N_BINS - 1``, of each confidence in ``[0, 1]``."""
    return np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)


def _ece(rows):
    """Confidence less accuracy, in the column of the test's bin."""
    counts = answerable(rows).astype(float)
    confidence = probabilities(rows).max(axis=1)
    gaps = np.eye(N_BINS)[bins_of(confidence)] * (confidence - is_right(rows))[:, None]
    return np.column_stack([gaps * counts[:, None], counts])


def _gap(totals):
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.abs(totals[..., :-1]).sum(axis=-1) / totals[..., -1]


METRICS = {
    "accuracy": Metric(_accuracy, ratio, SHARE),
    "macro_f1": Metric(_macro_f1, _mean_f1, SHARE),
    "log_loss": Metric(_log_loss, ratio, LOSS),
    "brier": Metric(_brier, ratio, (0.0, 2.0)),
    "ece": Metric(_ece, _gap, SHARE, is_biased=True),
}
"""Metrics by name. Log loss (nats), Brier score (the sum over genres of squared differences, 0 to
2) and ECE (10 bins of equal width) are taken over the answerable tests; macro F1 is the mean over
the genres that were tested."""


def estimate(name: str, rows: pd.DataFrame, bootstrap: ClusterBootstrap) -> Estimate:
    """Return a metric of one system and protocol; `bootstrap` is over the clusters of `rows`."""
    columns, statistic, span, is_biased = METRICS[name]
    return bootstrap.estimate(columns(rows), statistic, span, is_biased=is_biased)


def scores(predictions: pd.DataFrame, groups: pd.Series, *, seed: int) -> pd.DataFrame:
    """Score each system under each protocol, one row each, in registry order.

    ``n_tests`` are tracks x repeats, or segments; ``n_seeds`` fits of each fold. ``accuracy``, over
    all tests, has its 95 % interval over groups of artists and over seeds; ``track_low`` and
    ``track_high`` are over tracks in the place of groups, ``se_artists`` and ``se_seeds`` the parts
    of its standard error (NaN where one seed tells nothing), and in ``accuracy_by_artist`` each
    group counts once. ``mdd`` is the difference from the best other system of this table with the
    same tests that would be found 4 times in 5, NaN without one. ``accuracy_majority``, where
    segments vote by heads (column ``majority``), and ``accuracy_segments``, of single ones (the
    mean of ``right_segments``), are else NaN. ``n_answerable`` are tests whose genre was in the
    training data, without which no system can be right; over these are ``accuracy_answerable``,
    ``log_loss`` (nats), ``brier``, ``ece`` and ``ece_calibrated``, the ECE that a perfectly
    calibrated system would show with as many tests: only what lies above that tells. Metrics have
    intervals over groups; what is taken over no test is NaN.
    """
    parts = checked(predictions).groupby("protocol", sort=False)
    lines = [line for _, part in parts for line in _of_protocol(part, groups, seed)]
    table = pd.DataFrame(lines).set_index(["system", "protocol"])
    order = [(system, protocol) for system, protocol, _ in by_system(predictions)]
    return table.loc[order].reset_index()


def _of_protocol(rows, groups, seed):
    """List the lines of one protocol; systems with the same tests share their resamples."""
    protocol = rows["protocol"].iloc[0]
    parts = {system: part.sort_values([*TEST, "seed"]) for system, _, part in by_system(rows)}
    tests = {system: frozenset(map(tuple, part[TEST].to_numpy())) for system, part in parts.items()}
    draws = {system: seed_draws(part, seed) for system, part in parts.items()}
    clusters = {system: groups_of(part, groups) for system, part in parts.items()}
    shared = {}

    def resampled(system, codes, *names):
        key = (tests[system], *names)
        if key not in shared:
            shared[key] = ClusterBootstrap(codes, rng(seed, *names))
        return shared[key].again(codes, draws[system])

    right = {
        n: estimate("accuracy", part, resampled(n, clusters[n], "comparisons", protocol))
        for n, part in parts.items()
    }
    for system, part in parts.items():
        counts = answerable(part)
        others = [e for n, e in right.items() if n != system and tests[n] == tests[system]]
        best = max(others, key=lambda other: other.value, default=None)
        over_groups = resampled(system, clusters[system], "scores", protocol, "group")
        found = {name: estimate(name, part, over_groups) for name in METRICS}
        accuracy = found.pop("accuracy")
        over_tracks = resampled(system, tracks_of(part), "scores", protocol, "track")
        weight = 1 / pd.Series(clusters[system]).map(pd.Series(clusters[system]).value_counts())
        by_artist = over_groups.estimate(np.column_stack([is_right(part) * weight, weight]))
        n_seeds = int(part.groupby(TEST[:2])["seed"].nunique().max())
        line = {
            "system": system,
            "protocol": protocol,
            "n_tracks": len(set(tracks_of(part))),
            "n_tests": len(tests[system]),
            "n_seeds": n_seeds,
            **accuracy.named("accuracy"),
            **estimate("accuracy", part, over_tracks).named("accuracy", "track_low", "track_high"),
            "se_artists": accuracy.se_groups,
            "se_seeds": accuracy.se_seeds if n_seeds > 1 else np.nan,
            **by_artist.named("accuracy_by_artist", "by_artist_low", "by_artist_high"),
            "mdd": minimum_detectable_difference(right[system] - best) if best else np.nan,
            "accuracy_majority": _majority(part),
            "accuracy_segments": part.get("right_segments", pd.Series(dtype=float)).mean(),
            "n_answerable": len(part[counts].drop_duplicates(TEST)),
            "accuracy_answerable": is_right(part)[counts].mean() if counts.any() else np.nan,
        }
        for name, metric in found.items():
            line |= metric.named(name, f"{name}_low", f"{name}_high")
        line["ece_calibrated"] = expected_ece(part, rng(seed, "ece", system, protocol))
        yield line


def variation(predictions: pd.DataFrame, scores: pd.DataFrame, groups: pd.Series) -> pd.DataFrame:
    """Show how far accuracies differ between seeds, folds, partitions and artists.

    By system and protocol, beside columns of `scores`, standard deviations of the accuracy:
    ``sd_seeds`` between the fits of a fold, ``sd_folds`` between folds, their seeds averaged,
    ``sd_partitions`` between repeats, in which all folds are drawn anew, ``sd_artists`` between
    groups, each counting once. NaN where there is one only. Folds differ in artists and in training
    parts; what is whose can't be told.
    """
    rows = checked(predictions)
    rows = rows.assign(right=is_right(rows), group=groups_of(rows, groups))
    by_fit = rows.groupby(FIT)["right"].mean()
    by_group = rows.groupby([*FIT[:2], "group"])["right"].mean()
    within = by_fit.groupby(FIT[:4]).var().groupby(FIT[:2]).mean() ** 0.5
    by_fold = by_fit.groupby(FIT[:4]).mean().groupby(FIT[:2])
    by_partition = rows.groupby(FIT[:3])["right"].mean().groupby(FIT[:2])
    by_group = by_group.groupby(FIT[:2])
    found = {"n_folds": by_fold.size(), "n_groups": by_group.size(), "sd_seeds": within}
    found |= {"sd_folds": by_fold.std(), "sd_partitions": by_partition.std()}
    found |= {"sd_artists": by_group.std()}
    columns = [*FIT[:2], "n_seeds", "accuracy", "se_artists", "se_seeds"]
    return scores[columns].join(pd.DataFrame(found), on=FIT[:2])


def _majority(part):
    if "majority" not in part:
        return np.nan
    votes = part["majority"].fillna("")
    voted = (votes != "").to_numpy()
    return float((votes == part["genre"])[voted].mean()) if voted.any() else np.nan


def expected_ece(
    rows: pd.DataFrame, generator: np.random.Generator, *, n_draws: int = 200
) -> float:
    """Return the ECE to expect of a system that is right exactly as often as it is confident."""
    kept = rows[answerable(rows)]
    if kept.empty:
        return float("nan")
    confidence = probabilities(kept).max(axis=1)
    _, track = np.unique(tracks_of(kept), return_inverse=True)
    bins = np.eye(N_BINS)[bins_of(confidence)]
    luck = generator.random((n_draws, track.max() + 1))[:, track]
    gaps = (confidence - (luck < confidence)) @ bins
    return float(np.abs(gaps).sum(axis=1).mean() / len(kept))


def overlap(records: pd.DataFrame) -> pd.DataFrame:
    """Measure what of the tests was known from training, over all folds of each protocol.

    The records' columns ``known_...`` as shares of all tests, in ``[0, 1]``; index ``protocol``.
    """
    if records.empty:
        raise GenrelibError("no records of fits; at least one is needed. Run a system.")
    folds = records.drop_duplicates(["protocol", "repeat", "fold"])
    names = ("known_track", "known_artist", "known_group", "known_genre")
    known = [name for name in names if name in folds]
    counts = folds[known].mul(folds["n_test"], axis=0).groupby(folds["protocol"]).sum()
    return counts.div(folds.groupby("protocol")["n_test"].sum(), axis=0)


def confusion(predictions: pd.DataFrame, genres: tuple[str, ...]) -> pd.DataFrame:
    """Return how often each genre (rows) is called each genre (columns), as shares of the row."""
    table = pd.crosstab(predictions["genre"], predictions["predicted"])
    table = table.reindex(index=list(genres), columns=list(genres), fill_value=0)
    return table.div(table.sum(axis=1).replace(0, np.nan), axis=0)


def hardest(predictions: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """Rank the tracks that all systems of one protocol together get wrong, the surest first.

    ``predicted`` is the genre of the highest probability, averaged over systems, repeats and
    segments, where it is wrong; ``own`` is the probability of the track's own genre; ``fault`` the
    planted one, where the corpus lists faults.
    """
    columns = [c for c in predictions.columns if c.startswith("p_")]
    mean = predictions[columns].groupby(pd.Index(tracks_of(predictions), name="track_id")).mean()
    mean.columns = [c.removeprefix("p_") for c in columns]
    known = [c for c in ("genre", "artist", "title", "fault") if c in tracks]
    table = tracks.loc[mean.index, known]
    table.insert(3, "predicted", mean.idxmax(axis=1))
    table.insert(4, "probability", mean.max(axis=1))
    table.insert(5, "own", [mean.loc[i, g] for i, g in table["genre"].items()])
    wrong = table[table["predicted"] != table["genre"]]
    return wrong.sort_values(["probability", "own"], ascending=[False, True], kind="stable")


def recalls(predictions: pd.DataFrame, genres: tuple[str, ...]) -> pd.DataFrame:
    """Return each system's recall of each genre, in ``[0, 1]``, NaN where none was tested."""
    right = predictions.assign(right=predictions["genre"] == predictions["predicted"])
    table = right.pivot_table("right", "system", "genre", aggfunc="mean", sort=False)
    return table.reindex(columns=list(genres)).rename_axis(columns=None)


def costs(scores: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """Join the scores of one protocol with what an example costs each system.

    ``n_parameters`` and ``multiply_adds`` of one example are NaN for systems that are no network;
    ``is_best`` tells whether no network with as few multiply-adds is more accurate.
    """
    known = records.groupby("system")[["n_parameters", "multiply_adds"]].median().astype(float)
    table = scores[["system", "accuracy", "low", "high"]].join(known, on="system")
    accuracy, cost = table["accuracy"].to_numpy(), table["multiply_adds"].to_numpy()
    is_beaten = (cost <= cost[:, None]) & (accuracy > accuracy[:, None])
    return table.assign(is_best=~is_beaten.any(axis=1) & ~np.isnan(cost))
