"""What a network is made of and what it costs: layers, parameters, multiply-adds."""

import copy

import pandas as pd
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(module: nn.Module) -> int:
    """Return how many numbers training may change in `module`."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def count_multiply_adds(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Count the multiply-adds of one example of `input_shape`, without its batch axis.

    Those of all matrix products: convolutions, dense and recurrent layers, attention, as in
    prediction. Normalisation, activations, pooling and resizing multiply little and are not
    counted.

    Examples
    --------
    >>> count_multiply_adds(nn.Linear(5, 3), (5,))
    15
    """
    return _trace(module, input_shape, hooked={})[""]


def layers(module: nn.Module, input_shape: tuple[int, ...]) -> pd.DataFrame:
    """List the layers that hold parameters, in the order of their definition.

    Returns
    -------
    pd.DataFrame
        ``layer`` (path of the attribute), ``kind`` (its class), ``output`` (shape without the batch
        axis, as text), ``parameters`` and ``multiply_adds`` of one example.

    Examples
    --------
    >>> table = layers(nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 2)), (5,))
    >>> table["parameters"].tolist(), table["output"].tolist()
    ([18, 8], ['3', '2'])
    """
    rows = {}
    for name, layer in module.named_modules():
        inside_another = any(name.startswith(f"{row}.") for row in rows)
        if not inside_another and any(True for _ in layer.parameters(recurse=False)):
            rows[name] = layer
    outputs = dict.fromkeys(rows, "")
    counts = _trace(module, input_shape, hooked=outputs)
    return pd.DataFrame(
        {
            "layer": list(rows),
            "kind": [type(layer).__name__ for layer in rows.values()],
            "output": list(outputs.values()),
            "parameters": [count_parameters(layer) for layer in rows.values()],
            "multiply_adds": [counts.get(name, 0) for name in rows],
        }
    )


def _trace(module, input_shape, hooked):
    """Run one example through a copy without numbers; return multiply-adds by layer, "" for all.

    On the meta device torch splits recurrent and attention layers into matrix products, which the
    counter knows; on a CPU it would pass over them.
    """
    hollow = copy.deepcopy(module).to("meta").eval()
    for name in hooked:
        hollow.get_submodule(name).register_forward_hook(_shape_writer(hooked, name))
    with FlopCounterMode(display=False) as counter:
        hollow(torch.zeros(1, *input_shape, device="meta"))
    root = f"{type(module).__name__}."
    within = {
        name.removeprefix(root): sum(flops.values()) // 2
        for name, flops in counter.get_flop_counts().items()
        if name.startswith(root)
    }
    return {"": counter.get_total_flops() // 2, **within}


def _shape_writer(hooked, name):
    def write(_layer, _inputs, output):
        output = output[0] if isinstance(output, tuple) else output
        hooked[name] = " x ".join(map(str, output.shape[1:]))

    return write
