"""Calibration and abstention: known temperatures are found again, and a stated risk is kept."""

import numpy as np
import pandas as pd
import pytest
from helpers.builders import GENRES, make_tracks
from helpers.predictions import GROUPS, predictions
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from genrelib.base.errors import GenrelibError
from genrelib.base.seeds import rng
from genrelib.inference import (
    abstention,
    calibrated,
    calibration,
    conformal,
    reliability,
    risk_coverage,
    scores,
)
from genrelib.inference.calibration import aurc, temperatures, threshold_for

TRACKS = make_tracks(n_artists=60, n_songs=5)
P = [f"p_{genre}" for genre in GENRES]


def drawn(temperature=1.0, name="test", fold=0, tracks=TRACKS, shape=1.5) -> pd.DataFrame:
    """Draw each track's genre from the true probabilities, then state them too hot or too cold.

    A temperature of 2 mends logits that are twice the true ones.
    """
    generator = rng(0, name, fold)
    logits = generator.normal(size=(len(tracks), 4)) * shape
    true = softmax(logits, axis=1)
    place = (generator.random((len(tracks), 1)) > np.cumsum(true, axis=1)).sum(axis=1)
    said = softmax(temperature * logits, axis=1)
    return pd.DataFrame(said, columns=P).assign(
        track_id=tracks.index,
        genre=np.array(GENRES)[place],
        predicted=np.array(GENRES)[said.argmax(axis=1)],
        system="svm",
        protocol="track_random",
        repeat=0,
        fold=fold,
        genre_trained=True,
    )


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_is_found_again(temperature):
    row = temperatures(drawn(temperature, "valid")).iloc[0]
    assert row["temperature"] == pytest.approx(temperature, rel=0.1)
    assert row["n_valid"] == len(TRACKS)


def test_the_temperature_minimises_the_log_loss():
    valid = drawn(3.0, "valid")
    best = temperatures(valid)["temperature"].iloc[0]
    logs = np.log(valid[P].to_numpy())
    losses = [
        log_loss(valid["genre"], softmax(logs / t, axis=1), labels=list(GENRES))
        for t in (0.97 * best, best, 1.03 * best)
    ]
    assert np.argmin(losses) == 1


def test_calibration_mends_the_loss_and_leaves_the_genre():
    rows, valid = drawn(4.0), drawn(4.0, "valid")
    mended = calibrated(rows, valid)
    assert mended[P].sum(axis=1).to_numpy() == pytest.approx(1)
    assert (mended[P].to_numpy().argmax(axis=1) == rows[P].to_numpy().argmax(axis=1)).all()
    assert mended["predicted"].equals(rows["predicted"])
    table = calibration(rows, valid, TRACKS["group"], seed=0).set_index("metric")
    assert (table["high"] < 0).all()
    assert table.loc["ece", "before"] > 0.15
    assert table.loc["ece", "after"] < 0.05
    assert table["temperature"].iloc[0] == pytest.approx(4, rel=0.1)


def test_what_is_calibrated_stays_as_it_is():
    table = calibration(drawn(), drawn(1.0, "valid"), TRACKS["group"], seed=0)
    assert table["difference"].abs().max() < 0.01


def test_each_fit_has_its_own_temperature_and_those_without_validation_none():
    rows = pd.concat([drawn(4.0, fold=0), drawn(0.5, fold=1), drawn(2.0, fold=2)])
    valid = pd.concat([drawn(4.0, "valid", fold=0), drawn(0.5, "valid", fold=1)])
    mended = calibrated(rows.reset_index(drop=True), valid)
    found = mended.groupby("fold")[["temperature", "n_valid"]].first()
    assert found["temperature"].tolist() == pytest.approx([4, 0.5, 1], rel=0.1)
    assert found["n_valid"].tolist() == [len(TRACKS), len(TRACKS), 0]
    same = mended["fold"] == 2
    np.testing.assert_array_equal(mended.loc[same, P], rows[P][same.to_numpy()])
    table = calibration(rows.reset_index(drop=True), valid, TRACKS["group"], seed=0)
    assert table[["n_fits", "n_scaled"]].iloc[0].tolist() == [3, 2]


def test_without_validation_nothing_is_scaled():
    rows = drawn(4.0)
    table = calibration(rows, rows.iloc[:0], TRACKS["group"], seed=0)
    assert (table["difference"] == 0).all()
    assert (table["n_scaled"] == 0).all()


def test_probabilities_of_zero_survive():
    rows = predictions(0.7)
    rows[P] = (rows[P] > 0.5).astype(float)
    mended = calibrated(rows, rows)
    assert np.isfinite(mended[P]).all(axis=None)
    # the best a single temperature can do is to be sure as often as it is right
    right = (rows["genre"] == rows["predicted"]).mean()
    assert mended[P].max(axis=1).to_numpy() == pytest.approx(right, abs=0.001)


def test_reliability_agrees_with_scikit_learn():
    rows = drawn(2.0)
    table = reliability(rows, TRACKS["group"], seed=0)
    right = rows["genre"] == rows["predicted"]
    known = calibration_curve(right, rows[P].max(axis=1), n_bins=10)
    np.testing.assert_allclose(table["accuracy"], known[0])
    np.testing.assert_allclose(table["confidence"], known[1])
    assert table["n_tests"].sum() == len(rows)
    assert (table["low"] <= table["accuracy"]).all()
    assert (table["accuracy"] <= table["high"]).all()
    gaps = (table["accuracy"] - table["confidence"]).abs() * table["n_tests"] / len(rows)
    ece = scores(rows, TRACKS["group"], seed=0)["ece"][0]
    assert gaps.sum() == pytest.approx(ece)


def ranked(confidence, right):
    """Make tests of given confidence, right or wrong."""
    n = len(right)
    rest = (1 - np.asarray(confidence)) / 3
    table = pd.DataFrame({"p_blues": confidence, "p_jazz": rest, "p_metal": rest, "p_rock": rest})
    return table.assign(
        track_id=TRACKS.index[:n],
        genre=np.where(right, "blues", "rock"),
        predicted="blues",
        system="svm",
        protocol="track_random",
        repeat=0,
        fold=0,
    )


def test_risk_and_coverage_by_hand():
    rows = ranked([0.9, 0.5, 0.8, 0.6], [1, 0, 0, 1])
    curve = risk_coverage(rows)
    assert curve["threshold"].tolist() == [0.9, 0.8, 0.6, 0.5]
    assert curve["coverage"].tolist() == [0.25, 0.5, 0.75, 1]
    assert curve["risk"].tolist() == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])
    assert aurc(rows) == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)


def test_equal_confidences_are_answered_together():
    rows = ranked([0.8, 0.8, 0.8, 0.4], [1, 0, 0, 1])
    assert risk_coverage(rows)["coverage"].tolist() == [0.75, 1]
    orders = [[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]]
    mean = np.mean([np.mean(np.cumsum(1 - np.array(o)) / np.arange(1, 5)) for o in orders])
    assert aurc(rows) == pytest.approx(mean)


def test_confidence_that_tells_nothing_has_the_area_of_the_error_rate():
    assert aurc(ranked(np.full(40, 0.7), np.arange(40) % 4 > 0)) == pytest.approx(0.25)
    assert aurc(predictions(1.0)) == 0
    assert aurc(predictions(0.0)) == 1


def test_without_an_answerable_test_there_is_no_curve():
    rows = predictions().assign(genre_trained=False)
    assert risk_coverage(rows).empty
    assert np.isnan(aurc(rows))
    assert threshold_for(rows, 0.1) == np.inf


def test_the_threshold_answers_as_much_as_the_risk_allows():
    valid = ranked([0.9, 0.8, 0.7, 0.6, 0.5], [1, 1, 0, 1, 0])
    assert threshold_for(valid, 0.25) == 0.6
    assert threshold_for(valid, 0.1) == 0.8
    assert threshold_for(valid, 0.5) == 0.5
    assert threshold_for(ranked([0.9, 0.8], [0, 1]), 0.1) == np.inf


def test_abstention_keeps_the_risk_on_new_tracks():
    rows, valid = drawn(shape=3), drawn(name="valid", shape=3)
    row = abstention(rows, valid, TRACKS["group"], risk=0.1, seed=0).iloc[0]
    assert row["error_rate"] > 0.15
    assert row["reached_low"] < 0.1 < row["reached_high"]
    assert row["coverage_low"] < row["coverage"] < row["coverage_high"]
    assert 0.3 < row["coverage"] < 0.9
    assert row["n_answered"] == round(row["coverage"] * row["n_tests"])
    assert row["aurc"] < row["error_rate"]


def test_a_system_that_is_never_sure_enough_answers_nothing():
    rows = predictions(0.0)
    table = abstention(rows, rows, GROUPS, risk=0.1, seed=0)
    assert table["coverage"][0] == 0
    assert np.isnan(table["reached"][0])


def test_fits_without_validation_are_left_out_and_counted():
    rows = pd.concat([drawn(fold=0), drawn(fold=1)])
    row = abstention(rows, drawn(name="valid"), TRACKS["group"], risk=0.3, seed=0).iloc[0]
    assert (row["n_tests"], row["n_left_out"]) == (len(TRACKS), len(TRACKS))
    row = abstention(rows, rows.iloc[:0], TRACKS["group"], risk=0.3, seed=0).iloc[0]
    assert row["n_tests"] == 0
    assert np.isnan(row["coverage"])


@pytest.mark.parametrize("risk", [0, 1, -0.1, float("nan")])
def test_a_risk_that_is_no_share_is_refused(risk):
    rows = predictions()
    with pytest.raises(GenrelibError, match="risk="):
        abstention(rows, rows, GROUPS, risk=risk, seed=0)


def test_a_temperature_is_at_most_twenty():
    assert temperatures(predictions(0.0))["temperature"].iloc[0] == pytest.approx(20, rel=1e-3)


def test_one_validation_track_is_a_validation_part():
    rows = predictions(0.7)
    table = calibration(rows, rows.iloc[:1], GROUPS, seed=0)
    assert (table["n_scaled"] == 1).all()
    assert (table["before"] != table["after"]).all()


def test_a_test_just_as_sure_as_the_threshold_is_answered():
    rows = ranked([0.9, 0.8, 0.7, 0.6, 0.5], [1, 1, 0, 1, 0])
    row = abstention(rows, rows, TRACKS["group"], risk=0.25, seed=0).iloc[0]
    assert (row["n_answered"], row["coverage"], row["reached"]) == (4, 0.8, 0.25)
    assert (row["risk"], row["n_tests"], row["n_left_out"]) == (0.25, 5, 0)


def test_one_test_covers_everything():
    curve = risk_coverage(ranked([0.9], [1]))
    assert curve.to_numpy().tolist() == [[0.9, 1, 0]]
    assert aurc(ranked([0.9], [0])) == 1


def test_sets_hold_what_is_as_probable_as_the_limit():
    """At 0.75, of 7 validation tests the second least sure is the limit, of 6 the least sure."""
    rows = ranked([0.39, 0.4, 0.9], [1, 1, 1])
    valid = ranked([0.9, 0.8, 0.4, 0.6, 0.5, 0.7, 0.3], [1] * 7)
    row = conformal(rows, valid, TRACKS["group"], aimed=0.75, seed=0).iloc[0]
    assert row[["coverage", "size", "empty"]].tolist() == pytest.approx([2 / 3, 2 / 3, 1 / 3])
    assert (row["aimed"], row["n_tests"]) == (0.75, 3)
    row = conformal(rows, valid.iloc[1:], TRACKS["group"], aimed=0.75, seed=0).iloc[0]
    assert row[["coverage", "size", "empty"]].tolist() == [1, 1, 0]


@pytest.mark.parametrize("aimed", [0, 1])
def test_an_aim_of_all_or_none_is_refused(aimed):
    rows = predictions()
    with pytest.raises(GenrelibError, match=f"aimed={aimed}; a share between 0 and 1"):
        conformal(rows, rows, GROUPS, aimed=aimed, seed=0)
