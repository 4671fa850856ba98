"""Our own temperature scaling, cluster standard errors and label suspicion, against references."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from helpers.builders import GENRES, make_tracks
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from genrelib import inspection as audit
from genrelib.base.seeds import rng
from genrelib.inference import DIFFERENCE, ClusterBootstrap, calibrated
from genrelib.inference import intervals as room
from genrelib.inference.calibration import temperatures

TRACKS = make_tracks(n_artists=60, n_songs=5)
P = [f"p_{genre}" for genre in GENRES]


class Stated(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose decision function returns its input: logarithms."""

    classes_ = np.arange(len(GENRES))

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def decision_function(self, X):
        return X

    def predict(self, X):
        return X.argmax(axis=1)


def predictions(sharpness, name):
    """State the true logits `sharpness` times too large."""
    generator = rng(0, "references", name)
    logits = 1.5 * generator.normal(size=(len(TRACKS), len(GENRES)))
    true = np.cumsum(softmax(logits, axis=1), axis=1)
    genre = (generator.random((len(TRACKS), 1)) > true).sum(axis=1)
    table = pd.DataFrame(softmax(sharpness * logits, axis=1), columns=P)
    return table.assign(
        track_id=TRACKS.index,
        genre=np.array(GENRES)[genre],
        predicted=np.array(GENRES)[logits.argmax(axis=1)],
        system="svm",
        protocol="track_random",
        repeat=0,
        fold=0,
        genre_trained=True,
    )


@pytest.mark.parametrize("sharpness", [0.4, 1.0, 3.0])
def test_temperature_scaling_is_scikit_learns(sharpness):
    valid, rows = predictions(sharpness, "valid"), predictions(sharpness, "test")
    genre = valid["genre"].map(GENRES.index).to_numpy()
    known = CalibratedClassifierCV(FrozenEstimator(Stated()), method="temperature", ensemble=False)
    known.fit(np.log(valid[P].to_numpy()), genre)
    beta = known.calibrated_classifiers_[0].calibrators[0].beta_  # the inverse temperature
    found = temperatures(valid)["temperature"].iloc[0]
    assert found == pytest.approx(1 / beta, rel=1e-3)
    scaled = known.predict_proba(np.log(rows[P].to_numpy()))
    np.testing.assert_allclose(calibrated(rows, valid)[P], scaled, atol=1e-3)


@pytest.mark.parametrize("n_clusters", [40, 150])
@pytest.mark.parametrize("effect", [0.0, 1.0])
def test_cluster_standard_errors_are_statsmodels(n_clusters, effect, monkeypatch):
    """Sandwich and bootstrap estimate the same; they part where clusters are few and unequal."""
    monkeypatch.setattr(room, "N_RESAMPLES", 20_000)
    generator = rng(0, "sandwich", n_clusters, effect)
    clusters = np.repeat(np.arange(n_clusters), generator.integers(3, 8, n_clusters))
    shift = effect * generator.normal(size=n_clusters)[clusters]
    values = np.clip(0.2 * (shift + generator.normal(size=len(clusters))), -1, 1)
    known = sm.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": clusters}
    )
    found = ClusterBootstrap(clusters, rng(0, "draws")).mean(values, DIFFERENCE)
    assert found.value == pytest.approx(known.params[0])
    assert found.se == pytest.approx(known.bse[0], rel=0.03)


def test_label_suspicion_keeps_to_confident_learning():
    """Confident joint (Northcutt et al. 2021, eq. 1): a track counts for a genre other than its
    label when that genre is its most probable one above its own threshold, the mean probability
    of the genre over the tracks that bear it. Ours also wants the label to be improbable.
    On these rows cleanlab 2.9.0 (`filter_by="confident_learning"`) was seen to suspect the same.
    """
    rows = predictions(1.0, "labels").assign(protocol="artist_grouped")
    p, label = rows[P].to_numpy(), rows["genre"].map(GENRES.index).to_numpy()
    threshold = np.array([p[label == k, k].mean() for k in range(len(GENRES))])
    above = np.where(p >= threshold, p, -1)
    confident = above.argmax(axis=1)
    off_diagonal = (above.max(axis=1) >= 0) & (confident != label)
    own = p[np.arange(len(p)), label]
    found = audit.mislabels(rows).set_index("track")
    known = rows["track_id"][off_diagonal & (own < 1 / len(GENRES))]
    assert len(known) > 20
    assert set(found.index) == set(known)
    # the order of suspicion is cleanlab's normalized margin: own less the largest other
    margin = pd.Series(own - np.where(np.eye(4)[label], -1, p).max(axis=1), rows["track_id"])
    assert margin[found.index].is_monotonic_increasing
    np.testing.assert_allclose(found["score"], -margin[found.index])
