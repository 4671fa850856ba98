"""Benchmarks: they run, on tiny input, and the runner keeps what they find."""

import sys

import numpy as np
import pandas as pd
import pytest
import soundfile
from helpers.builders import ROOT
from joblib import Parallel

from genrelib.features import SR

sys.path.insert(0, str(ROOT / "benchmarks"))  # scripts, not a package

import bench
import bench_features
import bench_store
import bench_training
from measuring import Figure, least_seconds


def test_the_least_of_all_rounds_counts():
    now = iter(np.cumsum([0.0, 3.0, 0.0, 5.0, 0.0, 2.0, 0.0, 9.0]))
    seen = []
    seconds = least_seconds([seen.append, seen.append], ["clip"], rounds=2, clock=lambda: next(now))
    np.testing.assert_allclose(seconds, [2, 5])
    assert seen == ["clip"] * 6  # each once to warm up


@pytest.mark.parametrize(
    ("value", "goal", "better", "expected"),
    [
        (4.0, 4.0, "more", (">= 4", "yes")),
        (3.9, 4.0, "more", (">= 4", "NO")),
        (0.05, 0.05, "less", ("<= 0.05", "yes")),
        (0.06, 0.05, "less", ("<= 0.05", "NO")),
        (1.0, None, "less", ("", "")),
    ],
)
def test_a_figure_says_whether_its_goal_is_met(value, goal, better, expected):
    figure = Figure("speed", value, goal, better, "")
    assert (figure.goal_text, figure.met) == expected


def test_features_on_some_noise(tmp_path, monkeypatch):
    monkeypatch.setattr(bench_features, "CLIP_S", 3.0)
    # starting processes would take as long as everything else here
    monkeypatch.setattr(bench_features, "Parallel", lambda **_: Parallel(2, backend="threading"))
    path = tmp_path / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 3 * SR), SR)
    music = bench_features.Music("noise", [path])
    found = {figure.what: figure for figure in bench_features.figures_of(music, rounds=1)}
    differences = [figure for what, figure in found.items() if "difference" in what]
    assert len(found) == 8
    assert len(differences) == 3
    assert [figure.met for figure in differences] == ["yes"] * 3
    assert all(figure.value > 0 for what, figure in found.items() if "difference" not in what)


def test_training_for_one_epoch():
    figure = bench_training.figure_of("cnn_2d", n_tracks=20, n_epochs=1, rounds=1)
    assert 0.1 < figure.value < 10
    assert figure.goal_text == "<= 1.05"


def test_the_store_beside_a_plain_file():
    figure = bench_store.figure_of(1.0, 40, rounds=1)
    assert figure.value > 0
    assert figure.goal_text == "<= 2"


def test_the_runner_prints_a_line_and_writes_a_row_for_each_figure(tmp_path, monkeypatch, capsys):
    figures = [
        Figure("speed", 4.5, 4.0, "more", "450 against 100 ms"),
        Figure("share", 1.5, None, "less", ""),
    ]
    monkeypatch.setattr(bench, "HERE", tmp_path)
    monkeypatch.setattr(bench, "names", lambda: ["training"])
    monkeypatch.setattr(bench_training, "figures", lambda: iter(figures))
    bench.keep("another", [Figure("other", 2.0, None, "less", "")])
    for _ in range(2):  # the second run's rows take the place of the first one's
        bench.main([])
    printed = capsys.readouterr().out
    assert printed.count("     4.5  >= 4       yes  speed; 450 against 100 ms\n") == 2
    table = pd.read_csv(tmp_path / "results.csv")
    assert table["benchmark"].tolist() == ["another", "training", "training"]
    assert table["figure"].tolist() == [2.0, 4.5, 1.5]
    assert table.columns[1:6].tolist() == ["what", "figure", "goal", "met", "detail"]
    assert set(bench.LIBRARIES) < set(table.columns)


def test_every_benchmark_can_be_run():
    assert {"features", "rerun", "training"} <= set(bench.names())
    for name in bench.names():
        assert callable(bench.import_module(f"bench_{name}").figures)
