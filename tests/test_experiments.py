"""Experiments and predictions: what is written, what is kept, what is done again."""

import dataclasses
import inspect
import json
import os
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from conftest import GENRES

from genrelib import estimators, experiments, predictions
from genrelib.errors import GenrelibError

SETTINGS = {"n_folds": 2, "n_repeats": 1, "epochs": 2, "seed": 0}
BOTH = ["track_random", "artist_grouped"]


def plan(music, features, workspace, names=("mel_svm",), protocols=BOTH, **changes):
    return experiments.plan(names, protocols, music, features, workspace, **{**SETTINGS, **changes})


def run(music, features, workspace, *, n_jobs=1, **changes):
    return experiments.run(
        plan(music, features, workspace, **changes), music, features, n_jobs=n_jobs
    )


def contents(workspace):
    """Return the bytes of all tables of predictions, by name."""
    root = workspace.predictions
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*.csv"))}


def test_a_fit_writes_its_predictions_and_what_it_was(music, features, workspace):
    assert run(music, features, workspace) == {"fitted": 4, "kept": 0}
    path = workspace.predictions / "mel_svm" / "artist_grouped" / "repeat0_fold0.csv"
    table = pd.read_csv(path)
    assert list(table.columns) == ["track_id", "genre", "predicted", *(f"p_{g}" for g in GENRES)]
    record = json.loads(path.with_suffix(".json").read_text())
    assert record["known_group"] == 0
    assert record["n_test"] == len(table)
    assert record["recipe"]["svm__svc__C"] == "10"
    assert record["versions"]["torch"].startswith("2.13.0")


def test_what_is_there_is_kept(music, features, workspace):
    run(music, features, workspace)
    before = contents(workspace)
    assert run(music, features, workspace) == {"fitted": 0, "kept": 4}
    assert contents(workspace) == before


@pytest.mark.parametrize("changes", [{"seed": 1}, {"names": ("cnn_2d",), "epochs": 3}])
def test_another_configuration_is_fitted_again(music, features, workspace, changes):
    run(music, features, workspace, names=changes.get("names", ("mel_svm",)))
    assert run(music, features, workspace, **changes) == {"fitted": 4, "kept": 0}


def test_damaged_lost_and_unfinished_files_are_fitted_again(music, features, workspace):
    run(music, features, workspace)
    before = contents(workspace)
    one, two, three, _ = sorted(workspace.predictions.rglob("*.csv"))
    one.write_text(one.read_text().replace("blues", "metal", 1))
    two.unlink()
    three.with_suffix(".json").unlink()
    assert run(music, features, workspace) == {"fitted": 3, "kept": 1}
    assert contents(workspace) == before


def test_folds_of_an_earlier_configuration_are_removed(music, features, workspace):
    run(music, features, workspace, n_folds=3)
    run(music, features, workspace)
    assert len(contents(workspace)) == 4
    assert not list(workspace.predictions.rglob("*fold2*"))


def test_changed_labels_are_fitted_again(music, features, workspace):
    run(music, features, workspace)
    tracks = music.tracks.copy()
    tracks.loc[tracks.index[0], "genre"] = "metal"
    relabelled = dataclasses.replace(music, tracks=tracks)
    assert run(relabelled, features, workspace)["fitted"] == 4


def test_the_number_of_processes_does_not_change_a_byte(music, features, workspace, tmp_path):
    other = dataclasses.replace(workspace, root=tmp_path / "other")
    names = ("svm", "nn", "cnn_2d")
    run(music, features, workspace, names=names, n_jobs=1)
    run(music, features, other, names=names, n_jobs=2)
    assert len(contents(workspace)) == 12
    assert contents(workspace) == contents(other)


def test_a_leaking_fold_is_refused_at_fit_time(music, features, workspace):
    fit = plan(music, features, workspace, protocols=["artist_grouped"])[0]
    leaking = dataclasses.replace(fit.fold, train=(*fit.fold.train, fit.fold.test[0]))
    with pytest.raises(GenrelibError, match="artist"):
        experiments.run([dataclasses.replace(fit, fold=leaking)], music, features, n_jobs=1)
    assert not fit.path.exists()


KILLED = """
import sys, pickle
from genrelib import experiments
fits, music, features = pickle.load(open(sys.argv[1], "rb"))
experiments.run(fits, music, features, n_jobs=1)
"""


def test_a_killed_run_goes_on_to_the_same_bytes(music, features, workspace, tmp_path):
    names, epochs = ("nn",), 60
    undisturbed = dataclasses.replace(workspace, root=tmp_path / "undisturbed")
    run(music, features, undisturbed, names=names, epochs=epochs)
    fits = plan(music, features, workspace, names=names, epochs=epochs)
    (tmp_path / "fits.pickle").write_bytes(pickle.dumps((fits, music, features)))
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "fits.pickle")])
    while not any(fit.done for fit in fits):
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    result = experiments.run(fits, music, features, n_jobs=1)
    assert result["kept"] >= 1
    assert result["fitted"] >= 1
    assert contents(workspace) == contents(undisturbed)


def test_reading_gives_every_test_and_whether_its_genre_was_trained(music, features, workspace):
    run(music, features, workspace, names=("mel_svm", "svm"))
    rows, records = predictions.read(workspace, ["mel_svm", "svm"])
    assert len(rows) == 2 * 2 * len(music.usable)
    assert rows["genre_trained"].all()
    assert len(records) == 8
    assert predictions.curves(records).empty


def test_curves_have_a_row_per_epoch(music, features, workspace):
    run(music, features, workspace, names=("nn",), protocols=["track_random"])
    _, records = predictions.read(workspace, ["nn"])
    curves = predictions.curves(records)
    assert list(curves["epoch"]) == [1, 2, 1, 2]
    assert curves[["train_loss", "valid_loss"]].notna().all().all()


def test_code_counts_but_its_words_do_not(music, features, workspace, monkeypatch):
    fit = plan(music, features, workspace)[0]
    key, source = fit.key, inspect.getsource(estimators)
    experiments._code.cache_clear()

    def key_with(text: str) -> str:
        monkeypatch.setattr(experiments.inspect, "getsource", lambda module: text)
        experiments._code.cache_clear()
        return dataclasses.replace(fit).key

    assert key_with(source.replace('"""Base of', '"""The base of')) == key
    assert key_with(source + "\n\nclass Another:\n    pass\n") == key
    assert key_with(source.replace("(10, 90)", "(5, 95)")) != key
    experiments._code.cache_clear()


def test_files_changed_after_the_fit_are_not_read(music, features, workspace):
    run(music, features, workspace)
    path = next(workspace.predictions.rglob("*.csv"))
    path.write_text(path.read_text().replace("blues", "metal", 1))
    with pytest.raises(GenrelibError, match="changed after the fit"):
        predictions.read(workspace, ["mel_svm"])


def test_genres_with_odd_names_come_back_as_they_were(workspace):
    path = workspace.predictions / "svm" / "track_random" / "repeat0_fold0.csv"
    genre = pd.Series(["1960", "None"], index=pd.Index(["01", "NA"], name="track_id"))
    where = {"system": "svm", "protocol": "track_random", "repeat": 0, "fold": 0, "key": ""}
    record = {**where, "genres_trained": ["1960"]}
    predictions.write(path, genre, ("1960", "None"), np.array([[0.9, 0.1], [0.6, 0.4]]), record)
    rows, _ = predictions.read(workspace, ["svm"])
    assert rows["track_id"].tolist() == ["01", "NA"]
    assert rows["genre"].tolist() == ["1960", "None"]
    assert rows["predicted"].tolist() == ["1960", "1960"]
    assert rows["genre_trained"].tolist() == [True, False]


def test_reading_what_was_not_run_says_which_notebook(workspace):
    with pytest.raises(GenrelibError, match="notebook 04 of study 'trial'"):
        predictions.read(workspace, ["cnn_2d"])


def test_systems_tested_on_different_folds_are_refused(music, features, workspace):
    run(music, features, workspace, names=("mel_svm",), seed=0)
    run(music, features, workspace, names=("svm",), seed=1)
    with pytest.raises(GenrelibError, match="different folds"):
        predictions.read(workspace, ["mel_svm", "svm"])


def test_the_architecture_lists_every_learnt_number(music, features):
    layers = experiments.architecture("cnn_2d", music, features)
    assert layers["kind"].tolist().count("Conv2d") == 3
    assert layers.loc[layers["kind"] == "Conv2d", "parameters"].tolist() == [320, 9248, 9248]
