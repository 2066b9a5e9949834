"""Checks of lesson 04, the generator. Their sentences stand in `texts/lesson_04.toml`."""

import copy
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from slae_lib import blocks
from slae_lib.config import ModelConfig
from slae_lib.course.checks.base import (
    Refused,
    called,
    has_spectral_norm,
    kinds,
    require,
    same_output,
)
from slae_lib.generator import COMPOSITE_SIZES, Generator

SMALL = ModelConfig(resolution=64, width=8, noise_dim=32, metadata=False)
LARGE = ModelConfig(resolution=512, width=8, noise_dim=32, metadata=False)
PLAIN = ["Upsample", "Conv2d", "BatchNorm2d", "GLU"]
COMPOSITE = [*PLAIN[:2], "NoiseInjection", *PLAIN[2:], "Conv2d", "NoiseInjection", *PLAIN[2:]]

ROWS, COLUMNS = (8, 12, 20, 24), (4, 10, 18, 32)  # no two places have as many pixels


def exercise_1(up_block: Callable[..., Any]) -> None:
    """Check the plain block."""
    block = called(up_block, 6, 4)
    _block(block, PLAIN, convolutions={1: (8, 6, 3, 3)})
    require(same_output(block, blocks.up_block(6, 4), torch.randn(2, 6, 5, 5)), "differs")


def _block(block: Any, layers: list[str], convolutions: dict[int, tuple[int, ...]]) -> None:
    """Refuse a block of other layers, or with other convolutions at these places."""
    require(isinstance(block, nn.Sequential), "no_sequential", found=type(block).__name__)
    require(kinds(block) == layers, "layers", found=", ".join(kinds(block)))
    for place, wanted in convolutions.items():
        found = tuple(block[place].weight.shape)
        kernel = "x".join(map(str, found[2:]))
        require(found[2:] == wanted[2:], "kernel", place=place + 1, found=kernel)
        require(found == wanted, "channels", place=place + 1, found=found, wanted=wanted)
        require(has_spectral_norm(block[place]), "norm", place=place + 1)
    for layer in block:
        if isinstance(layer, nn.BatchNorm2d):
            require(layer.num_features == 8, "batch_norm", found=layer.num_features)
        if isinstance(layer, nn.Upsample):
            require(layer.mode == "nearest", "mode", found=layer.mode)
        if isinstance(layer, nn.GLU):
            require(layer.dim == 1, "glu_dim", found=layer.dim)
    if "Upsample" in layers:
        shape = tuple(block(torch.randn(2, 6, 5, 5)).shape)
        require(shape == (2, 4, 10, 10), "shape", found=shape)


@torch.no_grad()
def exercise_2(noise_injection: type[nn.Module]) -> None:
    """Check the noise injection by what it adds to maps."""
    inject = called(noise_injection).train()
    maps = torch.randn(4, 3, 64, 48)
    try:
        shape = tuple(called(inject, maps).shape)
    except RuntimeError as error:
        require("must match the" not in str(error), "noise_shape", said=error)
        raise
    require(shape == maps.shape, "shape", found=shape)
    require(torch.equal(inject(maps), maps), "unscaled")
    inject.weight.fill_(0.5)
    added = (called(inject, maps) - maps) / 0.5
    require(bool(added.abs().max() > 0), "nothing_added")
    torch.manual_seed(1)
    once = inject(maps) - maps
    torch.manual_seed(1)
    require(torch.allclose(inject(2 * maps) - 2 * maps, once, atol=1e-5), "multiplied")
    require(torch.allclose(added[:, 0], added[:, 1], atol=1e-5), "channels")
    require(bool(added[0, 0].std() > 0.1), "places")
    new = [not torch.equal(inject.train(mode)(maps), inject(maps)) for mode in (False, True)]
    require(new != [True, False], "swapped")
    require(not torch.allclose(added[0], added[1], atol=1e-5), "images")
    require(not torch.allclose(inject(maps) - maps, added * 0.5, atol=1e-5), "again")
    mean, deviation = float(added[:, 0].mean()), float(added[:, 0].std())
    normal = abs(mean) < 0.1 and abs(deviation - 1) < 0.1
    require(normal, "normal", mean=mean, deviation=deviation)
    fixed = inject.eval()(maps) - maps
    require(bool(fixed.abs().max() > 0), "silent")
    require(torch.allclose(fixed, inject(maps) - maps), "evaluation")
    theirs = blocks.NoiseInjection().eval()
    theirs.weight.fill_(0.5)
    require(torch.allclose(fixed, theirs(maps) - maps, atol=1e-5), "fixed")


def exercise_3(composite_up_block: Callable[..., Any]) -> None:
    """Check the composite block."""
    block = called(composite_up_block, 6, 4)
    _block(block, COMPOSITE, convolutions={1: (8, 6, 3, 3), 5: (8, 4, 3, 3)})
    for first, second in ((2, 6), (3, 7)):  # a GLU learns nothing, so one may stand twice
        twice = block[first] is block[second]
        require(not twice, "shared", places=(first + 1, second + 1), name=kinds(block)[first])
    theirs = blocks.composite_up_block(6, 4)
    for place in (2, 6):  # noise that starts at 0 could stand anywhere
        nn.init.constant_(theirs[place].get_parameter("weight"), 0.3)
    require(same_output(block, theirs, torch.randn(2, 6, 5, 5)), "differs")


def exercise_4(make_start: Callable[..., Any]) -> None:
    """Check the start."""
    start = called(make_start, 6, 4)
    require(isinstance(start, nn.Sequential), "no_sequential", found=type(start).__name__)
    layers = kinds(start)
    require(layers == ["ConvTranspose2d", "BatchNorm2d", "GLU"], "layers", found=", ".join(layers))
    _block(start, layers, convolutions={0: (6, 8, 4, 4)})
    side = start[0](torch.randn(2, 6, 1, 1)).shape[-1]
    said = {"side": side, "pixels": side * 2**6}
    (padding, _), (stride, _) = start[0].padding, start[0].stride
    require(padding == 0, "padding", padding=padding, stride=stride, **said)
    require(side == 4, "size", **said)
    theirs = nn.Sequential(blocks.conv_transpose(6, 8, 4), blocks.batch_norm(8), nn.GLU(dim=1))
    require(same_output(start, theirs, torch.randn(2, 6, 1, 1)), "differs")


def exercise_5(make_block: Callable[..., Any]) -> None:
    """Check which block is made for a size, and its channels."""
    config = ModelConfig(resolution=512, width=8, metadata=False)
    channels = Generator(config).channels
    for size in (8, 16, 32, 64, 128, 256, 512):
        block = called(make_block, config, size)
        require(not hasattr(block, "__name__"), "uncalled", found=getattr(block, "__name__", ""))
        require(isinstance(block, nn.Sequential), "no_block", found=type(block).__name__)
        kind = "composite" if size in COMPOSITE_SIZES else "plain"
        require((len(block) == len(COMPOSITE)) == (kind == "composite"), kind, size=size)
        found = block[1].weight.shape[1], block[1].weight.shape[0] // 2
        wanted = channels(size // 2), channels(size)
        require(found == wanted, "channels", size=size, found=found, wanted=wanted)


class Network(nn.Module):
    """The parts of a generator under the names that the notebook gives them."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        theirs = Generator(config)
        self.config = config
        self.blocks = theirs.blocks
        self.links = nn.ModuleDict({name.split("->")[1]: it for name, it in theirs.links.items()})
        self.to_image, self.to_small = theirs.to_image, theirs.to_small

    def grow(self, first: Tensor) -> tuple[Tensor, Tensor]:
        """Return the image and the small image of the first map."""
        low_of = {high: low for low, high in self.config.generator_links}
        maps = {4: first}
        for name, block in self.blocks.items():
            size = int(name)
            maps[size] = block(maps[size // 2])
            if name in self.links:
                maps[size] = self.links[name](maps[low_of[size]], maps[size])
        small = self.to_small(maps[self.config.small_resolution])
        return self.to_image(maps[self.config.resolution]).tanh(), small.tanh()


def _watch(module: nn.Module, cause: str, size: int, *wanted: int) -> None:
    """Refuse what a block or a link is given, unless these are the sides of the maps."""

    def look(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        for given in inputs:
            kind = type(given).__name__
            require(isinstance(given, Tensor), "no_map", size=size, found=kind)
        sides = tuple(given.shape[-1] for given in inputs)
        require(len(sides) < 2 or sides != wanted[::-1], "swapped", size=size)
        require(sides == wanted[: len(sides)], cause, size=size, wanted=wanted, found=sides)

    module.register_forward_pre_hook(look)


@torch.no_grad()
def exercise_6(grow_maps: Callable[..., Any]) -> None:
    """Check the maps one by one, each from the student's own maps before it."""
    network = Network(LARGE).eval()
    low_of = {high: low for low, high in LARGE.generator_links}
    for name, block in network.blocks.items():
        _watch(block, "half", int(name), int(name) // 2)
    for name, link in network.links.items():
        _watch(link, "low", int(name), low_of[int(name)], int(name))
    first, names = torch.randn(2, 128, 4, 4), list(network.blocks)
    try:
        maps = called(grow_maps, network, first)
    except KeyError as error:
        linked = SimpleNamespace(
            config=SimpleNamespace(generator_links=[(4, int(name)) for name in names]),
            blocks=dict.fromkeys(names, nn.Identity()),
            links=dict.fromkeys(names, lambda low, high: high),
        )
        with suppress(KeyError):  # does it run where nobody has to ask whether there is a link?
            grow_maps(linked, first)
            raise Refused("no_if", size=error.args[0]) from error
        raise Refused("maps", key=error.args[0]) from error
    right = isinstance(maps, dict) and list(maps) == [4, *map(int, names)]
    require(right, "sizes", found=list(maps))
    require(not any(each is ... for each in maps.values()), "open")
    for name, block in network.blocks.items():
        size = int(name)
        before = block(maps[size // 2])
        if name not in network.links:
            require(torch.allclose(maps[size], before), "block", size=size)
            continue
        link, low = network.links[name], maps[low_of[size]]
        gated = link(low, before)
        wrong = {
            "no_links": before,
            "added": before + gated,
            "twice": before * gated,
            "gated_again": link(low, gated),
            "gate_alone": gated / before,
        }
        for cause, found in wrong.items():
            require(not torch.allclose(maps[size], found, atol=1e-6), cause, size=size)
        require(torch.allclose(maps[size], gated, atol=1e-6), "link", size=size, low=low_of[size])


@torch.no_grad()
def exercise_7(draw_images: Callable[..., Any]) -> None:
    """Check the two heads on maps with large values, where a tanh shows."""
    for config in (SMALL, LARGE):  # they have no size in common
        network = Network(config).eval()
        sizes, channels = (config.resolution, config.small_resolution), Generator(config).channels
        maps = {size: 50 * torch.randn(2, channels(size), size, size) for size in sizes}
        try:
            images = called(draw_images, network, maps)
        except KeyError as error:
            raise Refused("size", key=error.args[0], sizes=sizes) from error
        found, wanted = [tuple(each.shape) for each in images], [(2, 3, n, n) for n in sizes]
        require(found != wanted[::-1], "order")
        require(found == wanted, "shapes", found=found, wanted=wanted)
        for name, image, size in zip(("image", "small"), images, sizes, strict=True):
            raw = getattr(network, f"to_{name}")(maps[size])
            require(not torch.allclose(image, raw), "no_tanh", name=name)
            require(not torch.allclose(image, raw.sigmoid()), "sigmoid", name=name)
            require(torch.allclose(image, raw.tanh(), atol=1e-5), "head", name=name)


def exercise_8(reach: Callable[..., Any], reaches: dict[str, Any]) -> dict[str, Any]:
    """Check the measure on a network whose answer is known, then the three numbers anew."""
    first = torch.randn(1, 8, 4, 4).double()
    faint, strong = (SimpleNamespace(grow=partial(_tiles, scale)) for scale in (1e-6, 1e6))
    share = called(reach, faint, first, 2, 1)
    require(isinstance(share, int | float), "no_float", found=type(share).__name__)
    require(share > 0, "threshold" if called(reach, strong, first, 2, 1) > 0 else "no_change")
    pixels, truly = 64**2, ROWS[2] * COLUMNS[1] / 64**2
    wrong = {
        "swapped": [ROWS[1] * COLUMNS[2] / pixels],
        "row": [ROWS[2] / 64, COLUMNS[1] / 64, ROWS[1] / 64],  # the last: [:, row, column]
        "colours": [truly / 3],
        "small": [1 / 16],
        "percent": [100 * truly],
        "count": [pixels * truly],
    }
    for cause, values in wrong.items():
        require(all(abs(share - value) > 1e-9 for value in values), cause, found=share)
    require(abs(share - truly) < 1e-9, "share", found=share, wanted=truly)
    whole = Network(SMALL).double().eval()
    cut = copy.deepcopy(whole)
    cut.links.clear()
    truth = {
        "corner, no links": _reach(cut, 0, 0),
        "(1, 1), no links": _reach(cut, 1, 1),
        "corner, with links": _reach(whole, 0, 0),
    }
    require(list(reaches) == list(truth), "cases", found=list(reaches))
    require(... not in reaches.values(), "unmeasured")
    for case, found in reaches.items():
        require(isinstance(found, int | float), "no_float", found=type(found).__name__)
        for other, value in truth.items():
            same = other != case and abs(found - value) < 0.005
            require(not same, "other_case", case=case, found=found, other=other)
        require(abs(found - truth[case]) < 0.005, "measured", case=case, found=found)
    return dict(zip(("corner", "inner", "linked"), reaches.values(), strict=True))


def _tiles(scale: float, first: Tensor) -> tuple[Tensor, Tensor]:
    """Draw each place of the first map as pixels of its own, ROWS x COLUMNS, in red alone."""
    red = scale * first.sum(dim=1, keepdim=True)
    small = torch.cat([red, torch.zeros_like(red), torch.zeros_like(red)], dim=1)
    image = small.repeat_interleave(torch.tensor(ROWS), 2)
    return image.repeat_interleave(torch.tensor(COLUMNS), 3), small


@torch.no_grad()
def _reach(network: Network, row: int, column: int) -> float:
    first = torch.randn(1, 128, 4, 4).double()
    changed = first.clone()
    changed[:, :, row, column] += 1
    different = network.grow(first)[0] != network.grow(changed)[0]
    return different.any(dim=1).double().mean().item()
