"""Classifiers at their limits, against formulas where there are some."""

import numpy as np
import pytest
from conftest import make_features
from scipy.stats import multivariate_normal
from sklearn.svm import SVC

from genrelib.classifiers import AvailableNeighbors, GaussianClassifier, MarginClassifier

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
    svc = SVC(kernel="linear", decision_function_shape="ovr", break_ties=True)
    probabilities = MarginClassifier(svc).fit(flat, y).predict_proba(flat)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), svc.fit(flat, y).predict(flat))
