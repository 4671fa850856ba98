"""The contract of every system in the registry."""

import pickle

import numpy as np
import pytest
from helpers.builders import make_features
from sklearn.base import clone

from genrelib.base.errors import GenrelibError
from genrelib.features import FEATURES
from genrelib.features.segments import averaged
from genrelib.protocols import PROTOCOLS
from genrelib.store import PACKED, described
from genrelib.systems import (
    SYSTEMS,
    available,
    build,
    chosen,
    features_of,
    of_notebook,
    recipe,
    sources,
)

Y = np.arange(24) % 4
IS_VALID = np.arange(24) >= 20
GIVEN = {"n_classes": 4, "image_size": (32, 32), "clip_s": 6.0}


def features_for(name: str, y=Y, spread=1.0) -> np.ndarray:
    """Draw features of a tiny store, read at the system's size; log-mel lies below 0 dB."""
    row = SYSTEMS[name]
    n_frames = 1 if row.feature in PACKED else 130
    X = spread * make_features(y, n_bands=described(row.feature).n_bands, n_frames=n_frames)
    X = X * 8 - 40 if row.feature == "log_mel" else X
    return averaged(X, *row.size(recipe(seed=0, **GIVEN)))


def fit(estimator, name, X, y, mask):
    return estimator.fit(X, y, **({"is_valid": mask} if SYSTEMS[name].validates else {}))


@pytest.fixture(scope="module")
def fitted():
    """Return a function that fits a system on the tiny store, once per system."""
    known = {}

    def fitted(name):
        if name not in known:
            estimator = clone(build(name, seed=3, epoch_share=0.02, **GIVEN))
            known[name] = fit(estimator, name, features_for(name), Y, IS_VALID)
        return known[name]

    return fitted


@pytest.mark.parametrize("name", SYSTEMS)
def test_probabilities_are_probabilities(name, fitted):
    probabilities = fitted(name).predict_proba(features_for(name))
    assert probabilities.shape == (24, 4)
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", SYSTEMS)
def test_equal_seeds_clones_and_a_round_trip_to_disk_give_equal_predictions(name, fitted, tmp_path):
    X, estimator = features_for(name), fitted(name)
    expected = estimator.predict_proba(X)
    again = fit(clone(estimator), name, X, Y, IS_VALID)
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    (tmp_path / "model").write_bytes(pickle.dumps(estimator))
    restored = pickle.loads((tmp_path / "model").read_bytes())
    np.testing.assert_array_equal(restored.predict_proba(X), expected)
    np.testing.assert_array_equal(estimator.predict(X), expected.argmax(axis=1))


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_genre_absent_from_training_gets_nothing_or_a_column(name):
    kept = Y != 1
    X = features_for(name)
    estimator = build(name, seed=3, epoch_share=0.02, **GIVEN)
    estimator = fit(estimator, name, X[kept], Y[kept], IS_VALID[kept])
    classes = list(estimator.classes_)
    assert estimator.predict_proba(X).shape == (24, len(classes))
    assert classes in ([0, 2, 3], [0, 1, 2, 3])


@pytest.mark.parametrize("name", SYSTEMS)
def test_damaged_and_misshapen_features_are_refused(name, fitted):
    X, estimator = features_for(name), fitted(name)
    with pytest.raises(GenrelibError, match="fitted on"):
        estimator.predict_proba(X[:, :-1])
    damaged = X.copy()
    damaged[2, 3, -1] = np.nan
    with pytest.raises(GenrelibError, match="NaN"):
        estimator.predict_proba(damaged)
    with pytest.raises(GenrelibError, match="NaN"):
        fit(clone(estimator), name, damaged, Y, IS_VALID)


@pytest.mark.parametrize("name", SYSTEMS)
def test_twenty_tracks_are_learnt_by_heart(name):
    y = np.arange(20) % 4
    X = features_for(name, y, spread=3)
    share = 0.3 if name == "resnet18" else 1.0  # the slowest has learnt them by then
    estimator = build(name, seed=0, epoch_share=share, **GIVEN)
    fit(estimator, name, X, y, np.zeros(20, bool))
    assert (estimator.predict(X) == y).mean() >= 0.95


def test_55_neighbours_tell_genres_apart_when_there_are_enough_tracks():
    y = np.arange(400) % 4
    X = make_features(y, n_bands=64, n_frames=40)
    estimator = build("knn", n_classes=4, seed=0).fit(X, y)
    assert (estimator.predict(X + 0.01) == y).mean() > 0.9


@pytest.mark.parametrize("row", SYSTEMS.values(), ids=SYSTEMS)
def test_rows_are_complete(row):
    assert described(row.feature).name == row.feature
    assert row.notebook.isdigit()
    assert row.title
    assert row.chosen.endswith(".")
    assert row.split in PROTOCOLS
    assert row.source == "ours" or row.claim_protocol
    assert row.claim is None or 0 < row.claim <= 100
    parts = build(row.name, n_classes=2, seed=0).get_params(deep=True)
    is_network = any(name.endswith("module") for name in parts)
    assert row.validates == (is_network or row.name in ("mel_svm_train", "mel_svm_tuned"))


def test_unknown_names_and_wrong_values_are_refused():
    with pytest.raises(GenrelibError, match="cnn_2d"):
        build("cnn", n_classes=4, seed=0)
    with pytest.raises(GenrelibError, match="n_classes=1"):
        build("svm", n_classes=1, seed=0)
    with pytest.raises(GenrelibError, match="epoch_share=0"):
        build("nn", n_classes=4, seed=0, epoch_share=0)
    with pytest.raises(GenrelibError, match=r"image_size=\[4, 64\]"):
        build("resnet18", n_classes=4, seed=0, image_size=(4, 64))


def test_each_notebook_runs_its_own():
    assert of_notebook("07", list(SYSTEMS)) == ["vit"]
    assert features_of(["svm", "gmm"]) == ["stack"]
    assert list(sources(["knn", "svm"])["source"]) == [SYSTEMS["knn"].source, SYSTEMS["svm"].source]


def test_what_a_corpus_lacks_is_said(music):
    names, lacking = available(["svm", "cnn_chroma", "fma_knn", "knn"], music)
    assert names == ["svm", "cnn_chroma", "knn"]
    assert list(lacking.index) == ["fma_knn"]
    assert lacking.loc["fma_knn", "reason"].startswith("fma_features comes with a feature pack")


def test_every_system_of_the_literature_is_there():
    asked = """gmm svm nn knn ann mel_svm mel_svm_train cnn_spectrogram cnn_tempogram cnn_chroma
        cnn_segments cnn_2d cnn_stack cnn_stack_svm cnn_stack_gmm cnn_3d cnn_lstm resnet18 vit"""
    assert set(asked.split()) <= set(chosen("all"))


def test_all_leaves_out_systems_that_no_corpus_of_audio_can_have():
    left_out = set(SYSTEMS) - set(chosen("all"))
    unlisted = {name for name, row in SYSTEMS.items() if not row.is_listed}
    assert unlisted < left_out
    assert {SYSTEMS[name].feature for name in left_out - unlisted} == set(PACKED)
    assert {SYSTEMS[name].feature for name in chosen("all")} <= set(FEATURES)
    assert chosen(["fma_svm", "knn"]) == ["fma_svm", "knn"]
