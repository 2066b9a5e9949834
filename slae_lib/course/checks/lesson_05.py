"""Checks of lesson 05, the discriminator. Their sentences stand in `texts/lesson_05.toml`."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slae_lib.attention import SkipLayerExcitation
from slae_lib.blocks import CompositeDownBlock
from slae_lib.course.checks.base import (
    Refused,
    called,
    has_spectral_norm,
    kinds,
    require,
    same_output,
)
from slae_lib.discriminator import Decoder, crop_quarter, downsample

PLAIN = ["AvgPool2d", "Conv2d", "BatchNorm2d", "LeakyReLU"]
DECODER = ["AdaptiveAvgPool2d", "Sequential", "Sequential", "Conv2d", "Tanh"]
CHAIN = [(3, 1), (4, 2), (3, 1), (4, 2), (4, 1)]
AT_64 = [(3, 1), *[(4, 2), (3, 1)] * 3, (1, 1), (4, 1)]


def _same(found: Tensor, value: Tensor) -> bool:
    return found.shape == value.shape and torch.allclose(found, value, atol=1e-5)


def exercise_1(plain_path: Callable[..., Any]) -> None:
    """Check the path that learns next to nothing."""
    path = called(plain_path, 6, 4)
    require(isinstance(path, nn.Sequential), "no_sequential", found=type(path).__name__)
    require("MaxPool2d" not in kinds(path), "maximum")
    require(kinds(path) == PLAIN, "layers", found=", ".join(kinds(path)))
    weights = tuple(path[1].weight.shape)
    require(weights == (4, 6, 1, 1), "kernel", found=weights)
    require(has_spectral_norm(path[1]), "norm")
    require(path[3].negative_slope == 0.2, "slope", found=path[3].negative_slope)
    shape = tuple(path(torch.randn(2, 6, 8, 8)).shape)
    require(shape == (2, 4, 4, 4), "shape", found=shape)
    theirs = CompositeDownBlock(6, 4).plain
    require(same_output(path, theirs, torch.randn(2, 6, 8, 8)), "differs")


@torch.no_grad()
def exercise_2(down_block: type[nn.Module]) -> None:
    """Check how a block joins its two paths, which have as many channels as come in."""
    block = called(down_block, 4, 4).eval()
    for layer in block.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.bias)  # else half of what comes in is half of what comes out
    features = torch.randn(2, 4, 8, 8)
    found = called(block, features)
    deep, plain = block.deep(features), block.plain(features)
    wrong = [
        ("sum", deep + plain),
        ("precedence", deep + plain / 2),
        ("deep_alone", deep),
        ("plain_alone", plain),
        ("in_a_row", block.plain(deep)),
        ("in_a_row", block.deep(plain)),
        ("product", deep * plain),
        ("largest", torch.maximum(deep, plain)),
    ]
    for cause, value in wrong:
        require(not _same(found, value), cause)
    require(found.shape == deep.shape, "shape", found=tuple(found.shape))
    require(_same(found, (deep + plain) / 2), "mean")


@torch.no_grad()
def exercise_3(apply_link: Callable[..., Any]) -> None:
    """Check a link where one ends, and a size where none does."""
    links = {"64->32": SkipLayerExcitation(8, 16), "32->16": SkipLayerExcitation(16, 32)}
    branch = SimpleNamespace(low_of={32: 64, 16: 32}, links=links)
    maps, features = {64: torch.randn(2, 8, 64, 64)}, torch.randn(2, 16, 32, 32)
    try:
        found = called(apply_link, branch, 32, maps, features)
    except KeyError as error:
        raise Refused("name", said=str(error)) from error
    except RuntimeError as error:
        raise Refused("swapped", said=str(error).splitlines()[0]) from error
    gate = links["64->32"].gate(maps[64])
    right = features * gate
    wrong = [
        ("no_link", features),
        ("twice", features * right),
        ("gate_alone", gate),
        ("gate_alone", gate.expand_as(features)),
        ("added", features + right),
    ]
    for cause, value in wrong:
        require(not _same(found, value), cause)
    require(_same(found, right), "link")
    try:
        passed = called(apply_link, branch, 64, {}, maps[64])
    except (KeyError, UnboundLocalError) as error:
        raise Refused("always", said=f"{type(error).__name__} ({error})") from error
    require(_same(passed, maps[64]), "changed")


def exercise_4(window: Callable[..., Any]) -> dict[str, Any]:
    """Check the window of a chain of layers on which each mistake has its own number."""
    found = called(window, CHAIN)
    require(isinstance(found, int | float), "no_number", found=found)
    wrong: dict[str, Callable[[int, int, int, int], tuple[int, int]]] = {
        "no_step": lambda field, step, kernel, stride: (field + kernel - 1, step),
        "whole_kernel": lambda field, step, kernel, stride: (field + kernel * step, step * stride),
        "step_first": lambda field, step, kernel, stride: (
            field + (kernel - 1) * step * stride,
            step * stride,
        ),
        "step_added": lambda field, step, kernel, stride: (
            field + (kernel - 1) * step,
            step + stride,
        ),
    }
    for cause, rule in wrong.items():
        require(found != _walk(CHAIN, rule), cause, found=found)
    for layers in ([(3, 1)], [(4, 2), (3, 1)], CHAIN, AT_64):
        wanted = _walk(layers, lambda field, step, k, s: (field + (k - 1) * step, step * s))
        found = called(window, layers)
        require(found == wanted, "value", layers=layers, wanted=wanted, found=found)
    return {"side": found}


def _walk(layers: list[tuple[int, int]], rule: Callable[..., tuple[int, int]]) -> int:
    field, step = 1, 1
    for kernel, stride in layers:
        field, step = rule(field, step, kernel, stride)
    return field


def exercise_5(quarter: Callable[..., Any]) -> None:
    """Check the four quarters of sixteen numbers, and a picture of another size."""
    numbers = torch.arange(16.0).view(1, 1, 4, 4)
    shape = tuple(called(quarter, numbers, 1).shape)
    require(shape == (1, 1, 2, 2), "shape", found=shape)
    right = [crop_quarter(numbers, number) for number in range(4)]
    _, one, two, three = (None, *(called(quarter, numbers, number) for number in (1, 2, 3)))
    require(not (_same(one, two) and _same(two, three)), "always")
    require(not (_same(one, right[0]) and _same(two, right[1])), "from_one")
    require(not (_same(one, right[2]) and _same(two, right[1])), "columns_first")
    for number, wanted in enumerate(right):
        found = called(quarter, numbers, number)
        told = {"wanted": wanted.int().flatten().tolist(), "found": found.int().flatten().tolist()}
        require(_same(found, wanted), "content", number=number, **told)
    shape = tuple(called(quarter, torch.zeros(2, 3, 8, 6), 3).shape)
    require(shape == (2, 3, 4, 3), "other_size", found=shape)


def exercise_6(make_decoder: Callable[..., Any]) -> dict[str, Any]:
    """Check the decoder's layers, its channels, and what it draws."""
    try:
        decoder = called(make_decoder, 5, 4, 32)
    except TypeError as error:
        require("list" not in str(error), "list")
        raise
    require(isinstance(decoder, nn.Sequential), "no_sequential", found=type(decoder).__name__)
    layers = kinds(decoder)
    require(layers[0] == DECODER[0], "no_pool")
    require(layers[-1] == "Tanh", "no_tanh", found=layers[-1])
    require(layers == DECODER, "layers", found=", ".join(layers))
    ups = [tuple(block[1].weight.shape) for block in (decoder[1], decoder[2])]
    through = [(shape[1], shape[0] // 2) for shape in ups]  # a GLU halves
    require(through == [(5, 4), (4, 2)], "channels", wanted="5 -> 4 -> 2", found=through)
    require(has_spectral_norm(decoder[3]), "norm")
    last = tuple(decoder[3].weight.shape)
    require(last == (3, 2, 3, 3), "kernel", wanted=(3, 2, 3, 3), found=last)
    shape = tuple(decoder(torch.randn(2, 5, 16, 16)).shape)
    require(shape == (2, 3, 32, 32), "shape", found=shape)
    for side in (32, 64):
        mine = called(make_decoder, 5, 4, side)
        require(same_output(mine, Decoder(5, 4, side), torch.randn(2, 5, 16, 16)), "differs")
    return {"ups": len(ups)}


def exercise_7(quarter_pair: Callable[..., Any]) -> None:
    """Check what the decoder is given to draw from, and what it should draw."""
    side, number = 16, 2
    maps = {16: torch.randn(2, 4, 16, 16), 8: torch.randn(2, 4, 8, 8)}
    image, drawing = torch.randn(2, 3, 64, 64), torch.rand(2, 3, side, side)
    given: list[Tensor] = []

    def decode(features: Tensor) -> Tensor:
        given.append(features)
        return drawing

    network = SimpleNamespace(decode_quarter=decode)
    drawn, wanted = called(quarter_pair, network, maps, image, side, number)
    require(not _same(wanted, drawing), "order")
    require(_same(drawn, drawing) and len(given) > 0, "drawn")
    require(not any(_same(given[0], whole) for whole in maps.values()), "whole_map")
    places = given[0].shape[-1]
    require(given[0].shape == (2, 4, 8, 8), "other_map", found=places)
    require(_same(given[0], crop_quarter(maps[16], number)), "drawn")
    size = wanted.shape[-1]
    require(not _same(wanted, downsample(image, side)), "whole")
    small = crop_quarter(downsample(image, side), number)
    require(not _same(wanted, small), "cut_last", found=size)
    require(size == side, "large", found=size, side=side)
    others = (downsample(crop_quarter(image, other), side) for other in (0, 1, 3))
    require(not any(_same(wanted, other) for other in others), "other_quarter", number=number)
    require(_same(wanted, downsample(crop_quarter(image, number), side)), "wanted")


def exercise_8(quarter_errors: Callable[..., Any]) -> dict[str, Any]:
    """Check the experiment on a network whose errors are known, and each mistake's number."""
    images = torch.linspace(0.2, 1, 64) * (2 * torch.rand(2, 3, 64, 64) - 1)
    found = called(quarter_errors, _network, images)
    names = ["cut from the image", "decoder of the quarter"]
    require(isinstance(found, dict) and set(found) == set(names), "keys", found=found)
    for name, error in found.items():
        require(error is not ..., "open")
        require(isinstance(error, float), "no_float", name=name, found=type(error).__name__)
    small = downsample(images, 32)
    pairs = [_network(images, small, number)[1] for number in range(4)]
    targets = torch.stack([crop_quarter(images, number) for number in range(4)])  # (4, B, 3, h, w)
    small_cuts = torch.stack([crop_quarter(pairs[n][0][0], n) for n in range(4)])
    cuts = torch.stack([F.interpolate(cut, size=(32, 32), mode="bilinear") for cut in small_cuts])
    owns = torch.stack([pair[1][0] for pair in pairs])
    by_hand = {
        name: _error(drawn, targets) for name, drawn in zip(names, (cuts, owns), strict=True)
    }
    told = [found[name] for name in names]
    swapped = _close(told[0], by_hand[names[1]]) and _close(told[1], by_hand[names[0]])
    require(not swapped, "swapped")
    for name, drawn in zip(names, (cuts, owns), strict=True):
        wrong = [
            ("squared", float((drawn - targets).square().mean())),
            ("summed", 4 * by_hand[name]),
            ("first", _error(drawn[0], targets[0])),
            ("same_cut", _error(cuts[0], targets)),
            ("small_target", _error(small_cuts, [F.avg_pool2d(each, 2) for each in targets])),
            ("small_target", _error(small_cuts, [downsample(each, 16) for each in targets])),
            ("small_target", _error(small_cuts, [crop_quarter(small, n) for n in range(4)])),
            ("own_target", _error(*pairs[0][0])),
            ("own_target", _error(owns, [pair[1][1] for pair in pairs])),
        ]
        for cause, value in wrong:
            require(not _close(found[name], value), cause, name=name)
        numbers = {"found": found[name], "wanted": by_hand[name]}
        require(_close(found[name], by_hand[name]), "value", name=name, **numbers)
    return {"cut": told[0], "own": told[1]}


def _network(
    images: Tensor, small: Tensor, number: int
) -> tuple[None, list[tuple[Tensor, Tensor]]]:
    """Draw everything too pale, the quarter less so; its targets are a little off."""
    part = crop_quarter(images, number)
    return None, [(0.6 * small, 0.9 * small), (0.8 * part, 0.95 * part), (small, small)]


def _error(drawn: Tensor, wanted: Tensor | list[Tensor]) -> float:
    if isinstance(wanted, list):
        wanted = torch.stack(wanted)
    return float((drawn - wanted).abs().mean())


def _close(found: float, value: float) -> bool:
    return abs(found - value) < 1e-6
