"""Experiments and predictions: what is written, what is kept, what is done again."""

import dataclasses
import gzip
import itertools
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
from helpers.builders import GENRES
from helpers.plans import plan

from genrelib import experiments
from genrelib.base import codetrace
from genrelib.base.errors import GenrelibError
from genrelib.experiments import planning as fits
from genrelib.experiments import predictions
from genrelib.systems import estimators as transformers
from genrelib.systems.residual import ResNet18


def run(music, features, workspace, *, n_jobs=1, **changes):
    return experiments.run(
        plan(music, features, workspace, **changes), music, features, n_jobs=n_jobs
    )


def contents(workspace):
    """Return the bytes of all tables of predictions of test parts, by name."""
    root = workspace.predictions
    paths = [p for p in sorted(root.rglob("*.csv.gz")) if not p.name.endswith(".valid.csv.gz")]
    return {str(p.relative_to(root)): p.read_bytes() for p in paths}


def change_a_genre(path):
    table = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(table.replace(b"blues", b"metal", 1)))


def test_a_fit_writes_its_predictions_and_what_it_was(music, features, workspace):
    assert run(music, features, workspace) == {"fitted": 4, "kept": 0}
    path = workspace.predictions / "mel_svm" / "artist_grouped" / "repeat0_fold0.csv.gz"
    table = pd.read_csv(path)
    assert list(table.columns) == ["track_id", "genre", "predicted", *(f"p_{g}" for g in GENRES)]
    record = json.loads(predictions.beside(path, ".json").read_text())
    assert record["known_group"] == 0
    assert record["n_test"] == len(table)
    assert record["recipe"]["svm__svc__C"] == "10"
    assert record["versions"]["torch"].startswith("2.13.0")


def test_what_is_there_is_kept(music, features, workspace):
    run(music, features, workspace)
    before = contents(workspace)
    assert run(music, features, workspace) == {"fitted": 0, "kept": 4}
    assert contents(workspace) == before


@pytest.mark.parametrize("changes", [{"seed": 1}, {"names": ("cnn_2d",), "epoch_share": 0.03}])
def test_another_configuration_is_fitted_again(music, features, workspace, changes):
    run(music, features, workspace, names=changes.get("names", ("mel_svm",)))
    assert run(music, features, workspace, **changes) == {"fitted": 4, "kept": 0}


def test_damaged_lost_and_unfinished_files_are_fitted_again(music, features, workspace):
    run(music, features, workspace)
    before = contents(workspace)
    one, two, three, four = (workspace.predictions / name for name in sorted(before))
    change_a_genre(one)
    two.unlink()
    predictions.beside(three, ".json").unlink()
    predictions.beside(four, ".json").write_text("")  # as after a power cut
    with pytest.raises(GenrelibError, match="missing or was changed"):
        predictions.read(workspace, [four.parent.parent.name])
    assert run(music, features, workspace) == {"fitted": 4, "kept": 0}
    assert contents(workspace) == before
    predictions.beside(one, ".json").write_text("{}")
    assert run(music, features, workspace) == {"fitted": 1, "kept": 3}


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
    names = ("svm", "nn", "cnn_2d", "resnet18")
    run(music, features, workspace, names=names, n_jobs=1)
    run(music, features, other, names=names, n_jobs=2)
    assert (
        len(contents(workspace)) == 22
    )  # 4 under both protocols, 2 for each of three sources' splits
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
    changes = {"names": ("nn",), "epoch_share": 0.6}
    undisturbed = dataclasses.replace(workspace, root=tmp_path / "undisturbed")
    run(music, features, undisturbed, **changes)
    planned = plan(music, features, workspace, **changes)
    (tmp_path / "fits.pickle").write_bytes(pickle.dumps((planned, music, features)))
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "fits.pickle")])
    while not any(fit.done for fit in planned):
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    result = experiments.run(planned, music, features, n_jobs=1)
    assert result["kept"] >= 1
    assert result["fitted"] >= 1
    assert contents(workspace) == contents(undisturbed)


def test_reading_gives_every_test_and_whether_its_genre_was_trained(music, features, workspace):
    run(music, features, workspace, names=("mel_svm", "ann"), protocols=["artist_grouped"])
    rows, records = predictions.read(workspace, ["mel_svm", "ann"])
    assert set(rows["protocol"]) == {"artist_grouped", "random_60_20_20"}
    strict = rows[rows["protocol"] == "artist_grouped"]
    assert len(strict) == 2 * len(music.usable)
    assert rows["genre_trained"].all()
    assert len(records) == 2 + 2 * 2
    assert predictions.curves(records[records["system"] == "mel_svm"]).empty


def test_validation_is_predicted_by_a_fit_that_has_not_seen_it(music, features, workspace):
    """A system that joins the validation part to its training part is fitted without it first."""
    names = ["mel_svm", "ann"]
    planned = plan(music, features, workspace, names=names, protocols=["artist_grouped"])
    experiments.run(planned, music, features, n_jobs=1)
    valid = predictions.read_valid(workspace, names)
    for fit in planned:
        part = valid[valid["system"] == fit.system]
        part = part[(part["protocol"] == fit.fold.protocol) & (part["repeat"] == fit.fold.repeat)]
        assert set(part.loc[part["fold"] == fit.fold.fold, "track_id"]) == set(fit.fold.valid)
    fit = planned[0]
    alone = dataclasses.replace(fit.fold, valid=(), test=fit.fold.valid)
    other = dataclasses.replace(
        fit, fold=alone, path=workspace.root / "x" / "y" / "repeat0_fold0.csv.gz", model=None
    )
    experiments.run([other], music, features, n_jobs=1)
    expected = predictions.valid_path(fit.path).read_bytes()
    assert other.path.read_bytes() == expected


def test_a_search_is_validated_as_it_was_before_it_learnt_from_the_validation_part(
    music, features, workspace
):
    planned = plan(music, features, workspace, ("mel_svm_tuned",), ["artist_grouped"])
    experiments.run(planned, music, features, n_jobs=1)
    valid, fit = predictions.read_valid(workspace, ["mel_svm_tuned"]), planned[0]
    searched = experiments.fitted(fit, music, features)
    genre = music.tracks["genre"][list(fit.fold.train)]
    y = pd.Categorical(genre, music.genres).codes
    alone = (
        fit.build()
        .estimator.set_params(**searched.setting_)
        .fit(fit.read(features, fit.fold.train), y)
    )
    expected = alone.predict_proba(fit.read(features, fit.fold.valid))
    rows = valid[valid["fold"] == fit.fold.fold].set_index("track_id").loc[list(fit.fold.valid)]
    columns = [f"p_{music.genres[n]}" for n in alone.classes_]
    np.testing.assert_allclose(rows[columns], expected, atol=1e-6)


def test_segments_are_fitted_and_predicted_as_pieces_of_their_track(music, features, workspace):
    planned = plan(music, features, workspace, protocols=[], decomposed=["mel_svm"])
    fit = next(fit for fit in planned if fit.fold.protocol == "segment_random")
    ids = fit.fold.test[:3]
    whole = {i: features.read("log_mel", [i.partition("#")[0]])[0] for i in ids}
    half = whole[ids[0]].shape[1] // 2
    for piece, i in zip(fit.read(features, ids), ids, strict=True):
        start = half * int(i.partition("#")[2])
        np.testing.assert_array_equal(piece, whole[i][:, start : start + half])
    assert fit.recipe.clip_s == features.configuration["clip_s"] / 2


def test_estimators_of_the_strictest_protocol_are_kept_and_asked_again(music, features, workspace):
    planned = fits.kept(plan(music, features, workspace, protocols=["artist_grouped"]))
    assert len(planned) == 2
    experiments.run(planned, music, features, n_jobs=1)
    fit = planned[0]
    times = fit.model.stat().st_mtime_ns
    estimator = experiments.fitted(fit, music, features)
    table = experiments.predicted(
        estimator,
        fit.read(features, fit.fold.test),
        music.usable.loc[list(fit.fold.test), "genre"],
        fit.genres,
    )
    stored = pd.read_csv(fit.path)
    np.testing.assert_allclose(table.filter(like="p_"), stored.filter(like="p_"), rtol=1e-5)
    assert fit.model.stat().st_mtime_ns == times
    fit.model.write_bytes(b"damaged")
    again = experiments.fitted(fit, music, features)
    X = fit.read(features, fit.fold.test)
    np.testing.assert_array_equal(again.predict_proba(X), estimator.predict_proba(X))


def test_curves_have_a_row_per_epoch(music, features, workspace):
    run(music, features, workspace, names=("nn",), protocols=["track_random"])
    _, records = predictions.read(workspace, ["nn"])
    curves = predictions.curves(records[records["protocol"] == "track_random"])
    assert list(curves["epoch"]) == [1, 2, 1, 2]
    assert curves[["train_loss", "valid_loss"]].notna().all().all()


def test_code_counts_but_its_words_do_not(music, features, workspace, monkeypatch):
    fit = plan(music, features, workspace)[0]
    key, getsource = fit.key, codetrace.inspect.getsource
    source = getsource(transformers)

    def forget():
        codetrace.code_of.cache_clear()
        codetrace._names.cache_clear()
        codetrace._text.cache_clear()

    def key_with(text: str) -> str:
        monkeypatch.setattr(
            codetrace.inspect, "getsource", lambda m: text if m is transformers else getsource(m)
        )
        forget()
        return dataclasses.replace(fit).key

    assert key_with(source.replace('"""Base of', '"""The base of')) == key
    assert key_with(source + "\n\nclass Another:\n    pass\n") == key
    assert key_with(source.replace("(10, 90)", "(5, 95)")) != key
    forget()


def test_code_is_followed_to_other_modules():
    assert "ColourMap" in codetrace.code_of(ResNet18)
    assert "SpectrogramAugmentation" in codetrace.code_of(ResNet18)
    assert "BasicBlock" in codetrace.code_of(ResNet18)
    assert "VisionTransformer" not in codetrace.code_of(ResNet18)
    assert "FunctionDef(name='averaged'" in codetrace.code_of(transformers.MelStatistics)


def test_files_changed_after_the_fit_are_not_read(music, features, workspace):
    run(music, features, workspace)
    path = workspace.predictions / min(contents(workspace))
    change_a_genre(path)
    with pytest.raises(GenrelibError, match="changed after the fit"):
        predictions.read(workspace, ["mel_svm"])


def test_genres_with_odd_names_come_back_as_they_were(workspace):
    path = workspace.predictions / "svm" / "track_random" / "repeat0_fold0.csv.gz"
    table = pd.DataFrame(
        {
            "genre": ["1960", "None"],
            "predicted": ["1960", "1960"],
            "p_1960": [0.9, 0.6],
            "p_None": [0.1, 0.4],
        },
        index=pd.Index(["01", "NA"], name="track_id"),
    )
    where = {
        "system": "svm",
        "protocol": "track_random",
        "repeat": 0,
        "fold": 0,
        "key": "",
        "seed": 0,
    }
    record = {
        **where,
        "fit_seconds": 1.0,
        "genres": ["1960", "None"],
        "genres_trained": ["1960"],
        "curve": [],
    }
    predictions.write(path, table, None, record)
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


def test_the_architecture_lists_every_learnt_number(music, features, workspace):
    planned = plan(music, features, workspace, names=("cnn_2d",), protocols=["artist_grouped"])
    experiments.run(planned, music, features, n_jobs=1)
    (fit,) = fits.first_of_each(planned)
    layers = experiments.architecture(fit)
    convolutions = layers[layers["kind"] == "Conv2d"]
    assert convolutions["parameters"].tolist() == [320, 9248, 9248]
    _, records = predictions.read(workspace, ["cnn_2d"])
    assert layers["parameters"].sum() == records["n_parameters"].iloc[0]
    assert layers["multiply_adds"].sum() == records["multiply_adds"].iloc[0]


def test_systems_that_draw_get_their_seeds_where_the_leakage_is_told(music, features, workspace):
    names = ("gmm", "nn", "best_cnn", "svm", "mel_svm_train")
    protocols = ["track_random", "size_matched", "artist_grouped"]
    once, thrice = (
        plan(music, features, workspace, names, protocols, n_seeds=n, decomposed=()) for n in (1, 3)
    )
    known = {fit.path: fit.key for fit in thrice}
    assert {fit.path: fit.key for fit in once}.items() <= known.items()
    added = [fit for fit in thrice if fit.path not in {one.path for one in once}]
    assert {(fit.system, fit.fold.protocol) for fit in added} == set(
        itertools.product(["gmm", "nn", "best_cnn"], ["size_matched", "artist_grouped"])
    )
    assert len(added) == 3 * 2 * 2 * 2  # systems that draw, seeds more, folds, protocols
    assert len({fit.recipe.seed for fit in thrice}) == len(known) == len(thrice)
    assert all(fit.model is None for fit in added)
