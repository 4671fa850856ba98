"""Fully connected networks."""

import torch
from torch import nn


class Perceptron(nn.Module):
    """Fully connected layers on a flat vector.

    Parameters
    ----------
    input_shape : tuple of int
        ``(n_features,)``.
    n_classes : int
        Number of logits.
    hidden : tuple of int
        Width of each hidden layer.
    activation : type
        Class of the activation module.
    batch_norm : bool
        Normalise each hidden layer over the batch, before its activation.
    dropout : float
        Probability of dropping a hidden unit, in ``[0, 1)``.
    """

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
