"""A small vision transformer on patches of a spectrogram."""

import math

import torch
from torch import nn
from torch.nn import functional

from .classical import SOURCE_004
from .estimators import Checked
from .row import System, checked, image
from .training import NetworkPipeline, SpectrogramAugmentation, network


class VisionTransformer(nn.Module):
    """Patches of a spectrogram as words of a sentence, read by self-attention.

    The future work of ``004_dfb2f7ed32dc8353`` ("considering advanced architectures like Vision
    Transformers"), which gives no detail. After Dosovitskiy et al. (2021, "An image is worth 16x16
    words"), small because there are only some hundreds of tracks: patches of 8 x 8, learned
    positions, `depth` layers that normalise first, and the mean over all patches instead of a class
    token (Beyer, Zhai & Kolesnikov 2022, "Better plain ViT baselines for ImageNet-1k").

    The input is in dB, at least 8 bands and frames: the network standardises each band itself, and
    pads an axis that the patch does not divide with the example's minimum. `dim` is the length of a
    patch's vector, a multiple of `heads`; `mlp_ratio`, the width of the hidden layers in its units.
    """

    def __init__(
        self,
        input_shape,
        n_classes,
        *,
        patch=8,
        dim=96,
        depth=4,
        heads=4,
        mlp_ratio=2,
        dropout=0.1,
        augment=False,
    ):
        super().__init__()
        n_bands, n_frames = checked(input_shape)
        self.augmentation = SpectrogramAugmentation() if augment else nn.Identity()
        self.normalisation = nn.BatchNorm1d(n_bands)
        self.padding = (0, -n_frames % patch, 0, -n_bands % patch)
        self.patches = nn.Conv2d(1, dim, patch, stride=patch)
        self.positions = Positions(math.ceil(n_bands / patch) * math.ceil(n_frames / patch), dim)
        self.dropout = nn.Dropout(dropout)
        # Not nn.TransformerEncoder: it copies one layer, so that all start with equal weights.
        self.encoder = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    dim,
                    heads,
                    mlp_ratio * dim,
                    dropout,
                    activation="gelu",
                    batch_first=True,
                    norm_first=True,
                )
                for _ in range(depth)
            ),
            nn.LayerNorm(dim),
        )
        self.dense = nn.Linear(dim, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map matrices ``(batch, n_bands, n_frames)`` to logits ``(batch, n_classes)``."""
        x = self.normalisation(self.augmentation(x))
        x = self._padded(x).unsqueeze(1)  # (batch, 1, patch * n_down, patch * n_across)
        x = self.patches(x).flatten(2).transpose(1, 2)  # (batch, n_down * n_across, dim)
        x = self.encoder(self.dropout(self.positions(x)))  # (batch, n_down * n_across, dim)
        return self.dense(self.dropout(x.mean(dim=1)))

    def _padded(self, x):
        if not any(self.padding):
            return x
        floor = x.amin(dim=(1, 2), keepdim=True)
        return functional.pad(x - floor, self.padding) + floor


class Positions(nn.Module):
    """A learned vector for each position of a sequence, added to it."""

    def __init__(self, n_places, dim):
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(1, n_places, dim))
        nn.init.trunc_normal_(self.vectors, std=0.02)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, n_places, dim)`` to the same shape."""
        return x + self.vectors


def _vit(recipe):
    net = network(
        recipe,
        VisionTransformer,
        optimizer=torch.optim.AdamW,
        lr=5e-4,
        batch_size=16,
        schedule="cosine",
        module__augment=True,
    )
    return NetworkPipeline([("check", Checked()), ("net", net)])


ROWS = (
    System(
        name="vit",
        title="vision transformer",
        notebook="07",
        feature="log_mel",
        build=_vit,
        chosen="Small: patches of 8 x 8, four layers of four heads; AdamW, learning rate 0.0005 "
        "falling by a cosine, batches of 16; augmented as the residual network, but for colours.",
        size=image,
        validates=True,
        **{**SOURCE_004, "claim_protocol": "proposed as future work"},
    ),
)
