"""The contract of every system in the registry."""

import pickle

import numpy as np
import pytest
from conftest import make_features
from sklearn.base import clone

from genrelib.errors import GenrelibError
from genrelib.features import FEATURES
from genrelib.systems import SYSTEMS, build, features_of, of_notebook

Y = np.arange(24) % 4
IS_VALID = np.arange(24) >= 20


def features_for(name: str) -> np.ndarray:
    return make_features(Y, n_bands=FEATURES[SYSTEMS[name].feature].n_bands, n_frames=40)


def fitted(name: str, X=None, y=Y, mask=IS_VALID, seed=3):
    estimator = clone(build(name, n_classes=4, seed=seed, epochs=8))
    arguments = {"is_valid": mask} if SYSTEMS[name].validates else {}
    return estimator.fit(features_for(name) if X is None else X, y, **arguments)


@pytest.mark.parametrize("name", SYSTEMS)
def test_probabilities_are_probabilities(name):
    probabilities = fitted(name).predict_proba(features_for(name))
    assert probabilities.shape == (24, 4)
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", SYSTEMS)
def test_equal_seeds_and_a_round_trip_to_disk_give_equal_predictions(name):
    X, estimator = features_for(name), fitted(name)
    expected = estimator.predict_proba(X)
    np.testing.assert_array_equal(fitted(name).predict_proba(X), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(estimator)).predict_proba(X), expected)
    np.testing.assert_array_equal(estimator.predict(X), expected.argmax(axis=1))


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_genre_absent_from_training_gets_nothing_or_a_column(name):
    kept = Y != 1
    estimator = fitted(name, features_for(name)[kept], Y[kept], IS_VALID[kept])
    classes = list(estimator.classes_)
    probabilities = estimator.predict_proba(features_for(name))
    assert probabilities.shape == (24, len(classes))
    assert classes in ([0, 2, 3], [0, 1, 2, 3])


@pytest.mark.parametrize("name", SYSTEMS)
def test_damaged_and_misshapen_features_are_refused(name):
    X, estimator = features_for(name), fitted(name)
    with pytest.raises(GenrelibError, match="fitted on"):
        estimator.predict_proba(X[:, :, :30])
    damaged = X.copy()
    damaged[2, 3, 4] = np.nan
    with pytest.raises(GenrelibError, match="NaN"):
        estimator.predict_proba(damaged)
    with pytest.raises(GenrelibError, match="NaN"):
        fitted(name, damaged)


@pytest.mark.parametrize("name", [n for n in SYSTEMS if n != "knn"])  # 55 neighbours of 20: chance
def test_twenty_tracks_are_learnt_better_than_chance(name):
    y = np.arange(20) % 4
    X = 3 * make_features(y, n_bands=FEATURES[SYSTEMS[name].feature].n_bands, n_frames=40)
    estimator = build(name, n_classes=4, seed=0, epochs=60)
    mask = np.arange(20) >= 16
    estimator.fit(X, y, **({"is_valid": mask} if SYSTEMS[name].validates else {}))
    assert (estimator.predict(X) == y).mean() >= 0.75


def test_55_neighbours_tell_genres_apart_when_there_are_enough_tracks():
    y = np.arange(400) % 4
    X = make_features(y, n_bands=128, n_frames=40)
    estimator = build("knn", n_classes=4, seed=0).fit(X, y)
    assert (estimator.predict(X) == y).mean() > 0.9


@pytest.mark.parametrize("row", SYSTEMS.values(), ids=SYSTEMS)
def test_rows_are_complete(row):
    assert row.feature in FEATURES
    assert row.notebook.isdigit()
    assert row.title
    assert row.chosen
    assert row.source == "ours" or row.claim_protocol
    assert row.claim is None or 0 < row.claim <= 100
    assert ("net" in build(row.name, n_classes=2, seed=0).named_steps) == row.validates


def test_unknown_names_and_wrong_values_are_refused():
    with pytest.raises(GenrelibError, match="cnn_2d"):
        build("cnn", n_classes=4, seed=0)
    with pytest.raises(GenrelibError, match="n_classes=1"):
        build("svm", n_classes=1, seed=0)
    with pytest.raises(GenrelibError, match="epochs=0"):
        build("nn", n_classes=4, seed=0, epochs=0)


def test_each_notebook_runs_its_own():
    assert of_notebook("04", list(SYSTEMS)) == ["cnn_2d"]
    assert features_of(["svm", "gmm"]) == ["stack"]
