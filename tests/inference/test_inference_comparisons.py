"""Tests between systems, against statsmodels and scipy; rankings whose letters are right."""

import itertools

import numpy as np
import pandas as pd
import pytest
from helpers.predictions import GROUPS, predictions
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_table
from statsmodels.stats.multitest import multipletests

from genrelib.base.errors import GenrelibError
from genrelib.inference import comparisons, findings, intervals, leakage, primary, ranking
from genrelib.inference import scores as score
from genrelib.inference.comparisons import corrected_t, judged, mcnemar
from genrelib.inference.intervals import holm


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Draw fewer resamples: no test here rests on a digit of an interval."""
    monkeypatch.setattr(intervals, "N_RESAMPLES", 400)


def records_of(rows, n_train=36, n_valid=12, n_test=12):
    fits = rows[["system", "protocol", "repeat", "fold"]].drop_duplicates()
    return fits.assign(n_train=n_train, n_valid=n_valid, n_test=n_test)


def several(*accuracies, protocol="track_random", n_repeats=2, n_folds=4):
    """Systems of given accuracies, tested in `n_folds` folds of `n_repeats` repeats."""
    names = ("knn", "gmm", "svm", "nn", "ann", "mel_svm")
    rows = pd.concat(
        predictions(accuracy, name, protocol, repeat=repeat)
        for name, accuracy in zip(names, accuracies, strict=False)
        for repeat in range(n_repeats)
    )
    return rows.assign(fold=rows["track_id"].str[-2:].astype(int) % n_folds)


@pytest.mark.parametrize("only", [(1, 7), (0, 9), (33, 50), (5, 5), (0, 1), (120, 90)])
def test_mcnemar_agrees_with_statsmodels(only):
    exact, mid = mcnemar(*only)
    known = mcnemar_table([[10, only[0]], [only[1], 20]], exact=True).pvalue
    assert exact == pytest.approx(known)
    assert mid < exact or only[0] == only[1]
    # the observed table counts half in each tail, whole in both; the exact p counts it twice
    observed = stats.binom.pmf(min(only), sum(only), 0.5)
    assert mid == pytest.approx(1 if only[0] == only[1] else known - observed)
    assert mcnemar(*only[::-1]) == pytest.approx((exact, mid))


def test_mcnemar_without_a_difference_or_with_nonsense():
    assert mcnemar(0, 0) == (1, 1)
    with pytest.raises(GenrelibError, match="-1 and 3"):
        mcnemar(-1, 3)


def test_the_corrected_t_is_students_when_training_parts_are_huge():
    differences = np.array([0.02, 0.05, 0.03, -0.01, 0.06])
    known = stats.ttest_1samp(differences, 0).pvalue
    assert corrected_t(differences, 1e-9) == pytest.approx(known)
    assert corrected_t(differences, 0.25) > known


def test_the_corrected_t_by_hand():
    differences = np.array([0.1, 0.2, 0.3])
    t = 0.2 / np.sqrt((1 / 3 + 0.5) * 0.01)
    assert corrected_t(differences, 0.5) == pytest.approx(2 * stats.t.sf(t, 2))


def test_the_corrected_t_at_its_limits():
    assert np.isnan(corrected_t(np.array([0.1]), 0.25))
    assert np.isnan(corrected_t(np.array([0.0]), 0.25))  # one fit: no test, even of no difference
    assert 0 < corrected_t(np.array([0.1, 0.2]), 0.25) < 1
    assert corrected_t(np.zeros(5), 0.25) == 1
    assert corrected_t(np.full(5, 0.1), 0.25) < 1e-9
    with pytest.raises(GenrelibError, match="test_to_train=0"):
        corrected_t(np.ones(5), 0)


def test_holm_leaves_out_what_was_not_tested():
    p = pd.Series([0.01, np.nan, 0.04, 0.03])
    known = multipletests([0.01, 0.04, 0.03], method="holm")[1]
    assert holm(p).dropna().tolist() == pytest.approx(known.tolist())
    assert holm(p).isna().tolist() == [False, True, False, False]
    assert holm(pd.Series([np.nan])).isna().all()
    assert holm(pd.Series([0.6, 0.3, 0.9])).tolist() == pytest.approx([1, 0.9, 1])


def test_comparisons_hold_every_pair_once():
    rows = several(0.9, 0.5, 0.4)
    table = comparisons(rows, records_of(rows), GROUPS, protocol="track_random", seed=0)
    assert list(zip(table["a"], table["b"], strict=True)) == [
        ("knn", "gmm"),
        ("knn", "svm"),
        ("gmm", "svm"),
    ]
    accuracy = score(rows, GROUPS, seed=0).set_index("system")["accuracy"]
    gaps = accuracy[table["a"]].to_numpy() - accuracy[table["b"]].to_numpy()
    np.testing.assert_allclose(table["difference"], gaps)
    assert (table["low"] < table["difference"]).all()
    assert (table["n"] == 48).all()
    for name in ("cluster", "corrected_t"):
        assert (table[f"p_{name}"] <= table[f"p_{name}_holm"]).all()
    assert table["distinguishable"].tolist() == [True, True, False]


def test_the_corrected_t_takes_folds_and_sizes_from_the_records():
    rows = several(0.9, 0.5)
    table = comparisons(rows, records_of(rows), GROUPS, protocol="track_random", seed=0)
    right = (rows["genre"] == rows["predicted"]).astype(float)
    fold = right.groupby([rows["system"], rows["repeat"], rows["fold"]]).mean()
    assert len(fold["knn"]) == 8
    known = corrected_t((fold["knn"] - fold["gmm"]).to_numpy(), 12 / 48)
    assert table["p_corrected_t"][0] == pytest.approx(known)
    others = [records_of(rows.assign(**{name: "other"}), 1) for name in ("system", "protocol")]
    records = pd.concat([*others, records_of(rows)])
    again = comparisons(rows, records, GROUPS, protocol="track_random", seed=0)
    assert again["p_corrected_t"][0] == table["p_corrected_t"][0]


def test_a_track_is_decided_once_over_its_repeats():
    rows = several(1.0, 0.0, n_repeats=3)
    table = comparisons(rows, records_of(rows), GROUPS, protocol="track_random", seed=0)
    assert (table["n_only_a"][0], table["n_only_b"][0]) == (48, 0)
    # right twice of three times, equally sure each time: the mean names the right genre
    often = rows.assign(system="gmm")[rows["system"] == "knn"]
    wrong = rows[(rows["system"] == "gmm") & (rows["repeat"] == 2)]
    mixed = pd.concat([rows[rows["system"] == "knn"], often[often["repeat"] < 2], wrong])
    table = comparisons(mixed, records_of(mixed), GROUPS, protocol="track_random", seed=0)
    assert (table["n_only_a"][0], table["n_only_b"][0]) == (0, 0)
    assert table["difference"][0] == pytest.approx(1 / 3)


def test_a_system_is_never_told_from_its_copy():
    rows = several(0.6)
    both = pd.concat([rows, rows.assign(system="svm")])
    row = comparisons(both, records_of(both), GROUPS, protocol="track_random", seed=0).iloc[0]
    assert row["difference"] == row["low"] == row["high"] == 0
    assert row["p_cluster"] == row["p_mcnemar"] == row["p_corrected_t"] == 1
    assert not row["distinguishable"]


def test_with_one_group_nothing_is_distinguishable():
    rows = several(1.0, 0.0)
    one = pd.Series("the only artist", index=GROUPS.index)
    row = comparisons(rows, records_of(rows), one, protocol="track_random", seed=0).iloc[0]
    assert np.isnan(row["p_cluster_holm"])
    assert not row["distinguishable"]


def test_a_single_fit_has_no_corrected_t():
    rows = several(0.9, 0.5, n_repeats=1, n_folds=1)
    table = comparisons(rows, records_of(rows), GROUPS, protocol="track_random", seed=0)
    assert table[["p_corrected_t", "p_corrected_t_holm"]].isna().all(axis=None)
    assert table["p_cluster"].notna().all()


def test_one_system_has_no_pairs_but_a_rank():
    rows = several(0.6)
    table = comparisons(rows, records_of(rows), GROUPS, protocol="track_random", seed=0)
    assert table.empty
    ranks = ranking(table, score(rows, GROUPS, seed=0), protocol="track_random")
    assert ranks["letters"].tolist() == ["a"]


def test_what_cannot_be_compared_is_refused():
    rows = several(0.9, 0.5)
    records = records_of(rows)
    short = pd.concat([rows[rows["system"] == "knn"], rows[rows["system"] == "gmm"].iloc[1:]])
    with pytest.raises(GenrelibError, match=r"met different tests under track_random \(96 and 95"):
        comparisons(short, records, GROUPS, protocol="track_random", seed=0)
    with pytest.raises(GenrelibError, match="no records of 'track_random'"):
        comparisons(rows, records.iloc[:0], GROUPS, protocol="track_random", seed=0)
    with pytest.raises(GenrelibError, match="0 rows"):
        comparisons(rows, records, GROUPS, protocol="artist_grouped", seed=0)


def pairs(names, apart):
    """Make a table in which just the pairs `apart` are distinguishable."""
    known = set(map(frozenset, apart))
    return pd.DataFrame(
        [
            {"a": a, "b": b, "distinguishable": frozenset((a, b)) in known}
            for a, b in itertools.combinations(names, 2)
        ]
    )


def ranks(names, apart):
    n = len(names)
    scores = pd.DataFrame({"system": names, "accuracy": np.linspace(0.9, 0.1, n)})
    scores = scores.assign(protocol="track_random", low=0.0, high=1.0)
    return ranking(
        pairs(names, apart), scores.sample(frac=1, random_state=0), protocol="track_random"
    )


def test_letters_of_a_known_display():
    table = ranks(list("wxyz"), [("w", "y"), ("w", "z"), ("x", "z")])
    assert table["system"].tolist() == list("wxyz")
    assert table["letters"].tolist() == ["a", "ab", "bc", "c"]
    assert table["first"].tolist() == [1, 1, 2, 3]
    assert table["last"].tolist() == [2, 3, 4, 4]
    assert table.index.tolist() == [0, 1, 2, 3]


def test_after_z_letters_are_counted():
    names = [f"s{i}" for i in range(30)]
    apart = [(a, b) for a, b in itertools.combinations(names, 2) if int(b[1:]) - int(a[1:]) > 1]
    letters = ranks(names, apart)["letters"].tolist()
    assert letters[:2] == ["a", "ab"]
    assert letters[25:28] == ["yz", "za2", "a2b2"]
    assert letters[-1] == "c2"


@pytest.mark.parametrize("seed", range(20))
def test_two_systems_share_a_letter_just_if_they_are_not_told_apart(seed):
    names = [f"s{i}" for i in range(7)]
    generator = np.random.default_rng(seed)
    apart = [p for p in itertools.combinations(names, 2) if generator.random() < 0.5]
    letters = ranks(names, apart).set_index("system")["letters"]
    known = set(map(frozenset, apart))
    for a, b in itertools.combinations(names, 2):
        assert bool(set(letters[a]) & set(letters[b])) == (frozenset((a, b)) not in known)
    held = [{n for n in names if letter in letters[n]} for letter in set("".join(letters))]
    assert not any(one <= other for one, other in itertools.permutations(held, 2))  # none in vain


def test_a_corrected_test_needs_larger_differences():
    rows = several(0.9, 0.8, 0.7, 0.6)
    table = comparisons(rows, records_of(rows), GROUPS, protocol="track_random", seed=0)
    assert (table["mdd_holm"] > 1.1 * table["mdd"]).all()
    # of 6 pairs, with the 15 degrees of freedom of 16 equal groups
    t = stats.t.ppf([1 - 0.05 / 12, 1 - 0.05 / 2, 0.8], 15)
    np.testing.assert_allclose(table["mdd_holm"] / table["mdd"], (t[0] + t[2]) / (t[1] + t[2]))
    rows = several(0.9, 0.8)
    table = comparisons(rows, records_of(rows), GROUPS, protocol="track_random", seed=0)
    assert table["mdd_holm"][0] == table["mdd"][0]


def against_the_yardstick(*accuracies, seeds=1):
    """The yardstick, then networks, under the strict protocol, with as many seeds."""
    names = ("mel_svm_train", "ann", "cnn_2d", "vit")
    rows = [
        predictions(accuracy, name, "artist_grouped", repeat=seed).assign(repeat=0, seed=seed)
        for name, accuracy in zip(names, accuracies, strict=False)
        for seed in range(1 if name == "mel_svm_train" else seeds)
    ]
    return pd.concat(rows).assign(fold=lambda rows: rows["track_id"].str[-2:].astype(int) % 4)


def test_each_network_meets_the_yardstick_and_holm_counts_the_networks():
    rows = against_the_yardstick(0.8, 0.3, 0.75, 0.8)
    words = {"networks": ["vit", "ann", "cnn_2d"], "seed": 0}
    table = primary(rows, GROUPS, **words)
    assert table["system"].tolist() == ["ann", "cnn_2d", "vit"]
    pairs = comparisons(rows, records_of(rows), GROUPS, protocol="artist_grouped", seed=0)
    for row in table.itertuples():
        both = {row.system, "mel_svm_train"}
        (pair,) = [p for p in pairs.to_dict("records") if {p["a"], p["b"]} == both]
        assert abs(row.difference) == pytest.approx(abs(pair["difference"]))
        assert row.p == pytest.approx(pair["p_cluster"])
        assert row.mdd == pytest.approx(pair["mdd"])
        assert row.mdd < row.mdd_holm < pair["mdd_holm"]  # 3 tests, not 6
    assert table["p_holm"].tolist() == pytest.approx(holm(table["p"]).tolist())
    assert table["outcome"].tolist() == ["differs", "not known", "not known"]
    assert primary(rows[rows["system"] != "mel_svm_train"], GROUPS, **words).empty
    assert primary(rows, GROUPS, **{**words, "networks": []}).empty


def test_a_network_that_says_the_same_is_equivalent():
    rows = against_the_yardstick(0.8)
    rows = pd.concat([rows, rows.assign(system="ann")])
    table = primary(rows, GROUPS, ["ann"], seed=0)
    assert table["outcome"].tolist() == ["equivalent"]


@pytest.mark.parametrize(
    ("low", "high", "p", "outcome"),
    [
        (-0.049, 0.049, None, "equivalent"),
        (0.01, 0.04, 0.001, "equivalent"),
        (-0.05, 0.01, None, "not known"),
        (-0.01, 0.05, None, "not known"),
        (0.0, 0.06, None, "not known"),
        (-0.2, 0.0, None, "not known"),
        (-0.2, -0.1, 0.05, "not known"),
        (-0.2, 0.1, 0.049, "differs"),
        (0.01, 0.06, None, "differs"),
        (-0.2, -0.1, None, "differs"),
        (0.01, 0.06, 0.08, "not known"),  # one of a family
        (np.nan, np.nan, np.nan, "not known"),
    ],
)
def test_a_difference_is_compared_with_the_margin(low, high, p, outcome):
    assert judged(low, high, p=p) == outcome


def test_seeds_are_no_more_tests_and_their_luck_is_in_the_interval():
    once, thrice = (
        primary(
            against_the_yardstick(0.8, 0.5, seeds=n),
            GROUPS,
            ["ann"],
            seed=0,
        ).iloc[0]
        for n in (1, 3)
    )
    assert (once["n"], thrice["n"]) == (48, 48)
    assert (once["n_seeds"], thrice["n_seeds"]) == (1, 3)
    rows = against_the_yardstick(0.8, 0.5, seeds=3)
    by_fit = [scores_of(rows[(rows["system"] != "ann") | (rows["seed"] == n)]) for n in range(3)]
    mean = np.mean([own["ann"] - own["mel_svm_train"] for own in by_fit])
    assert thrice["difference"] == pytest.approx(mean)
    again = pd.concat(
        [
            rows[rows["seed"] == 0],
            *(rows[(rows["seed"] == 0) & (rows["system"] == "ann")].assign(seed=n) for n in (1, 2)),
        ]
    )
    same = primary(again, GROUPS, ["ann"], seed=0).iloc[0]
    names = ["difference", "low", "high", "p"]
    assert same[names].tolist() == pytest.approx(once[names].tolist())  # seeds that agree: no luck


def scores_of(rows):
    return score(rows, GROUPS, seed=0).set_index("system")["accuracy"]


def test_mcnemar_takes_the_first_seed_and_no_ensemble():
    rows = against_the_yardstick(0.8, 0.5, seeds=3)
    table = comparisons(rows, records_of(rows), GROUPS, protocol="artist_grouped", seed=0)
    first = comparisons(
        rows[rows["seed"] == 0], records_of(rows), GROUPS, protocol="artist_grouped", seed=0
    )
    names = ["n_only_a", "n_only_b", "p_mcnemar"]
    assert table[names].equals(first[names])
    assert not np.isclose(table["difference"][0], first["difference"][0])


def test_findings_answer_the_primary_comparisons_first():
    strict = against_the_yardstick(0.8, 0.4, 0.7)
    rows = pd.concat(
        [
            strict,
            *(
                predictions(a, "mel_svm", p)
                for a, p in ((0.9, "track_random"), (0.6, "artist_grouped"))
            ),
        ]
    )
    lost = leakage(rows, GROUPS, seed=0)
    table = primary(strict, GROUPS, ["ann", "cnn_2d"], seed=0)
    said = findings(score(strict, GROUPS, seed=0), lost, 4, primary=table)
    worth = lost.set_index("system").loc["mel_svm"]
    assert f"split, is {100 * worth['difference']:+.1f} points" in said[0]
    assert "This is not significant. If each artist counts once, it is +" in said[0]
    best = table.iloc[1]
    assert "The most accurate network, 2D CNN on mel spectrograms, differs from it by" in said[1]
    assert f"by {100 * best['difference']:+.1f} points [{100 * best['low']:+.1f}, " in said[1]
    assert f"undecided; a true difference of {100 * best['mdd_holm']:.1f} points" in said[1]
    assert said[2].startswith("Of 2 networks, 1 is significantly less accurate")
    assert said[3].startswith("All of these networks had one seed per fold")


def test_findings_count_the_pairs():
    rows = several(0.95, 0.5, 0.45)
    table = comparisons(rows, records_of(rows), GROUPS, protocol="track_random", seed=0)
    said = findings(
        score(rows, GROUPS, seed=0),
        leakage(rows, GROUPS, seed=0),
        4,
        comparisons={"track_random": table},
    )
    assert any("2 of 3 differ significantly" in sentence for sentence in said)
    naive = (table["p_mcnemar_holm"] < 0.05).sum()
    assert any(f"as independent, {naive} would" in sentence for sentence in said)
    assert any(f"{100 * table['mdd_holm'].median():.1f} points" in sentence for sentence in said)
