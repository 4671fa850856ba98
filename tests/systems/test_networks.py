"""Networks: shapes, refusals, gradients, and what they are counted to cost."""

import doctest
import inspect
import math

import matplotlib
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from genrelib import systems as networks
from genrelib.base.errors import GenrelibError
from genrelib.systems import residual as colour
from genrelib.systems import row as shapes
from genrelib.systems.classical import Perceptron
from genrelib.systems.convolutional import Cnn2d, FeatureCnn, SegmentCnn, StackCnn, VolumeCnn
from genrelib.systems.recurrent import CnnLstm
from genrelib.systems.residual import ColourMap, ResNet18
from genrelib.systems.row import count_multiply_adds, count_parameters, layers
from genrelib.systems.transformer import VisionTransformer

N_CLASSES = 4
SMALL = {  # options that make a network quick to run
    Cnn2d: {},
    FeatureCnn: {},
    SegmentCnn: {},
    StackCnn: {},
    VolumeCnn: {},
    CnnLstm: {},
    ResNet18: {"width": 8},
    VisionTransformer: {"dim": 32, "depth": 2},
}
SHAPES = [(12, 40), (20, 40), (32, 32), (64, 39), (64, 129), (87, 40), (128, 40)]

every_network = pytest.mark.parametrize("module", SMALL, ids=lambda m: m.__name__)


def make(module, shape, seed=0, **changes) -> nn.Module:
    torch.manual_seed(seed)
    return module(shape, N_CLASSES, **{**SMALL[module], **changes})


def decibels(n, shape, seed=0) -> torch.Tensor:
    """Draw spectrograms in ``[-80, 0]`` dB."""
    return -80 * torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("module", [colour, shapes], ids=lambda m: m.__name__)
def test_examples(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_every_network_of_the_package_is_tested_here():
    modules = {
        found
        for family in networks._FAMILIES
        for found in vars(family).values()
        if inspect.isclass(found)
        and issubclass(found, nn.Module)
        and "input_shape" in inspect.signature(found).parameters
    }
    assert modules == {*SMALL, Perceptron}


@every_network
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_batch_becomes_logits(module, shape):
    logits = make(module, shape)(decibels(2, shape))
    assert logits.shape == (2, N_CLASSES)
    assert logits.isfinite().all()


@every_network
@pytest.mark.parametrize(
    ("shape", "seen"),
    [((7, 40), "7 bands x 40"), ((40, 7), "40 bands x 7"), ((1, 40, 40), r"\(1, 40, 40\)")],
)
def test_what_is_too_small_is_refused(module, shape, seen):
    with pytest.raises(GenrelibError, match=seen):
        make(module, shape)


@every_network
def test_the_smallest_allowed_is_trained(module):
    """At the bound itself nothing is left empty: the refusal is neither early nor late."""
    shape = (8, 32) if module is VolumeCnn else (8, 8)
    net = make(module, shape)
    cross_entropy(net(decibels(4, shape)), torch.arange(4)).backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())


def test_slices_need_frames():
    with pytest.raises(GenrelibError, match=r"12 bands x 31 frames.*8 x 32"):
        VolumeCnn((12, 31), N_CLASSES)
    with pytest.raises(GenrelibError, match="1 slices"):
        VolumeCnn((12, 40), N_CLASSES, n_slices=1)


def test_pictures_have_a_smallest_size():
    with pytest.raises(GenrelibError, match="4 x 100 pixels"):
        ResNet18((64, 40), N_CLASSES, image_size=(4, 100))


@every_network
def test_gradients_reach_every_parameter(module):
    shape = (16, 40)
    net = make(module, shape)
    cross_entropy(net(decibels(6, shape)), torch.arange(6) % N_CLASSES).backward()
    unreached = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert unreached == []


@every_network
def test_prediction_is_deterministic_and_independent_of_the_batch(module):
    shape = (16, 40)
    x = decibels(5, shape)
    net = make(module, shape).eval()
    with torch.no_grad():
        together = net(x)
        torch.testing.assert_close(net(x), together, rtol=0, atol=0)
        torch.testing.assert_close(net(x[2:3]), together[2:3], rtol=1e-4, atol=1e-5)
    # An explanation follows gradients; torch then takes another path through attention.
    torch.testing.assert_close(net(x).detach(), together, rtol=1e-4, atol=1e-5)


@every_network
def test_weights_follow_the_seed(module):
    one, same, other = (make(module, (16, 40), seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@every_network
def test_twelve_random_examples_are_learnt_by_heart(module):
    shape = (16, 32)
    augment = {"augment": False} if module in (ResNet18, VisionTransformer) else {}
    net = make(module, shape, dropout=0.0, **augment)
    x = decibels(12, shape)
    x = x if module is ResNet18 else (x - x.mean()) / x.std()  # the others are given such
    y = torch.arange(12) % N_CLASSES
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for _ in range(60):
        optimizer.zero_grad()
        cross_entropy(net(x), y).backward()
        optimizer.step()
    assert (net.eval()(x).argmax(dim=1) == y).all()


def test_one_network_for_three_features_has_one_size():
    sizes = {count_parameters(FeatureCnn((n_bands, 40), 10)) for n_bands in (12, 128, 384)}
    convolutions = 9 * (1 * 16 + 16 * 32 + 32 * 64 + 64 * 64)
    normalisations = 2 * (16 + 32 + 64 + 64)
    assert sizes == {convolutions + normalisations + 64 * 10 + 10}


def test_segment_network_by_hand():
    net = SegmentCnn((64, 39), 10)
    convolutions = (3 * 3 * 1 + 1) * 64 + (3 * 5 * 64 + 1) * 64
    flat = 64 * 16 * 2  # 64 bands are halved twice; 39 frames become 9, and 9 become 2
    assert count_parameters(net) == convolutions + (flat + 1) * 32 + (32 + 1) * 10
    first, second = 64 * 39 * 64 * 9, 32 * 9 * 64 * 64 * 15
    assert count_multiply_adds(net, (64, 39)) == first + second + flat * 32 + 32 * 10


def test_recurrent_network_by_hand():
    """A step of an LSTM multiplies its input and its state with four matrices."""
    net = CnnLstm((20, 40), 10)
    convolutions = 3 * 32 * (20 * 40 + 32 * 20 + 32 * 10)
    lstm = 5 * 4 * 128 * ((32 + 128) + (128 + 128))
    assert count_multiply_adds(net, (20, 40)) == convolutions + lstm + 128 * 64 + 64 * 10
    row = layers(net, (20, 40)).set_index("layer").loc["lstm"]
    assert row["multiply_adds"] == lstm
    assert row["output"] == "5 x 128"
    assert row["parameters"] == 4 * 128 * (32 + 128 + 2) + 4 * 128 * (128 + 128 + 2)


def test_attention_by_hand():
    """Four projections, the similarity of each pair of places, and their weighted sum."""
    net = VisionTransformer((16, 40), 10, dim=32, depth=1, heads=4, mlp_ratio=2)
    table = layers(net, (16, 40)).set_index("layer")
    n, dim = 2 * 5, 32
    attention = table.loc["encoder.0.self_attn"]
    assert attention["multiply_adds"] == 4 * n * dim * dim + 2 * n * n * dim
    assert attention["parameters"] == 4 * (dim * dim + dim)
    assert table.loc["patches", "multiply_adds"] == n * dim * 64
    assert table.loc["positions", "parameters"] == n * dim


def test_residual_network_has_the_published_cost():
    """He et al. (2016), table 1: 1.8 billion for 224 x 224 pixels and 1000 classes."""
    net = ResNet18((64, 64), 1000, image_size=(224, 224))
    assert round(count_multiply_adds(net, (64, 64)) / 1e9, 1) == 1.8
    weighted = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    shortcuts = [m for m in weighted if m.weight.shape[2:] == (1, 1)]
    assert len(weighted) - len(shortcuts) == 18


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.Linear(7, 5), (7,), 7 * 5),
        (nn.Conv1d(4, 6, 3), (4, 10), 8 * 6 * 4 * 3),
        (nn.Conv2d(4, 6, (3, 5), stride=2, groups=2), (4, 11, 13), 5 * 5 * 6 * 2 * 15),
        (nn.Conv3d(2, 3, 3, padding=1), (2, 4, 5, 6), 4 * 5 * 6 * 3 * 2 * 27),
        (nn.ReLU(), (9,), 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_single_layers_by_hand(layer, shape, expected):
    assert count_multiply_adds(layer, shape) == expected


@every_network
def test_the_table_of_layers_adds_up(module):
    shape = (16, 40)
    net = make(module, shape)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    table = layers(net, shape)
    assert list(table) == ["layer", "kind", "output", "parameters", "multiply_adds"]
    assert table["parameters"].sum() == count_parameters(net)
    assert table["multiply_adds"].sum() == count_multiply_adds(net, shape) > 0
    assert (table["output"] != "").all()
    assert table["output"].iloc[-1] == str(N_CLASSES)
    assert net.training
    assert all(torch.equal(before[name], now) for name, now in net.state_dict().items())


def test_a_single_layer_is_a_table_of_one_row():
    table = layers(nn.Linear(5, 3), (5,))
    assert table.iloc[0].tolist() == ["", "Linear", "3", 18, 15]


def test_frozen_parameters_are_not_counted():
    layer = nn.Linear(3, 2)
    layer.bias.requires_grad = False
    assert count_parameters(layer) == 6


def test_the_last_layer_of_the_stack_network_sees_its_features():
    net = make(StackCnn, (87, 40)).eval()
    x = decibels(3, (87, 40)) / 40 + 1
    features = net.features(x)
    assert features.shape == (3, 16 * 5 * 2)
    torch.testing.assert_close(net.dense(features), net(x))


def test_slices_of_a_volume_are_consecutive():
    net = make(VolumeCnn, (12, 43), n_slices=8).eval()  # 8 slices of 5 frames, 3 frames left out
    seen = []
    net.convolutions.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    x = decibels(2, (12, 43))
    net(x)
    assert seen[0].shape == (2, 1, 8, 12, 5)
    for piece in range(8):
        start = 5 * piece
        torch.testing.assert_close(seen[0][:, 0, piece], x[:, :, start : start + 5])


def test_a_transformer_pads_with_the_minimum():
    net = make(VisionTransformer, (12, 37)).eval()
    seen = []
    net.patches.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0][:, 0]))
    x = decibels(2, (12, 37))
    net(x)
    assert seen[0].shape == (2, 16, 40)
    normal = net.normalisation(x)
    torch.testing.assert_close(seen[0][:, :12, :37], normal)
    floor = normal.amin(dim=(1, 2))[:, None, None]
    torch.testing.assert_close(seen[0][:, 12:], floor.expand(2, 4, 40))
    torch.testing.assert_close(seen[0][:, :, 37:], floor.expand(2, 16, 3))


def test_a_transformer_knows_where_a_patch_lies():
    net = make(VisionTransformer, (16, 40)).eval()
    x = decibels(2, (16, 40))
    swapped = torch.cat([x[:, :, 8:], x[:, :, :8]], dim=2)
    assert (net(x) - net(swapped)).abs().max() > 1e-5
    nn.init.zeros_(net.positions.vectors)
    torch.testing.assert_close(net(x), net(swapped), rtol=1e-4, atol=1e-5)


def test_layers_of_a_transformer_begin_with_different_weights():
    net = make(VisionTransformer, (16, 40))
    first, second = (net.encoder[i].linear1.weight for i in (0, 1))
    assert not torch.equal(first, second)


def test_colours_are_those_of_matplotlib():
    levels = np.linspace(-80, 0, 256, dtype=np.float32)
    rgb = ColourMap()(torch.from_numpy(levels).view(1, 1, 256))
    expected = matplotlib.colormaps["magma"](np.arange(256))[:, :3]
    np.testing.assert_allclose(rgb[0, :, 0].T.numpy(), expected, atol=1e-4)


def test_colours_between_two_entries_lie_between_them_and_the_ends_are_clamped():
    step = 80 / 255
    x = torch.tensor([-80 + 10 * step, -80 + 10.5 * step, -80 + 11 * step, -500.0, -80.0, 9.0, 0.0])
    low, middle, high, below, floor, above, top = ColourMap()(x.view(1, 1, 7))[0, :, 0].T
    torch.testing.assert_close(middle, (low + high) / 2, rtol=0, atol=1e-5)
    assert torch.equal(below, floor)
    assert torch.equal(above, top)


def test_explanations_reach_the_spectrogram_through_the_colours():
    net = make(ResNet18, (16, 40), image_size=(32, 48)).eval()
    x = decibels(1, (16, 40)).requires_grad_()
    net(x)[0, 0].backward()
    assert (x.grad != 0).float().mean() > 0.9


def test_the_picture_has_the_size_that_was_asked_for():
    net = make(ResNet18, (64, 40), image_size=[41, 63]).eval()
    assert net.picture(decibels(2, (64, 40))).shape == (2, 3, 41, 63)
    plain = make(ResNet18, (64, 40)).eval()
    x = decibels(2, (64, 40))
    torch.testing.assert_close(plain.picture(x), plain.colour_map(x), rtol=0, atol=0)


def test_resizing_keeps_levels_and_order():
    net = make(ResNet18, (16, 40), image_size=(33, 97)).eval()
    loud = torch.full((1, 16, 40), -20.0)
    loud[:, 8:] = -60.0  # the upper bands are quiet
    rgb = net.picture(loud)
    torch.testing.assert_close(rgb[0, :, 0, 50], net.colour_map(loud)[0, :, 0, 20])
    torch.testing.assert_close(rgb[0, :, -1, 50], net.colour_map(loud)[0, :, -1, 20])


def test_resizing_interpolates():
    """A level that rises along the frames rises in every pixel of a larger picture."""
    net = make(ResNet18, (16, 40), image_size=(33, 97)).eval()
    rising = torch.linspace(-70, -30, 40).expand(1, 16, 40)
    red = net.picture(rising)[0, 0, 5]
    assert (red[2:-2].diff() > 0).all()


@pytest.mark.parametrize("alone", ["spectrogram_augmentation", "colour_augmentation"])
def test_each_augmentation_of_the_picture_acts(alone):
    net = make(ResNet18, (16, 40))
    x = decibels(4, (16, 40))
    plain = net.eval().picture(x)
    for name in ("spectrogram_augmentation", "colour_augmentation"):
        if name != alone:
            setattr(net, name, nn.Identity())
    changed = net.train().picture(x)
    assert ((changed - plain).abs().amax(dim=(1, 2, 3)) > 0.01).all()
    assert 0 <= changed.min() <= changed.max() <= 1


def test_augmentation_changes_training_and_not_prediction():
    x = decibels(4, (16, 40))
    for module in (ResNet18, VisionTransformer):
        net, plain = (make(module, (16, 40), augment=augment, dropout=0.0) for augment in (1, 0))
        torch.testing.assert_close(net.eval()(x), plain.eval()(x), rtol=0, atol=0)
        assert (net.train()(x) - plain.train()(x)).abs().max() > 1e-3


def test_the_picture_of_the_source_trains():
    """418 x 627 x 3, all channels: forwards and backwards."""
    net = ResNet18((128, 388), 10, image_size=(418, 627))
    cross_entropy(net(decibels(2, (128, 388))), torch.tensor([3, 7])).backward()
    assert net.stem[0].weight.grad.isfinite().all()
    assert net.stem[0].weight.grad.any()
    height, width = (math.ceil(size / 4) for size in (418, 627))
    assert net.stem(torch.zeros(1, 3, 418, 627)).shape == (1, 64, height, width)
