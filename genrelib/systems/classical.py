"""Systems of notebook 03, on features of audio and on those that FMA was published with."""

import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from torch import nn

from .estimators import (
    AvailableNeighbors,
    AvailablePCA,
    BandScaler,
    DuelClassifier,
    Flatten,
    GaussianClassifier,
    MarginClassifier,
    MelStatistics,
    Searched,
    TrainingPartPipeline,
)
from .row import System, image
from .training import GenreNet, NetworkPipeline, network


class Perceptron(nn.Module):
    """Fully connected layers on a flat vector."""

    def __init__(self, input_shape, n_classes, *, hidden, activation, batch_norm, dropout):
        super().__init__()
        layers, width = [], input_shape[0]
        for next_width in hidden:
            layers.append(nn.Linear(width, next_width))
            if batch_norm:
                layers.append(nn.BatchNorm1d(next_width))
            layers += [activation(), nn.Dropout(dropout)]
            width = next_width
        self.layers = nn.Sequential(*layers, nn.Linear(width, n_classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, n_features)`` to logits ``(batch, n_classes)``."""
        return self.layers(x)


SOURCE_003 = {
    "source": "003_e74a875cd7974701",
    "claim_protocol": "90/10 per genre, tracks at random, one draw",
    "claim_n": 100,
    "split": "random_90_10",
}
SOURCE_004 = {
    "source": "004_dfb2f7ed32dc8353",
    "claim_protocol": "60/20/20, at random; GTZAN and about 10,000 songs from links",
    "claim_about": "GTZAN and about 10,000 other songs",
    "split": "random_60_20_20",
}


def flat_stack() -> list[tuple[str, object]]:
    """Source 003: the stack "normalised over all images", as a vector, reduced by PCA."""
    return [("flatten", Flatten()), ("scale", StandardScaler()), ("pca", AvailablePCA(900))]


def support_vectors(**kwargs) -> DuelClassifier:
    """Build a one-vs-one SVM; `kwargs` are those of scikit-learn's SVC."""
    return DuelClassifier(SVC(decision_function_shape="ovo", **kwargs))


def _gmm(recipe):
    return Pipeline([*flat_stack(), ("gmm", GaussianClassifier(seed=recipe.seed))])


def _svm(_recipe):
    return Pipeline([*flat_stack(), ("svm", support_vectors(kernel="linear"))])


def perceptron(recipe, **module) -> GenreNet:
    """Build a fully connected network; no source states how it is trained."""
    module = {f"module__{name}": value for name, value in module.items()}
    return network(recipe, Perceptron, lr=1e-3, batch_size=32, **module)


def _nn(recipe):
    net = perceptron(recipe, hidden=(64,), activation=nn.LeakyReLU, batch_norm=True, dropout=0.5)
    return NetworkPipeline([*flat_stack(), ("net", net)])


def _knn(_recipe):
    return Pipeline([("flatten", Flatten()), ("knn", AvailableNeighbors(55, weights="distance"))])


def _ann(recipe):
    net = perceptron(recipe, hidden=(256, 64), activation=nn.ReLU, batch_norm=False, dropout=0.0)
    return NetworkPipeline([("scale", BandScaler()), ("flatten", Flatten()), ("net", net)])


def _mel_svm(_recipe):
    return Pipeline(_on_statistics())


def _mel_svm_train(_recipe):
    return TrainingPartPipeline(_on_statistics())


def _mel_svm_tuned(_recipe):
    settings = (
        (("svm__svc__C", 1.0),),
        (("svm__svc__C", 10.0),),
        (("svm__svc__C", 100.0),),
        (("svm__svc__C", 10.0), ("svm__svc__gamma", 5e-4)),
    )
    return Searched(Pipeline(_on_statistics()), settings)


def _on_statistics() -> list[tuple[str, object]]:
    svm = support_vectors(kernel="rbf", C=10)
    return [("statistics", MelStatistics()), ("scale", StandardScaler()), ("svm", svm)]


ROWS = (
    System(
        name="knn",
        title="k nearest neighbours",
        notebook="03",
        feature="log_mel",
        build=_knn,
        chosen="K = 55 as stated (fewer when fewer tracks are there); Euclidean distance between "
        "log-mel images, neighbours weighted by the inverse of it.",
        size=image,
        **SOURCE_004,
    ),
    System(
        name="gmm",
        title="Gaussian mixture per genre",
        notebook="03",
        feature="stack",
        build=_gmm,
        claim=71.0,
        chosen="One full-covariance Gaussian per genre on PCA-900, or as many directions as the "
        "training tracks allow; a tenth of the mean variance is added to each diagonal.",
        **SOURCE_003,
    ),
    System(
        name="svm",
        title="linear support vector machine",
        notebook="03",
        feature="stack",
        build=_svm,
        claim=74.0,
        chosen="PCA-900 or as many directions as the training tracks allow; C = 1.",
        **SOURCE_003,
    ),
    System(
        name="nn",
        title="network with one hidden layer",
        notebook="03",
        feature="stack",
        build=_nn,
        claim=50.0,
        chosen="Adam, learning rate 0.001, batches of 32.",
        validates=True,
        **SOURCE_003,
    ),
    System(
        name="ann",
        title="network with two ReLU layers",
        notebook="03",
        feature="log_mel",
        build=_ann,
        chosen="Layers of 256 and 64 on log-mel images; Adam, learning rate 0.001, batches of 32.",
        size=image,
        validates=True,
        **SOURCE_004,
    ),
    System(
        name="mel_svm",
        title="support vector machine on mel statistics",
        notebook="03",
        feature="log_mel",
        build=_mel_svm,
        chosen="The yardstick: level, spread, MFCC and modulation of the log-mel; RBF kernel, "
        "C = 10. Learns from the validation part too, which it has no other use for.",
    ),
    System(
        name="mel_svm_train",
        title="support vectors on mel, training part only",
        notebook="03",
        feature="log_mel",
        build=_mel_svm_train,
        chosen="As mel_svm, but it learns from as many tracks as the networks do: the validation "
        "part, which ends their training, is left unused.",
        validates=True,
    ),
    System(
        name="mel_svm_tuned",
        title="support vectors on mel, tuned",
        notebook="03",
        feature="log_mel",
        build=_mel_svm_tuned,
        chosen="As mel_svm, with the best of four settings on the validation part: C of 1, 10 or "
        "100 at scikit-learn's width of the kernel, or 10 at a width of 0.0005. Learns from both "
        "parts then, with that setting.",
        validates=True,
        is_listed=False,
    ),
)

FMA_FEATURES = {"notebook": "03", "feature": "fma_features", "split": "official"}
FMA_AUTHORS = {
    **FMA_FEATURES,
    "source": "arXiv:1612.01840, mdeff/fma baselines.ipynb",
    "claim_protocol": "the published split; no figure by classifier for FMA-small, only a note "
    "that all stay below 44 % on the 518 values",
}


def _standardised() -> list[tuple[str, object]]:
    """Each value by its mean and deviation over the training tracks, as the authors do."""
    return [("flatten", Flatten()), ("scale", StandardScaler())]


def _fma_logistic(_recipe):
    return Pipeline([*_standardised(), ("logistic", LogisticRegression(max_iter=2000))])


def _fma_knn(_recipe):
    neighbours = AvailableNeighbors(200, weights="distance")
    return Pipeline([*_standardised(), ("knn", neighbours)])


def _fma_linear_svm(_recipe):
    svm = MarginClassifier(LinearSVC(dual=False, max_iter=5000))
    return Pipeline([*_standardised(), ("svm", svm)])


def _fma_svm(_recipe):
    return Pipeline([*_standardised(), ("svm", support_vectors(kernel="rbf"))])


def _fma_mlp(recipe):
    net = perceptron(recipe, hidden=(100,), activation=nn.ReLU, batch_norm=False, dropout=0.0)
    return NetworkPipeline([*_standardised(), ("net", net)])


def _fma_forest(recipe):
    forest = RandomForestClassifier(200, random_state=recipe.seed)
    return Pipeline([*_standardised(), ("forest", forest)])


FMA_ROWS = (
    System(
        name="fma_logistic",
        title="logistic regression on FMA's features",
        build=_fma_logistic,
        chosen="All 518 values, standardised; C = 1 as scikit-learn has it; at most 2000 steps.",
        **FMA_AUTHORS,
    ),
    System(
        name="fma_knn",
        title="k nearest neighbours on FMA's features",
        build=_fma_knn,
        chosen="All 518 values, standardised; K = 200 as stated (fewer when fewer tracks are "
        "there); Euclidean distance, neighbours weighted by the inverse of it.",
        **FMA_AUTHORS,
    ),
    System(
        name="fma_linear_svm",
        title="linear support vector machine on FMA's features",
        build=_fma_linear_svm,
        chosen="All 518 values, standardised; each genre against the rest, squared hinge loss, "
        "C = 1 as scikit-learn has it.",
        **FMA_AUTHORS,
    ),
    System(
        name="fma_svm",
        title="support vector machine on FMA's features",
        build=_fma_svm,
        chosen="All 518 values, standardised; RBF kernel as stated, C = 1, its width 1 / 518, as "
        "scikit-learn has it for standardised values.",
        **FMA_AUTHORS,
    ),
    System(
        name="fma_mlp",
        title="network with one hidden layer on FMA's features",
        build=_fma_mlp,
        chosen="All 518 values, standardised; 100 hidden units as stated; Adam, learning rate "
        "0.001, batches of 32.",
        validates=True,
        **FMA_AUTHORS,
    ),
    System(
        name="fma_forest",
        title="random forest on FMA's features",
        build=_fma_forest,
        chosen="All 518 values; 200 trees grown to the end. The authors' forest of ten trees of "
        "depth five is no yardstick.",
        **FMA_FEATURES,
    ),
)
