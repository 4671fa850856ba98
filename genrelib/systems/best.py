"""The strongest recipe from scratch: what is told of a track when its production must not count.

An unseen artist is to genre recognition what an unseen microphone is to the recognition of acoustic
scenes: equaliser, level and compression shift the whole log-mel, and a classifier that learns them
learns the artist. :class:`MelViews` describes a track in many ways, some of which no equaliser
changes, and weighs all views alike in one kernel; :class:`BalancedRidge` regresses the genres on
it. :class:`CropCnn` is a small network on short crops with a small receptive field (Koutini et al.
2019, arXiv:1909.02859), trained against random equalisers. :class:`Together` averages the two.
"""

import copy
import math
from itertools import pairwise

import numpy as np
import torch
from scipy.ndimage import median_filter
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import nn
from torch.nn.functional import one_hot

from ..features.segments import averaged
from .estimators import Checked, FeatureTransformer, MelStatistics, check_features
from .row import System, as_image
from .training import SpectrogramAugmentation, device

_CROP = 128  # frames that the network sees at a time, 9.9 s
_BLOCK = 64  # tracks that are described at a time


def _mean_std(X):
    return X.mean(axis=2), X.std(axis=2)


def _joined(*parts):
    return np.concatenate(parts, axis=1)


def _upper(matrices, first):
    rows, columns = np.triu_indices(matrices.shape[1], first)
    return matrices[:, rows, columns]


def spread(X: np.ndarray) -> np.ndarray:
    """How levels and their changes spread about the mean of 32 bands; no equaliser changes it."""
    X = averaged(X, 32, None)
    X = X - X.mean(axis=2, keepdims=True)
    change = np.diff(X, axis=2)
    skew = [(x**3).mean(axis=2) / (x.std(axis=2) ** 3 + 1e-3) for x in (X, change)]
    levels = np.percentile(X, (2, 10, 25, 75, 90, 98), axis=2)
    rises = np.maximum(change, 0).mean(axis=2)
    return _joined(X.std(axis=2), *_mean_std(np.abs(change)), rises, *levels, *skew)


def contrast(X: np.ndarray) -> np.ndarray:
    """Peak over valley, peak over mean and roughness within 16 groups of bands (Jiang 2002)."""
    edges = np.arange(16) * X.shape[1] // 16
    peak = np.maximum.reduceat(X, edges, axis=1)
    valley = np.minimum.reduceat(X, edges, axis=1)
    roughness = averaged(np.abs(np.diff(X, axis=1)), 16, None)
    parts = peak - valley, peak - averaged(X, 16, None), roughness
    return _joined(*(values for part in parts for values in _mean_std(part)))


def covariance(X: np.ndarray) -> np.ndarray:
    """Logarithm of the covariance of 24 bands and their changes; no equaliser changes it."""
    X = averaged(X, 24, None)
    X = np.concatenate([X[:, :, 1:], np.diff(X, axis=2)], axis=1)
    X = X - X.mean(axis=2, keepdims=True)
    values, vectors = np.linalg.eigh(X @ X.transpose(0, 2, 1) / X.shape[2] + np.eye(X.shape[1]))
    return _upper((vectors * np.log(values)[:, None]) @ vectors.transpose(0, 2, 1), 0)


def tones(X: np.ndarray) -> np.ndarray:
    """Compare what stays, tones, with what is broad, strokes, by medians (FitzGerald 2010)."""
    tone = _medians(X)
    stroke = _medians(X.transpose(0, 2, 1)).transpose(0, 2, 1)
    parts = tone - stroke, X - np.minimum(tone, stroke), X - tone, X - stroke
    return _joined(*(v for part in parts for v in _mean_std(averaged(part, 16, None))))


def _medians(X, width=9):
    """Take running medians along the last axis: as one row, which is faster."""
    half = width // 2
    padded = np.pad(X, ((0, 0), (0, 0), (half, half)), mode="symmetric")
    row = median_filter(np.ascontiguousarray(padded).ravel(), width)
    return row.reshape(padded.shape)[:, :, half:-half]


def modulation(X: np.ndarray, *, window=96) -> np.ndarray:
    """Power of slow and fast changes of 16 groups of bands, in windows of seven seconds."""
    X, window = averaged(X, 16, None), min(window, X.shape[2])
    starts = range(0, X.shape[2] - window + 1, window // 2)
    pieces = np.stack([X[:, :, start : start + window] for start in starts])
    pieces = (pieces - pieces.mean(axis=3, keepdims=True)) * np.hanning(window)
    power = np.log(np.abs(np.fft.rfft(pieces, axis=3))[..., 1:] ** 2 + 10).mean(axis=0)
    edges = np.unique(np.geomspace(1, window // 2, 11).astype(int)) - 1
    return _joined(*(power[:, :, a:b].mean(axis=2) for a, b in pairwise(edges)))


STATISTICS = {f.__name__: f for f in (spread, contrast, covariance, tones, modulation)}


class MelViews(FeatureTransformer):
    """Many descriptions of a track, each standardised and scaled to the same mean distance.

    The views are `statistics` and :class:`.MelStatistics`. The squared distance of two tracks is
    then the mean of that of the views: one of five hundred numbers says no more than one of fifty.
    """

    def __init__(self, statistics=tuple(STATISTICS)):
        self.statistics = statistics

    def fit(self, X, y=None):
        """Learn mean and deviation of every number; return `self`."""
        super().fit(X)
        views = self._views(check_features(X))
        self.mean_ = [view.mean(axis=0) for view in views]
        self.scale_ = [np.where(view.std(axis=0) > 0, view.std(axis=0), 1) for view in views]
        return self

    def _views(self, X):
        blocks = [X[start : start + _BLOCK] for start in range(0, len(X), _BLOCK)]
        makers = [*(STATISTICS[name] for name in self.statistics), MelStatistics().fit(X).transform]
        return [np.concatenate([maker(block) for block in blocks]) for maker in makers]

    def _transform(self, X):
        views = self._views(X)
        return _joined(
            *(
                np.clip((view - mean) / scale, -5, 5) / np.sqrt(len(views) * view.shape[1])
                for view, mean, scale in zip(views, self.mean_, self.scale_, strict=True)
            )
        ).astype(np.float32)


class Likeliest(ClassifierMixin, BaseEstimator):
    """Base of the classifiers here: predicts what is most probable."""

    def predict(self, X):
        """Most likely label of each track."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class BalancedRidge(Likeliest):
    """Kernel ridge regression on the genres, each of which counts as much as any other.

    Probabilities are the softmax of five times the regressed indicators; they are not calibrated.
    """

    def __init__(self, gamma=0.5, penalty=0.1):
        self.gamma = gamma
        self.penalty = penalty

    def fit(self, X, y):
        """Solve for the weight of each training row; return `self`."""
        self.classes_, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
        self.rows_ = np.asarray(X, dtype=np.float64)
        kernel = rbf_kernel(self.rows_, gamma=self.gamma)
        kernel[np.diag_indices_from(kernel)] += self.penalty * (counts / counts.mean())[codes]
        targets = np.eye(len(counts))[codes] - 1 / len(counts)
        self.weights_ = np.linalg.solve(kernel, targets)
        return self

    def predict_proba(self, X):
        """Probabilities, shape ``(n_tracks, n_classes)``."""
        check_is_fitted(self)
        kernel = rbf_kernel(np.asarray(X, dtype=np.float64), self.rows_, gamma=self.gamma)
        return softmax(5 * kernel @ self.weights_, axis=1)


class RelaxedNorm(nn.Module):
    """Standardises each frequency of an example, and keeps a learnt share of it as it was.

    Relaxed instance frequency-wise normalisation (Kim et al. 2022, arXiv:2206.12513): what differs
    between productions is, for the most part, mean and deviation of a frequency over time.
    """

    def __init__(self, n_channels):
        super().__init__()
        self.norm = nn.BatchNorm2d(n_channels)
        self.kept = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise ``(batch, n_channels, n_bands, n_frames)`` over channels and frames."""
        variance, mean = torch.var_mean(x, dim=(1, 3), keepdim=True, correction=0)
        return self.norm(self.kept * x + (x - mean) / (variance + 1e-4).sqrt())


class CropNetwork(nn.Module):
    """Four convolutions, of which an output sees about a second; mean and deviation over time."""

    def __init__(self, n_classes, *, dropout=0.3):
        super().__init__()
        sizes = (1, 32, 64, 128, 128)
        shapes = ((5, 2, (1, 2)), (3, 1, (2, 2)), (3, 1, (2, 2)), (1, 1, (1, 1)))
        layers = []
        for (n_in, n_out), (kernel, stride, pool) in zip(pairwise(sizes), shapes, strict=True):
            layers += [
                RelaxedNorm(n_in),
                nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, bias=False),
                nn.BatchNorm2d(n_out),
                nn.ReLU(),
                nn.MaxPool2d(pool),
            ]
        self.convolutions = nn.Sequential(*layers).to(memory_format=torch.channels_last)
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(2 * sizes[-1], n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map crops ``(batch, n_bands, n_frames)`` to logits ``(batch, n_classes)``."""
        x = self.convolutions(as_image(x)).mean(dim=2)  # (batch, 128, n_frames // 16)
        variance, mean = torch.var_mean(x, dim=2, correction=0)
        return self.dense(self.dropout(torch.cat([mean, (variance + 1e-4).sqrt()], dim=1)))


def equalised(x: torch.Tensor) -> torch.Tensor:
    """Add a smooth random curve over the bands, some 4 dB large, to each crop: another studio.

    After the impulse responses of devices in arXiv:2305.07499. `x` is in dB, of shape ``(batch,
    n_bands, n_frames)``.
    """
    wave = torch.arange(1, 5, device=x.device)[:, None]
    curves = torch.cos(math.pi * wave * torch.linspace(0, 1, x.shape[1], device=x.device))
    sizes = torch.randn(len(x), 4, device=x.device) * wave.T**-0.5
    return x + 4 * (sizes @ curves)[:, :, None]


class CropCnn(Likeliest):
    """:class:`CropNetwork` on random crops of tracks; a track is the mean over five crops.

    Each of `epochs` draws as many crops as there are tracks, genres equally often. Crops are
    :func:`equalised`, changed by :class:`.SpectrogramAugmentation` and mixed in pairs (mixup,
    arXiv:1710.09412). The learning rate rises and falls once. Nothing is chosen by validation: the
    running mean of the weights of the last hundred or so steps is kept. The global random state of
    torch is left as it was.
    """

    def __init__(self, *, epochs=60, seed=0):
        self.epochs = epochs
        self.seed = seed

    def fit(self, X, y):
        """Train on all rows of `X`, dB, ``(n_tracks, n_bands, n_frames)``; return `self`."""
        self.classes_, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
        x = self._tensor(X)
        self.mean_, self.scale_ = x.mean(dim=(0, 2))[:, None], x.std()
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self._train(x, torch.as_tensor(codes), torch.as_tensor(1 / counts)[codes])
        return self

    @staticmethod
    def _tensor(X):
        return torch.as_tensor(averaged(np.asarray(X, np.float32), 64, None), device=device()[0])

    def _train(self, x, codes, weights):
        batch = min(48, len(x))
        n_steps = max(1, self.epochs * len(x) // batch)
        net = CropNetwork(len(self.classes_)).to(x.device)
        self.module_ = copy.deepcopy(net).eval().requires_grad_(False)
        optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.05)
        rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, n_steps + 1, pct_start=0.2)
        change = SpectrogramAugmentation(level=3.0, n_masks=1)
        for step in range(n_steps):
            rows = torch.multinomial(weights, batch, replacement=True)
            crops, targets = self._crops(x, rows), one_hot(codes[rows], len(self.classes_)).float()
            crops = change(equalised(crops))
            other = torch.randperm(batch)
            share = torch.distributions.Beta(0.3, 0.3).sample((batch,))
            crops = torch.lerp(crops[other], crops, share[:, None, None].to(x.device))
            targets = torch.lerp(targets[other], targets, share[:, None]).to(x.device)
            logits = net((crops - self.mean_) / self.scale_)
            loss = nn.functional.cross_entropy(logits, targets, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rate.step()
            kept, own = min(0.99, (step + 1) / (step + 10)), self.module_.state_dict()
            for name, value in net.state_dict().items():
                is_mean = value.is_floating_point()
                own[name].copy_(torch.lerp(value, own[name], kept) if is_mean else value)

    @staticmethod
    def _crops(x, rows):
        length = min(_CROP, x.shape[2])
        starts = torch.randint(x.shape[2] - length + 1, (len(rows), 1))
        frames = (starts + torch.arange(length)).to(x.device)
        return x[rows].gather(2, frames[:, None].expand(-1, x.shape[1], -1))

    def predict_proba(self, X):
        """Probabilities, the geometric mean over five crops; shape ``(n_tracks, n_classes)``."""
        check_is_fitted(self)
        length = min(_CROP, X.shape[2])
        starts = np.linspace(0, X.shape[2] - length, 5).astype(int)
        found = []
        with torch.inference_mode():
            for first in range(0, len(X), _BLOCK):
                x = (self._tensor(X[first : first + _BLOCK]) - self.mean_) / self.scale_
                crops = [self.module_(x[:, :, s : s + length]).log_softmax(dim=1) for s in starts]
                found.append(torch.stack(crops).mean(dim=0).cpu().numpy())
        return softmax(np.concatenate(found).astype(np.float64), axis=1)


class Together(Likeliest):
    """Mean log-probabilities of clones of `views` and `network`, both fitted on all rows."""

    def __init__(self, views, network):
        self.views = views
        self.network = network

    def fit(self, X, y):
        """Fit both; return `self`."""
        self.members_ = [clone(member).fit(X, y) for member in (self.views, self.network)]
        self.classes_ = self.members_[0].classes_
        return self

    def predict_proba(self, X):
        """Normalised geometric mean of the members' probabilities."""
        check_is_fitted(self)
        found = [np.log(member.predict_proba(X) + 1e-9) for member in self.members_]
        return softmax(np.mean(found, axis=0), axis=1)


def _statistics(_recipe):
    return Pipeline([("views", MelViews()), ("ridge", BalancedRidge())])


def _cnn(recipe):
    cnn = CropCnn(epochs=recipe.epochs(60), seed=recipe.seed)
    return Pipeline([("checked", Checked()), ("cnn", cnn)])


def _ensemble(recipe):
    return Together(_statistics(recipe), _cnn(recipe))


def _frames(recipe):
    """As many frames a second as the GTZAN pack has."""
    return None, max(1, round(12.9 * recipe.clip_s))


_BEST = {"notebook": "03", "feature": "log_mel", "size": _frames, "is_listed": False}
_BEST |= {"chosen_on": "gtzan_mel_dev"}

ROWS = (
    System(
        name="best_statistics",
        title="kernel ridge regression on six views of the mel",
        build=_statistics,
        chosen="Six views with one weight each, kernel width and penalty, by artist-disjoint "
        "cross-validation on gtzan_mel_dev, whose folds were in sight: its accuracy there is too "
        "high rather than too low. Learns from the validation part too.",
        **_BEST,
    ),
    System(
        name="best_cnn",
        title="small CNN trained on varied production",
        build=_cnn,
        chosen="60 draws of each track, no early stopping: nothing was chosen on a validation "
        "part, so it learns from that, too.",
        **_BEST,
    ),
    System(
        name="best_ensemble",
        title="mean of the regression on six views and the small CNN",
        build=_ensemble,
        chosen="The mean log-probabilities of best_statistics and best_cnn, one weight each.",
        **_BEST,
    ),
)
