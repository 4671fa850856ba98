"""Intervals of clustered tests: limits, scales, and what scipy and statsmodels say."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from genrelib.base.errors import GenrelibError
from genrelib.base.seeds import rng
from genrelib.inference import DIFFERENCE, LOSS, ClusterBootstrap, cluster_interval, means
from genrelib.inference.intervals import (
    SHARE,
    Estimate,
    SeedDraws,
    effective_clusters,
    minimum_detectable_difference,
)


def estimate(values, clusters, span=(0.0, 1.0)):
    columns = np.column_stack([values, np.ones(len(values))])
    return ClusterBootstrap(clusters, rng(0, "test")).estimate(columns, span=span)


def test_intervals_widen_when_a_cluster_holds_more_tests():
    values = np.tile([1.0, 0], 100)
    single = cluster_interval(values, np.arange(200), rng(0))
    grouped = cluster_interval(np.sort(values), np.arange(200) // 20, rng(0))
    assert grouped[1] - grouped[0] > 2 * (single[1] - single[0])


def test_the_interval_of_independent_tests_is_wilsons():
    values = (np.arange(400) < 280).astype(float)
    found = cluster_interval(values, np.arange(400), rng(0))
    np.testing.assert_allclose(found, proportion_confint(280, 400, method="wilson"), atol=0.003)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_clusters_that_agree_are_wilsons_with_one_test_each(value):
    found = cluster_interval(np.full(120, value), np.arange(120) // 4, rng(0))
    # Student's quantile in the place of the normal one
    level = 2 * stats.norm.cdf(stats.t.ppf(0.975, 29)) - 1
    known = proportion_confint(30 * value, 30, alpha=1 - level, method="wilson")
    np.testing.assert_allclose(found, known, atol=1e-9)


def test_the_interval_of_a_difference_is_students():
    values = np.tile([1.0, 0, 0, -1, 1], 20)
    found = estimate(values, np.arange(100), DIFFERENCE)
    known = stats.ttest_1samp(values, 0)
    ci = known.confidence_interval()
    np.testing.assert_allclose(found.interval, (ci.low, ci.high), atol=0.012)
    assert found.p_value == pytest.approx(known.pvalue, rel=0.25)


def test_one_cluster_tells_nothing_of_the_spread():
    values = np.r_[np.ones(30), np.zeros(10)]
    assert cluster_interval(values, np.zeros(40), rng(0)) == (0, 1)
    found = estimate(values, np.zeros(40), DIFFERENCE)
    assert found.interval == (-1, 1)
    assert np.isnan(found.se)
    assert np.isnan(found.p_value)
    assert np.isnan(minimum_detectable_difference(found))


@pytest.mark.parametrize("span", [(0.0, 1.0), (0.0, 2.0), DIFFERENCE, LOSS])
@pytest.mark.parametrize("n_clusters", [2, 3, 5, 30])
def test_intervals_stay_in_their_range_and_hold_the_value(span, n_clusters):
    generator = rng(0, "range", span, n_clusters)
    for _ in range(20):
        sizes = generator.integers(1, 15, n_clusters)
        values = generator.choice([max(span[0], -1), 0, min(span[1], 3)], sizes.sum())
        found = estimate(values, np.repeat(np.arange(n_clusters), sizes), span)
        low, high = found.interval
        assert span[0] <= low <= found.value <= high <= span[1]


def test_clusters_are_counted_by_size():
    assert effective_clusters(np.full(12, 7)) == (12.0, 11.0)
    effective, df = effective_clusters(np.r_[40, np.ones(40)])
    assert 3 < effective < 5
    assert df < effective - 1
    assert effective_clusters(np.zeros(3)) == (0.0, 0.0)


def test_a_paired_difference_is_narrower_than_the_two_suggest():
    generator = rng(0, "pair")
    clusters = np.arange(300) // 5
    easy = generator.random(60)[clusters]
    one = (generator.random(300) < easy).astype(float)
    other = np.where(generator.random(300) < 0.1, 1 - one, one)
    bootstrap = ClusterBootstrap(clusters, rng(0, "draws"))
    first, last = (
        bootstrap.estimate(np.column_stack([right, np.ones(300)])) for right in (one, other)
    )
    gap = first - last
    direct = bootstrap.estimate(np.column_stack([one - other, np.ones(300)]), span=DIFFERENCE)
    assert gap.se < 0.7 * np.hypot(first.se, last.se)
    assert gap.interval == pytest.approx(direct.interval)


def test_clusters_that_all_differ_alike_are_a_sign_test():
    found = estimate(np.full(24, 0.5), np.arange(24) // 4, DIFFERENCE)
    assert found.se == 0
    assert found.p_value == pytest.approx(stats.binomtest(6, 6).pvalue)
    assert estimate(np.zeros(24), np.arange(24) // 4, DIFFERENCE).p_value == 1


def test_the_detectable_difference_is_found_four_times_in_five():
    """Of draws whose true difference is the detectable one, 80 % reject."""
    generator, deviation, n = rng(0, "power"), 0.3, 60
    noise = generator.normal(size=(400, n)) * deviation
    mdd = minimum_detectable_difference(estimate(noise[0], np.arange(n), DIFFERENCE))
    typical = mdd * deviation / noise[0].std()
    rejected = stats.ttest_1samp(noise + typical, 0, axis=1).pvalue < 0.05
    assert rejected.mean() == pytest.approx(0.8, abs=0.05)


def test_malformed_values_are_refused():
    with pytest.raises(GenrelibError, match="3 values and 2 clusters"):
        cluster_interval(np.ones(3), np.ones(2), rng(0))
    with pytest.raises(GenrelibError, match="0 values"):
        cluster_interval(np.ones(0), np.ones(0), rng(0))
    with pytest.raises(GenrelibError, match=r"value -0\.5; 0 to 1 is allowed"):
        cluster_interval(np.r_[1, -0.5], np.ones(2), rng(0))
    with pytest.raises(GenrelibError, match="value nan"):
        cluster_interval(np.r_[1, np.nan], np.ones(2), rng(0))
    with pytest.raises(GenrelibError, match="0 values and 0 clusters"):
        ClusterBootstrap(np.ones(0), rng(0))
    with pytest.raises(GenrelibError, match="2 values and 3 clusters"):
        ClusterBootstrap(np.ones(3), rng(0)).estimate(np.ones((2, 2)))


def stated(value, se, span=SHARE, df=1e9, bias=0.0, **more) -> Estimate:
    """An estimate of a known standard error and bias, from 51 clusters."""
    draws = value + bias + se * np.sqrt(50 / 51) * np.array([-1.0, 1.0])
    return Estimate(value, draws, 51, 51.0, df, span, **more)


@pytest.mark.parametrize("scale", [1.0, 2.0])
@pytest.mark.parametrize(("right", "n"), [(70, 100), (3, 40), (1, 9)])
def test_the_interval_of_a_share_is_wilsons_of_as_many_tests_as_tell_as_much(right, n, scale):
    share = right / n
    found = stated(scale * share, scale * np.sqrt(share * (1 - share) / n), (0.0, scale))
    known = proportion_confint(right, n, method="wilson")
    assert found.interval == pytest.approx(scale * np.array(known))


def test_intervals_of_differences_and_losses_by_hand():
    t = stats.t.ppf(0.975, 20)
    found = stated(0.1, 0.05, DIFFERENCE, df=20)
    assert found.se == pytest.approx(0.05)
    assert found.interval == pytest.approx((0.1 - 0.05 * t, 0.1 + 0.05 * t))
    assert found.p_value == pytest.approx(2 * stats.t.sf(2, 20))
    detected = 0.05 * (stats.t.ppf(0.995, 20) + stats.t.ppf(0.8, 20))
    assert minimum_detectable_difference(found, alpha=0.01) == pytest.approx(detected)
    factor = np.exp(t * 0.2 / 0.5)
    assert stated(0.5, 0.2, LOSS, df=20).interval == pytest.approx((0.5 / factor, 0.5 * factor))
    assert stated(0.0, 0.2, LOSS, df=20).interval == (0, 0)
    low, high = stated(1e-6, 10.0, LOSS, df=20).interval
    assert 0 < low < 1e-20
    assert high == LOSS[1]


def test_a_bias_widens_the_interval_and_moves_it_to_the_other_side():
    plain, biased = (stated(0.3, 0.05, bias=0.1, is_biased=told) for told in (False, True))
    assert biased.bias == pytest.approx(0.1)
    assert plain.interval == pytest.approx(stated(0.3, 0.05).interval)
    widths = [high - low for low, high in (plain.interval, biased.interval)]
    assert widths[1] > 1.5 * widths[0]
    assert sum(biased.interval) < sum(plain.interval)
    assert stated(0.3, 0.05, is_biased=True).interval == pytest.approx(plain.interval)
    for value, bias in ((0.02, 0.05), (0.98, -0.05)):  # the centre stays a share
        low, high = stated(value, 0.01, bias=bias, is_biased=True).interval
        assert 0 <= low <= value <= high <= 1
    assert not estimate(np.ones(4), np.arange(4)).is_biased


def test_a_centre_beyond_a_bound_is_that_bound():
    """Wilson's limits where none, or all, of as many tests are right."""
    t = stats.norm.ppf(0.975)
    n = 0.02 * 0.98 / (0.01**2 + 0.05**2)
    low = stated(0.02, 0.01, bias=0.05, is_biased=True).interval
    assert low == pytest.approx((0, t**2 / (n + t**2)))
    high = stated(0.98, 0.01, bias=-0.05, is_biased=True).interval
    assert high == pytest.approx((n / (n + t**2), 1))
    # gaps that cancel have no error of their own: as many tests as clusters, 51
    none = stated(0.0, 0.05, bias=0.1, is_biased=True).interval
    assert none == pytest.approx((0, t**2 / (51 + t**2)))
    every = stated(1.0, 0.05, bias=-0.1, is_biased=True).interval
    assert every == pytest.approx((51 / (51 + t**2), 1))


@pytest.mark.parametrize("df", [0.5, 1.0])
def test_few_and_unequal_clusters_tell_little_but_not_nothing(df):
    found = stated(0.2, 0.001, DIFFERENCE, df=df)
    assert found.interval[0] > -1
    assert 0 < found.p_value < 1
    assert minimum_detectable_difference(found) > 0
    assert stated(0.2, 0.0, DIFFERENCE, df=df).p_value == 2.0**-50


def test_without_draws_there_is_neither_bias_nor_standard_error():
    for draws in ([np.nan, np.nan], [np.nan, 0.5]):
        found = Estimate(0.5, np.array(draws), 2, 2.0, 1.0, SHARE)
        assert found.bias == 0
        assert np.isnan(found.se)
    assert np.isnan(Estimate(np.nan, np.zeros(2), 2, 2.0, 1.0, SHARE).interval).all()


def test_the_number_of_clusters_by_hand():
    effective, df = effective_clusters(np.array([1, 2, 3]))
    assert effective == pytest.approx(36 / 14)
    assert df == pytest.approx(np.sqrt((36 / 14 - 1) * (14**2 / 98 - 1)))
    assert effective_clusters(np.array([5, 5])) == (2.0, 1.0)
    assert effective_clusters(np.array([5, 0])) == (1.0, 0.0)


def test_the_first_value_outside_is_named():
    with pytest.raises(GenrelibError, match=r"value -2\.0; -1 to 1 is allowed"):
        cluster_interval(np.r_[1, -2, -3], np.arange(3), rng(0), span=DIFFERENCE)


def test_the_difference_has_the_range_of_the_wider_and_the_fewer_clusters():
    one, other = stated(0.5, 0.1), stated(1.5, 0.1, (0.0, 2.0), df=3)
    for gap in (one - other, other - one):
        assert gap.span == (-2.0, 2.0)
        assert gap.df == 3


def test_means_keep_the_order_of_the_rows_and_leave_out_what_has_no_value():
    rows = pd.DataFrame({"track_id": list("abac"), "part": list("zzbb")})
    rows["drop"] = [0.1, 0.3, 0.5, np.nan]
    found = means(rows, ["part"], "drop", pd.Series(list("xyz"), list("abc")), seed=0)
    assert found["part"].tolist() == ["z", "b"]
    assert found["n_tracks"].tolist() == [2, 1]
    assert found["drop"].tolist() == pytest.approx([0.2, 0.5])
    assert found.loc[1, ["low", "high"]].tolist() == [-1, 1]  # of one artist


def seeded(n_seeds, *, n_folds=3, n_tracks=40, spread=0.1):
    """Return fits of folds of equal size, and what each test of a fit is worth: the fit's luck."""
    fits = pd.MultiIndex.from_product(
        [range(n_folds), range(n_seeds), range(n_tracks)], names=["fold", "seed", "track"]
    ).to_frame(index=False)
    luck = rng(0, "luck", n_seeds).normal(0.5, spread, size=(n_folds, n_seeds))
    return fits.assign(repeat=0), luck, luck[fits["fold"], fits["seed"]]


@pytest.mark.parametrize("n_seeds", [2, 3, 10])
def test_the_luck_of_fits_has_the_error_of_a_mean_over_strata(n_seeds):
    fits, luck, values = seeded(n_seeds)
    clusters = (fits["fold"] * 100 + fits["track"]).to_numpy()
    bootstrap = ClusterBootstrap(clusters, rng(0, "draws"), SeedDraws(fits, rng(0, "seeds")))
    found = bootstrap.mean(values)
    known = np.sqrt((luck.var(axis=1, ddof=1) / n_seeds).sum()) / 3
    assert found.se_seeds == pytest.approx(known, rel=0.06)
    assert found.df_luck == 3 * (n_seeds - 1)
    assert found.se == pytest.approx(np.hypot(found.se_groups, found.se_seeds))


def test_degrees_of_freedom_are_satterthwaites():
    fits, _, values = seeded(3)
    clusters = (fits["fold"] * 100 + fits["track"]).to_numpy()
    found = ClusterBootstrap(clusters, rng(0, "d"), SeedDraws(fits, rng(0, "s"))).mean(values)
    a, b = found.se_groups**2, found.se_seeds**2
    assert found.df_all == pytest.approx((a + b) ** 2 / (a**2 / found.df + b**2 / 6))


def test_one_seed_or_seeds_that_agree_change_nothing():
    fits, _, _ = seeded(3)
    clusters = fits["track"].to_numpy()
    for values in ((clusters % 3 == 0).astype(float), np.ones(len(fits))):
        plain = ClusterBootstrap(clusters, rng(0, "d")).mean(values)
        for rows in (fits, fits.assign(seed=0)):
            seeds = SeedDraws(rows, rng(0, "s"))
            found = ClusterBootstrap(clusters, rng(0, "d"), seeds).mean(values)
            assert found.interval == pytest.approx(plain.interval, abs=1e-12)


def test_the_luck_of_two_systems_adds_up_and_artists_stay_paired():
    fits, _, values = seeded(3)
    clusters = fits["track"].to_numpy()
    first = ClusterBootstrap(clusters, rng(0, "d"), SeedDraws(fits, rng(0, "one")))
    other = first.again(clusters, SeedDraws(fits, rng(0, "two")))
    one, two = first.mean(values), other.mean(values)
    gap = one - two
    assert gap.se_groups == 0
    assert gap.se_seeds == pytest.approx(np.hypot(one.se_seeds, two.se_seeds), rel=0.1)
    assert gap.df_luck == pytest.approx(12, rel=0.1)


def test_folds_of_one_seed_beside_folds_of_more_have_no_luck_of_their_own():
    """One of two folds has two fits, 0.2 apart: an error of 0.1, in two thirds of the tests."""
    fits = pd.DataFrame({"repeat": 0, "fold": [0] * 40 + [1] * 80, "seed": [0] * 80 + [1] * 40})
    values = np.repeat([0.3, 0.4, 0.6], 40)
    seeds = SeedDraws(fits, rng(0, "s"))
    found = ClusterBootstrap(np.tile(np.arange(40), 3), rng(0, "d"), seeds).mean(values)
    assert seeds.df == found.df_luck == 1
    assert found.se_seeds == pytest.approx(0.1 * 2 / 3, rel=0.06)
    assert found.df_all == found.df_luck  # all tracks are worth the same: only luck is left


def test_a_system_of_one_fit_adds_no_luck_to_a_difference():
    luck = 0.1 * np.array([-1.0, 1.0])
    one, other = stated(0.5, 0.1, luck=luck, df_luck=1), stated(0.3, 0.1)
    for gap in (one - other, other - one):
        assert gap.se_seeds == pytest.approx(0.1)
        assert gap.df_luck == pytest.approx(1)
    assert (other - other).df_luck == 0
    assert other.df_all == other.df


def test_the_degrees_of_freedom_of_two_lucks_are_satterthwaites():
    one = stated(0.5, 0.1, luck=np.array([-0.1, 0.1]), df_luck=4)
    other = stated(0.5, 0.1, luck=np.array([-0.2, 0.2]), df_luck=8)
    known = (0.1**2 + 0.2**2) ** 2 / (0.1**4 / 4 + 0.2**4 / 8)
    assert (one - other).df_luck == pytest.approx(known)
    assert (other - one).df_luck == pytest.approx(known)


def test_a_cluster_without_a_test_that_counts_is_no_cluster():
    counts = (np.arange(12) >= 4).astype(float)
    bootstrap = ClusterBootstrap(np.arange(12) // 2, rng(0, "d"))
    found = bootstrap.estimate(np.column_stack([0.5 * counts, counts]), span=DIFFERENCE)
    assert (found.value, found.n_clusters, found.effective, found.df) == (0.5, 4, 4.0, 3.0)
    assert found.p_value == 1 / 8
