"""Transformers and classifiers at their limits, against formulas where there are some."""

import numpy as np
import pytest
from conftest import make_features
from scipy.stats import multivariate_normal
from sklearn.svm import SVC

from genrelib.errors import GenrelibError
from genrelib.estimators import (
    AvailableNeighbors,
    AvailablePCA,
    BandScaler,
    Flatten,
    GaussianClassifier,
    Image,
    MarginClassifier,
    MelStatistics,
    check_features,
)

X = make_features([0, 1, 2, 3] * 3, n_bands=128, n_frames=50)
TRANSFORMERS = [Flatten(), Image(), Image(8, 10), BandScaler(), MelStatistics()]


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)
def test_transformers_refuse_what_they_cannot_read(transformer):
    transformer.fit(X)
    with pytest.raises(GenrelibError, match="fitted on 128 x 50"):
        transformer.transform(X[:, :, :40])
    with pytest.raises(GenrelibError, match="n_tracks, n_bands, n_frames"):
        transformer.transform(X[0])
    damaged = X.copy()
    damaged[1, 2, 3:5] = np.nan, np.inf
    with pytest.raises(GenrelibError, match="2 of"):
        transformer.transform(damaged)
    with pytest.raises(GenrelibError, match="NaN or infinite"):
        transformer.fit(damaged)


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)
def test_transformers_treat_each_track_alone(transformer):
    transformer.fit(X)
    together = transformer.transform(X)
    np.testing.assert_allclose(together[3:4], transformer.transform(X[3:4]), rtol=1e-5, atol=1e-5)
    assert np.isfinite(together).all()


def test_check_features_passes_and_converts():
    assert check_features(X.astype(np.float64)).dtype == np.float32


def test_image_averages_blocks():
    small = Image(2, 3).fit(X).transform(X)
    assert small.shape == (12, 2, 3)
    np.testing.assert_allclose(small[0, 0, 0], X[0, :64, :16].mean(), rtol=1e-5)
    np.testing.assert_allclose(small[0, 1, 2], X[0, 64:, 33:].mean(), rtol=1e-5)


def test_image_leaves_what_is_already_small():
    np.testing.assert_array_equal(Image(500, 500).fit(X).transform(X), X)


def test_band_scaler_gives_zero_mean_and_unit_deviation():
    constant = X.copy()
    constant[:, 5] = 7
    scaled = BandScaler().fit(constant).transform(constant)
    np.testing.assert_allclose(scaled.mean(axis=(0, 2)), 0, atol=1e-4)
    deviations = scaled.std(axis=(0, 2))
    np.testing.assert_allclose(np.delete(deviations, 5), 1, atol=1e-3)
    assert deviations[5] == 0


def test_mel_statistics_see_a_modulation_that_means_and_deviations_do_not():
    """Two rates of the same swing: equal level and spread, different modulation."""
    time = np.arange(64) / 64
    slow, fast = (np.tile(np.sin(2 * np.pi * n * time), (1, 128, 1)) for n in (2, 16))
    statistics = MelStatistics().fit(slow)
    one, other = statistics.transform(slow)[0], statistics.transform(fast)[0]
    n_levels = 4 * 128
    np.testing.assert_allclose(one[256:512], other[256:512], atol=1e-4)  # means, deviations
    assert np.abs(one[n_levels:] - other[n_levels:]).max() > 1


def test_pca_keeps_as_many_directions_as_the_tracks_allow():
    flat = X.reshape(len(X), -1)
    pca = AvailablePCA(900).fit(flat)
    assert pca.n_components_ == len(X) - 1
    distances = np.linalg.norm(flat[0] - flat[1])
    kept = pca.transform(flat[:2])
    np.testing.assert_allclose(np.linalg.norm(kept[0] - kept[1]), distances, rtol=1e-4)


def test_neighbours_are_at_most_the_training_tracks():
    y = np.arange(12) % 3
    shares = AvailableNeighbors(55).fit(X[:, 0], y).predict_proba(X[:, 0])
    np.testing.assert_allclose(shares, 1 / 3)


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
