"""Classifiers made of a network and something more: votes over segments, another classifier."""

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .segments import cut
from .training import NetworkPipeline
from .transformers import check_features


class TrainingPartPipeline(Pipeline):
    """A pipeline that leaves the validation part unused: it learns from as much as networks do."""

    def fit(self, X, y, is_valid):
        """Fit on the rows where `is_valid` is false; return `self`."""
        is_valid = np.asarray(is_valid, bool)
        return super().fit(X[~is_valid], y[~is_valid])


class SegmentVoting(ClassifierMixin, BaseEstimator):
    """Classifies segments, and a track by the votes of its segments.

    The probability of a track is the mean of its segments' log-probabilities, normalised; this is
    the product of independent opinions, tempered by their number. :meth:`majority` counts heads
    instead.

    Parameters
    ----------
    pipeline : NetworkPipeline
        Of one segment; it is cloned.
    n_segments : int
        Pieces that each track is cut into.

    Attributes
    ----------
    pipeline_ : NetworkPipeline
        Fitted on segments.
    classes_ : np.ndarray of int
        Labels, the columns of the probabilities.
    """

    def __init__(self, pipeline, n_segments=10):
        self.pipeline = pipeline
        self.n_segments = n_segments

    def fit(self, X, y, is_valid):
        """Fit on all segments of the tracks where `is_valid` is false; return `self`.

        Parameters
        ----------
        X : np.ndarray, shape (n_tracks, n_bands, n_frames)
            Feature matrices.
        y : np.ndarray of int, shape (n_tracks,)
            A label per track.
        is_valid : np.ndarray of bool, shape (n_tracks,)
            Tracks whose segments choose the epoch instead.
        """
        X = check_features(X)
        self.shape_ = X.shape[1:]
        y, is_valid = (np.repeat(values, self.n_segments) for values in (y, is_valid))
        self.pipeline_ = clone(self.pipeline).fit(cut(X, self.n_segments), y, is_valid)
        self.classes_ = self.pipeline_.classes_
        return self

    @property
    def net_(self):
        """The fitted network."""
        return self.pipeline_.net_

    def segment_proba(self, X):
        """Probabilities of each segment, shape ``(n_tracks, n_segments, n_classes)``."""
        check_is_fitted(self)
        X = check_features(X, fitted_shape=self.shape_)
        segments = self.pipeline_.predict_proba(cut(X, self.n_segments))
        return segments.reshape(len(X), self.n_segments, -1)

    def predict_proba(self, X):
        """Probabilities of each track, shape ``(n_tracks, n_classes)``."""
        return _pooled(self.segment_proba(X))

    def predict(self, X):
        """Most likely label of each track."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def majority(self, X):
        """Label that most segments name, the likelier of equals; shape ``(n_tracks,)``."""
        segments = self.segment_proba(X)
        n_classes = segments.shape[2]
        votes = np.eye(n_classes)[segments.argmax(axis=2)].sum(axis=1)
        return self.classes_[(votes + 0.5 * _pooled(segments)).argmax(axis=1)]


def _pooled(segments):
    """Mean of log-probabilities over segments, normalised; probabilities stay above 1e-12."""
    return softmax(np.log(np.clip(segments, 1e-12, 1)).mean(axis=1), axis=1)


class ClassifierOnNetwork(ClassifierMixin, BaseEstimator):
    """A classical classifier on the output of a trained network's convolutions.

    Both see the training rows only; the validation rows choose the network's epoch.

    Parameters
    ----------
    network : NetworkPipeline
        Its module has a method ``features``; it is cloned.
    classifier : Pipeline
        Of the features, flat vectors; it is cloned.

    Attributes
    ----------
    network_, classifier_ : NetworkPipeline, Pipeline
        Fitted.
    classes_ : np.ndarray of int
        Labels that the training rows hold, the columns of the probabilities.
    """

    def __init__(self, network: NetworkPipeline, classifier: Pipeline):
        self.network = network
        self.classifier = classifier

    def fit(self, X, y, is_valid):
        """Train the network, then the classifier on what it computes; return `self`."""
        is_valid = np.asarray(is_valid, bool)
        self.network_ = clone(self.network).fit(X, y, is_valid)
        features = self._features(X[~is_valid])
        self.classifier_ = clone(self.classifier).fit(features, np.asarray(y)[~is_valid])
        self.classes_ = self.classifier_.classes_
        return self

    @property
    def net_(self):
        """The fitted network."""
        return self.network_.net_

    def _features(self, X):
        inputs = Pipeline(self.network_.steps[:-1]).transform(X)
        return self.net_.outputs(inputs, "features")

    def predict_proba(self, X):
        """Probabilities of the classifier, shape ``(n_tracks, n_classes)``."""
        check_is_fitted(self)
        return self.classifier_.predict_proba(self._features(X))

    def predict(self, X):
        """Most likely label of each track."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
