"""scikit-learn transformers and classifiers that the systems are made of.

Inputs are feature matrices ``X`` of shape ``(n_tracks, n_bands, n_frames)`` in the unit of their
feature; labels ``y`` are integers, the position of a genre in the corpus's order.
"""

from itertools import pairwise

import numpy as np
from scipy.fft import dct
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.validation import check_is_fitted

from .errors import GenrelibError


def check_features(X: np.ndarray, *, fitted_shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return `X` as float32, or say what is wrong with it.

    Parameters
    ----------
    X : np.ndarray, shape (n_tracks, n_bands, n_frames)
        Feature matrices.
    fitted_shape : tuple of int, optional
        ``(n_bands, n_frames)`` of the training data, where there is such.

    Raises
    ------
    GenrelibError
        For a wrong number of axes, a shape other than the fitted one, NaN or infinity.
    """
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
    """Base of the transformers: checks the input and remembers its shape.

    Attributes
    ----------
    shape_ : tuple of int
        ``(n_bands, n_frames)`` seen by ``fit``.
    """

    def fit(self, X, y=None):
        """Remember the shape of one track; return `self`."""
        self.shape_ = check_features(X).shape[1:]
        return self

    def transform(self, X):
        """Check `X` of shape ``(n_tracks, n_bands, n_frames)`` and transform it."""
        check_is_fitted(self)
        return self._transform(check_features(X, fitted_shape=self.shape_))


class Flatten(FeatureTransformer):
    """Each track as one vector of ``n_bands * n_frames`` numbers."""

    def _transform(self, X):
        return X.reshape(len(X), -1)


class Image(FeatureTransformer):
    """Averages blocks of neighbouring bands and frames: a smaller picture of the track.

    Parameters
    ----------
    n_bands, n_frames : int
        Size of the result; an axis that is already shorter is left as it is.
    """

    def __init__(self, n_bands=64, n_frames=128):
        self.n_bands = n_bands
        self.n_frames = n_frames

    def _transform(self, X):
        return _block_mean(_block_mean(X, self.n_bands, 1), self.n_frames, 2)


def _block_mean(X, n_blocks, axis):
    length = X.shape[axis]
    edges = np.linspace(0, length, min(n_blocks, length) + 1).astype(int)
    sums = np.add.reduceat(X, edges[:-1], axis=axis)
    sizes = np.diff(edges).astype(np.float32)
    return sums / np.expand_dims(sizes, tuple(i for i in range(X.ndim) if i != axis))


class BandScaler(FeatureTransformer):
    """Standardises each band by its mean and deviation over the training tracks and frames.

    Attributes
    ----------
    mean_, scale_ : np.ndarray, shape (n_bands, 1)
        In the unit of the feature; a constant band has scale 1.
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


class MelStatistics(FeatureTransformer):
    """Summary of a log-mel spectrogram over time: level, spread, MFCC and modulation.

    Per track: mean, deviation and the 10th and 90th percentile of each band; mean and deviation
    of 20 MFCC and of their differences (a DCT of the log-mel, Davis & Mermelstein 1980); and the
    modulation spectrum of groups of bands (Tzanetakis & Cook 2002 call the idea beat histogram),
    the mean magnitude of their Fourier transform over time in octaves of frames.

    Parameters
    ----------
    n_mfcc : int
        Coefficients kept of the DCT.
    n_groups : int
        Groups of neighbouring bands whose modulation is measured.
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
        envelopes = _block_mean(X, self.n_groups, 1)
        envelopes = envelopes - envelopes.mean(axis=2, keepdims=True)
        spectrum = np.abs(np.fft.rfft(envelopes, axis=2))  # (n_tracks, n_groups, n_rates)
        n_rates = spectrum.shape[2]
        edges = np.unique(np.geomspace(1, n_rates, 9).astype(int))
        octaves = [spectrum[:, :, a:b].mean(axis=2) for a, b in pairwise(edges)]
        return np.log1p(np.concatenate(octaves, axis=1))


def _mean_std(X):
    return X.mean(axis=2), X.std(axis=2)


class AvailablePCA(TransformerMixin, BaseEstimator):
    """PCA to `n_components`, or to as many as the training tracks allow.

    Parameters
    ----------
    n_components : int
        Wanted; the source asks for 900, which 900 training tracks just allow.

    Attributes
    ----------
    pca_ : sklearn.decomposition.PCA
        The fitted transformation.
    n_components_ : int
        What was kept: ``min(n_components, n_tracks - 1, n_features)``.
    """

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
    """One Gaussian mixture per class; the class of the highest likelihood wins.

    Classes count equally, whatever their number of training tracks.

    Parameters
    ----------
    n_components : int
        Gaussians per class, at most the number of its training tracks.
    shrinkage : float
        Added to each covariance's diagonal, in units of the mean variance of a column. With fewer
        tracks than dimensions a covariance has no inverse without it.
    seed : int
        For the initial means.
    """

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
        if len(rows) == 1:  # scikit-learn asks for two; the same twice is the same Gaussian
            rows = np.repeat(rows, 2, axis=0)
        return GaussianMixture(
            n_components,
            covariance_type="full",
            reg_covar=reg_covar,
            random_state=self.seed,
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
    """A support vector machine whose margins are turned into probabilities by softmax.

    They order the classes as the machine does; they are not calibrated.

    Parameters
    ----------
    svc : sklearn.svm.SVC
        With ``decision_function_shape="ovr"`` and ``break_ties=True``.
    """

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
