"""Convolutional networks on the stack of features, flat or cut into a volume."""

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
    BandScaler,
    ClassifierOnNetwork,
    GaussianClassifier,
)
from .row import System, as_image, checked, pool_size, pooled
from .training import NetworkPipeline, network

SUGGESTED_BY_003 = {**SOURCE_003, "claim": None, "claim_protocol": "suggested, not tried"}


def _stack_size(recipe):
    """All 87 rows; frames as in a picture."""
    return None, recipe.image_size[1]


def _stack_net(recipe, module):
    net = network(recipe, module, epochs=60, lr=1e-3, batch_size=16)
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


class StackCnn(nn.Module):
    """Two convolutions of 5 x 5 and 16 channels, then one fully connected layer."""

    def __init__(self, input_shape, n_classes, *, dropout=0.5):
        super().__init__()
        blocks, shape = _blocks(
            nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, checked(input_shape), kernel=(5, 5)
        )
        self.convolutions = blocks.to(memory_format=torch.channels_last)
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(16 * math.prod(shape), n_classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Map standardised stacks to the flat output of the convolutions, ``(batch, n_out)``."""
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

ROWS = (
    System(
        name="cnn_stack",
        title="CNN on the stack",
        build=_cnn_stack,
        claim=35.0,
        chosen="Frames averaged to the picture's width; Adam, learning rate 0.001, batches of 16, "
        "at most 60 epochs, the best on validation.",
        **ON_STACK,
        **SOURCE_003,
    ),
    *(
        System(
            name=f"cnn_stack_{kind}",
            title=f"{title} on that CNN's output",
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
        name="cnn_3d",
        title="3D convolutional network",
        build=_cnn_3d,
        chosen="The stack cut in time into consecutive slices, a volume of slice x row x frame; "
        "trained as cnn_stack.",
        **ON_STACK,
        **SUGGESTED_BY_003,
    ),
)
