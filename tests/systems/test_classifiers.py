"""Classifiers at their limits, against formulas where there are some."""

import numpy as np
import pytest
from helpers.builders import make_features
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.svm import SVC, LinearSVC

from genrelib.systems.convolutional import Cnn2d
from genrelib.systems.estimators import (
    AvailableNeighbors,
    BandScaler,
    DuelClassifier,
    GaussianClassifier,
    MarginClassifier,
    Searched,
)
from genrelib.systems.training import GenreNet, NetworkPipeline

X = make_features([0, 1, 2, 3] * 3, n_bands=128, n_frames=50)


def test_neighbours_are_at_most_the_training_tracks():
    y = np.arange(12) % 3
    neighbours = AvailableNeighbors(55).fit(X[:, 0], y)
    np.testing.assert_allclose(neighbours.predict_proba(X[:, 0]), 1 / 3)


def test_gaussian_classifier_is_bayes_rule_under_equal_priors():
    generator = np.random.default_rng(0)
    a = generator.normal(size=(500, 2))
    b = generator.normal(size=(100, 2)) * 2 + 3
    points = np.r_[a, b]
    fitted = GaussianClassifier(shrinkage=0).fit(points, np.repeat([0, 1], [500, 100]))
    densities = np.column_stack(
        [multivariate_normal(p.mean(0), np.cov(p.T, bias=True)).pdf(points) for p in (a, b)]
    )
    expected = densities / densities.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.predict_proba(points), expected, atol=1e-6)


def test_gaussian_classifier_takes_a_class_of_one_track():
    points = np.random.default_rng(0).normal(size=(5, 3))
    fitted = GaussianClassifier().fit(points, np.array([0, 0, 0, 0, 1]))
    assert fitted.predict(points)[4] == 1


@pytest.mark.parametrize("n_classes", [2, 4])
def test_margins_become_probabilities_in_the_machines_order(n_classes):
    flat, y = X[:, :, 0], np.arange(12) % n_classes
    svc = LinearSVC(dual=False)
    probabilities = MarginClassifier(svc).fit(flat, y).predict_proba(flat)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), svc.fit(flat, y).predict(flat))


@pytest.mark.parametrize("n_classes", [2, 3, 6])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_duels_become_probabilities_in_the_machines_order(kernel, n_classes):
    points, y = overlapping(n_classes)
    probabilities = (
        DuelClassifier(SVC(kernel=kernel))
        .set_params(svc__decision_function_shape="ovo")
        .fit(points, y)
        .predict_proba(points)
    )
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    machine = SVC(kernel=kernel, break_ties=True).fit(points, y)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), machine.predict(points))


def test_unsure_answers_have_less_probability_than_sure_ones():
    """Numbers of duels won, which are nearly constant, would not tell them apart."""
    points, y = overlapping(6)
    fitted = DuelClassifier(SVC(decision_function_shape="ovo")).fit(points[:300], y[:300])
    sure = fitted.predict_proba(points[300:]).max(axis=1)
    right = fitted.predict(points[300:]) == y[300:]
    assert np.ptp(np.quantile(sure, [0.05, 0.95])) > 0.3
    assert roc_auc_score(right, sure) > 0.6


def overlapping(n_classes):
    """Draw classes on a circle, wide enough to be confused."""
    y = np.arange(600) % n_classes
    angles = 2 * np.pi * y / n_classes
    noise = np.random.default_rng(0).normal(size=(600, 2))
    return 2 * np.column_stack([np.cos(angles), np.sin(angles)]) + noise, y


def test_a_search_takes_the_best_setting_on_the_validation_part_and_learns_anew_from_all():
    y, is_valid = np.arange(12) % 4, np.arange(12) >= 8
    settings = ((("n_neighbors", 8),), (("n_neighbors", 1),), (("n_neighbors", 2),))
    searched = Searched(AvailableNeighbors(), settings).fit(X[:, 0], y, is_valid)
    right = [
        (AvailableNeighbors(k).fit(X[:8, 0], y[:8]).predict(X[8:, 0]) == y[8:]).mean()
        for k in (8, 1, 2)
    ]
    assert right[0] < right[1]
    assert searched.setting_ == {"n_neighbors": (8, 1, 2)[int(np.argmax(right))]}
    anew = AvailableNeighbors(**searched.setting_).fit(X[:, 0], y)
    np.testing.assert_array_equal(searched.predict_proba(X[:, 0]), anew.predict_proba(X[:, 0]))
    tried = AvailableNeighbors(**searched.setting_).fit(X[:8, 0], y[:8]).predict_proba(X[:, 0])
    np.testing.assert_array_equal(searched.tried_.predict_proba(X[:, 0]), tried)
    unsearched = Searched(AvailableNeighbors(), settings).fit(X[:, 0], y, np.zeros(12, bool))
    assert unsearched.setting_ == {"n_neighbors": 8}


def test_a_searched_network_is_kept_as_it_was_tried():
    y, is_valid = np.arange(12) % 4, np.arange(12) >= 8
    net = GenreNet(Cnn2d, n_classes=4, seed=1, max_epochs=2, batch_size=4)
    pipeline = NetworkPipeline([("scale", BandScaler()), ("net", net)])
    searched = Searched(pipeline, ((("net__lr", 1e-9),), (("net__lr", 1e-2),)))
    searched.fit(X[:, :16, :16], y, is_valid)
    one = clone(pipeline).set_params(**searched.setting_).fit(X[:, :16, :16], y, is_valid)
    np.testing.assert_array_equal(
        searched.predict_proba(X[:, :16, :16]), one.predict_proba(X[:, :16, :16])
    )
    assert searched.net_.curve == one.net_.curve
