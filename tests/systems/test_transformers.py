"""Transformers at their limits, against formulas where there are some."""

import numpy as np
import pytest
from helpers.builders import make_features

from genrelib.base.errors import GenrelibError
from genrelib.systems.estimators import (
    AvailablePCA,
    BandScaler,
    Checked,
    Flatten,
    MelStatistics,
    check_features,
)

X = make_features([0, 1, 2, 3] * 3, n_bands=128, n_frames=50)
TRANSFORMERS = [Checked(), Flatten(), BandScaler(), MelStatistics()]


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
