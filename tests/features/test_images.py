"""Smaller pictures: every value counts once, whatever the sizes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrelib.base.errors import GenrelibError
from genrelib.features.segments import averaged

LENGTHS = st.integers(1, 40)


def blocks(length, n_blocks):
    """Where each block begins and ends, by the plain definition."""
    edges = [k * length // n_blocks for k in range(n_blocks + 1)]
    return list(pairwise(edges))


@given(LENGTHS, LENGTHS, LENGTHS, LENGTHS, st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_each_value_is_the_mean_of_its_block(bands, frames, n_bands, n_frames, n_tracks):
    X = np.random.default_rng(bands * frames).normal(size=(n_tracks, bands, frames))
    small = averaged(X, n_bands, n_frames)
    rows, columns = blocks(bands, min(bands, n_bands)), blocks(frames, min(frames, n_frames))
    assert small.shape == (n_tracks, len(rows), len(columns))
    for i, (top, bottom) in enumerate(rows):
        for j, (left, right) in enumerate(columns):
            expected = X[:, top:bottom, left:right].mean(axis=(1, 2))
            np.testing.assert_allclose(small[:, i, j], expected, atol=1e-12)


def test_leading_axes_do_not_matter():
    X = np.random.default_rng(0).normal(size=(2, 3, 10, 15)).astype(np.float32)
    small = averaged(X, 4, 7)
    assert small.shape == (2, 3, 4, 7)
    assert small.dtype == np.float32
    np.testing.assert_array_equal(small[1, 2], averaged(X[1, 2], 4, 7))


def test_an_axis_is_left_as_it_is_by_none_or_by_a_larger_size():
    X = np.random.default_rng(0).normal(size=(10, 15)).astype(np.float32)
    for size in ((None, None), (10, 15), (11, None), (10**6, 10**6)):
        np.testing.assert_array_equal(averaged(X, *size), X)
    np.testing.assert_allclose(averaged(X, None, 1), X.mean(axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(averaged(X, 1, None), X.mean(axis=0, keepdims=True), atol=1e-6)


def test_the_mean_over_equal_blocks_is_the_mean_of_all():
    X = np.random.default_rng(0).normal(size=(12, 20))
    assert averaged(X, 4, 5).mean() == pytest.approx(X.mean(), abs=1e-12)


@pytest.mark.parametrize("size", [(0, None), (None, 0), (-3, 5)])
def test_a_size_below_one_is_an_error(size):
    with pytest.raises(GenrelibError, match="at least 1 is needed"):
        averaged(np.zeros((3, 3)), *size)


def test_a_vector_is_an_error():
    with pytest.raises(GenrelibError, match=r"shape \(3,\); at least the two axes"):
        averaged(np.zeros(3), 1, 1)
