"""Augmentation: random changes of a training example that leave its genre as it is.

Modules that act while training only; in ``eval`` mode they return their input. All draws come
from torch's default generator on the device of the input, which a fit seeds, and each example of
a batch has its own.
"""

import torch
from torch import nn

GREY = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in a grey (ITU-R BT.601)."""


class SpectrogramAugmentation(nn.Module):
    """Rolls a spectrogram in time, changes its level and masks bands and frames.

    Masks as in SpecAugment (Park et al. 2019), without its time warping: `n_masks` runs of bands
    and as many of frames, each of a random length from 0 to its share of the axis, take the mean.

    Parameters
    ----------
    level : float
        Largest change of an example's level, up or down, in dB (or the input's unit).
    n_masks : int
        Masks on each axis; they may overlap.
    band_share, frame_share : float
        Longest mask as a share of the axis, in ``[0, 1]``.
    """

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
    """Changes brightness, contrast and saturation of a picture and mixes its channels.

    ``004_dfb2f7ed32dc8353`` recommends "more color data augmentation", no more. The first three are
    those usual for photographs; the mixing blends a picture with itself in a random order of its
    channels. The result is clamped to ``[0, 1]``.

    Parameters
    ----------
    brightness, contrast, saturation : float
        Factors are drawn from ``1 ± value``, each value in ``[0, 1]``. Contrast spreads around the
        picture's mean grey, saturation around the grey of each pixel.
    mixing : float
        Largest share of the reordered channels, in ``[0, 1]``.
    """

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
