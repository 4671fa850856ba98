"""scikit-learn transformers that the systems begin with.

Inputs are feature matrices ``X`` of shape ``(n_tracks, n_bands, n_frames)`` in the unit of their
feature; labels ``y`` are integers, the position of a genre in the corpus's order.
"""

from itertools import pairwise

import numpy as np
from scipy.fft import dct
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_is_fitted

from .errors import GenrelibError
from .images import averaged


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
