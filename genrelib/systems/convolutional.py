"""Systems of notebook 04: convolutional networks on pictures, segments and the stack."""

from functools import partial

from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from ..classifiers import GaussianClassifier
from ..composites import ClassifierOnNetwork, SegmentVoting
from ..networks import Cnn2d, FeatureCnn, SegmentCnn, StackCnn, VolumeCnn
from ..training import GenreNet, NetworkPipeline
from ..transformers import AvailablePCA, BandScaler
from .classical import SOURCE_003, support_vectors
from .row import System, image

SOURCE_000 = {
    "source": "000_f52347def77879f5",
    "claim": 70.0,
    "claim_protocol": "unsaid; GTZAN and FMA (small), the best of the three features unsaid",
    "claim_n": None,
    "claim_about": "GTZAN and FMA",
    "split": "track_random",
}
SOURCE_002 = {
    "source": "002_852f636f69ccd60c",
    "claim_protocol": "unsaid",
    "claim_n": None,
    "split": "track_random",
}
SUGGESTED_BY_003 = {**SOURCE_003, "claim": None, "claim_protocol": "suggested, not tried"}


def _feature_cnn(recipe):
    net = GenreNet(
        FeatureCnn,
        n_classes=recipe.n_classes,
        seed=recipe.seed,
        max_epochs=recipe.epochs(60),
        lr=1e-3,
        batch_size=16,
        mixed_precision=True,
    )
    return NetworkPipeline([("scale", BandScaler()), ("net", net)])


def _cnn_2d(recipe):
    net = GenreNet(
        Cnn2d,
        n_classes=recipe.n_classes,
        seed=recipe.seed,
        max_epochs=recipe.epochs(100),
        lr=0.00025,
        batch_size=8,
        mixed_precision=True,
    )
    return NetworkPipeline([("scale", BandScaler()), ("net", net)])


def _segment_size(recipe):
    """64 bands as said; as many frames as make each segment half as wide as a track's picture."""
    return 64, recipe.n_segments * recipe.image_size[1] // 2


def _cnn_segments(recipe):
    net = GenreNet(
        SegmentCnn,
        n_classes=recipe.n_classes,
        seed=recipe.seed,
        max_epochs=recipe.epochs(20),
        lr=1e-3,
        batch_size=32,
        mixed_precision=True,
    )
    return SegmentVoting(
        NetworkPipeline([("scale", BandScaler()), ("net", net)]), n_segments=recipe.n_segments
    )


def _stack_size(recipe):
    """All 87 rows; frames as in a picture."""
    return None, recipe.image_size[1]


def _stack_net(recipe, module, **kwargs):
    net = GenreNet(
        module,
        n_classes=recipe.n_classes,
        seed=recipe.seed,
        max_epochs=recipe.epochs(60),
        lr=1e-3,
        batch_size=16,
        **kwargs,
    )
    return NetworkPipeline([("scale", BandScaler()), ("net", net)])


def _cnn_stack(recipe):
    return _stack_net(recipe, StackCnn)


def _cnn_3d(recipe):
    return _stack_net(recipe, VolumeCnn)


def _on_network(classifier, recipe):
    reduced = [("scale", StandardScaler()), ("pca", AvailablePCA(900))]
    return ClassifierOnNetwork(_cnn_stack(recipe), Pipeline([*reduced, *classifier(recipe)]))


def _svm(_recipe):
    return [("svm", support_vectors(kernel="linear"))]


def _gmm(recipe):
    return [("gmm", GaussianClassifier(seed=recipe.seed))]


_ONE_CNN = (
    "One network of four blocks for all three features (16, 32, 64, 64 channels, kernels 3 x 3, "
    "average over what is left); Adam, learning rate 0.001, batches of 16, at most 60 epochs, the "
    "best on validation."
)

ROWS = (
    *(
        System(
            name=f"cnn_{feature}",
            title=f"CNN on the {feature}",
            notebook="04",
            feature=feature,
            build=_feature_cnn,
            chosen=_ONE_CNN,
            size=image,
            validates=True,
            **SOURCE_000,
        )
        for feature in ("spectrogram", "tempogram", "chroma")
    ),
    System(
        name="cnn_segments",
        title="CNN on segments of 3 s",
        notebook="04",
        feature="log_mel",
        build=_cnn_segments,
        source="001_df170006d917f338",
        claim=48.0,
        claim_protocol="50/20/30 of the tracks; Dong (2018), its model, claims 70",
        claim_n=300,
        split="random_50_20_30",
        chosen="Layers after Dong (2018); a track's probability is the mean of its segments' log-"
        "probabilities, a majority vote is shown beside it; frames averaged to half the picture's "
        "width; Adam, learning rate 0.001, batches of 32, at most 20 epochs, the best on "
        "validation.",
        size=_segment_size,
        validates=True,
    ),
    System(
        name="cnn_2d",
        title="2D convolutional network",
        notebook="04",
        feature="log_mel",
        build=_cnn_2d,
        claim=59.0,
        chosen="Log-mel images, kernels 3 x 3, pooling 2 x 2, dropout 0.15 and 0.3, Adam, batches "
        "of 8; learning rate 0.00025 and 100 epochs as said, the best on validation.",
        size=image,
        validates=True,
        **SOURCE_002,
    ),
    System(
        name="cnn_stack",
        title="CNN on the stack",
        notebook="04",
        feature="stack",
        build=_cnn_stack,
        claim=35.0,
        chosen="Frames averaged to the picture's width; Adam, learning rate 0.001, batches of 16, "
        "at most 60 epochs, the best on validation.",
        size=_stack_size,
        validates=True,
        **SOURCE_003,
    ),
    *(
        System(
            name=f"cnn_stack_{kind}",
            title=f"{title} on that CNN's output",
            notebook="04",
            feature="stack",
            build=partial(_on_network, head),
            chosen=f"The output of the convolutions of cnn_stack, standardised, PCA-900 or as many "
            f"directions as there are, then {kind} as in notebook 03, fitted on the training part "
            "alone.",
            size=_stack_size,
            validates=True,
            **SUGGESTED_BY_003,
        )
        for kind, title, head in (
            ("svm", "support vectors", _svm),
            ("gmm", "Gaussian mixtures", _gmm),
        )
    ),
    System(
        name="cnn_3d",
        title="3D convolutional network",
        notebook="04",
        feature="stack",
        build=_cnn_3d,
        chosen="The stack cut in time into consecutive slices, a volume of slice x row x frame; "
        "trained as cnn_stack.",
        size=_stack_size,
        validates=True,
        **SUGGESTED_BY_003,
    ),
)
