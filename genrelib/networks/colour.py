"""Spectrograms as coloured pictures, made where they are needed instead of on disk."""

import numpy as np
import torch
from matplotlib import colormaps
from torch import nn

FLOOR_DB = -80.0
"""Level, re the track's maximum, that is drawn darkest; 0 dB is drawn brightest."""


class ColourMap(nn.Module):
    """Matplotlib's magma, applied inside the network.

    A saved picture stores three rounded numbers for each level; here the levels are stored, and
    coloured in the network: a third of the memory, no rounding, and a gradient with respect to
    the spectrogram, which explanations need. Between two entries of the table the colour is
    interpolated.

    Attributes
    ----------
    table : torch.Tensor, shape (256, 3)
        Red, green and blue in ``[0, 1)``, from the floor to 0 dB.

    Examples
    --------
    >>> rgb = ColourMap()(torch.tensor([[[-200.0, -80.0, 0.0]]]))
    >>> tuple(rgb.shape)
    (1, 3, 1, 3)
    >>> [round(part, 2) for part in rgb[0, :, 0, 2].tolist()]  # the brightest: a pale yellow
    [0.99, 0.99, 0.75]
    """

    def __init__(self):
        super().__init__()
        magma = colormaps["magma"](np.arange(256))[:, :3].astype(np.float32)
        self.register_buffer("table", torch.from_numpy(magma))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Colour `x`.

        Parameters
        ----------
        x : torch.Tensor, shape (batch, height, width)
            dB re the track's maximum; clamped to ``[-80, 0]``.

        Returns
        -------
        torch.Tensor, shape (batch, 3, height, width)
            Red, green, blue in ``[0, 1)``, the channel lying last in memory.
        """
        last = len(self.table) - 1
        position = (1 - x / FLOOR_DB).clamp(0, 1) * last
        below = position.detach().floor().clamp(max=last - 1)
        low = self.table[below.long()]  # (batch, height, width, 3)
        high = self.table[below.long() + 1]
        return torch.lerp(low, high, (position - below).unsqueeze(3)).permute(0, 3, 1, 2)
