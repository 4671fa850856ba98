"""Segments and classifiers made of a network and something more."""

import numpy as np
import pytest
from helpers.builders import make_features
from hypothesis import given
from hypothesis import strategies as st

from genrelib.base.errors import GenrelibError
from genrelib.features import segments
from genrelib.systems import build
from genrelib.systems.estimators import ClassifierOnNetwork, SegmentVoting

Y = np.arange(24) % 4
MASK = np.arange(24) >= 20


@given(n_frames=st.integers(1, 30), n_segments=st.integers(1, 30))
def test_pieces_are_the_track_in_order(n_frames, n_segments):
    X = np.arange(2 * 3 * n_frames).reshape(2, 3, n_frames)
    if n_segments > n_frames:
        with pytest.raises(GenrelibError, match=f"n_segments={n_segments}"):
            segments.cut(X, n_segments)
        return
    pieces = segments.cut(X, n_segments)
    assert pieces.shape == (2 * n_segments, 3, n_frames // n_segments)
    kept = n_segments * (n_frames // n_segments)
    np.testing.assert_array_equal(np.concatenate(pieces[n_segments:], axis=1), X[1, :, :kept])


def test_ids_come_back():
    assert segments.ids(["a#b", "c"], 2) == ["a#b#0", "a#b#1", "c#0", "c#1"]
    assert segments.parse("a#b#1") == ("a#b", 1)


@pytest.fixture(scope="module")
def voting() -> SegmentVoting:
    given = {"n_classes": 4, "seed": 0, "epoch_share": 0.2, "image_size": (16, 16), "clip_s": 12.0}
    X = make_features(Y, n_bands=64, n_frames=64)
    return build("cnn_segments", **given).fit(X, Y, MASK)


def test_a_track_is_the_mean_of_its_segments_log_probabilities(voting):
    X = make_features(Y, n_bands=64, n_frames=64)
    pieces = voting.segment_proba(X)
    assert pieces.shape == (24, 4, 4)
    geometric = np.exp(np.log(pieces).mean(axis=1))
    expected = geometric / geometric.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(voting.predict_proba(X), expected, rtol=1e-6)


def test_the_majority_wins_and_a_tie_goes_to_the_likelier(voting, monkeypatch):
    sure, unsure = [0.96, 0.02, 0.01, 0.01], [0.3, 0.4, 0.2, 0.1]
    votes = np.array([[sure, unsure, unsure, unsure], [sure, sure, unsure, unsure]])
    monkeypatch.setattr(SegmentVoting, "segment_proba", lambda self, X: votes)
    np.testing.assert_array_equal(voting.majority(None), [1, 0])
    np.testing.assert_array_equal(voting.predict(None), [0, 0])


def test_a_classifier_on_a_network_sees_training_rows_only():
    given = {"n_classes": 4, "seed": 0, "epoch_share": 0.05, "image_size": (16, 40)}
    X = make_features(Y, n_bands=87, n_frames=40)
    swapped = np.where(MASK, 3 - Y, Y)
    one, other = (build("cnn_stack_svm", **given).fit(X, labels, MASK) for labels in (Y, swapped))
    assert isinstance(one, ClassifierOnNetwork)
    np.testing.assert_array_equal(
        one.classifier_.named_steps["svm"].svc_.n_support_,
        other.classifier_.named_steps["svm"].svc_.n_support_,
    )
    assert one.classifier_.named_steps["scale"].n_samples_seen_ == (~MASK).sum()
