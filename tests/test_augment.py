"""DiffAugment: what each part does to known pictures, and that gradients pass."""

import pytest
import torch

from slae_lib.augment import augment, color, cutout, parse_policy, translation
from slae_lib.support.errors import UsageError


def test_colour_changes_a_whole_image_alike() -> None:
    torch.manual_seed(0)
    grey = torch.full((500, 3, 4, 4), 0.2)
    changed = color(grey)
    # A flat grey image has no saturation and no contrast: only brightness is left.
    spread = (changed - changed.mean(dim=(1, 2, 3), keepdim=True)).abs().max()
    assert float(spread) < 1e-6
    shift = changed[:, 0, 0, 0] - 0.2
    assert -0.5 <= shift.min() < -0.45
    assert 0.45 < shift.max() <= 0.5


def test_saturation_lies_between_none_and_double_and_contrast_between_half_and_one_and_a_half() -> (
    None
):
    torch.manual_seed(0)
    images = torch.randn(2000, 3, 2, 2)
    changed = color(images)

    def chroma(x: torch.Tensor) -> torch.Tensor:
        return (x - x.mean(dim=1, keepdim=True)).flatten(1).norm(dim=1)

    def contrast(x: torch.Tensor) -> torch.Tensor:
        grey = x.mean(dim=1)
        return (grey - grey.mean(dim=(1, 2), keepdim=True)).flatten(1).norm(dim=1)

    factor = contrast(changed) / contrast(images)
    assert 0.5 <= factor.min() < 0.52
    assert 1.48 < factor.max() <= 1.5
    saturation = chroma(changed) / chroma(images) / factor
    assert saturation.min() < 0.02
    assert 1.98 < saturation.max() <= 2.0001


def test_translation_moves_by_up_to_an_eighth_and_fills_with_grey() -> None:
    torch.manual_seed(0)
    images = torch.zeros(400, 3, 16, 16)
    images[:, :, 8, 8] = 1
    moved = translation(images)
    assert torch.equal(moved.sum(dim=(2, 3)), torch.ones(400, 3))
    place = moved[:, 0].flatten(1).argmax(dim=1)
    rows, columns = place // 16, place % 16
    for where in (rows, columns):
        assert set(where.tolist()) == {6, 7, 8, 9, 10}
    white = translation(torch.ones(400, 1, 16, 16))
    assert float(white.min()) == 0
    assert float(white.mean()) == pytest.approx((14.8 / 16) ** 2, abs=0.01)  # mean overlap


def test_cutout_takes_a_square_of_half_the_side() -> None:
    torch.manual_seed(0)
    cut = 1 - cutout(torch.ones(500, 3, 16, 16))
    area = cut[:, 0].sum(dim=(1, 2))
    assert int(area.max()) == 64
    assert int(area.min()) >= 16  # a corner of it is always inside
    assert torch.equal(cut[:, 0], cut[:, 2])
    assert cut[:, 0].amax(dim=0).min() == 1  # every place can be hit


@pytest.mark.parametrize("policy", ["color", "translation", "cutout", "color,translation,cutout"])
def test_gradients_pass(policy: str) -> None:
    torch.manual_seed(0)
    images = torch.rand(4, 3, 16, 16, requires_grad=True)
    augment(images, policy).square().sum().backward()
    assert images.grad.abs().sum() > 0
    assert torch.isfinite(images.grad).all()


def test_each_image_gets_changes_of_its_own_and_none_means_none() -> None:
    torch.manual_seed(0)
    images = torch.rand(1, 3, 16, 16).repeat(2, 1, 1, 1)
    first, second = augment(images)
    assert not torch.allclose(first, second)
    assert augment(images, "none") is images


def test_policies_are_checked() -> None:
    assert parse_policy("color, cutout") == ("color", "cutout")
    assert parse_policy("none") == parse_policy("") == ()
    with pytest.raises(UsageError, match="colour.*choose from color, translation, cutout"):
        parse_policy("colour")
