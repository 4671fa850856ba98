"""Networks that read a sequence of frames."""

from functools import partial

import torch
from torch import nn

from .convolutional import SOURCE_002
from .estimators import scaled_network
from .row import System, checked, pool_size


class CnnLstm(nn.Module):
    """Three 1D convolutions of 32 channels, two LSTM layers of 128, a dense layer of 64.

    After ``002_852f636f69ccd60c``: "three 1D convolutional layers with 32 nodes followed by two
    LSTM layers with 128 nodes, then followed by one fully connected layer of 64 nodes", on
    sequences of MFCC, with dropout and batch normalisation throughout. Chosen here: kernels of 3
    frames, max-pooling by 2 in time after each convolution, the dropout rates (half after
    convolutions), and that the dense layer sees the mean of the LSTM's outputs over time.
    """

    def __init__(self, input_shape, n_classes, *, dropout=0.3):
        super().__init__()
        n_in, n_frames = checked(input_shape)
        blocks = []
        for _ in range(3):
            (window,) = pool_size((n_frames,), wanted=(2,))
            n_frames //= window
            blocks += [
                nn.Conv1d(n_in, 32, 3, padding=1, bias=False),
                nn.BatchNorm1d(32),
                nn.ReLU(),
                nn.MaxPool1d(window),
                nn.Dropout(dropout / 2),
            ]
            n_in = 32
        self.convolutions = nn.Sequential(*blocks)
        self.lstm = nn.LSTM(32, 128, num_layers=2, batch_first=True, dropout=dropout)
        self.dense = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(128, 64, bias=False),
            nn.BatchNorm1d(64),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(64, n_classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map sequences ``(batch, n_coefficients, n_frames)`` to ``(batch, n_classes)``."""
        x = self.convolutions(x)  # (batch, 32, n_frames // 8) or more
        x, _ = self.lstm(x.transpose(1, 2))  # (batch, n_frames // 8, 128)
        return self.dense(x.mean(dim=1))


def _lstm_size(recipe):
    """All coefficients; four frames where a picture has one."""
    return None, 4 * recipe.image_size[1]


ROWS = (
    System(
        name="cnn_lstm",
        title="CNN and LSTM on MFCC",
        notebook="05",
        feature="mfcc",
        build=partial(scaled_network, module=CnnLstm, patience=None, lr=0.00025, batch_size=8),
        claim=63.0,
        chosen="20 MFCC; kernels of 3, pooling by 2 after each convolution, dropout 0.15 and 0.3, "
        "Adam, batches of 8; frames averaged to four times the picture's width; learning rate "
        "0.00025 and 100 epochs as stated.",
        size=_lstm_size,
        validates=True,
        **SOURCE_002,
    ),
)
