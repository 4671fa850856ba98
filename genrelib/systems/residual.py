"""A residual network on spectrograms drawn as coloured pictures."""

import numpy as np
import torch
from matplotlib import colormaps
from torch import nn
from torch.nn import functional

from ..base.errors import GenrelibError
from .classical import SOURCE_004
from .estimators import Checked
from .row import SMALLEST, System, checked, image
from .training import ColourAugmentation, NetworkPipeline, SpectrogramAugmentation, network

FLOOR_DB = -80.0  # level, re the track's maximum, that is drawn darkest; 0 dB is drawn brightest


class ColourMap(nn.Module):
    """Matplotlib's magma, applied inside the network, interpolated between its 256 colours.

    The store keeps levels, not pictures: a third of the memory, no rounding, and a gradient with
    respect to the spectrogram, which explanations need.

    >>> rgb = ColourMap()(torch.tensor([[[-200.0, -80.0, 0.0]]]))
    >>> [round(part, 2) for part in rgb[0, :, 0, 2].tolist()]  # the brightest: a pale yellow
    [0.99, 0.99, 0.75]
    """

    def __init__(self):
        super().__init__()
        magma = colormaps["magma"](np.arange(256))[:, :3].astype(np.float32)
        self.register_buffer("table", torch.from_numpy(magma))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, height, width)`` in dB to RGB ``(batch, 3, height, width)``."""
        last = len(self.table) - 1
        position = (1 - x / FLOOR_DB).clamp(0, 1) * last
        below = position.detach().floor().clamp(max=last - 1)
        low = self.table[below.long()]  # (batch, height, width, 3)
        high = self.table[below.long() + 1]
        return torch.lerp(low, high, (position - below).unsqueeze(3)).permute(0, 3, 1, 2)


class ResNet18(nn.Module):
    """18 layers with shortcuts, on the picture of a spectrogram.

    After ``004_dfb2f7ed32dc8353``: "a modified 18-layer ResNet", dropout, batch normalisation,
    pictures of 418 x 627 x 3, data augmentation. The layers are those of He, Zhang, Ren & Sun
    (2016, "Deep residual learning for image recognition") with basic blocks. Chosen here, since the
    source does not state what it modified: dropout before the dense layer, initial weights as He et
    al. (2015), no pre-training, and the augmentations of :mod:`genrelib.systems.training`.

    The input is a log-mel spectrogram in dB re the track's maximum, not standardised; sides of it
    and of `image_size` are at least 8. `width` is that of the first stage, doubled in each later
    one.
    """

    def __init__(
        self, input_shape, n_classes, *, image_size=None, width=64, dropout=0.5, augment=True
    ):
        super().__init__()
        self.image_size = _checked_size(image_size or checked(input_shape))
        self.spectrogram_augmentation = SpectrogramAugmentation() if augment else nn.Identity()
        self.colour_map = ColourMap()
        self.colour_augmentation = ColourAugmentation() if augment else nn.Identity()
        table = self.colour_map.table
        self.register_buffer("mean", table.mean(0).view(1, 3, 1, 1))
        self.register_buffer("scale", table.std(0).view(1, 3, 1, 1))
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.stages = nn.Sequential(
            _stage(width, width, stride=1),
            _stage(width, 2 * width, stride=2),
            _stage(2 * width, 4 * width, stride=2),
            _stage(4 * width, 8 * width, stride=2),
        )
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(8 * width, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.to(memory_format=torch.channels_last)

    def picture(self, x: torch.Tensor) -> torch.Tensor:
        """Draw spectrograms as the coloured pictures that the first convolution sees.

        Map dB re the maximum to RGB ``(batch, 3, height, width)``; the lowest band is the first
        row.
        """
        x = self.spectrogram_augmentation(x).unsqueeze(1)  # (batch, 1, n_bands, n_frames)
        if tuple(x.shape[2:]) != self.image_size:
            x = functional.interpolate(x, self.image_size, mode="bilinear", antialias=True)
        x = self.colour_map(x.squeeze(1))  # (batch, 3, height, width)
        return self.colour_augmentation(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map log-mel in dB ``(batch, n_bands, n_frames)`` to logits ``(batch, n_classes)``."""
        x = (self.picture(x) - self.mean) / self.scale  # (batch, 3, height, width)
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.stem(x)  # (batch, width, height / 4, width / 4), rounded up
        x = self.stages(x)  # (batch, 8 * width, height / 32, width / 32), rounded up
        return self.dense(self.dropout(x.mean(dim=(2, 3))))


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut around them (He et al. 2016, figure 2).

    The shortcut is a 1 x 1 convolution where shape or channels change.
    """

    def __init__(self, n_in, n_out, *, stride):
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or n_in != n_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False), nn.BatchNorm2d(n_out)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, n_in, h, w)`` to ``(batch, n_out, h / stride, w / stride)``."""
        return functional.relu(self.residual(x) + self.shortcut(x))


def _checked_size(image_size):
    if min(image_size) < SMALLEST:
        raise GenrelibError(
            f"pictures of {image_size[0]} x {image_size[1]} pixels; at least {SMALLEST} x "
            f"{SMALLEST} are needed. Choose a larger image_size."
        )
    return tuple(image_size)


def _stage(n_in, n_out, *, stride):
    return nn.Sequential(BasicBlock(n_in, n_out, stride=stride), BasicBlock(n_out, n_out, stride=1))


def _resnet18(recipe):
    net = network(
        recipe,
        ResNet18,
        lr=1e-3,
        batch_size=16,
        schedule="cosine",
        optimizer__fused=True,  # of eleven million parameters: three times as fast
        module__image_size=recipe.image_size,
    )
    return NetworkPipeline([("check", Checked()), ("net", net)])


ROWS = (
    System(
        name="resnet18",
        title="ResNet-18",
        notebook="06",
        feature="log_mel",
        build=_resnet18,
        claim=94.2,
        chosen="He et al. (2016), dropout 0.5 before the last layer, log-mel pictures in the "
        "colours of magma at the study's image size (the source's is 418 x 627); rolled in time, "
        "masked, louder and softer, colours changed; Adam, learning rate 0.001 falling by a "
        "cosine, batches of 16.",
        size=image,
        validates=True,
        **SOURCE_004,
    ),
)
