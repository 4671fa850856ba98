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
    scores,
)
from genrelib.inference.scores import expected_ece


def test_seeds_are_averaged_and_tests_counted_once():
    fits = [predictions(0.6, seed=n).assign(seed=100 + n) for n in range(3)]
    single = [scores(fit, GROUPS, seed=0).iloc[0] for fit in fits]
    row = scores(pd.concat(fits), GROUPS, seed=0).iloc[0]
    assert (row["n_tests"], row["n_answerable"], row["n_tracks"], row["n_seeds"]) == (48, 48, 48, 3)
    for name in ("accuracy", "log_loss", "brier", "accuracy_by_artist"):
        assert row[name] == pytest.approx(np.mean([one[name] for one in single]))
    assert row["se_seeds"] > 0
    assert np.isnan(single[0]["se_seeds"])
    lines = [one["accuracy"] for one in single]
    assert row["se_seeds"] == pytest.approx(np.std(lines, ddof=1) / np.sqrt(3), rel=0.06)


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


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda rows: rows.iloc[:0], "0 rows"),
        (lambda rows: rows.drop(columns="predicted"), "without predicted"),
        (lambda rows: rows.assign(p_jazz=np.nan), "probability nan of track"),
        (lambda rows: rows.assign(p_jazz=1.5), "probability 1.5"),
        (lambda rows: rows.drop(columns="p_jazz"), "'jazz' has no column p_jazz"),
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


def test_hardest_lists_the_surest_errors_first():
    rows = predictions(0.8)
    table = hardest(rows, TRACKS)
    assert len(table) == (rows["genre"] != rows["predicted"]).sum()
    assert table["probability"].is_monotonic_decreasing
    assert (table["predicted"] != table["genre"]).all()


def test_findings_say_the_numbers_of_the_tables():
    both = pd.concat([predictions(1.0), predictions(0.0, protocol="artist_grouped")])
    table = scores(both, GROUPS, seed=0)
    said = findings(table, leakage(both, GROUPS, seed=0), 4)
    low = f"{table['low'][0]:.1%}"
    assert f"100.0% [{low}, 100.0%] of all tests (48 tracks; chance is 25.0%)" in said[0]
    assert "accuracy changes by -100.0 points" in said[2]
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
