"""Scores, overlap, confusions, errors and findings: at their limits, and against known answers."""

import numpy as np
import pandas as pd
import pytest
from helpers.builders import GENRES
from helpers.predictions import GROUPS, TRACKS, predictions
from sklearn.metrics import f1_score, log_loss

from genrelib.base.errors import GenrelibError
from genrelib.base.seeds import rng
from genrelib.inference import (
    confusion,
    costs,
    findings,
    hardest,
    leakage,
    overlap,
    recalls,
    scores,
)
from genrelib.inference.scores import bins_of, expected_ece


@pytest.mark.parametrize("n", [2, 3])
def test_seeds_are_averaged_and_tests_counted_once(n):
    fits = [predictions(0.6, seed=i).assign(seed=100 + i) for i in range(n)]
    single = [scores(fit, GROUPS, seed=0).iloc[0] for fit in fits]
    row = scores(pd.concat(fits), GROUPS, seed=0).iloc[0]
    assert (row["n_tests"], row["n_answerable"], row["n_tracks"], row["n_seeds"]) == (48, 48, 48, n)
    for name in ("accuracy", "log_loss", "brier", "accuracy_by_artist"):
        assert row[name] == pytest.approx(np.mean([one[name] for one in single]))
    assert row["se_seeds"] > 0
    assert np.isnan(single[0]["se_seeds"])
    lines = [one["accuracy"] for one in single]
    assert row["se_seeds"] == pytest.approx(np.std(lines, ddof=1) / np.sqrt(n), rel=0.06)


def test_perfect_predictions_score_one_but_are_not_certain():
    row = scores(predictions(), GROUPS, seed=0).iloc[0]
    assert row["accuracy"] == row["high"] == row["track_high"] == row["macro_f1"] == 1
    assert 0.7 < row["low"] < row["track_low"] < 0.95
    assert row["log_loss"] == pytest.approx(-np.log(0.97))
    assert row["brier"] == pytest.approx(0.03**2 + 3 * 0.01**2)
    assert row["ece"] == pytest.approx(0.03)
    assert row["n_tracks"] == len(TRACKS)


def test_wrong_predictions_score_zero_but_are_not_certain():
    row = scores(predictions(0.0), GROUPS, seed=0).iloc[0]
    assert row["accuracy"] == row["low"] == row["track_low"] == row["macro_f1"] == 0
    assert 0.05 < row["track_high"] < row["high"] < 0.3
    assert row["log_loss"] == pytest.approx(-np.log(0.01))
    assert row["ece"] == pytest.approx(0.97)


def test_scores_know_each_system_and_protocol():
    both = pd.concat([predictions(0.5, protocol="artist_grouped"), predictions(0.9)])
    table = scores(both, GROUPS, seed=0)
    assert table["protocol"].tolist() == ["track_random", "artist_grouped"]
    for name in ("macro_f1", "log_loss", "brier", "ece"):
        assert (table[f"{name}_low"] <= table[name]).all()
        assert (table[name] <= table[f"{name}_high"]).all()
    assert (table["low"] <= table["accuracy"]).all()
    assert (table["accuracy"] <= table["high"]).all()
    assert table["mdd"].isna().all()


def test_scores_agree_with_scikit_learn():
    rows = predictions(0.6)
    row = scores(rows, GROUPS, seed=0).iloc[0]
    assert row["macro_f1"] == f1_score(rows["genre"], rows["predicted"], average="macro")
    columns = rows[[f"p_{g}" for g in GENRES]]
    assert row["log_loss"] == pytest.approx(log_loss(rows["genre"], columns, labels=list(GENRES)))
    truth = np.eye(4)[rows["genre"].map(GENRES.index)]
    assert row["brier"] == pytest.approx(((columns.to_numpy() - truth) ** 2).sum(axis=1).mean())


def test_a_genre_that_is_not_tested_does_not_count_in_f1():
    rows = predictions(0.6)
    rows = rows[rows["genre"] != "blues"]
    tested = f1_score(
        rows["genre"], rows["predicted"], labels=["jazz", "metal", "rock"], average="macro"
    )
    assert scores(rows, GROUPS, seed=0).iloc[0]["macro_f1"] == pytest.approx(tested)


def test_unanswerable_tests_are_counted_apart():
    rows = predictions()
    rows.loc[rows["genre"] == "blues", ["genre_trained", "predicted"]] = [False, "rock"]
    row = scores(rows, GROUPS, seed=0).iloc[0]
    assert row["accuracy"] == 0.75
    assert row["log_loss"] == pytest.approx(-np.log(0.97))
    assert row["accuracy_answerable"] == 1
    assert row["n_answerable"] == 36


def test_without_an_answerable_test_there_are_no_losses():
    row = scores(predictions().assign(genre_trained=False), GROUPS, seed=0).iloc[0]
    assert row["accuracy"] == 1
    names = ["log_loss", "log_loss_low", "brier", "ece", "ece_calibrated", "accuracy_answerable"]
    assert row[names].isna().all()


def test_the_majority_is_scored_where_segments_vote():
    rows = predictions().assign(majority="", right_segments=np.nan)
    voted = ["accuracy_majority", "accuracy_segments"]
    assert scores(rows, GROUPS, seed=0).iloc[0][voted].isna().all()
    rows["right_segments"] = np.linspace(0, 1, 48)
    assert scores(rows, GROUPS, seed=0).iloc[0]["accuracy_segments"] == pytest.approx(0.5)
    rows["majority"] = np.where(np.arange(48) % 4 == 0, "none of them", rows["genre"])
    assert scores(rows, GROUPS, seed=0).iloc[0]["accuracy_majority"] == 0.75
    rows.loc[np.arange(48) % 4 == 1, "majority"] = ""  # a third of the votes left is wrong
    assert scores(rows, GROUPS, seed=0).iloc[0]["accuracy_majority"] == pytest.approx(2 / 3)


def test_segments_belong_to_their_tracks():
    whole = predictions(0.7)
    pieces = pd.concat(
        [whole.assign(track_id=whole["track_id"] + f"#{n}") for n in range(3)]
    ).assign(protocol="segment_random")
    row = scores(pieces, GROUPS, seed=0).iloc[0]
    one = scores(whole, GROUPS, seed=0).iloc[0]
    assert (row["n_tracks"], row["n_tests"]) == (48, 144)
    assert row["accuracy"] == one["accuracy"]
    # three equal pieces tell no more than one
    assert row["track_high"] - row["track_low"] == pytest.approx(
        one["track_high"] - one["track_low"], rel=0.05
    )


def test_the_detectable_difference_is_that_of_the_pair():
    table = scores(pd.concat([predictions(0.8), predictions(0.5, "knn")]), GROUPS, seed=0)
    assert table["mdd"].between(0.1, 0.6).all()
    assert table["mdd"].min() == table["mdd"].max()  # each is the other's best


def test_the_detectable_difference_needs_the_same_tests():
    few = predictions(0.5, "knn").iloc[::2]
    assert scores(pd.concat([predictions(0.8), few]), GROUPS, seed=0)["mdd"].isna().all()


def test_the_same_seed_gives_the_same_scores():
    rows = predictions(0.7)
    first = scores(rows, GROUPS, seed=3)
    pd.testing.assert_frame_equal(first, scores(rows.sample(frac=1), GROUPS, seed=3))
    assert not first.equals(scores(rows, GROUPS, seed=4))


def test_a_calibrated_system_is_expected_to_show_some_ece():
    rows = predictions()
    rows[[f"p_{g}" for g in GENRES]] = [0.7, 0.1, 0.1, 0.1]
    # one bin of 48 tests: the mean absolute deviation of a binomial share
    known = np.sqrt(0.7 * 0.3 / 48) * np.sqrt(2 / np.pi)
    found = expected_ece(rows, rng(0, "ece"), n_draws=5000)
    assert found == pytest.approx(known, rel=0.03)
    pieces = [rows.assign(track_id=rows["track_id"] + f"#{n}") for n in range(3)]
    pieces = pd.concat(pieces).assign(protocol="segment_random")  # a track's share their luck
    found = expected_ece(pieces, rng(0, "ece"), n_draws=5000)
    assert found == pytest.approx(known, rel=0.03)


def test_bins_are_tenths_and_the_last_holds_one():
    confidence = np.array([0.0, 0.09, 0.1, 0.55, 0.89, 0.9, 1.0])
    assert bins_of(confidence).tolist() == [0, 0, 1, 5, 8, 9, 9]


def test_each_artist_counts_once_by_artist():
    groups = pd.Series(["big"] * 24 + list(TRACKS.index[24:]), index=TRACKS.index)
    rows = predictions()
    rows.loc[:23, "predicted"] = "none"
    row = scores(rows, groups, seed=0).iloc[0]
    assert row["accuracy"] == 0.5
    assert row["accuracy_by_artist"] == pytest.approx(24 / 25)
    assert row["by_artist_low"] < 24 / 25 < row["by_artist_high"]
    assert row["low"] < row["track_low"]  # half of the tests are one group


def test_ece_adds_up_what_each_bin_is_off():
    """Of a half at 0.75 nine in ten are right, of the others, at 0.95, as many."""
    rows = predictions().iloc[:40]
    rows["predicted"] = np.where(np.arange(40) % 10 == 0, "none", rows["genre"])
    sure = np.repeat([0.75, 0.95], 20)
    rows[[f"p_{g}" for g in GENRES]] = np.column_stack([sure, *[(1 - sure) / 3] * 3])
    assert scores(rows, GROUPS, seed=0).iloc[0]["ece"] == pytest.approx((0.15 + 0.05) / 2)
    rows.loc[rows.index >= 20, "genre_trained"] = False
    assert scores(rows, GROUPS, seed=0).iloc[0]["ece"] == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda rows: rows.iloc[:0], "0 rows"),
        (lambda rows: rows.drop(columns="predicted"), "without predicted"),
        (lambda rows: rows.assign(p_jazz=np.nan), "probability nan of track"),
        (lambda rows: rows.assign(p_jazz=1.5), "probability 1.5"),
        (lambda rows: rows.assign(p_jazz=-0.5), "probability -0.5"),
        (
            lambda rows: rows.drop(columns="p_jazz"),
            "'jazz' has no column p_jazz; there are blues, metal, rock. Take",
        ),
        (
            lambda rows: rows.drop(columns=[f"p_{genre}" for genre in GENRES]),
            "'blues' has no column p_blues; there are none. Take",
        ),
        (lambda rows: rows.assign(track_id="elsewhere"), "'elsewhere' and 0 more have no group"),
    ],
)
def test_malformed_predictions_are_refused(spoil, message):
    with pytest.raises(GenrelibError, match=message):
        scores(spoil(predictions()), GROUPS, seed=0)


def test_overlap_weighs_folds_by_their_tests():
    fold = {"protocol": "track_random", "repeat": 0, "known_group": 0.0, "known_genre": 1.0}
    records = pd.DataFrame(
        [
            {**fold, "fold": 0, "n_test": 30, "known_artist": 1.0},
            {**fold, "fold": 1, "n_test": 10, "known_artist": 0.0},
        ]
    )
    assert overlap(records).loc["track_random"].tolist() == [0.75, 0.0, 1.0]
    with pytest.raises(GenrelibError, match="no records"):
        overlap(records.iloc[:0])


def test_confusion_rows_are_shares():
    table = confusion(predictions(0.5), GENRES)
    np.testing.assert_allclose(table.sum(axis=1), 1)
    assert table.loc["blues", "jazz"] > 0
    assert table.loc["blues", "metal"] == 0


def test_recall_is_by_system_and_genre_in_their_order():
    half = predictions(1.0, "svm")
    half.loc[half.index % 2 == 0, "predicted"] = "none"
    other = predictions(1.0, "knn")[lambda rows: rows["genre"] != "blues"]
    table = recalls(pd.concat([half, other]), ("rock", "blues"))
    assert list(table.columns) == ["rock", "blues"]
    assert table.loc["svm"].tolist() == [0.5, 0.5]
    assert table.loc["knn", "rock"] == 1
    assert np.isnan(table.loc["knn", "blues"])


def test_hardest_lists_the_surest_errors_first():
    rows = predictions(0.8)
    table = hardest(rows, TRACKS)
    assert len(table) == (rows["genre"] != rows["predicted"]).sum()
    assert (table["predicted"] != table["genre"]).all()
    rows = predictions(0.0).iloc[:3]
    rows[[f"p_{g}" for g in GENRES]] = [[0.1, 0.5, 0.4, 0], [0, 0.9, 0.1, 0], [0.1, 0.7, 0.2, 0]]
    table = hardest(rows, TRACKS)
    assert list(table.index) == list(rows["track_id"].iloc[[1, 2, 0]])
    assert table["probability"].tolist() == [0.9, 0.7, 0.5]


def test_of_errors_that_are_as_sure_the_less_probable_genre_is_harder():
    """The mean over two repeats decides: the third track is right in one, and on the whole."""
    rows = predictions(0.0).iloc[:3]
    rows[[f"p_{g}" for g in GENRES]] = [
        [0.3, 0.6, 0.1, 0],
        [0.1, 0.6, 0.1, 0.2],
        [0.3, 0.6, 0.1, 0],
    ]
    again = rows.assign(repeat=1)
    again.loc[2, ["p_blues", "p_jazz"]] = [0.9, 0.0]
    table = hardest(pd.concat([rows, again]), TRACKS)
    assert table.index.tolist() == [TRACKS.index[1], TRACKS.index[0]]
    assert table["predicted"].tolist() == ["jazz", "jazz"]
    assert table["own"].tolist() == [0.1, 0.3]


def test_findings_say_the_numbers_of_the_tables():
    both = pd.concat([predictions(1.0), predictions(0.0, protocol="artist_grouped")])
    table = scores(both, GROUPS, seed=0)
    said = findings(table, leakage(both, GROUPS, seed=0), 4)
    low = f"{table['low'][0]:.1%}"
    assert f"100.0% [{low}, 100.0%] of all tests (48 tracks; chance is 25.0%)" in said[0]
    assert "the accuracy of the median system changes by -100.0 points" in said[2]
    assert "significant for 1 of 1 system." in said[2]
    assert len(said) == 4


def test_findings_say_what_no_system_can_answer():
    rows = predictions(0.9, protocol="artist_grouped")
    rows.loc[rows["genre"] == "blues", "genre_trained"] = False
    (said,) = findings(scores(rows, GROUPS, seed=0), leakage(rows, GROUPS, seed=0), 4)[1:]
    assert said.startswith("In the artist-disjoint split, 25% of the tests are of a genre")


@pytest.mark.parametrize(("before", "after", "n"), [(0.0, 1.0, 0), (0.6, 0.6, 0), (1.0, 0.0, 1)])
def test_findings_count_significant_losses_alone(before, after, n):
    both = pd.concat([predictions(before), predictions(after, protocol="artist_grouped")])
    both = both.assign(system="mel_svm")
    said = findings(scores(both, GROUPS, seed=0), leakage(both, GROUPS, seed=0), 4)
    assert f"This is {'' if n else 'not '}significant. If each artist" in said[0]
    assert f"the loss is significant for {n} of 1 system." in said[-2]


def test_f1_of_a_genre_tested_once_and_of_one_genre_alone():
    rows = predictions(0.6)
    rows = rows[(rows["genre"] != "blues") | (rows["track_id"] == "blues.00000")]
    known = f1_score(rows["genre"], rows["predicted"], average="macro")
    assert scores(rows, GROUPS, seed=0).iloc[0]["macro_f1"] == pytest.approx(known)
    rows = rows[rows["genre"] == "jazz"]  # rock is neither tested nor predicted
    known = f1_score(rows["genre"], rows["predicted"], labels=["jazz"], average="macro")
    assert scores(rows, GROUPS, seed=0).iloc[0]["macro_f1"] == pytest.approx(known)


def test_sure_and_always_wrong_is_the_largest_brier_score():
    rows = predictions(0.0)
    rows[[f"p_{g}" for g in GENRES]] = np.eye(4)[rows["predicted"].map(GENRES.index)]
    row = scores(rows, GROUPS, seed=0).iloc[0]
    assert row["brier"] == row["brier_high"] == 2
    assert 1 < row["brier_low"] < 2
    assert row["log_loss"] == row["log_loss_high"] == pytest.approx(-np.log(1e-15))


def test_the_first_of_many_faults_is_named():
    rows = predictions()
    rows.loc[[5, 7], "p_jazz"] = [1.5, 1.7]
    with pytest.raises(GenrelibError, match=f"probability 1.5 of track '{TRACKS.index[5]}'"):
        scores(rows, GROUPS, seed=0)
    first = f"track '{TRACKS.index[0]}' and 2 more have no group among the 45 known"
    with pytest.raises(GenrelibError, match=first):
        scores(predictions(), GROUPS.iloc[3:], seed=0)


def test_confusion_of_genres_that_are_not_tested_or_not_named():
    table = confusion(predictions(0.5)[lambda rows: rows["genre"] == "blues"], GENRES)
    assert table.loc["jazz"].isna().all()
    assert (table.loc["blues", ["metal", "rock"]] == 0).all()


def test_hardest_tells_both_probabilities():
    table = hardest(predictions(0.8), TRACKS)
    names = ["genre", "artist", "title", "predicted", "probability", "own"]
    assert list(table.columns) == names
    assert table["probability"].tolist() == pytest.approx([0.97] * len(table))
    assert table["own"].tolist() == pytest.approx([0.01] * len(table))


def test_the_best_network_is_one_that_no_cheaper_one_beats():
    table = pd.DataFrame({"system": list("abcd"), "accuracy": [0.7, 0.8, 0.75, 0.9]})
    cost = pd.Series({"a": 10.0, "b": 20.0, "c": 20.0, "d": np.nan})
    records = pd.DataFrame({"system": list("abcd"), "n_parameters": 1.0})
    records["multiply_adds"] = records["system"].map(cost)
    found = costs(table.assign(low=0.0, high=1.0), records)
    assert found["is_best"].tolist() == [True, True, False, False]
    assert found["multiply_adds"].tolist()[:3] == [10, 20, 20]


NO_SCORES = pd.DataFrame(columns=["system", "protocol", "n_answerable", "n_tests"])
NO_LOSSES = pd.DataFrame(columns=["system"])


def said(scored=NO_SCORES, lost=NO_LOSSES, **tables):
    """Return the sentences on tables that are written by hand."""
    return findings(scored, lost, 10, **tables)


def losses(**columns):
    """Write a leakage table of systems that are unknown to the registry, but for the first."""
    n = len(next(iter(columns.values())))
    systems = ["mel_svm", "b", "c", "d", "e"][:n]
    table = pd.DataFrame({"system": systems, "before": "size_matched", "n_tracks": 40})
    table = table.assign(difference=0.1, low=0.05, high=0.15, p_holm=0.01)
    return table.assign(by_artist=0.2, by_artist_low=-0.1, by_artist_high=0.5).assign(**columns)


@pytest.mark.parametrize(
    ("before", "low", "split", "judged"),
    [
        ("size_matched", 0.001, "size-matched random", "significant"),
        ("track_random", -0.001, "track-level random", "not significant"),
        ("track_random", 0.0, "track-level random", "not significant"),
    ],
)
def test_findings_on_the_worth_of_the_artist(before, low, split, judged):
    table = losses(before=[before], low=[low])
    assert said(lost=table)[0] == (
        "Comparison 1: what is knowing the artist worth? The accuracy of the support vector "
        f"machine on mel statistics in the {split} split, less that in the artist-disjoint "
        f"split, is +10.0 points [{100 * low:+.1f}, +15.0] on 40 tracks. This is {judged}. If each "
        "artist counts "
        "once, it is +20.0 points [-10.0, +50.0]."
    )


def test_findings_on_the_losses_of_all():
    table = losses(
        difference=[0.3, 0.2, -0.1, 0.4, 0.1],
        p_holm=[0.01, 0.04, 0.01, 0.05, np.nan],  # the third gains
        before=["size_matched", "size_matched", "track_random", "size_matched", "track_random"],
        n_tracks=[40, 38, 41, 39, 40],
    )
    assert said(lost=table)[1:] == [
        "From a random split to the artist-disjoint one, the accuracy of the median system changes "
        "by -20.0 points, on the 41 tracks whose genre is in both training parts. After Holm's "
        "correction, the loss is significant for 2 of 5 systems.",
        "For 3 of 5 systems, both splits train on equally many tracks. Elsewhere, a smaller "
        "training part may explain some of the loss.",
    ]
    assert said(lost=table.assign(before="size_matched"))[-1] == (
        "For 5 of 5 systems, both splits train on equally many tracks."
    )


def test_findings_on_networks_and_the_yardstick():
    table = pd.DataFrame({"system": list("abcde"), "yardstick": "mel_svm_train"})
    table = table.assign(difference=[-0.2, -0.1, 0.3, 0.0, 0.1], low=0.01, high=0.5, p_holm=0.0123)
    table["outcome"] = ["differs", "differs", "differs", "equivalent", "not known"]
    first, counts, seeds = said(primary=table.assign(n_seeds=[1, 3, 3, 2, 1], mdd_holm=0.123))
    assert first == (
        "Comparison 2: when artists are new and all learn from equally many tracks, is any network "
        "better than the support vector machine on mel statistics, training part only? The most "
        "accurate network, c, differs from it by +30.0 points [+1.0, +50.0] (adjusted p 0.012): "
        "the two differ."
    )
    assert counts == (
        "Of 5 networks, 2 are significantly less accurate than that system, 1 is more accurate, "
        "1 is equivalent within the margin, and 1 is undecided."
    )
    assert seeds == (
        "2 of these networks had one seed per fold, so the luck of training is not in their "
        "intervals."
    )
    assert said(primary=table.assign(n_seeds=1, mdd_holm=0.1))[2].startswith(
        "All of these networks"
    )
    table = table.assign(n_seeds=2, mdd_holm=0.123).iloc[[3, 4]]
    unknown, counts = said(primary=table)
    assert unknown.endswith(
        ": undecided; a true difference of 12.3 points would be found 4 times in 5."
    )
    assert counts.startswith("Of 2 networks, 0 are significantly less accurate than that system, 0")
    (equal, _) = said(primary=table.iloc[:1])
    assert equal.endswith(": equivalent within the margin.")


def test_findings_on_the_control():
    alone = pd.DataFrame({"tracks": "alone in their group", "n_tracks": [30, 31, 29, 30]})
    alone["difference"] = [0.2, -0.2, 0.1, 0.1]
    alone["p_holm"] = [0.001, 0.001, 0.05, 0.04]  # the second gains
    excess = pd.DataFrame({"tracks": "with others less alone", "n_tracks": 40}, index=range(4))
    excess["difference"] = [0.2, -0.2, 0.1, 0.1]
    excess["p_holm"] = [0.001, 0.001, 0.05, 0.04]
    table = pd.concat([alone, excess.iloc[:3]])
    assert said(controls=table) == [
        "Control: 31 tracks are alone in their group, so nothing about their artist can leak. "
        "After Holm's correction, a loss on them is significant for 2 of 4 systems. For 1 of 3, "
        "the other tracks lose significantly more: knowing the artist is part of the reason."
    ]
    assert "For 2 of 4, the other" in said(controls=pd.concat([alone, excess]))[0]
    assert said(controls=alone) == []


def test_findings_name_the_best_of_each_protocol_and_chance():
    table = pd.DataFrame({"system": ["one", "two", "one"], "accuracy": [0.5, 0.75, 0.25]})
    table = table.assign(protocol=["track_random"] * 2 + ["artist_grouped"], n_tracks=[48, 47, 40])
    found = said(table.assign(low=0.2, high=0.8, n_answerable=[9, 9, 12], n_tests=[9, 9, 16]))
    assert found == [
        "Best of 2 systems, “tracks at random”: two, 75.0% [20.0%, 80.0%] of all tests (47 tracks; "
        "chance is 10.0%).",
        "Best of 1 system, “artist-disjoint split”: one, 25.0% [20.0%, 80.0%] of all tests (40 "
        "tracks; chance is 10.0%).",
        "In the artist-disjoint split, 25% of the tests are of a genre whose only artists are in "
        "the test part: no system can answer them. Accuracy counts them as wrong. The tables also "
        "give the accuracy without them, and the losses leave them out.",
    ]


def test_findings_on_pairs_of_systems():
    table = pd.DataFrame({"distinguishable": [True, False, False], "mdd_holm": [0.1, 0.3, np.nan]})
    table["p_mcnemar_holm"] = [0.001, 0.049, 0.05]
    assert said(comparisons={"track_random": table, "official": table.iloc[:0]}) == [
        "Pairs of systems, “tracks at random”: 1 of 3 differ significantly after Holm's "
        "correction. By McNemar's test, which treats tracks by one artist as independent, 2 would.",
        "How small a gap can be seen, “tracks at random”: for the median pair, a true difference "
        "of 20.0 points would be found 4 times in 5. Smaller ones are missed more often.",
    ]
    assert len(said(comparisons={"track_random": table.assign(mdd_holm=np.nan)})) == 1


def test_findings_on_steps_count_losses_and_gains():
    table = pd.DataFrame({"difference": [0.3, 0.2, -0.2, 0.1, np.nan, 0.5]})
    table["p_holm"] = [0.01, 0.049, 0.01, 0.05, np.nan, 0.2]
    table["before"] = ["size_matched"] * 4 + ["", "track_random"]
    table["protocol"] = ["artist_grouped"] * 4 + ["segment_random", "size_matched"]
    first, second = said(ladder=table.assign(taken_away="what counts"))
    assert first == (
        "Step from “tracks at random, sizes matched” to “artist-disjoint split” (what changes: "
        "what counts): -15.0 points, the median of 4 systems. Significant after Holm's correction: "
        "2 losses, 1 gain."
    )
    assert second.startswith("Step from “tracks at random” to “tracks at random, sizes matched” (")
    assert second.endswith("-50.0 points. Significant after Holm's correction: 0 losses, 0 gains.")


def test_findings_count_the_outcomes_of_claims():
    exceeded, missed = "the claim is exceeded: so", "the claim is not reached: so"
    lines = [("differs", exceeded, 1, 1)] * 2 + [("differs", missed, 1, 1)] * 3
    lines += [("equivalent", "so", 1, 1), ("not known", "so", 1, 1), ("withheld", "so", 1, 1)]
    lines += [("", "about other music", 1, 1), ("", "no figure", np.nan, 1)]
    lines += [("", "not rerun", 1, np.nan), ("", "not available here: no audio", 1, np.nan)]
    table = pd.DataFrame(lines, columns=["outcome", "verdict", "claimed", "accuracy_split"])
    missing, counts, other = said(claims=table)
    assert missing == "1 of 12 systems could not be run on this music."
    assert counts == (
        "Of 8 claims about this music, rerun under the split nearest to the source's, 1 is "
        "equivalent within the margin, 3 are not reached, 2 are exceeded, 1 is undecided and 1 is "
        "withheld."
    )
    assert other == (
        "1 further claim was rerun on other music than the source's, which decides nothing."
    )
    assert said(claims=table.iloc[8:11]) == [other]
    assert said(claims=table.iloc[:1]) == [
        "Of 1 claim about this music, rerun under the split nearest to the source's, 1 is exceeded."
    ]
