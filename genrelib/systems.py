"""Systems: every classifier of the study, with its source, its claim and what was chosen.

A system is one row of :data:`SYSTEMS`: a feature of the store and a function that builds a
scikit-learn estimator on it. Adding a row is all that a new system needs.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sklearn.base import ClassifierMixin
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import nn

from .errors import GenrelibError, unknown
from .estimators import (
    AvailableNeighbors,
    AvailablePCA,
    BandScaler,
    Flatten,
    GaussianClassifier,
    Image,
    MarginClassifier,
    MelStatistics,
)
from .networks import Cnn2d, Perceptron
from .training import GenreNet, NetworkPipeline


@dataclass(frozen=True)
class Recipe:
    """What a build may depend on besides the system's own constants.

    Parameters
    ----------
    n_classes : int
        Genres of the corpus.
    epochs : int or None
        At most so many passes over the training part; None takes the source's number.
    seed : int
        Of this fit.
    """

    n_classes: int
    epochs: int | None
    seed: int


@dataclass(frozen=True)
class System:
    """A row of the registry.

    Parameters
    ----------
    name, title : str
        For code, and for people.
    notebook : str
        Number of the notebook that runs it.
    feature : str
        A name in :data:`genrelib.features.FEATURES`.
    build : callable
        ``build(recipe)`` returns a new estimator with ``fit`` and ``predict_proba``.
    source : str
        File name of the document that describes it, or ``"ours"``.
    claim : float or None
        Accuracy claimed there, in percent.
    claim_protocol : str
        How it was measured, as far as the source says.
    chosen : str
        What the source leaves unsaid, and what was chosen.
    validates : bool
        Whether training picks its epoch on the validation part. If so it is a
        :class:`~genrelib.training.NetworkPipeline`, whose ``fit`` takes ``is_valid``; if not, the
        validation part joins the training part.
    """

    name: str
    title: str
    notebook: str
    feature: str
    build: Callable[[Recipe], ClassifierMixin]
    source: str
    claim: float | None
    claim_protocol: str
    chosen: str
    validates: bool = False


def system(name: str) -> System:
    """Look a system up.

    Raises
    ------
    GenrelibError
        For an unknown name; the message lists the known ones.
    """
    if name not in SYSTEMS:
        raise unknown("system", name, SYSTEMS)
    return SYSTEMS[name]


def of_notebook(number: str, names: list[str]) -> list[str]:
    """Pick the systems that a notebook runs from those that a study asks for.

    Examples
    --------
    >>> of_notebook("04", ["knn", "cnn_2d"])
    ['cnn_2d']
    """
    return [name for name in names if system(name).notebook == number]


def features_of(names: list[str]) -> list[str]:
    """List the features that systems ask for, each once.

    Examples
    --------
    >>> features_of(["knn", "svm", "cnn_2d"])
    ['log_mel', 'stack']
    """
    return list(dict.fromkeys(system(name).feature for name in names))


def build(name: str, *, n_classes: int, seed: int, epochs: int | None = None) -> ClassifierMixin:
    """Build a new, unfitted estimator.

    Parameters
    ----------
    name : str
        A name in :data:`SYSTEMS`.
    n_classes : int
        Genres of the corpus, at least 2.
    seed : int
        Of this fit.
    epochs : int, optional
        At most so many passes over the training part; by default the source's number.

    Returns
    -------
    estimator
        Takes ``X`` of shape ``(n_tracks, n_bands, n_frames)`` and ``y`` in
        ``0 .. n_classes - 1``.
    """
    if n_classes < 2:
        raise GenrelibError(f"n_classes={n_classes}; a classifier needs at least 2 genres.")
    if epochs is not None and epochs < 1:
        raise GenrelibError(f"epochs={epochs}; at least 1 is needed, or null for the source's.")
    return system(name).build(Recipe(n_classes, epochs, seed))


def _flat_stack() -> list[tuple[str, object]]:
    """Source 003: the stack "normalised over all images", as a vector, reduced by PCA."""
    return [("flatten", Flatten()), ("scale", StandardScaler()), ("pca", AvailablePCA(900))]


def _svc(**kwargs):
    return MarginClassifier(SVC(decision_function_shape="ovr", break_ties=True, **kwargs))


def _gmm(recipe):
    return Pipeline([*_flat_stack(), ("gmm", GaussianClassifier(seed=recipe.seed))])


def _svm(recipe):
    return Pipeline([*_flat_stack(), ("svm", _svc(kernel="linear"))])


def _perceptron(recipe, **module):
    """Build a fully connected network; both sources leave its training unsaid."""
    return GenreNet(
        Perceptron,
        n_classes=recipe.n_classes,
        seed=recipe.seed,
        max_epochs=recipe.epochs or 100,
        lr=1e-3,
        batch_size=32,
        **{f"module__{name}": value for name, value in module.items()},
    )


def _nn(recipe):
    net = _perceptron(recipe, hidden=(64,), activation=nn.LeakyReLU, batch_norm=True, dropout=0.5)
    return NetworkPipeline([*_flat_stack(), ("net", net)])


def _knn(recipe):
    neighbours = AvailableNeighbors(55)
    return Pipeline([("image", Image()), ("flatten", Flatten()), ("knn", neighbours)])


def _ann(recipe):
    net = _perceptron(recipe, hidden=(256, 64), activation=nn.ReLU, batch_norm=False, dropout=0.0)
    return NetworkPipeline(
        [("image", Image()), ("scale", BandScaler()), ("flatten", Flatten()), ("net", net)]
    )


def _mel_svm(recipe):
    svm = _svc(kernel="rbf", C=10)
    return Pipeline([("statistics", MelStatistics()), ("scale", StandardScaler()), ("svm", svm)])


def _cnn_2d(recipe):
    net = GenreNet(
        Cnn2d,
        n_classes=recipe.n_classes,
        seed=recipe.seed,
        max_epochs=recipe.epochs or 100,
        lr=0.00025,
        batch_size=8,
    )
    return NetworkPipeline([("image", Image()), ("scale", BandScaler()), ("net", net)])


_003 = "003_e74a875cd7974701"
_004 = "004_dfb2f7ed32dc8353"
_90_10 = "90/10 per genre, tracks at random, one draw"
_60_20_20 = "60/20/20, at random; GTZAN and about 10,000 songs from links"

SYSTEMS: dict[str, System] = {
    row.name: row
    for row in (
        System(
            "knn",
            "k nearest neighbours",
            "03",
            "log_mel",
            _knn,
            _004,
            None,
            _60_20_20,
            "K = 55 as said (fewer when fewer tracks are there); Euclidean distance between "
            "log-mel images of 64 x 128, each neighbour one vote.",
        ),
        System(
            "gmm",
            "Gaussian mixture per genre",
            "03",
            "stack",
            _gmm,
            _003,
            71.0,
            _90_10,
            "One full-covariance Gaussian per genre on PCA-900, or as many directions as the "
            "training tracks allow; a tenth of the mean variance is added to each diagonal.",
        ),
        System(
            "svm",
            "linear support vector machine",
            "03",
            "stack",
            _svm,
            _003,
            74.0,
            _90_10,
            "PCA-900 or as many directions as the training tracks allow; C = 1.",
        ),
        System(
            "nn",
            "network with one hidden layer",
            "03",
            "stack",
            _nn,
            _003,
            50.0,
            _90_10,
            "Adam, learning rate 0.001, batches of 32, at most 100 epochs, the best on validation.",
            validates=True,
        ),
        System(
            "ann",
            "network with two ReLU layers",
            "03",
            "log_mel",
            _ann,
            _004,
            None,
            _60_20_20,
            "Layers of 256 and 64 on log-mel images of 64 x 128; Adam, learning rate 0.001, "
            "batches of 32, at most 100 epochs, the best on validation.",
            validates=True,
        ),
        System(
            "mel_svm",
            "support vector machine on mel statistics",
            "03",
            "log_mel",
            _mel_svm,
            "ours",
            None,
            "",
            "The yardstick: level, spread, MFCC and modulation of the log-mel; RBF kernel, C = 10.",
        ),
        System(
            "cnn_2d",
            "2D convolutional network",
            "04",
            "log_mel",
            _cnn_2d,
            "002_852f636f69ccd60c",
            59.0,
            "unsaid",
            "Log-mel images of 64 x 128, kernels 3 x 3, pooling 2 x 2, dropout 0.15 and 0.3, Adam, "
            "batches of 8; learning rate 0.00025 and 100 epochs as said, the best on validation.",
            validates=True,
        ),
    )
}
