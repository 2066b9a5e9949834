"""Checks of lesson 01, few-shot data. Their sentences stand in `texts/lesson_01.toml`."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from slae_lib.course.checks.base import called, require
from slae_lib.course.checks.by_heart import late_share, learned, plain_loss

NEAR = 0.02  # of shares that were learned: on a GPU two runs are not quite the same
HEAPS = ("training faces", "unseen faces")


def exercise_1(right_pairs: Callable[..., Any], shares: dict[str, Any]) -> dict[str, Any]:
    """Check the measure on nine pairs where each mistake has its own number, then the shares."""
    faces, fakes = torch.tensor([2.5, -2.0, 1.0]), torch.tensor([0.5, -1.0, 1.5])
    found = called(right_pairs, faces, fakes)
    require(isinstance(found, float), "no_float", found=type(found).__name__)
    wrong = {"elementwise": 1 / 3, "means": 1.0, "upside_down": 4 / 9, "count": 5.0}
    for cause, value in wrong.items():
        require(abs(found - value) > 1e-4, cause, found=found)
    require(abs(found - 5 / 9) < 1e-4, "share", found=found, wanted=5 / 9)
    found = called(right_pairs, torch.tensor([0.0, 1.0]), torch.tensor([-1.0, 0.5, 2.0, 3.0]))
    require(abs(found - 3 / 8) < 1e-4, "table", found=found)
    require(list(shares) == list(HEAPS), "cases", found=list(shares))
    require(... not in shares.values(), "unmeasured")
    truth = {heap: late_share(learned(plain_loss), heap) for heap in HEAPS}
    for heap, other in (HEAPS, HEAPS[::-1]):
        share = shares[heap]
        require(isinstance(share, float), "no_float", found=type(share).__name__)
        require(abs(share - truth[other]) > NEAR, "swapped", found=share, heap=heap)
        right = abs(share - truth[heap]) < NEAR
        require(right, "measured", found=share, wanted=truth[heap], heap=heap)
    return {"known": shares[HEAPS[0]], "new": shares[HEAPS[1]]}


def _same(found: Tensor, right: Tensor, wrong: Mapping[str, Tensor]) -> None:
    """Refuse pictures of another shape, and what comes out of a known mistake."""
    require(found.shape == right.shape, "shape", found=_shape(found), wanted=_shape(right))
    for cause, pictures in wrong.items():
        require(not torch.allclose(found, pictures.expand_as(found), atol=1e-5), cause)


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)


def exercise_2(contrast: Callable[..., Any]) -> None:
    """Check the contrast on two pictures that are two pixels wide, as many as there are."""
    images = torch.rand(2, 3, 4, 2) + torch.tensor([0.1, 0.9]).view(2, 1, 1, 1)
    found = called(contrast, images, torch.full((2, 1, 1, 1), 0.5))
    mean = images.mean(dim=(1, 2, 3), keepdim=True)

    def half_way(to: Tensor) -> Tensor:
        return to + (images - to) / 2

    wrong = {
        "no_keepdim": half_way(images.mean(dim=(1, 2, 3))),
        "batch": half_way(images.mean()),
        "channels": half_way(images.mean(dim=(2, 3), keepdim=True)),
        "pixels": half_way(images.mean(dim=1, keepdim=True)),
        "from_zero": images / 2,
        "not_back": (images - mean) / 2,
    }
    right = half_way(mean)
    _same(found, right, wrong)
    place = int((found - right).abs().flatten(1).sum(1).argmax())
    told = {"found": found[place, 0, 0, 0].item(), "wanted": right[place, 0, 0, 0].item()}
    require(torch.allclose(found, right, atol=1e-5), "value", **told)


def moved(images: Tensor, down: list[int], right: list[int]) -> Tensor:
    """Return pictures that are moved by whole pixels, one after the other."""
    result = torch.zeros_like(images)
    height, width = images.shape[2:]
    for place, (y, x) in enumerate(zip(down, right, strict=True)):
        part = images[place, :, max(0, -y) : height - max(0, y), max(0, -x) : width - max(0, x)]
        result[place, :, max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)] = part
    return result


def exercise_3(translate: Callable[..., Any]) -> None:
    """Check the translation of two pictures, of which each goes its own way."""
    images = torch.randn(2, 3, 6, 7)
    down, right = [1, -2], [-2, 3]
    found = called(translate, images, torch.tensor(down), torch.tensor(right))
    wanted = moved(images, down, right)
    around = [images[n].roll((down[n], right[n]), (1, 2)) for n in (0, 1)]
    wrong = {
        "unmoved": images,
        "left": moved(images, down, [-each for each in right]),
        "by_down": moved(images, down, down),
        "rows_alone": moved(images, down, [0, 0]),
        "crossed": moved(images, right, down),
        "first": moved(images, down[:1] * 2, right[:1] * 2),
        "around": torch.stack(around),
    }
    _same(found, wanted, wrong)
    rows = {"found": found[0, 0, 1], "wanted": wanted[0, 0, 1]}
    told = {name: [round(each, 2) for each in row.tolist()] for name, row in rows.items()}
    require(torch.allclose(found, wanted, atol=1e-5), "value", **told)


def exercise_4(cut: Callable[..., Any]) -> None:
    """Check the squares of two pictures, of which the first lies partly outside."""
    images = torch.rand(2, 3, 6, 8) + 0.5
    top, left = torch.tensor([-1, 1]), torch.tensor([2, 3])
    found = called(cut, images, top, left, 2)
    y, x = torch.arange(6).view(1, 1, 6, 1), torch.arange(8).view(1, 1, 1, 8)

    def inside(top: Tensor, left: Tensor, side: int = 2) -> tuple[Tensor, Tensor]:
        top, left = top.view(-1, 1, 1, 1), left.view(-1, 1, 1, 1)
        return (y >= top) & (y < top + side), (x >= left) & (x < left + side)

    def filled(where: Tensor) -> Tensor:
        return images.masked_fill(where, 0.0)

    rows, columns = inside(top, left)
    large = inside(top, left, 3)
    wrong = {
        "uncut": images,
        "either": filled(rows | columns),
        "frame": filled(~(rows & columns)),
        "crossed": filled(torch.logical_and(*inside(left, top))),
        "first": filled(torch.logical_and(*inside(top[:1], left[:1]))),
    }
    right = filled(rows & columns)
    _same(found, right, wrong)
    holes = int((found == 0)[:, 0].sum())
    too_large = (large[0] & large[1], rows & large[1], large[0] & columns)
    for where in too_large:
        told = {"found": holes, "wanted": int((rows & columns).sum())}
        require(not torch.allclose(found, filled(where)), "large", **told)
    hole = found[1, 0, 1, 3].item()
    elsewhere = torch.allclose(found[~(rows & columns).expand_as(found)], images[right != 0])
    require(hole == 0 or not elsewhere, "black", found=hole)
    told = {"found": int((found[1, 0] == images[1, 0]).sum()), "wanted": 6 * 8 - 4}
    require(torch.allclose(found, right), "value", **told)


def exercise_5(uniform: Callable[..., Any]) -> None:
    """Check the numbers of 64 pictures by what torch.rand gives from the same seed."""
    images = torch.zeros(64, 3, 2, 2)
    torch.manual_seed(0)
    found = called(uniform, images, -2.0, 6.0)
    shape = _shape(torch.as_tensor(found))
    require(torch.as_tensor(found).numel() > 1, "one", found=shape)
    require(found.numel() <= 64, "everywhere", found=shape)
    require(shape == (64, 1, 1, 1), "shape", found=shape)
    require(bool(found.std() > 0), "alike")
    torch.manual_seed(0)
    drawn = torch.rand(64, 1, 1, 1)
    low, high = found.min().item(), found.max().item()
    require(not torch.allclose(found, drawn), "unit")
    require(not torch.allclose(found, 8 * drawn), "no_low")
    require(not torch.allclose(found, 6 * drawn - 2), "length", found=high)
    require(low >= -2 and high < 6, "normal", low=low, high=high)
    require(torch.allclose(found, 8 * drawn - 2, atol=1e-5), "value")


def exercise_6(discriminator_loss: Callable[..., Any], generator_loss: Callable[..., Any]) -> None:
    """Check both losses with a change that can be told, where each mistake has its own number."""
    real, fake = torch.randn(2, 4, 3, 2, 2)
    fake.requires_grad_()

    def change(values: Tensor) -> Tensor:
        return 2 * values + 0.7

    def judge(images: Tensor) -> Tensor:
        return images.mean(dim=(1, 2, 3))[:, None] + 0.1

    def cost(x: Tensor, y: Tensor) -> Tensor:
        return F.softplus(-x).mean() + F.softplus(y).mean()

    x, y = judge(change(real)), judge(change(fake))
    twice = judge(change(change(real))), judge(change(change(fake)))
    wrong = {
        "unchanged": cost(judge(real), judge(fake)),
        "reals_only": cost(x, judge(fake)),
        "fakes_only": cost(judge(real), y),
        "twice": cost(*twice),
        "logits": cost(change(judge(real)), change(judge(fake))),
        "swapped": cost(y, x),
    }
    found = called(discriminator_loss, judge, real, fake, change)
    _loss("discriminator_loss", found, cost(x, y), wrong)
    right = F.softplus(-y).mean()
    wrong = {
        "generator_clean": F.softplus(-judge(fake)).mean(),
        "generator_sign": F.softplus(y).mean(),
    }
    found = called(generator_loss, judge, fake, change)
    _loss("generator_loss", found, right, wrong)
    require(found.requires_grad, "no_gradient")


def _loss(name: str, found: Any, right: Tensor, wrong: Mapping[str, Tensor]) -> None:
    """Refuse what is no single number, what comes out of a known mistake, and anything else."""
    kind = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    require(isinstance(found, Tensor) and found.dim() == 0, "no_tensor", name=name, found=kind)
    for cause, value in wrong.items():
        require(not torch.isclose(found, value, atol=1e-5), cause)
    told = {"name": name, "found": found.item(), "wanted": right.item()}
    require(not torch.isclose(found, right / 2, atol=1e-5), "half", **told)
    require(not torch.isclose(found, right * 4, atol=1e-5), "sums", **told)
    require(bool(torch.isclose(found, right, atol=1e-5)), "value", **told)


def exercise_7(measure: Callable[..., Any], shares_of: dict[Any, Any]) -> dict[str, Any]:
    """Check the shares by measuring one of them again, with the student's own function."""
    require(... not in shares_of.values(), "unmeasured")
    for strength, share in shares_of.items():
        require(isinstance(share, float), "no_float", found=type(share).__name__)
        require(0 <= share <= 1, "no_share", strength=strength, found=share)
    tried = sorted(shares_of)
    require(len(tried) >= 4 and tried[0] == 0 and tried[-1] >= 2, "few", found=tried)
    values = list(shares_of.values())
    require(max(values) - min(values) > 1e-6, "one_strength", found=values[0])
    known, new = (late_share(learned(plain_loss), heap) for heap in HEAPS)
    trained = abs(shares_of[0] - known) < abs(shares_of[0] - new) / 2
    require(not trained, "heap", found=shares_of[0])
    strongest = tried[-1]
    again = called(measure, strongest)
    told = {"strength": strongest, "found": shares_of[strongest], "wanted": again}
    require(abs(again - shares_of[strongest]) < NEAR, "measured", **told)
    return {"share": max(values)}
