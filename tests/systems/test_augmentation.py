"""Augmentation: nothing while predicting; while training, what is promised and no more."""

import pytest
import torch

from genrelib.systems.training import ColourAugmentation, SpectrogramAugmentation

SHAPE = (20, 50)
UNCHANGED = {"brightness": 0, "contrast": 0, "saturation": 0, "mixing": 0}


def draw(*shape, seed=0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


CASES = [
    (SpectrogramAugmentation, -80 * draw(6, *SHAPE)),
    (ColourAugmentation, draw(6, 3, 9, 11)),
]
both = pytest.mark.parametrize(("module", "x"), CASES, ids=["spectrogram", "colour"])


def applied(module, x, seed=0) -> torch.Tensor:
    torch.manual_seed(seed)
    before = x.clone()
    out = module.train()(x)
    assert torch.equal(x, before)  # the batch itself is left alone
    return out


@both
def test_prediction_sees_the_input_as_it_is(module, x):
    assert module().eval()(x) is x


@both
def test_the_generator_of_torch_decides(module, x):
    one, same, other = (applied(module(), x, seed) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@both
def test_shape_stays_and_values_stay_finite(module, x):
    for seed in range(20):
        out = applied(module(), x, seed)
        assert out.shape == x.shape
        assert out.isfinite().all()
        assert not torch.equal(out, x)


@both
def test_each_example_has_its_own_draw(module, x):
    alike = x[:1].expand_as(x)
    out = applied(module(), alike)
    assert len({tuple(example.flatten().tolist()) for example in out}) == len(x)


@both
def test_one_example_is_a_batch_too(module, x):
    assert applied(module(), x[:1]).shape == x[:1].shape


def test_without_masks_and_level_an_example_is_only_rolled():
    x = -80 * draw(40, *SHAPE)
    out = applied(SpectrogramAugmentation(level=0, band_share=0, frame_share=0), x)
    starts = set()
    for before, after in zip(x, out, strict=True):
        starts |= {s for s in range(50) if torch.equal(after, before.roll(-s, dims=1))}
        assert any(torch.equal(after, before.roll(-s, dims=1)) for s in range(50))
    assert len(starts) > 20


def test_the_level_moves_as_a_whole_and_within_its_bound():
    x = (-80 * draw(200, 20, 1)).expand(200, 20, 50)  # the same in all frames: rolling is unseen
    out = applied(SpectrogramAugmentation(level=6, band_share=0, frame_share=0), x)
    moved = out - x
    assert moved.std(dim=(1, 2)).max() < 1e-4
    assert moved.abs().max() <= 6 + 1e-4
    assert moved.max() > 5
    assert moved.min() < -5


def test_masks_are_runs_of_the_mean_no_longer_than_their_share():
    x = (-80 * draw(400, 20, 1)).expand(400, 20, 50)
    module = SpectrogramAugmentation(level=0, n_masks=1, band_share=0.25, frame_share=0)
    out = applied(module, x)
    masked = (out != x).any(dim=2)  # (400, 20)
    mean = x.mean(dim=(1, 2), keepdim=True).expand_as(x)
    torch.testing.assert_close(out[masked], mean[masked])
    lengths = masked.sum(dim=1)
    assert lengths.min() == 0
    assert lengths.max() == 5
    begins = masked & ~torch.cat([torch.zeros(400, 1, dtype=bool), masked[:, :-1]], dim=1)
    assert begins.sum(dim=1).max() == 1
    assert masked.any(dim=0).all()  # every band is reached, the first and the last too
    assert lengths.float().mean() == pytest.approx(2.5, abs=0.3)


def test_masks_of_frames_cover_whole_frames():
    x = draw(300, *SHAPE) - 40
    module = SpectrogramAugmentation(level=0, n_masks=2, band_share=0, frame_share=0.2)
    out = applied(module, x)
    mean = x.mean(dim=(1, 2), keepdim=True)
    per_frame = ((out - mean).abs() < 1e-4).sum(dim=1)  # bands that equal the mean, by frame
    masked = per_frame == 20
    assert (per_frame[~masked] < 20).all()
    assert masked.sum(dim=1).max() <= 2 * 10
    assert masked.sum(dim=1).max() > 10


def test_without_strength_colours_stay():
    x = draw(6, 3, 9, 11)
    torch.testing.assert_close(applied(ColourAugmentation(**UNCHANGED), x), x)


def test_colours_stay_within_their_range():
    x = draw(50, 3, 9, 11)
    out = applied(ColourAugmentation(brightness=1, contrast=1, saturation=1, mixing=1), x)
    assert out.min() >= 0
    assert out.max() <= 1


def grey(x) -> torch.Tensor:
    return 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]


def middling(n) -> torch.Tensor:
    """Draw colours far from black and white, so that no clamping hides what happens."""
    return 0.4 + 0.2 * draw(n, 3, 9, 11)


def test_brightness_is_a_factor_within_its_bound():
    x = middling(100)
    ratio = applied(ColourAugmentation(**{**UNCHANGED, "brightness": 0.2}), x) / x
    assert ratio.std(dim=(1, 2, 3)).max() < 1e-5
    assert 0.8 - 1e-5 <= ratio.min() < 0.85
    assert 1.15 < ratio.max() <= 1.2 + 1e-5


def test_saturation_keeps_the_grey_of_each_pixel():
    x = middling(20)
    out = applied(ColourAugmentation(**{**UNCHANGED, "saturation": 0.5}), x)
    torch.testing.assert_close(grey(out), grey(x), rtol=0, atol=1e-5)
    assert (out - x).abs().max() > 0.01


def test_contrast_keeps_the_mean_grey_and_spreads_the_pixels_alike():
    x = middling(50)
    out = applied(ColourAugmentation(**{**UNCHANGED, "contrast": 0.5}), x)
    torch.testing.assert_close(grey(out).mean((1, 2)), grey(x).mean((1, 2)), rtol=0, atol=1e-5)
    spread = grey(out).std((1, 2)) / grey(x).std((1, 2))
    assert 0.5 - 1e-4 <= spread.min() < 0.7
    assert 1.3 < spread.max() <= 1.5 + 1e-4


def test_mixing_exchanges_channels_and_loses_nothing():
    x = draw(60, 3, 9, 11)
    out = applied(ColourAugmentation(**{**UNCHANGED, "mixing": 1}), x)
    torch.testing.assert_close(out.sum(dim=1), x.sum(dim=1))
    assert ((out - x).abs().amax(dim=(1, 2, 3)) > 0.05).float().mean() > 0.5
