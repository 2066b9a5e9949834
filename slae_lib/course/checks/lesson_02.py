"""Checks of lesson 02, spatial attention. Their sentences stand in `texts/lesson_02.toml`."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slae_lib.course.checks.base import called, require

PLACE = torch.tensor([-3.0, 2.0, 1.0]).view(1, 3, 1, 1)  # its mean is 0, its maximum 2
TURNS = ("places", "softmax", "bias", "none")
KEPT = {"both": (1.0, 1.0), "mean": (1.0, 0.0), "max": (0.0, 1.0)}

Attend = Callable[[Tensor], Tensor]


def _pooled(features: Tensor) -> Tensor:
    """Return the mean and the maximum over the channels: (B, C, h, w) -> (B, 2, h, w)."""
    return torch.stack([features.mean(dim=1), features.amax(dim=1)], dim=1)


def exercise_1(pool_channels: Callable[..., Any]) -> None:
    """Check the two poolings, first by their shapes and then by their values."""
    features = torch.randn(2, 3, 4, 5)
    found = called(pool_channels, features)
    require(isinstance(found, Tensor), "no_tensor", found=type(found).__name__)
    shape = tuple(found.shape)
    require(shape[-2:] == (4, 5) or found.dim() == 3, "places", found=shape)
    require(found.dim() == 4, "keepdim", found=shape)
    require(shape != (4, 1, 4, 5), "along_batch", found=shape)
    require(shape != (2, 1, 4, 5), "one_map", found=shape)
    require(shape == (2, 2, 4, 5), "shape", found=shape)
    right = _pooled(features)
    require(not torch.allclose(found, right.flip(1)), "swapped")
    for divisor in (1, 2):
        require(not torch.allclose(found[:, 0], features.sum(dim=1) / divisor), "sums")
    for index, cause in enumerate(("mean", "maximum")):
        seen = called(pool_channels, PLACE)[0, index].item()
        require(torch.allclose(found[:, index], right[:, index]), cause, found=seen)


@torch.no_grad()
def exercise_2(spatial_attention: Callable[..., Any]) -> None:
    """Check the module with two kernels, on features with two channels.

    With two, a convolution that is given the features unpooled raises no error and can be told.
    """
    for size in (3, 7):
        attention = called(spatial_attention, size)
        conv: Any = getattr(attention, "conv", None)
        require(conv is not ..., "open")
        require(isinstance(conv, nn.Conv2d), "no_convolution", found=type(conv).__name__)
        channels = conv.in_channels, conv.out_channels
        require(channels == (2, 1), "channels", found=channels)
        require(conv.kernel_size == (size, size), "kernel", size=size, found=conv.kernel_size)
        require(conv.bias is None, "bias")
        features = torch.randn(3, 2, 9, 9)
        found = called(attention, features)
        require(len(found) == 3, "own", found=tuple(found.shape))
        require(found.dim() == 4, "axis", found=tuple(found.shape))
        require(found.shape[1] == 1, "product", found=found.shape[1])
        require(found.shape[2:] == (9, 9), "size", size=size, found=tuple(found.shape))
        _attention_values(found, features, conv.weight)


def _attention_values(found: Tensor, features: Tensor, weight: Tensor) -> None:
    """Refuse maps that come out of known mistakes, and any others but the right ones."""
    padding = weight.shape[-1] // 2
    logits = F.conv2d(_pooled(features), weight, padding=padding)
    wrong = {
        "no_sigmoid": logits,
        "softmax": logits.flatten(2).softmax(dim=2).view_as(logits),
        "not_pooled": F.conv2d(features, weight, padding=padding).sigmoid(),
        "twice": logits.sigmoid().sigmoid(),
    }
    for cause, value in wrong.items():
        require(not torch.allclose(found, value, atol=1e-6), cause)
    require(torch.allclose(found, logits.sigmoid(), atol=1e-5), "differs")


def exercise_3(spot_weights: Callable[..., Any]) -> dict[str, Any]:
    """Check a kernel by what it makes of smooth ground and of single places."""
    weights = called(spot_weights)
    require(isinstance(weights, Tensor), "no_tensor", found=type(weights).__name__)
    require(weights.shape == (1, 2, 3, 3), "shape", found=tuple(weights.shape))
    weights = weights.detach().float()
    require(bool(weights.abs().max() > 0), "empty")
    require(not bool(weights[0, 0].abs().max() > 1e-6), "mean")
    kernel = weights[0, 1]
    ground = kernel.sum().sigmoid().item()  # on smooth ground with a maximum of 1
    require(abs(ground - 0.5) < 1e-3, "ground", found=ground)
    centre, around = kernel[1, 1], torch.cat([kernel.flatten()[:4], kernel.flatten()[5:]])
    require(bool(centre < 0), "upside_down", found=centre.item())
    counted = int((around > 0).sum())
    require(counted == 8, "neighbours", found=counted)
    # One dark place on ground of strength 1: only the centre is missing from the sum.
    return {"spot": (kernel.sum() - centre).sigmoid().item()}


def _attention(kernel_size: int, bias: float = 0.0, scale: float = 1.0) -> Attend:
    weight = scale * torch.randn(1, 2, kernel_size, kernel_size) / kernel_size
    weight = -weight.abs() if scale > 1 else weight

    def attend(features: Tensor) -> Tensor:
        logits = F.conv2d(_pooled(features), weight, padding=kernel_size // 2) + bias
        return logits.sigmoid()  # (B, 1, h, w)

    return attend


def _softmax(features: Tensor) -> Tensor:
    logits = 3 * features.mean(dim=1, keepdim=True)
    return logits.flatten(2).softmax(dim=2).view_as(logits)


def exercise_4(wrong_turn: Callable[..., Any]) -> None:
    """Check a diagnosis on attentions of every kind, also on those that resemble another one."""
    features = torch.rand(2, 6, 12, 10)
    cases: list[tuple[str, str, Attend]] = [
        ("missed_places", "places", lambda it: it.mean(dim=(2, 3), keepdim=True).sigmoid()),
        ("missed_softmax", "softmax", _softmax),
        ("missed_bias", "bias", _attention(7, bias=-6.0)),
        ("false_alarm", "none", _attention(7)),
        ("closed", "none", _attention(3, scale=20.0)),  # shut, but for a reason in the features
        ("open_bias", "bias", _attention(3, bias=6.0)),
        ("small_bias", "bias", _attention(5, bias=-0.5)),
    ]
    for cause, right, attend in cases:
        found = called(wrong_turn, attend, features)
        require(found in TURNS, "no_name", found=found)
        require(found == right, cause, found=found)


def _data() -> tuple[Tensor, Tensor]:
    """Return small features (16, 3, 8, 8) and a target (16, 1, 8, 8) that follows their mean."""
    generator = torch.Generator().manual_seed(1)
    features = torch.rand(16, 3, 8, 8, generator=generator)
    mean, maximum = _pooled(features - 0.5).split(1, dim=1)  # each (16, 1, 8, 8)
    return features - 0.5, ((mean - 0.25 * F.avg_pool2d(maximum, 3, 1, 1)) > 0).float()


@functools.cache
def _loss(keep: str, kernel_size: int) -> float:
    """Return the loss of the data above with the kept poolings, after the notebook's training."""
    features, target = _data()
    pooled = _pooled(features) * torch.tensor(KEPT[keep]).view(1, 2, 1, 1)
    weight = torch.zeros(1, 2, kernel_size, kernel_size, requires_grad=True)
    optimizer = torch.optim.Adam([weight], lr=0.05)
    with torch.enable_grad():
        for _ in range(150):
            logits = F.conv2d(pooled, weight, padding=kernel_size // 2)
            loss = F.binary_cross_entropy_with_logits(logits, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return loss.item()


def exercise_5(losses_with: Callable[..., Any]) -> None:
    """Check the three losses on features of our own, with two kernels, by learning anew."""
    features, target = _data()
    found = {size: called(losses_with, size, features, target) for size in (3, 5)}
    for losses in found.values():
        require(isinstance(losses, dict) and set(losses) == set(KEPT), "keys", found=losses)
        require(... not in losses.values(), "open")
        kind = type(next((each for each in losses.values() if not isinstance(each, float)), 0.0))
        require(kind is float, "no_float", found=kind.__name__)
    require(not all(_same(found[3][keep], found[5][keep]) for keep in KEPT), "kernel")
    for size, losses in found.items():
        _losses(losses, size)


def _same(one: float, other: float) -> bool:
    return abs(one - other) < 0.012


def _losses(found: Mapping[str, float], size: int) -> None:
    """Refuse losses that come out of known mistakes, and any others but the right ones."""
    right = {keep: _loss(keep, size) for keep in KEPT}
    require(not all(_same(loss, right["both"]) for loss in found.values()), "all_both")
    swapped = _same(found["mean"], right["max"]) and _same(found["max"], right["mean"])
    require(not swapped, "swapped", mean=found["mean"], maximum=found["max"])
    for keep, wanted in right.items():
        told = {"keep": keep, "size": size, "found": found[keep], "wanted": wanted}
        require(_same(found[keep], wanted), "value", **told)
