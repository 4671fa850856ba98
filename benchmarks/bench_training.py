"""Training through skorch against a bare torch loop: same network, batches, threads, precision.

    python benchmarks/bench_training.py

The goal is a ratio of times of at most 1.05. Both train on one thread, as the study's fits do, in
turns; of each the least processor time of several repetitions counts, which other work on the
machine disturbs least.
"""

import time

import numpy as np
import torch

from genrelib.seeds import rng
from genrelib.systems import SYSTEMS, build
from genrelib.training import GenreNet, half_precision

SYSTEMS_TIMED = ("cnn_2d", "cnn_lstm", "resnet18")
SHAPES = {"cnn_2d": (64, 128), "cnn_lstm": (20, 387), "resnet18": (64, 128)}
N_TRACKS, N_EPOCHS, N_REPEATS = 96, 3, 7
GOAL = 1.05


def through_skorch(net: GenreNet, X: np.ndarray, y: np.ndarray) -> float:
    """Return the processor seconds of training as the study does, without a validation part."""
    started = time.process_time()
    net.fit(X, y, is_valid=np.zeros(len(X), bool))
    return time.process_time() - started


def bare_loop(net: GenreNet, X: np.ndarray, y: np.ndarray) -> float:
    """Return the processor seconds of the shortest loop that trains the same network."""
    torch.manual_seed(net.seed)
    kwargs = net.get_params_for("module")
    started = time.process_time()
    module = net.module(input_shape=X.shape[1:], n_classes=net.n_classes, **kwargs)
    optimiser = net.optimizer(module.parameters(), lr=net.lr)
    inputs, labels = torch.from_numpy(X), torch.from_numpy(y)
    mixed = net.mixed_precision and half_precision()
    for _ in range(N_EPOCHS):
        module.train()
        for rows in torch.randperm(len(inputs)).split(net.batch_size):
            optimiser.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
                logits = module(inputs[rows])
            torch.nn.functional.cross_entropy(logits.float(), labels[rows]).backward()
            optimiser.step()
    return time.process_time() - started


def network_of(name: str) -> GenreNet:
    estimator = build(name, n_classes=10, seed=0, image_size=(64, 128))
    net = next(v for v in estimator.get_params(deep=True).values() if isinstance(v, GenreNet))
    return net.set_params(max_epochs=N_EPOCHS, device="cpu")


def main() -> None:
    torch.set_num_threads(1)
    y = np.arange(N_TRACKS) % 10
    for name in SYSTEMS_TIMED:
        X = rng(0, name).normal(-40, 10, (N_TRACKS, *SHAPES[name])).astype(np.float32)
        net = network_of(name)
        ours, bare = [], []
        for _ in range(N_REPEATS):
            ours.append(through_skorch(net, X, y))
            bare.append(bare_loop(net, X, y))
        ratio = min(ours[1:]) / min(bare[1:])  # the first warms up
        per_second = N_TRACKS * N_EPOCHS / min(ours)
        print(
            f"training of {SYSTEMS[name].name}: {ratio:.3f} times a bare torch loop (goal: at most "
            f"{GOAL}); {per_second:.0f} tracks a second on one thread"
        )


if __name__ == "__main__":
    main()
