"""scikit-learn classifiers that the classical systems end with.

Inputs are vectors ``X`` of shape ``(n_tracks, n_features)``; labels ``y`` are integers, the
position of a genre in the corpus's order.
"""

from itertools import combinations

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.validation import check_is_fitted


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
    svc : sklearn.svm.LinearSVC
        Whose ``decision_function`` has a margin of each class against all others.
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


class DuelClassifier(MarginClassifier):
    """A support vector machine for every two classes; the class that wins the most duels wins.

    The probabilities are the softmax of each class's sum of margins, of which the winner is given
    the largest. They are not calibrated. (What scikit-learn's machine scores of three classes and
    more, ``decision_function_shape="ovr"``, is the number of duels won, plus less than one: its
    softmax is nearly the same for sure and for unsure answers.)

    Parameters
    ----------
    svc : sklearn.svm.SVC
        With ``decision_function_shape="ovo"``.
    """

    def predict_proba(self, X):
        """Softmax of the summed margins, shape ``(n_tracks, n_classes)``."""
        check_is_fitted(self)
        margins, won = self._duels(X)
        # as scikit-learn: among equal numbers of duels won the sum decides, at less than one duel
        winner = (won + margins / (3 * (np.abs(margins) + 1))).argmax(axis=1)
        rows, largest = np.arange(len(X)), margins.argmax(axis=1)
        swapped = margins[rows, largest], margins[rows, winner]
        margins[rows, winner], margins[rows, largest] = swapped
        return softmax(margins, axis=1)

    def _duels(self, X):
        """Sum each class's margins, and count its duels won."""
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
