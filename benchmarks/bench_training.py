"""Training through skorch against a bare torch loop: same network, batches and threads.

Both train on one thread, as the study's fits do, in turns, and are compared by processor time.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from measuring import Figure, least_seconds

from genrelib.base.seeds import rng
from genrelib.systems import SYSTEMS, build
from genrelib.systems.training import GenreNet

SYSTEMS_TIMED = ("cnn_2d", "cnn_lstm", "resnet18")
SHAPES = {"cnn_2d": (64, 128), "cnn_lstm": (20, 387), "resnet18": (64, 128)}
N_TRACKS, N_EPOCHS, ROUNDS = 96, 3, 11
GOAL = 1.05


def figures() -> Iterator[Figure]:
    """Yield the ratio of times for each kind of network."""
    torch.set_num_threads(1)
    for name in SYSTEMS_TIMED:
        yield figure_of(name, n_tracks=N_TRACKS, n_epochs=N_EPOCHS, rounds=ROUNDS)


def figure_of(name: str, *, n_tracks: int, n_epochs: int, rounds: int) -> Figure:
    """Return the ratio of times for the network of a system."""
    X = rng(0, name).normal(-40, 10, (n_tracks, *SHAPES[name])).astype(np.float32)
    y = np.arange(n_tracks) % 10
    net = network_of(name).set_params(max_epochs=n_epochs)
    loops = [partial(loop, X=X, y=y) for loop in (through_skorch, bare_loop)]
    ours_s, bare_s = least_seconds(loops, [net], rounds=rounds)
    return Figure(
        f"training of {SYSTEMS[name].name}: through skorch over a bare torch loop",
        ours_s / bare_s,
        GOAL,
        "less",
        f"{n_tracks * n_epochs / ours_s:.0f} tracks a second on one thread",
    )


def through_skorch(net: GenreNet, X: np.ndarray, y: np.ndarray) -> None:
    """Train as the study does, without a validation part."""
    net.fit(X, y, is_valid=np.zeros(len(X), bool))


def bare_loop(net: GenreNet, X: np.ndarray, y: np.ndarray) -> None:
    """Train the same network by the shortest loop that does."""
    torch.manual_seed(net.seed)
    kwargs = net.get_params_for("module")
    module = net.module(input_shape=X.shape[1:], n_classes=net.n_classes, **kwargs)
    optimiser = net.optimizer(module.parameters(), lr=net.lr, **net.get_params_for("optimizer"))
    inputs, labels = torch.from_numpy(X), torch.from_numpy(y)
    for _ in range(net.max_epochs):
        module.train()
        for rows in torch.randperm(len(inputs)).split(net.batch_size):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(module(inputs[rows]), labels[rows]).backward()
            optimiser.step()


def network_of(name: str) -> GenreNet:
    estimator = build(name, n_classes=10, seed=0, image_size=(64, 128))
    net = next(v for v in estimator.get_params(deep=True).values() if isinstance(v, GenreNet))
    return net.set_params(device="cpu")
