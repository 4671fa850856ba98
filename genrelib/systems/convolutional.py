"""Convolutional networks on one feature matrix, a grey picture, and on the stack of features."""

import math
from functools import partial

import torch
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from ..base.errors import GenrelibError
from .classical import SOURCE_003, support_vectors
from .estimators import (
    AvailablePCA,
    ClassifierOnNetwork,
    GaussianClassifier,
    SegmentVoting,
    scaled_network,
)
from .row import System, as_image, checked, image, pool_size, pooled
from .training import SpectrogramAugmentation

SOURCE_000 = {
    "source": "000_f52347def77879f5",
    "claim": 70.0,
    "claim_protocol": "not stated; GTZAN and FMA (small), nor which of the three features is best",
    "claim_about": "GTZAN and FMA",
}
SOURCE_002 = {"source": "002_852f636f69ccd60c", "claim_protocol": "not stated"}


def _segment_size(recipe):
    """Return 64 bands, as stated, and frames for segments half as wide as a track's picture."""
    return 64, recipe.n_segments * recipe.image_size[1] // 2


def _cnn_segments(recipe):
    net = scaled_network(recipe, SegmentCnn, lr=1e-3, batch_size=32)
    return SegmentVoting(net, recipe.n_segments)


class Cnn2d(nn.Module):
    """Three convolutions of 32 channels, dense layers of 32 and 16.

    After ``002_852f636f69ccd60c``: "three 2D convolutional layers with 32 nodes followed by two
    fully connected layers with 32 and 16 nodes", dropout and batch normalisation throughout. Chosen
    here: kernel 3 x 3, pooling 2 x 2 and the dropout rates, half as high after convolutions.
    """

    def __init__(self, input_shape, n_classes, *, dropout=0.3):
        super().__init__()
        n_bands, n_frames = checked(input_shape)
        self.convolutions = nn.Sequential(
            *self._block(1, dropout / 2),
            *self._block(32, dropout / 2),
            *self._block(32, dropout / 2),
        ).to(memory_format=torch.channels_last)  # 1.4 to 1.8 times as fast on a CPU
        n_flat = 32 * math.prod((n_bands // 8, n_frames // 8))
        self.dense = nn.Sequential(
            nn.Linear(n_flat, 32),
            nn.BatchNorm1d(32),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(32, 16),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Linear(16, n_classes),
        )

    @staticmethod
    def _block(n_in, dropout):
        return (
            nn.Conv2d(n_in, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout2d(dropout),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map log-mel images ``(batch, n_bands, n_frames)`` to logits ``(batch, n_classes)``."""
        x = as_image(x)  # (batch, 1, n_bands, n_frames)
        x = self.convolutions(x)  # (batch, 32, n_bands // 8, n_frames // 8)
        return self.dense(x.flatten(1))


class FeatureCnn(nn.Module):
    """One convolutional network for spectrogram, tempogram and chromagram."""

    def __init__(self, input_shape, n_classes, *, dropout=0.3):
        super().__init__()
        shape = checked(input_shape)
        blocks, n_in = [], 1
        for n_out in (16, 32, 64, 64):
            window = pool_size(shape, wanted=(2, 2))
            shape = pooled(shape, window)
            blocks += [
                nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
                nn.BatchNorm2d(n_out),
                nn.ReLU(),
                nn.MaxPool2d(window),
            ]
            n_in = n_out
        self.convolutions = nn.Sequential(*blocks).to(memory_format=torch.channels_last)
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(64, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map matrices ``(batch, n_bands, n_frames)`` to logits ``(batch, n_classes)``."""
        x = self.convolutions(as_image(x))  # (batch, 64, n_bands // 16, n_frames // 16) or more
        x = x.mean(dim=(2, 3))  # (batch, 64)
        return self.dense(self.dropout(x))


class SegmentCnn(nn.Module):
    """Dong's network for one segment of 3 seconds."""

    def __init__(self, input_shape, n_classes, *, dropout=0.2):
        super().__init__()
        shape = checked(input_shape)
        blocks, n_in = [], 1
        for kernel in ((3, 3), (3, 5)):
            window = pool_size(shape, wanted=(2, 4))
            shape = pooled(shape, window)
            blocks += [nn.Conv2d(n_in, 64, kernel, padding="same"), nn.ReLU(), nn.MaxPool2d(window)]
            n_in = 64
        self.convolutions = nn.Sequential(*blocks).to(memory_format=torch.channels_last)
        self.dense = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(64 * math.prod(shape), 32),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(32, n_classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map segments ``(batch, n_bands, n_frames)`` to logits ``(batch, n_classes)``."""
        x = self.convolutions(as_image(x))  # (batch, 64, n_bands // 4, n_frames // 16) or more
        return self.dense(x.flatten(1))


_ONE_CNN = (
    "One network of four blocks for all three features (16, 32, 64, 64 channels, kernels 3 x 3, "
    "average over what is left); Adam, learning rate 0.001, batches of 16."
)

_ON_ONE_FEATURE = (
    *(
        System(
            name=f"cnn_{feature}",
            title=f"CNN on the {feature}",
            notebook="04",
            feature=feature,
            build=partial(scaled_network, module=FeatureCnn, lr=1e-3, batch_size=16),
            chosen=_ONE_CNN,
            size=image,
            validates=True,
            **SOURCE_000,
        )
        for feature in ("spectrogram", "tempogram", "chroma")
    ),
    System(
        name="cnn_segments",
        title="CNN on mel segments of 3 s",
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
        "width; Adam, learning rate 0.001, batches of 32. Without "
        "Dong's penalty on weights (L2, 0.01 and 0.02): the source names regularisation as work to "
        "come.",
        size=_segment_size,
        validates=True,
    ),
    System(
        name="cnn_2d",
        title="2D CNN on mel spectrograms",
        notebook="04",
        feature="log_mel",
        build=partial(scaled_network, module=Cnn2d, patience=None, lr=0.00025, batch_size=8),
        claim=59.0,
        chosen="Log-mel images, kernels 3 x 3, pooling 2 x 2, dropout 0.15 and 0.3, Adam, batches "
        "of 8; learning rate 0.00025 and 100 epochs as stated.",
        size=image,
        validates=True,
        **SOURCE_002,
    ),
)


SUGGESTED_BY_003 = {**SOURCE_003, "claim": None, "claim_protocol": "suggested, not tried"}


def _stack_size(recipe):
    """All 87 rows; frames as in a picture."""
    return None, recipe.image_size[1]


_stack_net = partial(scaled_network, lr=1e-3, batch_size=16)


def _on_network(classifier, recipe):
    reduced = [("scale", StandardScaler()), ("pca", AvailablePCA(900))]
    return ClassifierOnNetwork(
        _stack_net(recipe, StackCnn), Pipeline([*reduced, *classifier(recipe)])
    )


def _svm(_recipe):
    return [("svm", support_vectors(kernel="linear"))]


def _gmm(recipe):
    return [("gmm", GaussianClassifier(seed=recipe.seed))]


class StackCnn(nn.Module):
    """Two convolutions of 5 x 5 and 16 channels, then one fully connected layer."""

    def __init__(self, input_shape, n_classes, *, dropout=0.5, augment=False):
        super().__init__()
        # bands are standardised: a mask's mean is 0, and a level has no meaning
        self.augmentation = SpectrogramAugmentation(level=0.0) if augment else nn.Identity()
        blocks, shape = _blocks(
            nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, checked(input_shape), kernel=(5, 5)
        )
        self.convolutions = blocks.to(memory_format=torch.channels_last)
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(16 * math.prod(shape), n_classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Map standardised stacks to the flat output of the convolutions, ``(batch, n_out)``."""
        x = self.augmentation(x)
        x = self.convolutions(as_image(x))  # (batch, 16, n_rows // 16, n_frames // 16) or more
        return x.flatten(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map stacks ``(batch, n_rows, n_frames)`` to logits ``(batch, n_classes)``."""
        return self.dense(self.dropout(self.features(x)))


class VolumeCnn(nn.Module):
    """:class:`StackCnn` with 3D convolutions on a stack that is cut into slices of time."""

    def __init__(self, input_shape, n_classes, *, n_slices=8, dropout=0.5):
        super().__init__()
        if n_slices < 2:
            raise GenrelibError(
                f"a volume of {n_slices} slices; at least 2 are needed. StackCnn is the network "
                "without slices."
            )
        n_rows, n_frames = checked(input_shape, n_frames=4 * n_slices)
        self.n_slices, self.n_slice_frames = n_slices, n_frames // n_slices
        self.convolutions, shape = _blocks(
            nn.Conv3d,
            nn.BatchNorm3d,
            nn.MaxPool3d,
            (n_slices, n_rows, self.n_slice_frames),
            kernel=(3, 5, 5),
        )
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(16 * math.prod(shape), n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map stacks ``(batch, n_rows, n_frames)`` to logits ``(batch, n_classes)``."""
        x = x[..., : self.n_slices * self.n_slice_frames]
        x = x.unflatten(2, (self.n_slices, self.n_slice_frames))  # (batch, row, slice, frame)
        x = x.transpose(1, 2).unsqueeze(1)  # (batch, 1, slice, row, frame)
        x = self.convolutions(x)  # (batch, 16, n_slices // 4, n_rows // 16, frames // 16) or more
        return self.dense(self.dropout(x.flatten(1)))


def _blocks(convolution, normalisation, pooling, shape, *, kernel):
    """Build the two blocks of 16 channels; return them and the shape that they leave."""
    wanted = (*(2 for _ in kernel[:-2]), 4, 4)
    blocks, n_in = [], 1
    for _ in range(2):
        window = pool_size(shape, wanted)
        shape = pooled(shape, window)
        blocks += [
            convolution(n_in, 16, kernel, padding="same", bias=False),
            normalisation(16),
            nn.LeakyReLU(),
            pooling(window),
        ]
        n_in = 16
    return nn.Sequential(*blocks), shape


ON_STACK = {"notebook": "04", "feature": "stack", "size": _stack_size, "validates": True}

_ON_THE_STACK = (
    System(
        name="cnn_stack",
        title="CNN on the stack",
        build=partial(_stack_net, module=StackCnn),
        claim=35.0,
        chosen="Frames averaged to the picture's width; Adam, learning rate 0.001, batches of 16.",
        **ON_STACK,
        **SOURCE_003,
    ),
    *(
        System(
            name=f"cnn_stack_{kind}",
            title=f"CNN on the stack, then {title}",
            build=partial(_on_network, head),
            chosen=f"The output of the convolutions of cnn_stack, standardised, PCA-900 or as many "
            f"directions as there are, then {kind} as in notebook 03, fitted on the training part "
            "alone.",
            **ON_STACK,
            **SUGGESTED_BY_003,
        )
        for kind, title, head in (
            ("svm", "support vectors", _svm),
            ("gmm", "Gaussian mixtures", _gmm),
        )
    ),
    System(
        name="cnn_stack_augmented",
        title="CNN on the stack, augmented",
        build=partial(_stack_net, module=StackCnn, module__augment=True),
        chosen="cnn_stack on stacks that begin at a random frame, with bands of rows and frames "
        "masked (Park et al. 2019).",
        **ON_STACK,
        **SUGGESTED_BY_003,
    ),
    System(
        name="cnn_3d",
        title="3D CNN on the stack",
        build=partial(_stack_net, module=VolumeCnn),
        chosen="The stack cut in time into consecutive slices, a volume of slice x row x frame; "
        "trained as cnn_stack.",
        **ON_STACK,
        **SUGGESTED_BY_003,
    ),
)

ROWS = (*_ON_ONE_FEATURE, *_ON_THE_STACK)
