"""Attributions: how much each cell of a network's input speaks for a genre."""

import copy
import itertools
from collections.abc import Callable

import numpy as np
import torch
from captum.attr import IntegratedGradients, Occlusion
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from torch import nn

from ..base.errors import GenrelibError, unknown
from ..base.parallel import one_thread
from ..features.segments import cut
from ..systems.estimators import ClassifierOnNetwork, SegmentVoting, check_features
from ..systems.training import GenreNet, NetworkPipeline

METHODS = {"integrated_gradients": "integrated gradients", "occlusion": "occlusion"}  # titles
N_STEPS = 32
GRID = (8, 16)  # into how many patches an input is divided, down and across
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm)
_BATCH = 64  # inputs that go through the network at once
_MOST_BACKGROUND = 256  # tracks that normalisations are measured on anew


def why_not(estimator: BaseEstimator) -> str:
    """Return the reason why a fitted system has no attributions, or an empty string."""
    if isinstance(estimator, ClassifierOnNetwork):
        return (
            "its answer is that of a scikit-learn classifier on what the network computes; no "
            "gradient leads through it, and the network's own answer is another one"
        )
    pipeline = estimator.pipeline_ if isinstance(estimator, SegmentVoting) else estimator
    if not isinstance(pipeline, NetworkPipeline):
        return "it has no network; shuffle families of its inputs instead, see explain.importance"
    if len(pipeline.net_.input_shape_) != 2:
        return (
            f"its network sees a vector of {pipeline.net_.input_shape_[0]} numbers, not a matrix "
            "of bands and frames"
        )
    return ""


class Explainer:
    """Asks one trained network which cells of its input speak for a genre.

    An attribution is signed: above zero where the track, as it is, speaks more for the genre than
    the *baseline* would, the mean of each band over the background's tracks and frames: an average
    timbre without any rhythm. Silence would be the other choice; but no track is silent, so that a
    network's answer to it means nothing. What is explained is the network's logit of one genre; of
    segments that vote, the mean of their log-probabilities. The network is copied, runs without
    dropout and augmentation, and in 32-bit floats. `background`, ``(n_tracks, n_bands, n_frames)``,
    holds the features that it was trained on; where :func:`why_not` has a reason, GenrelibError is
    raised.
    """

    def __init__(self, estimator: BaseEstimator, background: np.ndarray):
        reason = why_not(estimator)
        if reason:
            raise GenrelibError(
                f"{type(estimator).__name__} can't be explained by attributions: {reason}. Take a "
                "system that ends in a network of bands and frames."
            )
        self.n_segments = getattr(estimator, "n_segments", 1)
        pipeline = getattr(estimator, "pipeline_", estimator)
        self._transformers = Pipeline(pipeline.steps[:-1])
        self._net = pipeline.net_
        self.shape = check_features(background).shape[1:]
        self._background = self._inputs(background[:_MOST_BACKGROUND])
        mean = self._inputs(background).mean(dim=(0, 2), dtype=torch.float64)
        self._baseline = mean.float()[None, :, None].expand(-1, -1, self._background.shape[2])
        self._take(copy.deepcopy(self._net.module_))

    def _take(self, module: nn.Module) -> None:
        self._module = module.float().eval().requires_grad_(False)
        self._scores = module if self.n_segments == 1 else _MeanOfSegments(module, self.n_segments)

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Return the score of each genre, float64 of shape ``(n_tracks, n_classes)``."""
        return self._scored(self._inputs(X)).astype(np.float64)

    def predicted(self, X: np.ndarray) -> np.ndarray:
        """Return the class with the highest score, int of shape ``(n_tracks,)``."""
        return self.scores(X).argmax(axis=1)

    def attribute(
        self, method: str, X: np.ndarray, targets: np.ndarray | None = None
    ) -> np.ndarray:
        """Attribute the score of one class per track to the cells of its matrix.

        ``"integrated_gradients"`` (Sundararajan, Taly & Yan 2017) is the gradient, averaged on the
        way from the baseline to the track, times the way; it adds up to the track's score less the
        baseline's. ``"occlusion"`` (Zeiler & Fergus 2014) is the fall of the score when the cell's
        patch (:meth:`patches`) is replaced by the baseline.

        `X` is as the estimator takes it, ``(n_tracks, n_bands, n_frames)``; so is the result,
        float32 in units of the score, 0 in frames that no segment holds. `targets` are the classes
        asked about, one per track; the predicted ones by default.
        """
        if method not in METHODS:
            raise unknown("method of attribution", method, METHODS)
        inputs = self._inputs(X)
        targets = np.asarray(self.predicted(X) if targets is None else targets)
        ask = self._integrated if method == "integrated_gradients" else self._occluded
        # cuDNN's LSTMs have no gradient in evaluation mode
        with one_thread(), torch.backends.cudnn.flags(enabled=False):
            parts = [ask(x[None], int(target)) for x, target in zip(inputs, targets, strict=True)]
        return self._whole(torch.cat(parts).detach()).astype(np.float32)

    def _integrated(self, x, target):
        return IntegratedGradients(self._scores).attribute(
            x,
            self._baseline,
            target=target,
            n_steps=N_STEPS,
            method="riemann_middle",  # a ReLU network's gradient is constant between its kinks
            internal_batch_size=_BATCH,
        )

    def _occluded(self, x, target):
        return Occlusion(self._scores).attribute(
            x,
            sliding_window_shapes=self._patch_size,
            strides=self._patch_size,
            baselines=self._baseline,
            target=target,
            perturbations_per_eval=_BATCH,
        )

    def distance(self, X: np.ndarray) -> np.ndarray:
        """Return how far each cell is from the baseline, in the network's unit, of `X`'s shape.

        It explains nothing, and yet integrated gradients are proportional to it: the control.
        """
        return self._whole((self._inputs(X) - self._baseline).abs())

    def _whole(self, values: torch.Tensor) -> np.ndarray:
        """Give frames that no segment holds the value 0."""
        rest = self.shape[1] - values.shape[2]
        return np.pad(values.cpu().numpy(), ((0, 0), (0, 0), (0, rest)))

    @property
    def _patch_size(self) -> tuple[int, int]:
        shape = self._baseline.shape[1:]
        return tuple(-(-length // n) for length, n in zip(shape, GRID, strict=True))

    def patches(self) -> np.ndarray:
        """Return the number of the patch of each cell that the network sees, row by row from 0.

        Patches are equal rectangles, :data:`GRID` of them (fewer where there are fewer bands or
        frames), those at the end perhaps smaller.
        """
        (n_bands, n_frames), (height, width) = self._baseline.shape[1:], self._patch_size
        across = -(-n_frames // width)
        return np.arange(n_bands)[:, None] // height * across + np.arange(n_frames) // width

    def without(self, X: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return the scores of each track with each of several sets of its cells deleted.

        `cells` of shape ``(n_tracks, n_sets, *patches().shape)`` is True where the baseline takes
        the place of the track. The result has shape ``(n_tracks, n_sets, n_classes)``.
        """
        scores = []
        for x, sets in zip(self._inputs(X), cells, strict=True):
            sets = torch.tensor(sets, device=x.device)
            scores.append(self._scored(torch.where(sets, self._baseline, x[None])))
        return np.array(scores, dtype=np.float64)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that :meth:`randomised` can take, from the first to the last."""
        return tuple(names[0] for names in layers_of(self._module))

    def randomised(self, n_layers: int, *, seed: int) -> "Explainer":
        """Return an explainer of the same network with its last layers as before training.

        Their weights are drawn as the network's own initial weights are, from another seed; the
        normalisations measure their statistics anew on the background, or a network would not only
        be ignorant but out of range. `n_layers` counts from the last of :attr:`layers`.
        """
        other = copy.copy(self)
        module = copy.deepcopy(self._module)
        copy_last(n_layers, _fresh(self._net, seed), module)
        other._take(module)
        if n_layers:
            _measure_anew(other._module, lambda: other._scored(self._background))
        return other

    def _inputs(self, X: np.ndarray) -> torch.Tensor:
        """Return what the network sees of each track, segments side by side in time."""
        X = check_features(X, fitted_shape=self.shape)
        if self.n_segments > 1:
            segments = self._transformers.transform(cut(X, self.n_segments))
            pieces = segments.reshape(len(X), self.n_segments, *segments.shape[1:])
            X = pieces.transpose(0, 2, 1, 3).reshape(len(X), segments.shape[1], -1)
        else:
            X = self._transformers.transform(X)
        X = np.ascontiguousarray(X)
        return torch.as_tensor(X, dtype=torch.float32, device=self._net.device)

    def _scored(self, inputs: torch.Tensor) -> np.ndarray:
        with torch.no_grad(), one_thread():
            # equal batches: a last one of a single track can't be normalised
            batches = inputs.tensor_split(-(-len(inputs) // _BATCH))
            return torch.cat([self._scores(x) for x in batches]).cpu().numpy()


def layers_of(module: nn.Module) -> list[list[str]]:
    """Name the parts of each layer, in computing order: what holds weights, then its norm."""
    layers: list[list[str]] = []
    for name, part in module.named_modules():
        if any(True for _ in part.parameters(recurse=False)):
            if layers and isinstance(part, _NORMS):
                layers[-1].append(name)
            else:
                layers.append([name])
    return layers


def copy_last(n_layers: int, source: nn.Module, module: nn.Module) -> None:
    """Copy the weights of the last `n_layers` layers to a module of the same shape."""
    layers = layers_of(module)
    for name in itertools.chain(*layers[len(layers) - n_layers :]):
        parts = (m.get_submodule(name).parameters(recurse=False) for m in (source, module))
        for theirs, own in zip(*parts, strict=True):
            own.data.copy_(theirs.data)


def _fresh(net: GenreNet, seed: int) -> nn.Module:
    """Build a trained network's module with new initial weights; torch's global state stays."""
    other = clone(net)
    other.input_shape_ = net.input_shape_
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return other.initialize().module_


def _measure_anew(module: nn.Module, run: Callable[[], object]) -> None:
    """Let batch normalisations take the statistics of what `run` sends, in batches of several."""
    norms = [part for part in module.modules() if isinstance(part, _NORMS[0])]
    for part in norms:
        part.reset_running_stats()
        part.momentum = None  # the mean over all batches
        part.train()
    run()
    module.eval()


class _MeanOfSegments(nn.Module):
    """Scores of tracks from a network of segments: the mean of their log-probabilities."""

    def __init__(self, module: nn.Module, n_segments: int):
        super().__init__()
        self.module = module
        self.n_segments = n_segments

    def forward(self, x):
        """Map ``(batch, n_bands, n_segments * n_frames)`` to scores ``(batch, n_classes)``."""
        batch, n_bands, _ = x.shape
        x = x.view(batch, n_bands, self.n_segments, -1).transpose(1, 2)
        logits = self.module(x.reshape(batch * self.n_segments, n_bands, -1))
        return logits.log_softmax(dim=1).view(batch, self.n_segments, -1).mean(dim=1)
