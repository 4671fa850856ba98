"""Fits on more features than memory should hold: read block by block, trained batch by batch.

Networks behind transformers that learn nothing, or a mean and a deviation of each band, are trained
on batches as they come from the store. Every other estimator is given what its leading transformers
leave of each row (:data:`MOST` bytes at most): 100,000 tracks as pictures of 64 x 128 fit, as do
their mel statistics. It may differ from one fitted in memory by the rounding of a mean over blocks;
batches, their order and all draws are the same.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from torch.utils.data import Dataset

from ..base.errors import GenrelibError
from ..features import segments
from ..systems.estimators import (
    BandScaler,
    ClassifierOnNetwork,
    FeatureTransformer,
    Searched,
    SegmentVoting,
    check_features,
)
from ..systems.training import GenreNet, NetworkPipeline

BUDGET = 2**30
"""Bytes of features that a fit reads at once; with more it is streamed.

A constant and not the memory that is free, so that every machine decides alike. The thousand whole
log-mel spectrograms of GTZAN stay below it.
"""

MOST = 2**32  # bytes that an estimator may hold that needs all rows at once
BLOCK = 2**24  # bytes of features that are read at a time where order does not matter
_TOGETHER = 32  # a multiple of the systems' batch sizes: blocks do not change a network's batches
_ITEMSIZE = np.dtype(np.float32).itemsize


def exceeds_budget(n_rows: int, shape: Sequence[int]) -> bool:
    """Tell whether features must be streamed: float32, so many rows of a shape, see :data:`BUDGET`.

    >>> exceeds_budget(1000, (128, 1292)), exceeds_budget(100_000, (64, 128))
    (False, True)
    """
    return _bytes(n_rows, shape) > BUDGET


def _bytes(n_rows: int, shape: Sequence[int]) -> int:
    return n_rows * math.prod(shape) * _ITEMSIZE


@dataclass(frozen=True)
class Rows:
    """An array on disk: what is asked for by an index is read, and nothing is kept.

    ``read(places)`` returns the rows at positions, float32 of `row_shape`, in any order, repeated
    ones too; it must be picklable if these rows are to be.
    """

    read: Callable[[np.ndarray], np.ndarray]
    length: int
    row_shape: tuple[int, ...]

    @classmethod
    def of(cls, read: Callable[[tuple[str, ...]], np.ndarray], ids: Sequence[str]) -> "Rows":
        """Return the rows that ``read(ids)`` would return all at once; reads the first."""
        ids = np.asarray(ids, dtype=object)
        return cls(partial(_by_id, read, ids), len(ids), read(tuple(ids[:1])).shape[1:])

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole, rows first."""
        return (self.length, *self.row_shape)

    @property
    def dtype(self) -> np.dtype:
        """Of what is read, float32."""
        return np.dtype(np.float32)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index) -> np.ndarray:
        """Read rows: an integer, a slice, positions or a mask, as NumPy's first axis takes them."""
        places = np.arange(self.length)[index]
        return self.read(places) if places.ndim else self.read(places[None])[0]

    def blocks(self, places: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Yield the positions, of all rows or of those given, in blocks of :data:`BLOCK` bytes."""
        places = np.arange(self.length) if places is None else places
        n_rows = max(1, BLOCK // _bytes(_TOGETHER, self.row_shape)) * _TOGETHER
        return (places[start : start + n_rows] for start in range(0, len(places), n_rows))

    def mapped(self, function: Callable[[np.ndarray], np.ndarray]) -> "Rows":
        """Return the rows as a function makes them that treats each by itself; tries the first."""
        return Rows(partial(_mapped, self, function), self.length, function(self[:1]).shape[1:])

    def cut(self, n_segments: int) -> "Rows":
        """Return the segments of the rows, see :func:`genrelib.features.segments.cut`."""
        shape = segments.cut(self[:1], n_segments).shape[1:]
        return Rows(partial(_pieces, self, n_segments), n_segments * self.length, shape)

    def held(self, places: np.ndarray | None = None) -> np.ndarray:
        """Read rows, all or those given, into memory; at most :data:`MOST` bytes."""
        places = np.arange(self.length) if places is None else places
        if _bytes(len(places), self.row_shape) > MOST:
            raise GenrelibError(
                f"{len(places)} rows of {math.prod(self.row_shape)} numbers, "
                f"{_bytes(len(places), self.row_shape) / 2**30:.1f} GiB, must be in memory at once "
                f"for this system, and {MOST / 2**30:g} GiB are allowed; leave the system out, or "
                "take fewer tracks, a shorter clip_s or a smaller image_size."
            )
        matrix = np.empty((len(places), *self.row_shape), dtype=self.dtype)
        start = 0
        for block in self.blocks(places):
            matrix[start : start + len(block)] = self[block]
            start += len(block)
        return matrix


def _by_id(read, ids, places):
    return read(tuple(ids[places]))


def _mapped(rows, function, places):
    return function(rows[places])


def _pieces(rows, n_segments, places):
    tracks, which = np.unique(places // n_segments, return_inverse=True)
    return segments.cut(rows[tracks], n_segments)[which * n_segments + places % n_segments]


def fit(
    estimator: BaseEstimator, X: Rows, y: np.ndarray, is_valid: np.ndarray | None = None
) -> BaseEstimator:
    """Fit an estimator of :mod:`genrelib.systems` as its own ``fit`` does, without all of `X`.

    `X` has the shape ``(n_rows, n_bands, n_frames)``; `is_valid` marks the rows that end the
    training, for networks. The estimator is changed, and returned.

    Raises :class:`GenrelibError` for features that are not finite, a mask that does not fit, and an
    estimator that needs more than :data:`MOST` bytes at once.
    """
    y = np.asarray(y, dtype=np.int64)
    if is_valid is not None:
        is_valid = np.asarray(is_valid, bool)
        if len(is_valid) != len(X) or is_valid.all():
            raise GenrelibError(
                f"{is_valid.sum()} validation rows of {len(X)} (mask of {len(is_valid)}); one "
                "flag per row is needed, and one row to train on."
            )
    if isinstance(estimator, SegmentVoting):
        return _fit_voting(estimator, X, y, is_valid)
    if isinstance(estimator, ClassifierOnNetwork):
        return _fit_on_network(estimator, X, y, is_valid)
    if isinstance(estimator, Searched):
        return estimator.fit(X.held(), y, is_valid)
    return _fit_pipeline(estimator, X, y, is_valid)


def _fit_voting(voting, X, y, is_valid):
    n, voting.shape_ = voting.n_segments, X.row_shape
    y, is_valid = np.repeat(y, n), np.repeat(is_valid, n)
    voting.pipeline_ = _fit_pipeline(clone(voting.pipeline), X.cut(n), y, is_valid)
    voting.classes_ = voting.pipeline_.classes_
    return voting


def _fit_on_network(composite, X, y, is_valid):
    composite.network_ = _fit_pipeline(clone(composite.network), X, y, is_valid)
    train = np.flatnonzero(~is_valid)
    for _, step in composite.network_.steps[:-1]:
        X = X.mapped(step.transform)
    features = X.mapped(partial(composite.net_.outputs, method="features")).held(train)
    composite.classifier_ = clone(composite.classifier).fit(features, y[train])
    composite.classes_ = composite.classifier_.classes_
    return composite


def _fit_pipeline(pipeline: Pipeline, X: Rows, y, is_valid) -> Pipeline:
    """Fit step by step on rows read anew for each, as long as steps allow it; the rest at once."""
    train = np.arange(len(X)) if is_valid is None else np.flatnonzero(~is_valid)
    rest = list(pipeline.steps)
    while _fit_step(rest[0][1], X, train):
        X = X.mapped(rest.pop(0)[1].transform)
    if isinstance(rest[0][1], GenreNet):
        _train(rest[0][1], X, y, is_valid)
    elif isinstance(pipeline, NetworkPipeline):
        NetworkPipeline(rest).fit(X.held(), y, is_valid)
    else:
        Pipeline(rest).fit(X.held(train), y[train])
    return pipeline


def _fit_step(step: BaseEstimator, X: Rows, train: np.ndarray) -> bool:
    """Fit a transformer that does not need all rows at once; tell whether it is one."""
    if isinstance(step, BandScaler):
        _fit_scaler(step, X, train)
    elif isinstance(step, FeatureTransformer) and type(step).fit is FeatureTransformer.fit:
        step.fit(X[train[:1]])  # it learns nothing but the shape
    else:
        return False
    return True


def _fit_scaler(scaler: BandScaler, X: Rows, train: np.ndarray) -> None:
    """Measure means and deviations of bands, merging blocks (Chan, Golub & LeVeque 1979)."""
    count, mean, squares = 0, np.zeros(X.row_shape[0]), np.zeros(X.row_shape[0])
    for block in X.blocks(train):
        values = check_features(X[block])
        n = values.shape[0] * values.shape[2]
        shift = values.mean(axis=(0, 2), dtype=np.float64) - mean
        squares += values.var(axis=(0, 2), dtype=np.float64) * n
        squares += shift**2 * (count * n / (count + n))
        mean += shift * (n / (count + n))
        count += n
    scale = np.sqrt(squares / count)[:, None].astype(np.float32)
    scaler.shape_ = X.row_shape
    scaler.mean_ = mean[:, None].astype(np.float32)
    scaler.scale_ = np.where(scale > 0, scale, 1).astype(np.float32)


def _train(net: GenreNet, X: Rows, y: np.ndarray, is_valid: np.ndarray) -> None:
    """Do what ``GenreNet.fit`` does, which holds all rows, on batches that are read."""
    net.input_shape_, net.is_valid_ = X.row_shape, is_valid
    net.callbacks = [*(net.callbacks or ()), ("forgetting", _Forgetting())]
    exact = torch.backends.cudnn.flags(deterministic=True, benchmark=False)
    with torch.random.fork_rng(), exact:
        torch.manual_seed(net.seed)
        NeuralNetClassifier.fit(net, _Examples(X, y), None)


class _Examples(Dataset):
    """Rows and labels as torch's loader takes them: a batch is one sorted read of the store."""

    def __init__(self, X: Rows, y: np.ndarray):
        self.rows = X
        self.labels = y

    def __len__(self):
        return len(self.rows)

    def __getitems__(self, places):
        places = np.asarray(places)
        return list(zip(self.rows[places], self.labels[places], strict=True))


class _Forgetting(Callback):
    """Drops what skorch notes of each batch, which grows with tracks times epochs."""

    def on_epoch_end(self, net, **_kwargs):
        net.history[-1]["batches"].clear()
