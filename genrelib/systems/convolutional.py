"""Convolutional networks on one feature matrix, seen as a grey picture."""

import math

import torch
from torch import nn

from .estimators import (
    BandScaler,
    SegmentVoting,
)
from .row import System, as_image, checked, image, pool_size, pooled
from .training import NetworkPipeline, network

SOURCE_000 = {
    "source": "000_f52347def77879f5",
    "claim": 70.0,
    "claim_protocol": "not stated; GTZAN and FMA (small), nor which of the three features is best",
    "claim_about": "GTZAN and FMA",
}
SOURCE_002 = {
    "source": "002_852f636f69ccd60c",
    "claim_protocol": "not stated",
}


def _feature_cnn(recipe):
    net = network(recipe, FeatureCnn, epochs=60, lr=1e-3, batch_size=16, mixed_precision=True)
    return NetworkPipeline([("scale", BandScaler()), ("net", net)])


def _cnn_2d(recipe):
    net = network(recipe, Cnn2d, epochs=100, lr=0.00025, batch_size=8, mixed_precision=True)
    return NetworkPipeline([("scale", BandScaler()), ("net", net)])


def _segment_size(recipe):
    """Return 64 bands, as stated, and frames for segments half as wide as a track's picture."""
    return 64, recipe.n_segments * recipe.image_size[1] // 2


def _cnn_segments(recipe):
    net = network(recipe, SegmentCnn, epochs=20, lr=1e-3, batch_size=32, mixed_precision=True)
    return SegmentVoting(
        NetworkPipeline([("scale", BandScaler()), ("net", net)]), n_segments=recipe.n_segments
    )


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
            blocks += [
                nn.Conv2d(n_in, 64, kernel, padding="same"),
                nn.ReLU(),
                nn.MaxPool2d(window),
            ]
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
        "of 8; learning rate 0.00025 and 100 epochs as stated, the best on validation.",
        size=image,
        validates=True,
        **SOURCE_002,
    ),
)
