"""Inference at its limits, and against known answers."""

import numpy as np
import pandas as pd
import pytest
from conftest import GENRES, make_tracks

from genrelib.errors import GenrelibError
from genrelib.inference import (
    cluster_interval,
    confusion,
    findings,
    hardest,
    leakage,
    scores,
)
from genrelib.seeds import rng

TRACKS = make_tracks()


def predictions(accuracy=1.0, system="svm", protocol="track_random", seed=0) -> pd.DataFrame:
    """Name the genre right with probability `accuracy`, else the next one."""
    generator = rng(seed, system, protocol)
    right = generator.random(len(TRACKS)) < accuracy
    place = TRACKS["genre"].map(GENRES.index).to_numpy()
    called = np.where(right, place, (place + 1) % len(GENRES))
    table = pd.DataFrame(np.eye(4)[called] * 0.96 + 0.01, columns=[f"p_{g}" for g in GENRES])
    return table.assign(
        track_id=TRACKS.index,
        genre=TRACKS["genre"].to_numpy(),
        predicted=np.array(GENRES)[called],
        system=system,
        protocol=protocol,
        repeat=0,
        fold=0,
        genre_trained=True,
    )


def test_perfect_predictions_score_one():
    row = scores(predictions(), TRACKS["group"], seed=0).iloc[0]
    assert row["accuracy"] == row["low"] == row["high"] == row["macro_f1"] == 1
    assert row["log_loss"] == pytest.approx(-np.log(0.97))
    assert row["n_tracks"] == len(TRACKS)


def test_wrong_predictions_score_zero():
    row = scores(predictions(0.0), TRACKS["group"], seed=0).iloc[0]
    assert row["accuracy"] == row["high"] == row["macro_f1"] == 0
    assert row["log_loss"] == pytest.approx(-np.log(0.01))


def test_scores_know_each_system_and_protocol():
    both = pd.concat([predictions(0.9), predictions(0.5, protocol="artist_grouped")])
    table = scores(both, TRACKS["group"], seed=0)
    assert table["protocol"].tolist() == ["track_random", "artist_grouped"]
    assert (table["low"] <= table["accuracy"]).all()
    assert (table["accuracy"] <= table["high"]).all()


def test_unanswerable_tests_are_counted_apart():
    rows = predictions()
    rows.loc[rows["genre"] == "blues", ["genre_trained", "predicted"]] = [False, "rock"]
    row = scores(rows, TRACKS["group"], seed=0).iloc[0]
    assert row["accuracy"] == 0.75
    assert row["log_loss"] == pytest.approx(-np.log(0.97))
    assert row["accuracy_answerable"] == 1
    assert row["n_answerable"] == 36


def test_intervals_widen_when_a_cluster_holds_more_tests():
    values = np.tile([1.0, 0], 100)
    single = cluster_interval(values, np.arange(200), rng(0))
    grouped = cluster_interval(np.sort(values), np.arange(200) // 20, rng(0))
    assert grouped[1] - grouped[0] > 2 * (single[1] - single[0])


def test_the_interval_of_independent_tests_is_the_binomial_one():
    values = (np.arange(400) < 280).astype(float)
    low, high = cluster_interval(values, np.arange(400), rng(0))
    deviation = np.sqrt(0.7 * 0.3 / 400)
    assert low == pytest.approx(0.7 - 1.96 * deviation, abs=0.01)
    assert high == pytest.approx(0.7 + 1.96 * deviation, abs=0.01)


def test_intervals_cover():
    """Of 300 draws of clusters with their own rates, about 95 % of intervals hold the truth."""
    generator, hits = rng(0, "coverage"), 0
    for _ in range(300):
        rates = generator.beta(3, 2, size=60)
        clusters = np.repeat(np.arange(60), 8)
        values = (generator.random(480) < rates[clusters]).astype(float)
        low, high = cluster_interval(values, clusters, generator)
        hits += low <= 0.6 <= high
    assert 0.91 <= hits / 300 <= 0.98


def test_malformed_values_are_refused():
    with pytest.raises(GenrelibError, match="3 values and 2 clusters"):
        cluster_interval(np.ones(3), np.ones(2), rng(0))
    with pytest.raises(GenrelibError, match="0 values"):
        cluster_interval(np.ones(0), np.ones(0), rng(0))


def test_leakage_is_the_difference_of_the_accuracies():
    both = pd.concat([predictions(1.0), predictions(0.0, protocol="artist_grouped")])
    row = leakage(both, TRACKS["group"], seed=0).iloc[0]
    assert row["difference"] == row["low"] == row["high"] == 1
    same = pd.concat([predictions(0.6), predictions(0.6).assign(protocol="artist_grouped")])
    row = leakage(same, TRACKS["group"], seed=0).iloc[0]
    assert row["difference"] == row["low"] == row["high"] == 0


def test_leakage_compares_only_what_both_protocols_make_answerable():
    strict = predictions(protocol="artist_grouped")
    strict.loc[strict["genre"] == "blues", ["genre_trained", "predicted"]] = [False, "rock"]
    row = leakage(pd.concat([predictions(), strict]), TRACKS["group"], seed=0).iloc[0]
    assert row["n_tracks"] == 36
    assert row["difference"] == 0


def test_leakage_needs_both_protocols():
    assert leakage(predictions(), TRACKS["group"], seed=0).empty


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
    table = scores(both, TRACKS["group"], seed=0)
    said = findings(table, leakage(both, TRACKS["group"], seed=0), 4)
    assert "100.0% [100.0%, 100.0%] (48 tracks; chance is 25.0%)" in said[0]
    assert "changes accuracy by -100.0 points" in said[2]
    assert "1 of 1 systems" in said[2]
