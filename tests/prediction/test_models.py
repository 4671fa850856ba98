"""Model files: what is written is read again, and what is damaged or foreign is refused."""

import hashlib
import io
import json
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest
import skops.io
from helpers.plans import plan
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator

from genrelib import experiments
from genrelib.base.errors import GenrelibError
from genrelib.base.files import Workspace
from genrelib.experiments import KEPT
from genrelib.features.segments import averaged
from genrelib.inference.calibration import temperatures
from genrelib.prediction import models, novelty, training

KINDS = ("mel_svm", "knn", "gmm", "cnn_segments", "cnn_stack_svm", "cnn_2d")
"""Estimators of every make: pipelines, votes of segments, a classifier on a network, networks."""


def trained(name, music, features, folder):
    """Train a system on the small corpus, as training.train does on a study's."""
    planned = plan(music, features, Workspace("trial", folder), names=(name,))
    fits = [fit for fit in planned if (fit.fold.protocol, fit.fold.repeat) == KEPT]
    return training._trained(fits, music, features, "trial", 0)


@pytest.fixture(scope="module")
def model(music, features, tmp_path_factory):
    return trained("mel_svm", music, features, tmp_path_factory.mktemp("trial"))


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / f"small{models.SUFFIX}"
    models.write(path, model)
    return path


def rows_of(model, features, ids):
    feature, size = model.header["feature"], tuple(model.header["size"])
    return averaged(features.read(feature, ids), *size)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_system_answers_as_before_it_was_written(name, music, features, tmp_path):
    model = trained(name, music, features, tmp_path)
    path = tmp_path / "a.genremodel"
    models.write(path, model)
    again = models.read(path)
    X = rows_of(model, features, list(music.tracks.index))
    np.testing.assert_array_equal(again.probabilities(X), model.probabilities(X))
    assert np.ptp(model.probabilities(X), axis=0).max() > 1e-6  # not one answer for all
    np.testing.assert_allclose(model.probabilities(X).sum(axis=1), 1)
    values = novelty.summaries(features, list(music.tracks.index[:3]))
    np.testing.assert_array_equal(again.known.novelty(values), model.known.novelty(values))
    assert again.known.tracks.equals(model.known.tracks)


def test_the_header_is_its_card(written, music):
    header = models.read(written).header
    assert header["genres"] == list(music.genres)
    assert header["corpus"]["tracks"] == len(music.usable)
    stated = header["artist_disjoint"]
    assert 0 <= stated["low"] <= stated["accuracy"] <= stated["high"] <= 1
    assert header["made_with"]["clip_s"] == 1.0
    assert header["novelty"]["threshold"] > 0


def test_its_temperature_is_that_of_all_folds_and_judged_on_others(music, features, tmp_path):
    planned = plan(music, features, Workspace("trial", tmp_path), names=("mel_svm",))
    fits = [fit for fit in planned if (fit.fold.protocol, fit.fold.repeat) == KEPT]
    rows = pd.concat([experiments.tested(fit, music, features) for fit in fits], ignore_index=True)
    assert rows["seed"].nunique() == len(fits)  # which must not keep folds apart
    found = training._judged(rows, music.tracks["group"], 0)
    alike = rows.assign(seed=0, fold=0)
    scaled = found["calibration"]
    assert scaled["temperature"] == temperatures(alike)["temperature"].item()
    assert scaled["log_loss"] != found["artist_disjoint"]["log_loss"]


def test_no_audio_and_no_pickle_is_in_it(written, music):
    members = opened(written)
    assert sorted(members) == ["estimator.skops", "header.json", "known.safetensors", "tracks.json"]
    with zipfile.ZipFile(io.BytesIO(members["estimator.skops"])) as inner:
        assert {name.rpartition(".")[2] for name in inner.namelist()} <= {"json", "npy"}
    # of a track there are fewer numbers than frames in its clip, let alone samples
    known = models.read(written).known
    assert len(known.points) == len(music.usable)
    assert known.points.shape[1] < 1000


def opened(path) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(path.read_bytes().partition(b"\n")[2])) as file:
        return {name: file.read(name) for name in file.namelist()}


def put_together(path, members: dict[str, bytes]):
    """Write a file with a right digest, as somebody would who means harm."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    digest = hashlib.sha256(body.getvalue()).hexdigest().encode()
    path.write_bytes(models.MAGIC + digest + b"\n" + body.getvalue())
    return path


@given(st.data())
def test_one_byte_changed_is_refused(written, tmp_path_factory, data):
    content = bytearray(written.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("changed") / "a.genremodel"
    path.write_bytes(content)
    with pytest.raises(GenrelibError, match=r"is damaged|is not a model of genrelib"):
        models.read(path)


@pytest.mark.parametrize("content", [b"", b"RIFF....WAVE", pickle.dumps({"a": 1}), b"PK\x03\x04"])
def test_a_foreign_file_is_refused(content, tmp_path):
    path = tmp_path / "a.genremodel"
    path.write_bytes(content)
    with pytest.raises(GenrelibError, match="is not a model of genrelib"):
        models.read(path)


def test_a_model_that_is_not_there_says_how_one_is_made(tmp_path):
    with pytest.raises(GenrelibError, match="python -m genrelib train"):
        models.read(tmp_path / "a.genremodel")


class Harm:
    """What runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


class Stranger(BaseEstimator):
    """A class that no system is made of."""


@pytest.mark.parametrize("member", ["estimator.skops", "known.safetensors", "tracks.json"])
def test_a_pickle_inside_is_refused_and_not_run(member, written, tmp_path):
    harmed = tmp_path / "harm"
    members = {**opened(written), member: pickle.dumps(Harm(harmed))}
    with pytest.raises(GenrelibError, match="does not hold what a model needs"):
        models.read(put_together(tmp_path / "a.genremodel", members))
    assert not harmed.exists()


def test_a_class_that_the_system_is_not_made_of_is_refused(written, tmp_path):
    members = {**opened(written), "estimator.skops": skops.io.dumps(Stranger())}
    with pytest.raises(GenrelibError, match=r"could run code.*Stranger"):
        models.read(put_together(tmp_path / "a.genremodel", members))


def changed(written, tmp_path, change):
    members = opened(written)
    header = json.loads(members["header.json"])
    change(header)
    members["header.json"] = json.dumps(header).encode()
    return put_together(tmp_path / "a.genremodel", members)


@pytest.mark.parametrize(
    ("name", "value"), [("revision", 99), ("librosa", "0.10.0"), ("hop_length", 256)]
)
def test_features_of_another_version_are_refused(name, value, written, tmp_path):
    path = changed(written, tmp_path, lambda header: header["made_with"].update({name: value}))
    with pytest.raises(GenrelibError, match=rf"features of another version: {name} was"):
        models.read(path)


def test_another_measure_of_novelty_is_refused(written, tmp_path):
    path = changed(written, tmp_path, lambda header: header["novelty"].update(revision=0))
    with pytest.raises(GenrelibError, match="novelty is measured otherwise"):
        models.read(path)


def test_another_scikit_learn_is_refused(written, tmp_path):
    path = changed(
        written, tmp_path, lambda header: header["versions"].update({"scikit-learn": "1.0"})
    )
    with pytest.raises(GenrelibError, match=r"made with scikit-learn 1\.0, here is"):
        models.read(path)


@pytest.mark.parametrize("name", ["system", "recipe", "made_with", "versions"])
def test_a_header_that_lacks_something_is_refused(name, written, tmp_path):
    path = changed(written, tmp_path, lambda header: header.pop(name))
    with pytest.raises(GenrelibError, match="does not hold what a model needs"):
        models.read(path)


def test_a_pack_that_no_audio_gives_is_refused(written, tmp_path):
    pack = {"pack": "somebody's", "clip_s": 30.0}
    path = changed(written, tmp_path, lambda header: header.update(made_with=pack))
    with pytest.raises(GenrelibError, match="can't be made from audio here"):
        models.read(path)


def test_networks_keep_their_weights_beside(music, features, tmp_path):
    path = tmp_path / "a.genremodel"
    models.write(path, trained("cnn_2d", music, features, tmp_path))
    members = opened(path)
    assert "weights-0.safetensors" in members
    del members["weights-0.safetensors"]
    with pytest.raises(GenrelibError, match="does not hold what a model needs"):
        models.read(put_together(path, members))


def test_a_big_corpus_keeps_some_tracks_only(monkeypatch, music, features):
    monkeypatch.setattr(novelty, "MOST", 10)
    ids = list(music.usable.index)
    known = novelty.Known.of(novelty.summaries(features, ids), music.usable, seed=0)
    assert len(known.points) == len(known.tracks) == 10
