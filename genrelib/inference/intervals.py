"""Intervals: how sure an estimate is when tests come in clusters (artists, or tracks).

The standard error and the bias come from the cluster bootstrap (Field & Welsh 2007): whole clusters
are drawn with replacement. Percentiles of the draws would be too narrow, since clusters are few and
unequal: one artist of 35 tracks weighs as much as 35 of one. So the interval is made from the
standard error with a *t* quantile whose degrees of freedom count clusters by their size, on a scale
that cannot leave the range of the estimate. In simulations with 60 and 100 artists, as unequal as
GTZAN's, it holds the truth 93 to 97 times in 100, where percentiles fall below 93; with 20 artists
it is rather too wide (``tests/inference/test_inference_simulations.py``).

Where a fold was fitted with several seeds, the second source of chance is the fit. Artists and fits
are crossed: every fit of a fold says something of each of its tests. Owen's pigeonhole bootstrap
(2007; Owen & Eckles 2012) draws both, but multiplies the draws, which counts their interaction
three times. Here each is drawn with the other as it is, and their variances are added, so that the
interaction counts twice; the degrees of freedom are Satterthwaite's. A fold's own luck, as of its
training part, can't be told from that of its artists: it is not in the interval.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from ..base.errors import GenrelibError
from ..base.seeds import rng

N_RESAMPLES = 2000
LEVEL = 0.95
ALPHA = 0.05
POWER = 0.8
MATTERS = 0.05  # difference of accuracies from which on one matters, by the study protocol
SHARE = (0.0, 1.0)
DIFFERENCE = (-1.0, 1.0)
FLOOR = 1e-15  # a probability of zero counts as this, so that its log loss is finite
LOSS = (0.0, float(-np.log(FLOOR)))


def ratio(totals: np.ndarray) -> np.ndarray:
    """Divide the first total of the last axis by its last, the number of tests; NaN for none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return totals[..., 0] / totals[..., -1]


@dataclass(frozen=True)
class Estimate:
    """A number with its bootstrap draws.

    `draws` are what `value` would be in each resample of the `n_clusters` that hold a test; for
    `effective` and `df` see :func:`effective_clusters`, `df` is 0 when all tests are one cluster.
    `luck` is by how much the value moves in each resample of seeds, which have `df_luck` degrees of
    freedom; zero, and 0, where each fold has one. The value cannot leave `span`: :data:`SHARE`,
    :data:`DIFFERENCE` or :data:`LOSS`. Where it is too large with few tests, as a mean of absolute
    gaps is (`is_biased`), its interval is centred on the value less the bias, which also widens it.
    """

    value: float
    draws: np.ndarray
    n_clusters: int
    effective: float
    df: float
    span: tuple[float, float]
    is_biased: bool = False
    luck: np.ndarray | float = 0.0
    df_luck: float = 0

    @property
    def se(self) -> float:
        """Standard error; NaN with a single cluster."""
        return float(np.hypot(self.se_groups, self.se_seeds))

    @property
    def se_seeds(self) -> float:
        """The part of the standard error that comes from the luck of the fits."""
        return float(np.nanstd(self.luck))

    @property
    def df_all(self) -> float:
        """Degrees of freedom of :attr:`se` (Satterthwaite 1946)."""
        if not self.se_seeds > 0 or not self.df_luck:
            return self.df
        parts = np.array([self.se_groups, self.se_seeds]) ** 2
        return float(parts.sum() ** 2 / (parts**2 / [self.df, self.df_luck]).sum())

    @property
    def se_groups(self) -> float:
        """The part of the standard error that comes from the clusters."""
        drawn = self.draws[np.isfinite(self.draws)]
        if self.df <= 0 or len(drawn) < 2:
            return float("nan")
        # a resample repeats clusters, so it varies less than new ones would
        found = drawn.std() * np.sqrt(self.effective / (self.effective - 1))
        return float(found) if found > 1e-12 else 0.0

    @property
    def bias(self) -> float:
        """By how much the draws lie above the value on average: its own bias, repeated."""
        drawn = self.draws[np.isfinite(self.draws)]
        return float(drawn.mean() - self.value) if len(drawn) else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval, within `span`; the whole of `span` when there is one cluster.

        Wilson's score interval for what lies between two bounds, symmetric on the logarithm for a
        loss, symmetric for a difference.
        """
        if not np.isfinite(self.value):
            return float("nan"), float("nan")
        if self.df <= 0:
            return self.span
        t = stats.t.ppf((1 + LEVEL) / 2, self.df_all)
        lowest, highest = self.span
        if lowest < 0:
            low, high = self.value - t * self.se, self.value + t * self.se
        elif self.span == LOSS:
            factor = np.exp(min(t * self.se / self.value, 50)) if self.value else 1.0
            low, high = self.value / factor, self.value * factor
        else:
            low, high = self._wilson(t)
        low, high = max(low, lowest), min(high, highest)
        return float(min(low, self.value)), float(max(high, self.value))

    def named(self, value: str, low: str = "low", high: str = "high") -> dict[str, float]:
        """Return the value and the ends of the interval under these names, for a table."""
        return {value: self.value} | dict(zip((low, high), self.interval, strict=True))

    def _wilson(self, t):
        """Wilson's interval for as many independent tests as have this standard error."""
        scale = self.span[1]
        bias = self.bias if self.is_biased else 0.0
        value, se = self.value / scale, np.hypot(self.se, bias) / scale
        centre = np.clip(value - bias / scale, 0, 1)
        n = value * (1 - value) / se**2 if se and 0 < value < 1 else self.effective
        middle = centre + t**2 / (2 * n)
        half = t * np.sqrt(centre * (1 - centre) / n + t**2 / (4 * n**2))
        return scale * (middle - half) / (1 + t**2 / n), scale * (middle + half) / (1 + t**2 / n)

    @property
    def p_value(self) -> float:
        """Two-sided p of a value of zero, from the *t* distribution; NaN with one cluster.

        Where all clusters agree exactly, the sign test over clusters: ``2 ** (1 - n_clusters)``.
        """
        if self.df <= 0 or not np.isfinite(self.value):
            return float("nan")
        if self.value == 0:
            return 1.0
        if self.se == 0:
            return float(2.0 ** (1 - self.n_clusters))
        return float(2 * stats.t.sf(abs(self.value) / self.se, self.df_all))

    def __sub__(self, other: "Estimate") -> "Estimate":
        """Return the paired difference of two estimates of one :class:`ClusterBootstrap`."""
        few = min(self, other, key=lambda estimate: estimate.df)
        reach = max(self.span[1], other.span[1])
        value, draws = self.value - other.value, self.draws - other.draws
        groups = (few.n_clusters, few.effective, few.df)
        luck, df_luck = self.luck - other.luck, self._df_of_luck_with(other)
        return Estimate(value, draws, *groups, (-reach, reach), luck=luck, df_luck=df_luck)

    def _df_of_luck_with(self, other):
        parts = np.array([self.se_seeds, other.se_seeds]) ** 2
        known = np.array([max(self.df_luck, 1), max(other.df_luck, 1)])
        return float(parts.sum() ** 2 / (parts**2 / known).sum()) if parts.any() else 0.0


class SeedDraws:
    """Resamples of the fits of one system under one protocol: seeds are drawn within each fold.

    `rows` have ``repeat, fold, seed``. A draw of few seeds varies less than new ones would, hence
    the factor of Rao & Wu (1988).
    """

    def __init__(self, rows: pd.DataFrame, generator: np.random.Generator):
        names = ["repeat", "fold", "seed"]
        self.codes = rows.groupby(names).ngroup().to_numpy()
        sizes = rows[names].drop_duplicates().groupby(names[:2]).size()
        self.df = int((sizes - 1).sum())
        self.moved = np.zeros((N_RESAMPLES, sizes.sum()))  # of each fit, its weight less 1
        if self.df:
            for n, end in zip(sizes, sizes.cumsum(), strict=True):
                drawn = generator.multinomial(n, np.full(n, 1 / n), N_RESAMPLES) - 1
                self.moved[:, end - n : end] = drawn * np.sqrt(n / max(n - 1, 1))

    def luck(self, columns, statistic) -> np.ndarray | float:
        """Return by how much a statistic of column totals moves in each draw."""
        if not self.df:
            return 0.0
        totals = np.zeros((self.moved.shape[1], columns.shape[1]))
        np.add.at(totals, self.codes, columns)
        whole = totals.sum(axis=0)
        return statistic(whole + self.moved @ totals) - statistic(whole)


class ClusterBootstrap:
    """Resamples of clusters, used for as many estimates as wanted, which are thereby paired.

    `seeds` are the resamples of the fits that the values come from, if the luck of these counts.

    >>> artists = np.repeat(np.arange(30), 4)
    >>> right = np.tile([1.0, 1.0, 1.0, 0.0], 30)
    >>> bootstrap = ClusterBootstrap(artists, np.random.default_rng(0))
    >>> bootstrap.mean(right).value
    0.75
    """

    def __init__(
        self, clusters: np.ndarray, generator: np.random.Generator, seeds: SeedDraws | None = None
    ):
        self.seeds = seeds
        if len(clusters) == 0:
            raise GenrelibError("0 values and 0 clusters; one cluster per value is needed.")
        names, self.codes = np.unique(np.asarray(clusters), return_inverse=True)
        n = len(names)
        self.weights = generator.multinomial(n, np.full(n, 1 / n), N_RESAMPLES).astype(float)

    def again(self, clusters: np.ndarray, seeds: SeedDraws | None) -> "ClusterBootstrap":
        """Return the same draws of the same clusters, for the values of other fits."""
        other = copy(self)
        other.codes = np.unique(np.asarray(clusters), return_inverse=True)[1]
        other.seeds = seeds
        return other

    def mean(self, values: np.ndarray, span: tuple[float, float] = SHARE) -> Estimate:
        """Estimate the mean of one value per test, each within `span`."""
        return self.estimate(np.column_stack([values, np.ones(len(values))]), span=span)

    def estimate(
        self,
        columns: np.ndarray,
        statistic: Callable[[np.ndarray], np.ndarray] = ratio,
        span: tuple[float, float] = SHARE,
        *,
        is_biased: bool = False,
    ) -> Estimate:
        """Estimate a function of column totals.

        `columns`, shape ``(n_tests, n_columns)``, holds what each test adds; the last column is 1
        for a test that counts, else 0. `statistic` maps totals, shape ``(..., n_columns)``, to
        numbers, shape ``(...)``. For the rest see :class:`Estimate`.
        """
        if len(columns) != len(self.codes):
            raise GenrelibError(
                f"{len(columns)} values and {len(self.codes)} clusters; one cluster per value is "
                "needed."
            )
        totals = np.zeros((self.weights.shape[1], columns.shape[1]))
        np.add.at(totals, self.codes, columns)
        sizes = totals[:, -1]
        value, draws = float(statistic(totals.sum(axis=0))), statistic(self.weights @ totals)
        n_clusters = int((sizes > 0).sum())
        found = (value, draws, n_clusters, *effective_clusters(sizes), span, is_biased)
        if self.seeds is None:
            return Estimate(*found)
        return Estimate(*found, self.seeds.luck(columns, statistic), self.seeds.df)


def effective_clusters(sizes: np.ndarray) -> tuple[float, float]:
    """Count clusters of unequal sizes as so many equal ones."""
    n = np.asarray(sizes, dtype=float)
    if not n.any():
        return 0.0, 0.0
    independent = n.sum() ** 2 / (n**2).sum()
    same = (n**2).sum() ** 2 / (n**4).sum()
    df = (independent - 1) * (same - 1)  # squared
    return float(independent), float(np.sqrt(df)) if df > 1e-18 else 0.0


def cluster_interval(
    values: np.ndarray,
    clusters: np.ndarray,
    generator: np.random.Generator,
    *,
    span: tuple[float, float] = SHARE,
) -> tuple[float, float]:
    """Return the 95 % interval of a mean whose values come in clusters.

    `values`, within `span` (:data:`SHARE`, :data:`DIFFERENCE` or :data:`LOSS`), and `clusters` have
    the shape ``(n,)``. A single cluster tells nothing of the spread: its interval is all of `span`.

    >>> cluster_interval(np.r_[1.0, 1, 0, 0], np.zeros(4), np.random.default_rng(0))
    (0.0, 1.0)
    """
    values = np.asarray(values, dtype=float)
    outside = ~((values >= span[0]) & (values <= span[1]))
    if outside.any():
        raise GenrelibError(
            f"value {values[outside][0]}; {span[0]:g} to {span[1]:g} is allowed. Name the range of "
            "the values as span: SHARE, DIFFERENCE or LOSS."
        )
    return ClusterBootstrap(clusters, generator).mean(values, span).interval


def minimum_detectable_difference(difference: Estimate, *, alpha: float = ALPHA) -> float:
    """Return the true difference that a test at the level `alpha` would find 4 times in 5."""
    quantiles = stats.t.ppf([1 - alpha / 2, POWER], difference.df_all)
    return float(quantiles.sum() * difference.se)


def means(
    rows: pd.DataFrame, by: list[str], value: str, groups: pd.Series, *, seed: int
) -> pd.DataFrame:
    """Average the column `value`, in ``[-1, 1]``, over tracks for each combination of columns `by`.

    Rows without a value (NaN) don't count; the interval ``low, high`` is the 95 % one over groups.

    >>> rows = pd.DataFrame({"track_id": ["a", "b"], "part": "bass", "drop": [0.1, 0.3]})
    >>> groups = pd.Series({"a": "x", "b": "y"})
    >>> means(rows, ["part"], "drop", groups, seed=0)[["part", "n_tracks", "drop"]].to_dict("list")
    {'part': ['bass'], 'n_tracks': [2], 'drop': [0.2]}
    """
    found = []
    for key, part in rows[rows[value].notna()].groupby(by, sort=False):
        of_tracks = part.groupby("track_id")[value].mean()
        clusters = groups[of_tracks.index].to_numpy()
        generator = rng(seed, "explain", value, *key)
        low, high = cluster_interval(of_tracks.to_numpy(), clusters, generator, span=DIFFERENCE)
        found.append((*key, len(of_tracks), of_tracks.mean(), low, high))
    return pd.DataFrame(found, columns=[*by, "n_tracks", value, "low", "high"])


def holm(p_values: pd.Series) -> pd.Series:
    """Adjust p-values for their number (Holm 1979); those that are NaN don't count."""
    tested = p_values.dropna().sort_values(kind="stable")
    # statsmodels' own collects garbage at each call, which takes a third of a second
    adjusted = (tested * np.arange(len(tested), 0, -1)).cummax().clip(upper=1)
    return adjusted.reindex(p_values.index).astype(float)
