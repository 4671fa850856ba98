"""Permutation importance: what a system loses when a family of its inputs is another track's."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.inspection import permutation_importance

from ..features import FEATURES, SR
from ..features.compiled import librosa
from ..features.segments import averaged
from ..features.stack import STACK_ROWS
from ..systems.estimators import MelStatistics

N_REPEATS = 3
_OCTAVES = (0, 250, 500, 1000, 2000, 4000, SR // 2)  # Hz


def importance(
    estimator: BaseEstimator,
    X: np.ndarray,
    y: np.ndarray,
    families: Mapping[str, Sequence[int]],
    *,
    track_ids: Sequence[str],
    seed: int,
) -> pd.DataFrame:
    """Shuffle families of rows among test tracks, and count the answers that become wrong.

    All rows of a family move together, from the same other track. Families that say the same share
    the credit: each alone then seems to matter little. Breiman (2001), by scikit-learn.

    The `estimator` is fitted to other tracks. A later part of a pipeline, ``pipeline[1:]``, does as
    well, with what ``pipeline[:1].transform`` gives. `X` has shape ``(n_tracks, n_rows, ...)``, of
    two tracks at least; `y` holds their integer labels; `families` are rows by name.

    One row per track and family: ``drop`` is 1 where a right answer always becomes wrong, -1 where
    a wrong one always becomes right, the mean of :data:`N_REPEATS` shufflings. For
    :func:`genrelib.inference.means`.
    """
    rows = [np.asarray(members) for members in families.values()]
    sources = np.repeat(np.arange(len(X))[:, None], len(rows), axis=1)
    how = {"scoring": _right_by_track, "n_repeats": N_REPEATS, "random_state": seed}
    found = permutation_importance(_Assembled(estimator, X, rows), sources, y, **how)
    drops = np.array([found[row]["importances_mean"] for row in range(len(X))])
    table = pd.DataFrame(drops, columns=list(families), index=pd.Index(track_ids, name="track_id"))
    return table.melt(var_name="family", value_name="drop", ignore_index=False).reset_index()


class _Assembled(ClassifierMixin, BaseEstimator):
    """A fitted system whose inputs are put together from several tracks, a column per family."""

    def __init__(self, estimator, X, rows):
        self.estimator = estimator
        self.X = X
        self.rows = rows

    def fit(self, X, y):
        """Do nothing: scikit-learn asks for the method."""
        return self

    def predict(self, sources):
        """Predict tracks whose family `f` is that of track ``sources[:, f]``."""
        X = self.X.copy()
        for members, source in zip(self.rows, sources.T, strict=True):
            X[:, members] = self.X[np.ix_(source, members)]
        return self.estimator.classes_[self.estimator.predict_proba(X).argmax(axis=1)]


def _right_by_track(assembled, sources, y) -> dict[int, float]:
    """Score each track by itself, so that intervals can resample artists."""
    return dict(enumerate((assembled.predict(sources) == y).astype(float)))


def octaves(n_bands: int) -> dict[str, np.ndarray]:
    """Group the bands of a log-mel by octaves of their centre; the lowest group spans several.

    `n_bands` is what the log-mel is averaged to.

    >>> families = octaves(32)
    >>> list(families)[:2], families["250 to 500 Hz"].tolist()
    (['0 to 250 Hz', '250 to 500 Hz'], [2, 3, 4])
    """
    n_all = FEATURES["log_mel"].n_bands
    centres = librosa.mel_frequencies(n_mels=n_all + 2, fmax=SR / 2)[1:-1]
    places = np.searchsorted(_OCTAVES, averaged(centres[:, None], n_bands, None)[:, 0]) - 1
    named = [f"{low} to {high} Hz" for low, high in pairwise(_OCTAVES)]
    found = {name: np.flatnonzero(places == number) for number, name in enumerate(named)}
    return {name: bands for name, bands in found.items() if len(bands)}


def stack_families() -> dict[str, np.ndarray]:
    """Group the rows of the stack by the ten families of :data:`genrelib.features.STACK_ROWS`.

    >>> len(stack_families()), stack_families()["beat"].tolist()
    (10, [40])
    """
    names = np.array([family for family, _ in STACK_ROWS])
    return {name: np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())}


def statistics_families(statistics: MelStatistics) -> dict[str, np.ndarray]:
    """Group the columns of a fitted `MelStatistics` by their kind."""
    n_bands = statistics.shape_[0]
    n_mfcc = min(statistics.n_mfcc, n_bands)
    sizes = {
        "10th and 90th percentile of bands": 2 * n_bands,
        "mean of bands": n_bands,
        "deviation of bands": n_bands,
        "mean of MFCC": n_mfcc,
        "deviation of MFCC": n_mfcc,
        "mean change of MFCC": n_mfcc,
        "deviation of change of MFCC": n_mfcc,
    }
    n_all = statistics.transform(np.zeros((1, *statistics.shape_), np.float32)).shape[1]
    columns = np.split(np.arange(n_all), np.cumsum(list(sizes.values())))
    return dict(zip([*sizes, "modulation"], columns, strict=True))
