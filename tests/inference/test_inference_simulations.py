"""What the intervals and tests promise, checked on draws whose truth is known.

Artists are drawn with the sizes that they have among 709 tracks of GTZAN, with an effect of their
own on what a system says; the truth is measured on very many of them.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import softmax

from genrelib.base.seeds import rng
from genrelib.inference import intervals
from genrelib.inference.comparisons import corrected_t, mcnemar
from genrelib.inference.intervals import ALPHA, DIFFERENCE, ClusterBootstrap, SeedDraws
from genrelib.inference.scores import METRICS, estimate

SIZES = np.repeat(
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 18, 19, 24, 28, 35],
    [93, 20, 14, 8, 5, 4, 9, 3, 4, 2, 6, 4, 2, 2, 2, 1, 1, 1, 1],
)
N_GENRES = 10
GENRES = np.array([f"genre {i}" for i in range(N_GENRES)])
N_DRAWS = 1000
TEMPERATURE = 1.5


def draw(n_artists, generator, *, artist, n_systems=1):
    """Draw artists, their tracks' genres, and what systems that are equally good say of them.

    `artist` is the deviation of an artist's own effect on the logits; a track's is 1.2.
    """
    sizes = generator.choice(SIZES, n_artists)
    artists = np.repeat(np.arange(n_artists), sizes)
    genre = artists % N_GENRES
    noise = generator.normal(size=(n_systems, len(artists), N_GENRES)) * 1.2
    effect = generator.normal(size=(n_systems, n_artists, N_GENRES)) * artist
    logits = effect[:, artists] + noise
    logits[:, np.arange(len(genre)), genre] += 3
    return artists, genre, TEMPERATURE * logits


def rows_of(genre, logits):
    values = softmax(logits, axis=1)
    table = pd.DataFrame(values, columns=[f"p_{name}" for name in GENRES], copy=False)
    codes = {"genre": genre, "predicted": values.argmax(axis=1)}
    names = {name: pd.Categorical.from_codes(code, GENRES) for name, code in codes.items()}
    return table.assign(**names)  # as categories: a thousand draws of text would take a minute


@cache
def true_values(artist):
    """Measure each metric on so many artists that the error does not count."""
    _, genre, logits = draw(50_000, rng(0, "truth"), artist=artist)
    rows = rows_of(genre, logits[0])
    return {
        name: float(metric.statistic(metric.columns(rows).sum(axis=0)))
        for name, metric in METRICS.items()
    }


@cache
def simulation(n_artists, artist):
    """Count how often intervals hold the truth, and how often equal systems are told apart."""
    truth = true_values(artist)
    generator = rng(0, "simulation", n_artists, artist, TEMPERATURE)
    covered, rejected = dict.fromkeys(truth, 0), dict.fromkeys(("cluster", "mcnemar"), 0)
    percentile = 0
    for _ in range(N_DRAWS):
        artists, genre, logits = draw(n_artists, generator, artist=artist, n_systems=2)
        bootstrap, rows = ClusterBootstrap(artists, generator), rows_of(genre, logits[0])
        for name, known in truth.items():
            found = estimate(name, rows, bootstrap)
            low, high = found.interval
            assert found.span[0] <= low <= high <= found.span[1]
            covered[name] += low <= known <= high
            if name == "accuracy":
                low, high = np.quantile(found.draws, [0.025, 0.975])
                percentile += low <= known <= high
        right = logits.argmax(axis=2) == genre
        gap = right[0].astype(float) - right[1]
        columns = np.column_stack([gap, np.ones(len(gap))])
        rejected["cluster"] += bootstrap.estimate(columns, span=DIFFERENCE).p_value < 0.05
        counts = int((gap > 0).sum()), int((gap < 0).sum())
        rejected["mcnemar"] += mcnemar(*counts)[1] < 0.05
    covered["percentile"] = percentile
    return {name: count / N_DRAWS for name, count in (covered | rejected).items()}


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Draw fewer resamples: the standard error is known to 4 %, and the test takes seconds."""
    monkeypatch.setattr(intervals, "N_RESAMPLES", 300)


@pytest.mark.parametrize("metric", list(METRICS))
@pytest.mark.parametrize("n_artists", [60, 100])
def test_intervals_hold_the_truth_95_times_in_100(metric, n_artists):
    assert simulation(n_artists, 1.0)[metric] == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("metric", list(METRICS))
def test_without_an_effect_of_artists_intervals_are_a_little_too_wide(metric):
    assert 0.94 <= simulation(60, 0.0)[metric] <= 0.985


@pytest.mark.parametrize("metric", list(METRICS))
def test_with_few_artists_intervals_are_rather_too_wide(metric):
    """20 artists, some ten times as large as others; only that of ECE is then too narrow."""
    least = 0.88 if metric == "ece" else 0.93
    assert least <= simulation(20, 1.0)[metric] <= 0.995


def test_percentiles_would_not_do():
    assert simulation(60, 1.0)["percentile"] < 0.93
    assert simulation(20, 1.0)["percentile"] < 0.91


@pytest.mark.parametrize("n_artists", [60, 100])
def test_the_cluster_test_rejects_a_true_null_5_times_in_100(n_artists):
    assert simulation(n_artists, 1.0)["cluster"] == pytest.approx(0.05, abs=0.015)


N_FOLDS, N_SEEDS = 3, 3
TRUTH = stats.norm.cdf(0.25)


def right(generator, n_artists, *fits):
    """Draw artists, the fold of each of their tracks, and whether each seed of systems is right.

    All systems are right as often; the deviation of a fit's luck, which moves all tests of its
    fold, is that of the system in `fits`. Artists and tracks have an effect of their own, and one
    with each seed.
    """
    artists = np.repeat(np.arange(n_artists), generator.choice(SIZES, n_artists))
    fold = (generator.permutation(n_artists) % N_FOLDS)[artists]
    fit = np.array(fits)[:, None, None]
    n_systems = len(fits)
    drawn = 1.2 * generator.normal(size=(n_systems, 1, n_artists))[..., artists]
    drawn = drawn + generator.normal(size=(n_systems, 1, len(artists)))
    drawn = drawn + fit * generator.normal(size=(n_systems, N_SEEDS, N_FOLDS))[..., fold]
    drawn = drawn + 0.4 * generator.normal(size=(n_systems, N_SEEDS, n_artists))[..., artists]
    drawn = drawn + 0.8 * generator.normal(size=(n_systems, N_SEEDS, len(artists)))
    deviation = np.sqrt(1.2**2 + 1 + fit**2 + 0.4**2 + 0.8**2)
    return artists, fold, drawn < 0.25 * deviation


@cache
def crossed(n_artists, fit, *, n_draws=400):
    """Count how often an interval over artists and seeds holds the truth, and one over artists.

    And how often a network of three seeds differs from an equally good system of one, whose fits
    have no luck.
    """
    generator = rng(0, "crossed", n_artists, fit)
    held, alone, rejected = 0, 0, 0
    for _ in range(n_draws):
        artists, fold, is_right = right(generator, n_artists, fit, 0.0)
        tests = pd.DataFrame({"repeat": 0, "fold": fold})
        rows = pd.concat(tests.assign(seed=n) for n in range(N_SEEDS))
        bootstrap = ClusterBootstrap(artists, generator)
        seeded = bootstrap.again(np.tile(artists, N_SEEDS), SeedDraws(rows, generator))
        found = seeded.mean(is_right[0].ravel())
        low, high = found.interval
        held += low <= TRUTH <= high
        low, high = replace(found, luck=0.0, df_luck=0).interval
        alone += low <= TRUTH <= high
        rejected += (found - bootstrap.mean(is_right[1, 0])).p_value < ALPHA
    return held / n_draws, alone / n_draws, rejected / n_draws


CASES = [(177, 0.0), (177, 0.6), (60, 0.3)]


@pytest.mark.parametrize("case", CASES)
def test_intervals_over_artists_and_seeds_hold_the_truth_95_times_in_100(case):
    assert 0.93 <= crossed(*case)[0] <= 0.97


@pytest.mark.parametrize("case", CASES)
def test_the_primary_comparison_rejects_a_true_null_at_most_6_times_in_100(case):
    assert 0.01 < crossed(*case)[2] <= 0.06


def test_without_seeds_the_interval_is_too_narrow():
    assert crossed(177, 0.6)[1] < 0.88


def test_mcnemar_takes_artists_for_differences():
    """Why the cluster test decides: with equal systems, McNemar's test rejects far too often."""
    assert simulation(60, 1.0)["mcnemar"] > 0.15
    assert simulation(60, 0.0)["mcnemar"] == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize(("n", "p"), [(100, 0.6), (400, 0.6), (400, 0.9)])
def test_the_interval_over_tracks_holds_the_truth_95_times_in_100(n, p):
    generator, held = rng(0, "tracks", n, p), 0
    bootstrap = ClusterBootstrap(np.arange(n), generator)
    for _ in range(N_DRAWS):
        right = (generator.random(n) < p).astype(float)
        low, high = bootstrap.estimate(np.column_stack([right, np.ones(n)])).interval
        held += low <= p <= high
    assert held / N_DRAWS == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("n", [100, 400, 1000])
def test_mcnemar_rejects_a_true_null_5_times_in_100_if_tracks_are_independent(n):
    """The mid-p does; the exact test, as it must, stays below 5 %."""
    generator = rng(0, "mcnemar", n)
    differ = generator.binomial(n, 0.3, size=20_000)
    only = generator.binomial(differ, 0.5)
    tables, times = np.unique(np.stack([only, differ - only]), axis=1, return_counts=True)
    p = np.array([mcnemar(int(a), int(b)) for a, b in tables.T])
    exact, mid = ((p < 0.05) * times[:, None]).sum(axis=0) / times.sum()
    assert mid == pytest.approx(0.05, abs=0.015)
    assert 0.02 < exact < 0.05


def folds(generator, n_draws, n, n_folds, n_repeats, share):
    """Mark the tests of each fold: k folds a repeat, or one draw of `share`."""
    tests = []
    for _ in range(n_repeats):
        rank = generator.random((n_draws, n)).argsort(axis=1).argsort(axis=1)
        edges = (
            [(0, share * n)]
            if share
            else np.arange(n_folds)[:, None] * n / n_folds + [0, n / n_folds]
        )
        tests += [(rank >= low) & (rank < high) for low, high in edges]
    return np.stack(tests, axis=1)


def accuracies(features, genre, tests):
    """Fit the nearest of two means on what is not tested; shape (n_draws, n_folds)."""
    means = []
    for name in (0, 1):
        weights = (~tests & (genre == name)).astype(np.float32)
        means.append(weights @ features / weights.sum(axis=2, keepdims=True))
    middle = (means[1] ** 2 - means[0] ** 2).sum(axis=2, keepdims=True) / 2
    says = (means[1] - means[0]) @ features.transpose(0, 2, 1) > middle
    return ((says == genre) & tests).sum(axis=2) / tests.sum(axis=2)


def rejections(n_folds, n_repeats, share=None, *, n=100, n_draws=3000):
    """Compare two equally good learners, which see other features of the same tracks."""
    generator = rng(0, "learners", n_folds, n_repeats, share)
    genre = np.arange(n) % 2
    tests = folds(generator, n_draws, n, n_folds, n_repeats, share)
    one, other = (
        accuracies(
            (generator.normal(size=(n_draws, n, 4)) + 0.5 * genre[:, None]).astype(np.float32),
            genre,
            tests,
        )
        for _ in range(2)
    )
    test_to_train = tests[0, 0].sum() / (~tests[0, 0]).sum()
    corrected = [corrected_t(row, test_to_train) < 0.05 for row in one - other]
    with np.errstate(invalid="ignore", divide="ignore"):
        plain = stats.ttest_1samp(one - other, 0, axis=1).pvalue < 0.05
    return np.mean(corrected), np.mean(plain)


@pytest.mark.parametrize(("n_repeats", "share"), [(10, 0.1), (10, 0.3), (30, 0.1)])
def test_the_corrected_t_rejects_a_true_null_5_times_in_100_over_draws(n_repeats, share):
    corrected, plain = rejections(0, n_repeats, share)
    assert corrected == pytest.approx(0.05, abs=0.015)
    assert plain > 0.1


@pytest.mark.parametrize("n_repeats", [1, 3])
def test_the_corrected_t_is_careful_over_folds(n_repeats):
    """Folds of one repeat test every track once, which varies less than draws do."""
    corrected, _ = rejections(5, n_repeats)
    assert 0.005 < corrected < 0.05
