"""scikit-learn transformers and classifiers that the systems are made of.

Feature matrices ``X`` have the shape ``(n_tracks, n_bands, n_frames)``; labels ``y`` are integers,
the position of a genre in the corpus's order.
"""

from itertools import combinations, pairwise

import numpy as np
from scipy.fft import dct
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..base.errors import GenrelibError
from ..features.segments import averaged, cut
from .training import NetworkPipeline, network


class AvailableNeighbors(KNeighborsClassifier):
    """k nearest neighbours, with fewer neighbours when the training tracks are fewer."""

    def fit(self, X, y):
        """Store the training rows; return `self`."""
        super().fit(X, y)
        self.available_ = min(self.n_neighbors, len(X))
        return self

    def kneighbors(self, X=None, n_neighbors=None, return_distance=True):
        """Find at most ``available_`` neighbours."""
        return super().kneighbors(X, n_neighbors or self.available_, return_distance)


class GaussianClassifier(ClassifierMixin, BaseEstimator):
    """One Gaussian mixture per class, under equal priors."""

    def __init__(self, n_components=1, shrinkage=0.1, seed=0):
        self.n_components = n_components
        self.shrinkage = shrinkage
        self.seed = seed

    def fit(self, X, y):
        """Fit one mixture to the rows of each class; return `self`."""
        self.classes_ = np.unique(y)
        reg_covar = self.shrinkage * float(X.var(axis=0).mean())
        self.mixtures_ = [
            self._mixture(X[y == c].astype(np.float64), reg_covar) for c in self.classes_
        ]
        return self

    def _mixture(self, rows, reg_covar):
        n_components = min(self.n_components, len(rows))
        if len(rows) == 1:  # scikit-learn needs two; the same twice is the same Gaussian
            rows = np.repeat(rows, 2, axis=0)
        return GaussianMixture(
            n_components, covariance_type="full", reg_covar=reg_covar, random_state=self.seed
        ).fit(rows)

    def predict_proba(self, X):
        """Posterior of each class under equal priors, shape ``(n_tracks, n_classes)``."""
        check_is_fitted(self)
        X = X.astype(np.float64)
        return softmax(np.column_stack([m.score_samples(X) for m in self.mixtures_]), axis=1)

    def predict(self, X):
        """Most likely class of each row."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class MarginClassifier(ClassifierMixin, BaseEstimator):
    """An SVM, one class against all others, with softmax of its margins as probabilities."""

    def __init__(self, svc):
        self.svc = svc

    def fit(self, X, y):
        """Fit the machine; return `self`."""
        self.svc_ = clone(self.svc).fit(X, y)
        self.classes_ = self.svc_.classes_
        return self

    def predict_proba(self, X):
        """Softmax of the one-versus-rest margins, shape ``(n_tracks, n_classes)``."""
        check_is_fitted(self)
        margins = self.svc_.decision_function(X)
        if margins.ndim == 1:  # two classes have one margin
            margins = np.column_stack([-margins, margins])
        return softmax(margins, axis=1)

    def predict(self, X):
        """Class of the largest margin."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class DuelClassifier(MarginClassifier):
    """A one-vs-one SVM: one machine for each pair of classes, and a vote.

    The probabilities are the softmax of each class's sum of margins; the class with most votes gets
    the largest. They are not calibrated. `svc` is a :class:`sklearn.svm.SVC` with
    ``decision_function_shape="ovo"``; with ``"ovr"``, which counts votes, softmax hardly differs
    between sure and unsure answers.
    """

    def predict_proba(self, X):
        """Softmax of the summed margins, shape ``(n_tracks, n_classes)``."""
        check_is_fitted(self)
        margins, won = self._duels(X)
        # as scikit-learn: among equal numbers of votes the sum decides, at less than one vote
        winner = (won + margins / (3 * (np.abs(margins) + 1))).argmax(axis=1)
        rows, largest = np.arange(len(X)), margins.argmax(axis=1)
        swapped = margins[rows, largest], margins[rows, winner]
        margins[rows, winner], margins[rows, largest] = swapped
        return softmax(margins, axis=1)

    def _duels(self, X):
        """Return each class's sum of margins, and its number of votes."""
        n_classes = len(self.classes_)
        duels = self.svc_.decision_function(X).reshape(len(X), -1)
        duels = -duels if n_classes == 2 else duels  # of two classes, that of the second
        margins, won = np.zeros((2, len(X), n_classes))
        for margin, (one, other) in zip(duels.T, combinations(range(n_classes), 2), strict=True):
            margins[:, one] += margin
            margins[:, other] -= margin
            won[:, one] += margin >= 0
            won[:, other] += margin < 0
        return margins, won


class TrainingPartPipeline(Pipeline):
    """A pipeline that leaves the validation part unused, to learn from as much as networks do."""

    def fit(self, X, y, is_valid):
        """Fit on the rows where `is_valid` is false; return `self`."""
        is_valid = np.asarray(is_valid, bool)
        return super().fit(X[~is_valid], y[~is_valid])


class Searched(ClassifierMixin, BaseEstimator):
    """An estimator with the best of a few settings, each tried once on the validation part.

    `settings` are tuples of parameters' names and values; the first of equally accurate ones is
    taken. A network is kept as it was tried; any other estimator learns anew, now from the
    validation part too. ``tried_``, which did not, tells how well the validation part is predicted.
    Under an artist-disjoint protocol the validation part has other artists than the training part,
    so the search is nested: the test part chooses nothing.
    """

    def __init__(self, estimator, settings):
        self.estimator = estimator
        self.settings = settings

    def fit(self, X, y, is_valid):
        """Try all settings on the rows where `is_valid` is true; return `self`."""
        y, is_valid = np.asarray(y), np.asarray(is_valid, bool)
        tried = [self._fitted(dict(setting), X, y, is_valid) for setting in self.settings]
        best = 0
        if is_valid.any():
            right = [(one.predict(X[is_valid]) == y[is_valid]).mean() for one in tried]
            best = int(np.argmax(right))
        self.setting_, self.tried_ = dict(self.settings[best]), tried[best]
        self.estimator_ = self.tried_
        if not self._is_network:
            everything = np.zeros(len(y), bool)
            self.estimator_ = self._fitted(self.setting_, X, y, everything)
        self.classes_ = self.estimator_.classes_
        return self

    @property
    def _is_network(self):
        return isinstance(self.estimator, (NetworkPipeline, SegmentVoting))

    def _fitted(self, setting, X, y, is_valid):
        estimator = clone(self.estimator).set_params(**setting)
        if self._is_network:
            return estimator.fit(X, y, is_valid)
        return estimator.fit(X[~is_valid], y[~is_valid])

    @property
    def net_(self):
        """The fitted network, if it is one."""
        return self.estimator_.net_

    def predict_proba(self, X):
        """Probabilities, shape ``(n_tracks, n_classes)``."""
        check_is_fitted(self)
        return self.estimator_.predict_proba(X)

    def predict(self, X):
        """Most likely label of each track."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class SegmentVoting(ClassifierMixin, BaseEstimator):
    """Classifies segments, and a track by the mean of its segments' log-probabilities.

    A clone of `pipeline`, ``pipeline_``, is fitted on `n_segments` pieces of each track.
    """

    def __init__(self, pipeline, n_segments=10):
        self.pipeline = pipeline
        self.n_segments = n_segments

    def fit(self, X, y, is_valid):
        """Fit on the segments of the training tracks; those of the others end the training."""
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
        """Label of most segments, the likelier of equals; shape ``(n_tracks,)``."""
        segments = self.segment_proba(X)
        n_classes = segments.shape[2]
        votes = np.eye(n_classes)[segments.argmax(axis=2)].sum(axis=1)
        return self.classes_[(votes + 0.5 * _pooled(segments)).argmax(axis=1)]


def _pooled(segments):
    """Mean of log-probabilities over segments, normalised; probabilities stay above 1e-12."""
    return softmax(np.log(np.clip(segments, 1e-12, 1)).mean(axis=1), axis=1)


class ClassifierOnNetwork(ClassifierMixin, BaseEstimator):
    """A classical classifier on the output of a trained network's convolutions.

    Both see the training rows only; the validation rows end the network's training. Clones are
    fitted; the network's module has a method ``features``, which gives flat vectors.
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


def check_features(X: np.ndarray, *, fitted_shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return `X`, finite, ``(n_tracks, n_bands, n_frames)``, as float32; raise the error if not."""
    X = np.asarray(X, dtype=np.float32)
    if X.ndim != 3:
        raise GenrelibError(
            f"features of shape {X.shape}; (n_tracks, n_bands, n_frames) is needed. "
            "Stack the tracks of Store.read along the first axis."
        )
    if fitted_shape is not None and X.shape[1:] != fitted_shape:
        raise GenrelibError(
            f"features of {X.shape[1]} bands x {X.shape[2]} frames; this system was fitted on "
            f"{fitted_shape[0]} x {fitted_shape[1]}. Use the same feature and clip length."
        )
    n_bad = int(np.count_nonzero(~np.isfinite(X)))
    if n_bad:
        raise GenrelibError(
            f"{n_bad} of {X.size} feature values are NaN or infinite; all must be finite. "
            "Look for damaged audio in the store's failures."
        )
    return X


class FeatureTransformer(TransformerMixin, BaseEstimator):
    """Base of the transformers: checks the input against ``shape_``, that of the fitted tracks."""

    def fit(self, X, y=None):
        """Remember the shape of one track; return `self`."""
        self.shape_ = check_features(X).shape[1:]
        return self

    def transform(self, X):
        """Check `X` of shape ``(n_tracks, n_bands, n_frames)`` and transform it."""
        check_is_fitted(self)
        return self._transform(check_features(X, fitted_shape=self.shape_))


class Checked(FeatureTransformer):
    """Leaves features as they are, for a network that scales them itself."""

    def _transform(self, X):
        return X


class Flatten(FeatureTransformer):
    """Each track as one vector of ``n_bands * n_frames`` numbers."""

    def _transform(self, X):
        return X.reshape(len(X), -1)


class BandScaler(FeatureTransformer):
    """Standardises each band by its mean and deviation over the training tracks and frames.

    ``mean_`` and ``scale_`` have shape ``(n_bands, 1)`` and the unit of the feature; a constant
    band has scale 1.
    """

    def fit(self, X, y=None):
        """Measure mean and deviation of each band; return `self`."""
        super().fit(X)
        X = np.asarray(X, dtype=np.float32)
        self.mean_ = X.mean(axis=(0, 2), dtype=np.float64)[:, None].astype(np.float32)
        scale = X.std(axis=(0, 2), dtype=np.float64)[:, None].astype(np.float32)
        self.scale_ = np.where(scale > 0, scale, 1).astype(np.float32)
        return self

    def _transform(self, X):
        return (X - self.mean_) / self.scale_


def scaled_network(recipe, module: type, **kwargs) -> NetworkPipeline:
    """Build a network on standardised bands; arguments are those of :func:`.training.network`."""
    return NetworkPipeline([("scale", BandScaler()), ("net", network(recipe, module, **kwargs))])


class MelStatistics(FeatureTransformer):
    """Summary of a log-mel spectrogram over time: level, spread, MFCC and modulation.

    Per track: mean, deviation, 10th and 90th percentile of each band; mean and deviation of
    `n_mfcc` MFCC and of their differences (Davis & Mermelstein 1980); and the modulation spectrum
    of `n_groups` groups of bands, the mean magnitude of their Fourier transform over time in
    octaves (after the beat histogram of Tzanetakis & Cook 2002).
    """

    def __init__(self, n_mfcc=20, n_groups=16):
        self.n_mfcc = n_mfcc
        self.n_groups = n_groups

    def _transform(self, X):
        mfcc = dct(X, axis=1, norm="ortho")[:, : self.n_mfcc]
        low, high = np.percentile(X, (10, 90), axis=2)
        spread = [low, high, *_mean_std(X), *_mean_std(mfcc), *_mean_std(np.diff(mfcc, axis=2))]
        return np.concatenate([*spread, self._modulation(X)], axis=1).astype(np.float32)

    def _modulation(self, X):
        envelopes = averaged(X, self.n_groups, None)
        envelopes = envelopes - envelopes.mean(axis=2, keepdims=True)
        spectrum = np.abs(np.fft.rfft(envelopes, axis=2))  # (n_tracks, n_groups, n_rates)
        n_rates = spectrum.shape[2]
        edges = np.unique(np.geomspace(1, n_rates, 9).astype(int))
        octaves = [spectrum[:, :, a:b].mean(axis=2) for a, b in pairwise(edges)]
        return np.log1p(np.concatenate(octaves, axis=1))


def _mean_std(X):
    return X.mean(axis=2), X.std(axis=2)


class AvailablePCA(TransformerMixin, BaseEstimator):
    """PCA to `n_components`, or to as many as the training tracks allow."""

    def __init__(self, n_components=900):
        self.n_components = n_components

    def fit(self, X, y=None):
        """Find the directions; return `self`."""
        self.n_components_ = min(self.n_components, len(X) - 1, X.shape[1])
        self.pca_ = PCA(self.n_components_, svd_solver="full").fit(X)
        return self

    def transform(self, X):
        """Project ``(n_tracks, n_features)`` to ``(n_tracks, n_components_)``."""
        return self.pca_.transform(X)
