"""Figures of inference: what is drawn is what the tables say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from helpers.predictions import GROUPS, predictions

from genrelib.inference import decomposition, leakage, reliability, risk_coverage
from genrelib.plots import results as comparison


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


def test_each_step_of_leakage_is_a_panel():
    names = ("track_random", "size_matched", "artist_grouped")
    rows = pd.concat(predictions(a, protocol=p) for a, p in zip((1, 0.8, 0.3), names, strict=True))
    steps = decomposition(rows, GROUPS, leakage(rows, GROUPS, seed=0), seed=0)
    axes = comparison.leakage_steps(steps).axes
    assert [ax.lines[0].get_xdata()[0] for ax in axes] == pytest.approx(
        (-100 * steps["difference"]).tolist()
    )
    assert "artists alone" in axes[-1].get_title()


def test_without_steps_there_is_no_figure():
    rows = predictions()
    steps = decomposition(rows, GROUPS, leakage(rows, GROUPS, seed=0), seed=0)
    assert comparison.leakage_steps(steps) is None


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
