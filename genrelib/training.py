"""Training of networks: skorch's wiring with seeds, validation by group and early stopping."""

import numpy as np
import torch
from sklearn.model_selection import StratifiedShuffleSplit
from skorch import NeuralNetClassifier
from skorch.callbacks import EarlyStopping
from torch.utils.data import Subset

from .errors import GenrelibError


def device() -> tuple[str, str]:
    """Return the torch device to train on, and why.

    Returns
    -------
    name : str
        ``"cuda"`` or ``"cpu"``.
    reason : str
        In words, for the notebook.
    """
    if torch.cuda.is_available():
        return "cuda", f"a GPU is present ({torch.cuda.get_device_name(0)})"
    return "cpu", "torch sees no GPU here"


class GenreNet(NeuralNetClassifier):
    """A torch module as a seeded scikit-learn classifier with early stopping.

    Training sees the rows that are not in the validation part; the weights of the epoch with the
    lowest validation loss are kept. The global random state of torch is left as it was.

    Parameters
    ----------
    module : type
        A class of :mod:`genrelib.networks`.
    n_classes : int
        Number of logits; labels are ``0 .. n_classes - 1``, of which some may be absent.
    seed : int
        For initial weights, dropout and the order of batches.
    patience : int
        Epochs without a better validation loss before training stops.
    **kwargs
        As for :class:`skorch.NeuralNetClassifier`.
    """

    def __init__(self, module, *, n_classes=10, seed=0, patience=20, **kwargs):
        self.n_classes = n_classes
        self.seed = seed
        self.patience = patience
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
        stopping = EarlyStopping(
            "valid_loss", patience=self.patience, load_best=True, sink=_discard
        )
        return [*super()._default_callbacks, ("early_stopping", stopping)]

    def fit(self, X, y, is_valid=None):
        """Train; return `self`.

        Parameters
        ----------
        X : np.ndarray, shape (n_tracks, ...)
            Inputs of the module, finite.
        y : np.ndarray of int, shape (n_tracks,)
            Labels in ``0 .. n_classes - 1``.
        is_valid : np.ndarray of bool, shape (n_tracks,), optional
            The rows that choose the epoch instead of training. Without it, a stratified fifth;
            pass it whenever rows share an artist.
        """
        X = np.ascontiguousarray(X, dtype=np.float32)
        y = np.asarray(y, dtype=np.int64)
        if not np.isfinite(X).all():
            raise GenrelibError("the network's input holds NaN or infinity; it must be finite.")
        self.input_shape_ = X.shape[1:]
        self.is_valid_ = self._fifth(X, y) if is_valid is None else np.asarray(is_valid, bool)
        n_valid = int(self.is_valid_.sum())
        if len(self.is_valid_) != len(X) or not 0 < n_valid < len(X):
            raise GenrelibError(
                f"{n_valid} validation rows of {len(X)} (mask of {len(self.is_valid_)}); both "
                "parts need at least one. Give the corpus more artists, or use fewer folds."
            )
        with torch.random.fork_rng():
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

    def _fifth(self, X, y):
        split = StratifiedShuffleSplit(1, test_size=0.2, random_state=self.seed)
        _, valid = next(split.split(X, y))
        return np.isin(np.arange(len(X)), valid)

    def initialize_module(self):
        """Build the module for the shape of the data at hand."""
        kwargs = self.get_params_for("module")
        self.module_ = self.initialized_instance(
            self.module,
            {**kwargs, "input_shape": self.input_shape_, "n_classes": self.n_classes},
        )
        return self

    def get_split_datasets(self, X, y=None, **fit_params):
        """Split by the mask given to ``fit``."""
        dataset = self.get_dataset(X, y)
        train, valid = np.flatnonzero(~self.is_valid_), np.flatnonzero(self.is_valid_)
        return Subset(dataset, train), Subset(dataset, valid)

    def get_iterator(self, dataset, training=False):
        """Batch the data; drop a last training batch of one, which cannot be normalised."""
        iterator = super().get_iterator(dataset, training=training)
        if training and len(dataset) % iterator.batch_size == 1 and len(dataset) > 1:
            kwargs = {**self.get_params_for("iterator_train"), "drop_last": True}
            return self.iterator_train(dataset, batch_size=iterator.batch_size, **kwargs)
        return iterator

    @property
    def curve(self):
        """Losses and validation accuracy per epoch: a list of dicts."""
        names = ("epoch", "train_loss", "valid_loss", "valid_acc")
        return [{name: row[name] for name in names} for row in self.history]


def _discard(_message):
    """Take early stopping's announcement; the learning curve tells it."""
