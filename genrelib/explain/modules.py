"""Networks as explanations need them: as before training, wholly or in part; on one thread."""

from collections.abc import Callable
from contextlib import contextmanager

import torch
from sklearn.base import clone
from torch import nn

from ..training import GenreNet

_NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm)


@contextmanager
def one_thread():
    """Let torch compute on one thread: results do not depend on the number of cores then.

    Nor is anything lost: threads mostly wait for each other in networks as small as these.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def fresh(net: GenreNet, seed: int) -> nn.Module:
    """Return the module of a trained network with new initial weights.

    The global random state of torch is left as it was.
    """
    other = clone(net)
    other.input_shape_ = net.input_shape_
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return other.initialize().module_


class Layers:
    """The layers of a module: what holds weights, each with the normalisation that follows it.

    Parameters
    ----------
    module : nn.Module
        Its submodules are in the order of the computation, as those of
        :mod:`genrelib.networks` are.
    """

    def __init__(self, module: nn.Module):
        self._module = module
        self._layers: list[list[str]] = []
        for name, part in module.named_modules():
            if any(True for _ in part.parameters(recurse=False)):
                if self._layers and isinstance(part, _NORMS):
                    self._layers[-1].append(name)
                else:
                    self._layers.append([name])

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each layer's first part, from the first layer to the last."""
        return tuple(names[0] for names in self._layers)

    def copy_last(self, n_layers: int, source: nn.Module) -> None:
        """Copy the weights of the last `n_layers` layers from a module of the same shape."""
        for names in self._layers[len(self._layers) - n_layers :]:
            for name in names:
                own, other = (dict(m.named_modules())[name] for m in (self._module, source))
                for key, value in own.named_parameters(recurse=False):
                    value.data.copy_(dict(other.named_parameters(recurse=False))[key].data)


def measure_anew(module: nn.Module, run: Callable[[], object]) -> None:
    """Let batch normalisations forget their running statistics and take those of `run`.

    Parameters
    ----------
    module : nn.Module
        In evaluation mode, before and after.
    run : callable
        Sends inputs through the module, in batches of more than one.
    """
    norms = [part for part in module.modules() if isinstance(part, _NORMS[0])]
    momenta = [part.momentum for part in norms]
    for part in norms:
        part.reset_running_stats()
        part.momentum = None  # the mean over all batches
        part.train()
    run()
    for part, momentum in zip(norms, momenta, strict=True):
        part.momentum = momentum
    module.eval()
