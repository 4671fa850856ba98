"""Cross-collection: what a foreign collection costs, in a table, a picture and sentences."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from helpers.builders import make_tracks
from helpers.predictions import predictions
from helpers.splits import JOINED, suiting

from genrelib import plots
from genrelib.inference import cross_collection
from genrelib.protocols import folds, overlap

TRACKS = suiting(JOINED, make_tracks())
GROUPS = TRACKS["group"]
SIDE = "artist_grouped"


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def made(within=1.0, cross=0.5, system="svm"):
    """Predict all tracks with artists kept apart, and each collection after the other."""
    rows = [predictions(within, system, "artist_grouped", tracks=TRACKS)]
    records = [{"n_train": 40, "n_valid": 10, "n_left_out": 0, "fold": 0, "protocol": SIDE}]
    for fold in folds(JOINED, TRACKS, n_folds=3, n_repeats=1, seed=0):
        tested = TRACKS.loc[list(fold.test)]
        rows.append(predictions(cross, system, JOINED, tracks=tested).assign(fold=fold.fold))
        records.append(overlap(fold, TRACKS))
    return pd.concat(rows, ignore_index=True), pd.DataFrame(records).assign(system=system)


def compared(rows, records):
    return cross_collection(rows, records, GROUPS, seed=0)


def test_both_directions_are_compared_on_the_same_tracks():
    table = compared(*made())
    assert table[["trained_on", "tested_on"]].to_numpy().tolist() == [
        ["old", "new"],
        ["new", "old"],
    ]
    assert (table["n_tracks"] == 48).all()
    assert (table["n_left_out"] == 0).all()
    assert (table["n_trained_within"] == 50).all()
    assert (table["n_trained_cross"] == 48).all()
    assert (table["accuracy_within"] == 1).all()
    rows, _ = made()
    rows = rows[rows["protocol"] == JOINED]
    right = (rows["genre"] == rows["predicted"]).groupby(rows["fold"]).mean()
    assert table["accuracy_cross"].tolist() == right.tolist()
    assert table["difference"].tolist() == pytest.approx((1 - right).tolist())
    for low, value, high in (
        ("low_within", "accuracy_within", "high_within"),
        ("low_cross", "accuracy_cross", "high_cross"),
        ("low", "difference", "high"),
    ):
        assert (table[low] <= table[value]).all()
        assert (table[value] <= table[high]).all()
        assert (table[high] - table[low] > 0).all()
    assert (table["low"] > 0).all()


def test_each_direction_has_the_counts_of_its_own_fold():
    rows, records = made()
    cross = records["protocol"] == JOINED
    records.loc[cross, "n_left_out"] = records.loc[cross, "fold"].map({0: 3, 1: 5})
    records.loc[cross, "n_train"] = records.loc[cross, "fold"].map({0: 20, 1: 30})
    table = compared(rows, records)
    assert table["n_left_out"].tolist() == [3, 5]
    assert table["n_trained_cross"].diff().iloc[1] == 10


def test_equal_predictions_lose_nothing():
    table = compared(*made(0.0, 0.0))
    assert (table[["difference", "low", "high"]] == 0).all(axis=None)


def test_tests_of_a_genre_that_was_not_trained_on_do_not_count():
    rows, records = made(1.0, 1.0)
    lost = (rows["protocol"] == SIDE) & (rows["genre"] == "blues")
    rows.loc[lost, ["genre_trained", "predicted"]] = [False, "rock"]
    table = compared(rows, records)
    assert (table["n_tracks"] == 36).all()
    assert (table["difference"] == 0).all()


def test_both_protocols_are_needed():
    rows, records = made()
    for name in (SIDE, JOINED):
        kept = compared(rows[rows["protocol"] != name], records[records["protocol"] != name])
        assert kept.empty
        assert "difference" in kept
    assert plots.cross_collection(kept, 4) is None


def test_the_figure_shows_the_numbers_of_each_direction():
    parts = [made(0.9, 0.4), made(0.7, 0.6, "knn")]
    table = compared(*(pd.concat(both, ignore_index=True) for both in zip(*parts, strict=True)))
    fig = plots.cross_collection(table, 4)
    assert [ax.get_title() for ax in fig.axes] == [
        "trained on old, tested on new",
        "trained on new, tested on old",
    ]
    for ax, (_, part) in zip(fig.axes, table.groupby("trained_on", sort=False), strict=True):
        within, cross, chance = (line.get_xdata() for line in ax.lines[::3][:2] + ax.lines[-1:])
        assert within.tolist() == (100 * part["accuracy_within"]).tolist()
        assert cross.tolist() == (100 * part["accuracy_cross"]).tolist()
        assert chance == [25, 25]
    assert len(fig.legends[0].texts) == 3


def test_a_direction_without_an_answerable_test_is_left_out_alone():
    rows, records = made()
    first = (rows["protocol"] == JOINED) & (rows["fold"] == 0)
    whole = compared(rows, records)
    rows.loc[first, "genre_trained"] = False
    pd.testing.assert_frame_equal(compared(rows, records), whole.iloc[1:].reset_index(drop=True))
