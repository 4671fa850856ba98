"""Training of networks, with seeds, until the validation loss has settled; and augmentation.

Augmentation modules change an example at random and leave its genre as it is. They act while
training only; all draws come from torch's default generator on the input's device, which a fit
seeds, and each example of a batch has its own.
"""

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import Subset

from ..base.errors import GenrelibError

MOST_EPOCHS = 100  # epochs after which training ends in any case; source 002 names as many
SMOOTHED = 5  # epochs over which the validation loss is averaged, the last of them counting
PATIENCE = 20  # epochs without a lower smoothed validation loss, after which it has converged


def device() -> tuple[str, str]:
    """Return the torch device to train on, ``"cuda"`` or ``"cpu"``, and why, in words."""
    if torch.cuda.is_available():
        return "cuda", f"a GPU is present ({torch.cuda.get_device_name(0)})"
    return "cpu", "torch sees no GPU here"


class GenreNet(NeuralNetClassifier):
    """A torch module as a seeded scikit-learn classifier that is trained until it has converged.

    Training ends when the validation loss, averaged over :data:`SMOOTHED` epochs, has not been
    lower for `patience` epochs, or after ``max_epochs``; always then with a `patience` of None, or
    without a validation part. Kept are the weights at the end: no epoch is picked, since on some
    dozens of validation tracks the best one is mostly luck. The global random state of torch is
    left as it was.

    Labels are ``0 .. n_classes - 1``, of which some may be absent. `seed` is for initial weights,
    dropout and the order of batches; `schedule`, how the learning rate falls, None or "cosine".
    """

    def __init__(
        self,
        module,
        *,
        n_classes=10,
        seed=0,
        patience=PATIENCE,
        schedule=None,
        **kwargs,
    ):
        self.n_classes = n_classes
        self.seed = seed
        self.patience = patience
        self.schedule = schedule
        defaults = {
            "criterion": torch.nn.CrossEntropyLoss,
            "optimizer": torch.optim.Adam,
            "device": device()[0],
            "verbose": 0,
            "callbacks__print_log": None,
            "iterator_train__shuffle": True,
        }
        super().__init__(module, **{**defaults, **kwargs})

    @property
    def classes_(self):
        """All labels, also those absent from training."""
        return np.arange(self.n_classes)

    @property
    def _default_callbacks(self):
        callbacks = super()._default_callbacks
        if self.schedule == "cosine":
            cosine = LRScheduler(CosineAnnealingLR, T_max=self.max_epochs)
            callbacks.append(("schedule", cosine))
        if self.patience and hasattr(self, "is_valid_") and self.is_valid_.any():
            stopping = EarlyStopping(
                "smoothed_loss", patience=self.patience, threshold=0, sink=_discard
            )
            callbacks += [("smoothing", _Smoothing()), ("early_stopping", stopping)]
        return callbacks

    def fit(self, X, y, is_valid):
        """Train on the rows of `X`, finite, where `is_valid` is false; return `self`.

        The other rows, perhaps none, tell when it has converged. Labels `y` lie in
        ``0 .. n_classes - 1``.
        """
        X = np.ascontiguousarray(X, dtype=np.float32)
        y = np.asarray(y, dtype=np.int64)
        if not np.isfinite(X).all():
            raise GenrelibError("the network's input holds NaN or infinity; it must be finite.")
        self.input_shape_ = X.shape[1:]
        self.is_valid_ = np.asarray(is_valid, bool)
        if len(self.is_valid_) != len(X) or self.is_valid_.all():
            raise GenrelibError(
                f"{self.is_valid_.sum()} validation rows of {len(X)} (mask of "
                f"{len(self.is_valid_)}); one flag per row is needed, and one row to train on."
            )
        exact = torch.backends.cudnn.flags(deterministic=True, benchmark=False)
        with torch.random.fork_rng(), exact:
            torch.manual_seed(self.seed)
            return super().fit(X, y)

    def predict_proba(self, X):
        """Probability of each label, float64 of shape ``(n_tracks, n_classes)``."""
        if isinstance(X, np.ndarray):  # while training, skorch passes its own datasets
            X = np.ascontiguousarray(X, dtype=np.float32)
            if X.shape[1:] != self.input_shape_:
                raise GenrelibError(
                    f"input of shape {X.shape[1:]} per track; trained on {self.input_shape_}."
                )
        return super().predict_proba(X).astype(np.float64)

    def outputs(self, X, method, *, training=False):
        """Return ``module.method(x)`` for each row of `X`, float32.

        With `training`, as in training: with augmentation, drawn from torch's generator.
        """
        self.module_.train(training)
        rows = []
        with torch.inference_mode():
            for start in range(0, len(X), 64):
                x = torch.as_tensor(X[start : start + 64], dtype=torch.float32, device=self.device)
                rows.append(getattr(self.module_, method)(x).float().cpu().numpy())
        return np.concatenate(rows)

    def initialize_module(self):
        """Build the module for the shape of the data at hand."""
        kwargs = self.get_params_for("module")
        self.module_ = self.initialized_instance(
            self.module, {**kwargs, "input_shape": self.input_shape_, "n_classes": self.n_classes}
        )
        return self

    def get_split_datasets(self, X, y=None, **fit_params):
        """Split by the mask given to ``fit``."""
        dataset = self.get_dataset(X, y)
        train, valid = np.flatnonzero(~self.is_valid_), np.flatnonzero(self.is_valid_)
        return Subset(dataset, train), Subset(dataset, valid) if len(valid) else None

    def get_iterator(self, dataset, training=False):
        """Batch the data; drop a last training batch of one, which cannot be normalised."""
        iterator = super().get_iterator(dataset, training=training)
        if training and len(dataset) % iterator.batch_size == 1 and len(dataset) > 1:
            kwargs = {**self.get_params_for("iterator_train"), "drop_last": True}
            return self.iterator_train(dataset, batch_size=iterator.batch_size, **kwargs)
        return iterator

    @property
    def curve(self):
        """Losses and validation accuracy per epoch: a list of dicts; None without validation."""
        names = ("epoch", "train_loss", "valid_loss", "valid_acc")
        return [{name: row.get(name) for name in names} for row in self.history]


class NetworkPipeline(Pipeline):
    """Transformers and a :class:`GenreNet` as last step, which share the validation mask.

    The transformers too are fitted on the training rows only, so that validation stays honest.
    """

    def fit(self, X, y, is_valid):
        """Fit on the rows where `is_valid` is false, until the loss on the others has settled."""
        is_valid = np.asarray(is_valid, bool)
        transformers = Pipeline(self.steps[:-1]).fit(X[~is_valid], y[~is_valid])
        self.net_.fit(transformers.transform(X), y, is_valid)
        return self

    @property
    def net_(self):
        """The network, the last step."""
        return self.steps[-1][1]


class _Smoothing(Callback):
    """Notes the validation loss of the last epochs on average, which early stopping watches."""

    def on_epoch_end(self, net, **_kwargs):
        losses = net.history[-SMOOTHED:, "valid_loss"]
        net.history.record("smoothed_loss", float(np.mean(losses)))


def _discard(_message):
    """Discard early stopping's message; the learning curve holds the same."""


def network(recipe, module: type, **kwargs) -> GenreNet:
    """Build an untrained network for at most a study's epochs; `kwargs` are GenreNet's."""
    epochs = recipe.epochs(MOST_EPOCHS)
    return GenreNet(
        module, n_classes=recipe.n_classes, seed=recipe.seed, max_epochs=epochs, **kwargs
    )


GREY = (0.299, 0.587, 0.114)  # shares of red, green and blue in a grey (ITU-R BT.601)


class SpectrogramAugmentation(nn.Module):
    """Rolls a spectrogram in time, changes its level and masks bands and frames."""

    def __init__(self, *, level=6.0, n_masks=2, band_share=0.15, frame_share=0.15):
        super().__init__()
        self.level = level
        self.n_masks = n_masks
        self.band_share = band_share
        self.frame_share = frame_share

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Change ``(batch, n_bands, n_frames)``, finite, dB; the shape stays."""
        if not self.training:
            return x
        x = self._rolled(x)
        x = x + self.level * _signed(x, 1, 1)
        masked = self._masks(x, x.shape[1], self.band_share).unsqueeze(2)
        masked = masked | self._masks(x, x.shape[2], self.frame_share).unsqueeze(1)
        return torch.where(masked, x.mean(dim=(1, 2), keepdim=True), x)

    @staticmethod
    def _rolled(x):
        """Begin each example at a random frame; what was before follows its end."""
        n_frames = x.shape[2]
        start = _whole(_uniform(x, 1) * n_frames)  # (batch, 1)
        index = (start + torch.arange(n_frames, device=x.device)) % n_frames
        return x.gather(2, index.unsqueeze(1).expand_as(x))

    def _masks(self, x, size, share):
        """Draw masks: bool of shape ``(batch, size)``, true inside one."""
        longest = int(share * size)
        length = _whole(_uniform(x, self.n_masks, 1) * (longest + 1))
        start = _whole(_uniform(x, self.n_masks, 1) * (size - length + 1))
        place = torch.arange(size, device=x.device)
        return ((place >= start) & (place < start + length)).any(dim=1)


class ColourAugmentation(nn.Module):
    """Changes brightness, contrast and saturation of a picture and mixes its channels."""

    def __init__(self, *, brightness=0.2, contrast=0.2, saturation=0.2, mixing=0.5):
        super().__init__()
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.mixing = mixing

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Change pictures ``(batch, 3, height, width)`` in ``[0, 1]``; the shape stays."""
        if not self.training:
            return x
        order = _uniform(x, 3).argsort(dim=1)  # (batch, 3)
        reordered = x[torch.arange(len(x), device=x.device)[:, None], order]
        x = torch.lerp(x, reordered, self.mixing * _uniform(x, 1, 1, 1))
        x = x * (1 + self.brightness * _signed(x, 1, 1, 1))
        grey = _grey(x)  # (batch, 1, height, width)
        x = grey + (x - grey) * (1 + self.saturation * _signed(x, 1, 1, 1))
        mean = grey.mean(dim=(2, 3), keepdim=True)
        x = mean + (x - mean) * (1 + self.contrast * _signed(x, 1, 1, 1))
        return x.clamp(0, 1)


def _grey(x):
    shares = torch.tensor(GREY, dtype=x.dtype, device=x.device).view(1, 3, 1, 1)
    return (x * shares).sum(dim=1, keepdim=True)


def _uniform(x, *shape):
    """Draw from ``[0, 1)``, shape ``(batch, *shape)``."""
    return torch.rand(len(x), *shape, dtype=x.dtype, device=x.device)


def _signed(x, *shape):
    """Draw from ``[-1, 1)``, shape ``(batch, *shape)``."""
    return 2 * _uniform(x, *shape) - 1


def _whole(x):
    return x.floor().long()
