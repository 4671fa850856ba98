"""Figures of inference: what is drawn is what the tables say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from helpers.predictions import GROUPS, predictions

from genrelib.inference import (
    controls,
    intervals,
    ladder,
    leakage,
    reliability,
    risk_coverage,
    scores,
)
from genrelib.plots import results as comparison


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Draw fewer resamples: no test here rests on a digit of an interval."""
    monkeypatch.setattr(intervals, "N_RESAMPLES", 400)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_the_ranking_joins_those_that_share_a_letter():
    table = pd.DataFrame(
        {
            "system": ["svm", "knn", "gmm"],
            "accuracy": [0.8, 0.6, 0.3],
            "low": [0.7, 0.5, 0.2],
            "high": [0.9, 0.7, 0.4],
            "letters": ["a", "ab", "b"],
        }
    )
    left, right = comparison.ranking(table, 10).axes
    assert left.lines[0].get_xdata().tolist() == [80, 60, 30]
    assert [line.get_ydata().tolist() for line in right.lines] == [[0, 1], [1, 2]]
    assert [label.get_text() for label in right.get_xticklabels()] == ["a", "b"]


def test_more_sets_than_letters_are_drawn():
    letters = [chr(ord("a") + i) for i in range(26)] + ["a2"]
    table = pd.DataFrame({"system": letters, "letters": letters})
    table = table.assign(accuracy=np.linspace(0.9, 0.1, 27), low=0.0, high=1.0)
    _, right = comparison.ranking(table, 10).axes
    assert [label.get_text() for label in right.get_xticklabels()] == letters


def under(*protocols):
    accuracy = np.linspace(1.0, 0.3, len(protocols))
    return pd.concat(predictions(a, protocol=p) for a, p in zip(accuracy, protocols, strict=True))


def marks(ax):
    return [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]


def test_each_step_of_the_ladder_is_a_panel_and_the_whole_loss_the_last():
    rows = under("track_random", "size_matched", "artist_only", "artist_grouped")
    lost = leakage(rows, GROUPS, seed=0)
    rungs = ladder(rows, GROUPS, scores(rows, GROUPS, seed=0), lost, seed=0)
    axes = comparison.ladder(rungs, lost).axes
    steps = -100 * rungs["difference"].dropna()
    assert [marks(ax)[0] for ax in axes[:-1]] == pytest.approx(steps.tolist())
    whole, hollow = marks(axes[-1])
    assert whole == pytest.approx(-100 * lost["difference"][0])
    assert np.isnan(hollow)  # sizes were matched


def test_without_a_pair_of_protocols_nothing_is_drawn():
    lost = leakage(predictions(), GROUPS, seed=0)
    rungs = ladder(predictions(), GROUPS, scores(predictions(), GROUPS, seed=0), lost, seed=0)
    assert comparison.ladder(rungs, lost) is None
    assert comparison.controls(controls(predictions(), GROUPS, seed=0)) is None


def test_the_control_stands_beside_the_loss():
    groups = GROUPS.where(np.arange(len(GROUPS)) % 3 > 0, GROUPS.index)  # a third are alone
    table = controls(under("size_matched", "artist_grouped"), groups, seed=0)
    left, right = comparison.controls(table).axes
    drawn = [marks(left)[0], marks(left)[1], marks(right)[0]]
    assert drawn == pytest.approx((100 * table["difference"]).tolist())


def test_reliability_has_a_panel_for_each_system():
    table = reliability(predictions(0.6), GROUPS, seed=0)
    tables = {name: {"as trained": table, "calibrated": table} for name in ("svm", "knn")}
    fig = comparison.reliability(tables)
    assert len(fig.axes) == 2
    assert fig.axes[0].lines[1].get_ydata().tolist() == (100 * table["accuracy"]).tolist()
    assert [text.get_text() for text in fig.legends[0].texts] == ["as trained", "calibrated"]


def test_risk_and_coverage_end_at_all_tests():
    curve = risk_coverage(predictions(0.75))
    ax = comparison.risk_coverage({"svm": curve}, risk=0.1).axes[0]
    assert ax.lines[0].get_xdata()[-1] == 100
    assert ax.lines[-1].get_ydata() == [10, 10]
