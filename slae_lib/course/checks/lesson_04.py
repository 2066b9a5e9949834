"""Checks of lesson 04, the generator. Their sentences stand in `texts/lesson_04.toml`."""

import functools
import re
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from slae_lib import blocks
from slae_lib.config import ModelConfig
from slae_lib.course.checks.base import Refused, called, kinds, require, same_output
from slae_lib.course.checks.lesson_04_parts import (
    ALL,
    COLOURS,
    COLUMNS,
    LARGE,
    OPPOSITE,
    ROWS,
    SMALL,
    Network,
    Tiles,
    asks_by_any_key,
    check_block,
    check_reaches,
    check_start_values,
    gradient,
    share_of,
    takes_a_map,
    watch,
)
from slae_lib.generator import COMPOSITE_SIZES, Generator

PLAIN = ["Upsample", "Conv2d", "BatchNorm2d", "GLU"]
COMPOSITE = [*PLAIN[:2], "NoiseInjection", *PLAIN[2:], "Conv2d", "NoiseInjection", *PLAIN[2:]]


def exercise_1(up_block: Callable[..., Any]) -> None:
    """Check the plain block."""
    block = check_block(up_block, PLAIN, convolutions={1: (8, 6, 3, 3)})
    check_start_values(up_block)
    require(same_output(block, blocks.up_block(6, 4), torch.randn(2, 6, 5, 5)), "differs")


def exercise_2(noise_injection: type[nn.Module]) -> None:
    """Check the noise injection by what it adds to maps, and by who learns from the result."""
    with torch.no_grad():
        inject = _what_is_added(noise_injection)
    maps = torch.randn(4, 3, 64, 48, requires_grad=True)
    noisy = inject.train()(maps)
    require(noisy.requires_grad, "no_history")
    noisy.square().sum().backward()
    require(inject.weight.grad is not None, "weight_cut_off")
    require(maps.grad is not None, "maps_cut_off")
    try:  # a device that no machine lacks
        for training in (True, False):
            inject.to("meta").train(training)(maps.detach().to("meta"))
    except (RuntimeError, NotImplementedError) as error:
        require("device" not in str(error), "device")


def _what_is_added(noise_injection: type[nn.Module]) -> nn.Module:
    inject = called(noise_injection).train()
    maps = torch.randn(4, 3, 64, 48)
    try:
        shape = tuple(called(inject, maps).shape)
    except RuntimeError as error:
        require("must match the" not in str(error), "noise_shape", said=error)
        raise
    require(shape == maps.shape, "shape", found=shape)
    if not torch.equal(inject(maps), maps):
        torch.manual_seed(1)
        once = inject(maps)
        torch.manual_seed(1)
        require(not torch.allclose(inject(2 * maps), once), "maps_scaled")
        raise Refused("unscaled")
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
    alike = torch.allclose(added[0], added[1], atol=1e-5)
    require(new[1] or not alike, "always_fixed")
    require(not alike, "images")
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
    return inject


def exercise_3(composite_up_block: Callable[..., Any]) -> None:
    """Check the composite block."""
    shapes = {1: (8, 6, 3, 3), 5: (8, 4, 3, 3)}
    block = check_block(composite_up_block, COMPOSITE, convolutions=shapes)
    for first, second in ((2, 6), (3, 7)):  # a GLU learns nothing, so one may stand twice
        twice = block[first] is block[second]
        require(not twice, "shared", places=(first + 1, second + 1), name=kinds(block)[first])
    check_start_values(composite_up_block)
    theirs = blocks.composite_up_block(6, 4)
    for place in (2, 6):  # noise that starts at 0 could stand anywhere
        nn.init.constant_(theirs[place].get_parameter("weight"), 0.3)
    require(same_output(block, theirs, torch.randn(2, 6, 5, 5)), "differs")


def exercise_4(make_start: Callable[..., Any]) -> None:
    """Check the start."""
    layers = ["ConvTranspose2d", "BatchNorm2d", "GLU"]
    start = check_block(make_start, layers, convolutions={0: (6, 8, 4, 4)})
    side = start[0](torch.randn(2, 6, 1, 1)).shape[-1]
    said = {"side": side, "pixels": side * 2**6}
    (padding, _), (stride, _) = start[0].padding, start[0].stride
    require(padding == 0, "padding", padding=padding, stride=stride, **said)
    require(side == 4, "size", **said)
    check_start_values(make_start)
    theirs = nn.Sequential(blocks.conv_transpose(6, 8, 4), blocks.batch_norm(8), nn.GLU(dim=1))
    require(same_output(start, theirs, torch.randn(2, 6, 1, 1)), "differs")


def exercise_5(make_block: Callable[..., Any]) -> None:
    """Check which block is made for a size, and its channels."""
    config = ModelConfig(resolution=512, width=8, metadata=False)
    channels = Generator(config).channels
    for size in (8, 16, 32, 64, 128, 256, 512):
        try:
            block = called(make_block, config, size)
        except TypeError as error:
            require("float" not in str(error), "no_whole_number")
            raise
        require(not hasattr(block, "__name__"), "uncalled", found=getattr(block, "__name__", ""))
        require(isinstance(block, nn.Sequential), "no_block", found=type(block).__name__)
        kind = "composite" if size in COMPOSITE_SIZES else "plain"
        require((len(block) == len(COMPOSITE)) == (kind == "composite"), kind, size=size)
        found = block[1].weight.shape[1], block[1].weight.shape[0] // 2
        wanted = channels(size // 2), channels(size)
        require(found == wanted, "channels", size=size, found=found, wanted=wanted)


@torch.no_grad()
def exercise_6(grow_maps: Callable[..., Any]) -> None:
    """Check the maps one by one, each from the student's own maps before it."""
    network, calls = Network(LARGE).eval(), Counter[nn.Module]()
    low_of = {high: low for low, high in LARGE.generator_links}
    for name, block in network.blocks.items():
        watch(block, calls, "half", int(name), int(name) // 2)
    for name, link in network.links.items():
        watch(link, calls, "low", int(name), low_of[int(name)], int(name))
    first, names = torch.randn(2, 128, 4, 4), list(network.blocks)
    try:
        maps = called(grow_maps, network, first)
    except UnboundLocalError as error:
        require(bool(calls), "before_made", name=str(error).split("'")[1])
        raise
    except AttributeError as error:
        asked = re.search(r"'ModuleDict' object .* '(\w+)'", str(error))
        require(asked is None, "no_dict", name=asked and asked[1])
        raise
    except KeyError as error:
        linked = SimpleNamespace(
            config=SimpleNamespace(generator_links=[(4, int(name)) for name in names]),
            blocks=dict.fromkeys(names, nn.Identity()),
            links=dict.fromkeys(names, lambda low, high: high),
        )
        with suppress(KeyError):  # does it run where nobody has to ask whether there is a link?
            grow_maps(linked, first)
            raise Refused("no_if", size=error.args[0]) from error
        of_parts = traceback.extract_tb(error.__traceback__)[-1].name == "__getitem__"
        starts = of_parts and error.args[0] in map(str, low_of.values())
        require(not starts, "start_as_name", key=error.args[0])
        raise Refused("maps", key=error.args[0]) from error
    right = isinstance(maps, dict) and list(maps) == [4, *map(int, names)]
    require(right, "sizes", found=list(maps))
    require(not any(each is ... for each in maps.values()), "open")
    theirs, ungated = Counter(calls), {}
    for name, block in network.blocks.items():
        size = int(name)
        ungated[size] = before = block(maps[size // 2])
        if name not in network.links:
            require(torch.allclose(maps[size], before), "block", size=size)
            continue
        link, low = network.links[name], maps[low_of[size]]
        gated = link(low, before)
        if torch.allclose(maps[size], before, atol=1e-6) and not theirs[link]:
            require(not asks_by_any_key(grow_maps, first), "kind_of_key", size=size)
        wrong = {
            "not_kept" if theirs[link] else "no_links": before,
            "added": before + gated,
            "twice": before * gated,
            "gated_again": link(low, gated),
            "gate_alone": gated / before,
        }
        if str(size // 2) in network.links:
            wrong["ungated"] = link(low, block(ungated[size // 2]))
        for cause, found in wrong.items():
            same = torch.allclose(maps[size], found, atol=1e-6)
            require(not same, cause, size=size, half=size // 2)
        require(torch.allclose(maps[size], gated, atol=1e-6), "link", size=size, low=low_of[size])
    for part, parts in {"block": network.blocks, "link": network.links}.items():
        for name, module in parts.items():
            require(theirs[module] == 1, "again", part=part, size=name, found=theirs[module])
    small, first = Network(SMALL).double().eval(), torch.randn(2, 128, 4, 4).double()
    with torch.enable_grad():
        first.requires_grad_()
        mine, wanted = gradient(grow_maps(small, first), first), gradient(small.maps(first), first)
    require(bool((mine - wanted).norm() < 1e-6 * wanted.norm()), "cut_off")


@torch.no_grad()
def exercise_7(draw_images: Callable[..., Any]) -> None:
    """Check the two heads on maps with large values, where a tanh shows."""
    for config in (SMALL, LARGE):  # they have no size in common
        network = Network(config).eval()
        for head in ("to_image", "to_small"):
            look = functools.partial(takes_a_map, head)
            network.get_submodule(head).register_forward_pre_hook(look)
        sizes, channels = (config.resolution, config.small_resolution), Generator(config).channels
        maps = {size: 50 * torch.randn(2, channels(size), size, size) for size in sizes}
        try:
            images = called(draw_images, network, maps)
        except KeyError as error:
            key = error.args[0]
            raise Refused(
                "text" if key in map(str, sizes) else "size", key=key, sizes=sizes
            ) from error
        except TypeError as error:
            require("Tanh" not in str(error), "layer")
            raise
        found, wanted = [tuple(each.shape) for each in images], [(2, 3, n, n) for n in sizes]
        require(found != wanted[::-1], "order")
        require(found == wanted, "shapes", found=found, wanted=wanted)
        for name, image, size in zip(("image", "small"), images, sizes, strict=True):
            head = f"to_{name}"
            draw = network.get_submodule(head)
            raw, before = draw(maps[size]), draw(maps[size].tanh())
            wrong = {
                "no_tanh": [raw],
                "sigmoid": [raw.sigmoid()],
                "tanh_before": [before, before.tanh()],
                "clamped": [raw.clamp(-1, 1)],
                "tanh_twice": [raw.tanh().tanh()],
            }
            for cause, formulas in wrong.items():
                same = any(torch.allclose(image, each, atol=1e-5) for each in formulas)
                require(not same, cause, name=name, head=head)
            require(torch.allclose(image, raw.tanh(), atol=1e-5), "head", name=name, head=head)


def exercise_8(reach: Callable[..., Any], reaches: dict[str, Any]) -> dict[str, Any]:
    """Check the measure on a network whose answer is known, then the three numbers anew."""
    first = torch.randint(1, 9, (1, 8, 4, 4)).double()
    faint, strong = 2.0**-33, 2.0**20  # the first drowns in any tolerance, and not in float64
    shares = {name: share_of(reach, Tiles(faint, it), first) for name, it in COLOURS.items()}
    share, opposite = shares["red"], share_of(reach, Tiles(faint, OPPOSITE), first)
    large = share_of(reach, Tiles(strong, COLOURS["red"]), first)
    if not any(shares.values()):
        require(share_of(reach, Tiles(faint, ALL), first) == 0, "all_colours")
        require(share_of(reach, Tiles(strong, ALL), first) == 0, "threshold")
        raise Refused("no_change")
    for name, each in shares.items():
        require(each != 0, "one_colour", found=name)
    require(opposite != 0, "cancelled")
    require(abs(large - share) < 1e-9, "amount", found=large, wanted=share)
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
    try:
        check_reaches(reaches)
    except Refused as refused:
        refused.values["wrong"] = ["reaches"]  # the function is right, and stays
        raise
    return dict(zip(("corner", "inner", "linked"), map(float, reaches.values()), strict=True))
