"""What the checks of lesson 04 are made of: their test networks, and how they watch them."""

import copy
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from slae_lib.config import ModelConfig
from slae_lib.course.checks.base import called, has_spectral_norm, kinds, require
from slae_lib.generator import Generator

ROWS, COLUMNS = (8, 12, 20, 24), (4, 10, 18, 32)  # no two places have as many pixels
COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}
SMALL = ModelConfig(resolution=64, width=8, noise_dim=32, metadata=False)
LARGE = ModelConfig(resolution=512, width=8, noise_dim=32, metadata=False)
OPPOSITE, ALL = (1, -1, 0), (1, 1, 1)


def made(answer: Callable[..., Any], *numbers: int) -> Any:
    """Call what makes a block, and explain the errors of a layer that is none."""
    try:
        block = called(answer, *numbers)
    except TypeError as error:
        said = str(error)
        require("NoiseInjection" not in said or "takes 1 pos" not in said, "noise_number")
        name, is_no_layer, _ = said.partition(" is not a Module subclass")
        if is_no_layer:
            require(name not in ("list", "tuple"), "listed")
            require("." not in name, "uncalled", name=name.rpartition(".")[2])
        raise
    require(isinstance(block, nn.Sequential), "no_sequential", found=type(block).__name__)
    return block


def check_block(
    answer: Callable[..., Any], layers: list[str], convolutions: Mapping[int, tuple[int, ...]]
) -> Any:
    """Refuse a block of other layers, or with other convolutions at these places."""
    block = made(answer, 6, 4)
    named = zip(block, kinds(block), strict=True)
    found_layers = ["Upsample" if isinstance(it, nn.Upsample) else kind for it, kind in named]
    require(found_layers == layers, "layers", found=", ".join(found_layers))
    for place, wanted in convolutions.items():
        found = tuple(block[place].weight.shape)
        kernel = "x".join(map(str, found[2:]))
        require(found[2:] == wanted[2:], "kernel", place=place + 1, found=kernel)
        require(found[:2] != wanted[1::-1], "swapped", place=place + 1)
        require(found == wanted, "channels", place=place + 1, found=found, wanted=wanted)
        require(has_spectral_norm(block[place]), "norm", place=place + 1)
    for layer in block:
        if isinstance(layer, nn.BatchNorm2d):
            require(layer.num_features == 8, "batch_norm", found=layer.num_features)
        if isinstance(layer, nn.Upsample):
            require(layer.size is None, "upsample_size", found=layer.size)
            require(layer.mode == "nearest", "mode", found=layer.mode)
        if isinstance(layer, nn.GLU):
            require(layer.dim % 4 == 1, "glu_dim", found=layer.dim)
    if "Upsample" in layers:
        shape = tuple(block(torch.randn(2, 6, 5, 5)).shape)
        require(shape == (2, 4, 10, 10), "shape", found=shape)
    return block


def check_start_values(answer: Callable[..., Any]) -> None:
    """Refuse a block whose weights start otherwise; a wide one, where the deviation is clear."""
    for place, layer in enumerate(made(answer, 32, 64)):
        if has_spectral_norm(layer):
            found = layer.get_parameter("parametrizations.weight.original").std().item()
            require(abs(found - 0.02) < 0.002, "deviation", place=place + 1, found=found)
        if isinstance(layer, nn.BatchNorm2d):
            drawn = layer.weight is not None and bool(layer.weight.std() > 0)
            require(drawn, "all_ones", place=place + 1)


class Network(nn.Module):
    """The parts of a generator under the names that the notebook gives them."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        theirs = Generator(config)
        self.config = config
        self.blocks = theirs.blocks
        self.links = nn.ModuleDict({name.split("->")[1]: it for name, it in theirs.links.items()})
        self.to_image, self.to_small = theirs.to_image, theirs.to_small

    def maps(self, first: Tensor) -> dict[int, Tensor]:
        """Return all maps, each under its size."""
        low_of = {high: low for low, high in self.config.generator_links}
        maps = {4: first}
        for name, block in self.blocks.items():
            size = int(name)
            maps[size] = block(maps[size // 2])
            if name in self.links:
                maps[size] = self.links[name](maps[low_of[size]], maps[size])
        return maps

    def grow(self, first: Tensor) -> tuple[Tensor, Tensor]:
        """Return the image and the small image of the first map."""
        maps = self.maps(first)
        small = self.to_small(maps[self.config.small_resolution])
        return self.to_image(maps[self.config.resolution]).tanh(), small.tanh()


def watch(
    module: nn.Module, calls: Counter[nn.Module], cause: str, size: int, *wanted: int
) -> None:
    """Count a block's or a link's calls; refuse what it is given but for maps of these sides."""

    def look(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        calls[module] += 1
        for given in inputs:
            kind = type(given).__name__
            require(isinstance(given, Tensor), "no_map", size=size, found=kind)
        sides = tuple(given.shape[-1] for given in inputs)
        require(len(sides) < 2 or sides != wanted[::-1], "swapped", size=size)
        require(sides == wanted[: len(sides)], cause, size=size, wanted=wanted, found=sides)

    module.register_forward_pre_hook(look)


def takes_a_map(head: str, _: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Refuse a head that is given anything but one map; a hook before its call."""
    for given in inputs:
        is_map = isinstance(given, Tensor)
        require(is_map, "no_map", head=head, found=type(given).__name__)


def asks_by_any_key(grow_maps: Callable[..., Any], first: Tensor) -> bool:
    """Whether a link is asked once names and numbers are keys of `low_of` and of the links."""
    asked = []

    def link(_: object, high: Tensor) -> Tensor:
        asked.append(high)
        return high

    config = SimpleNamespace(generator_links=[(4, 8), (4, "8")])
    parts = {"blocks": {"8": nn.Identity()}, "links": {"8": link, 8: link}}
    grow_maps(SimpleNamespace(config=config, **parts), first)
    return bool(asked)


def gradient(maps: dict[int, Tensor], first: Tensor) -> Tensor:
    """Return the gradient that comes from the largest of the maps to the first one."""
    total = maps[max(maps)].sum()
    if not total.requires_grad:
        return torch.zeros_like(first)
    (found,) = torch.autograd.grad(total, first, allow_unused=True)
    return torch.zeros_like(first) if found is None else found


class Tiles(nn.Module):
    """Draw each place of the first map as pixels of its own, ROWS x COLUMNS, in one colour.

    The difference is exact if the first map has whole numbers and the scale is a power of two.
    """

    def __init__(self, scale: float, colour: tuple[int, ...], *, alone: bool = False) -> None:
        super().__init__()
        self.scale, self.colour, self.alone = scale, torch.tensor(colour), alone

    def grow(self, first: Tensor) -> Any:
        """Return the image and the small image, or the image alone."""
        small = 0.5 + self.scale * first.sum(dim=1, keepdim=True) * self.colour[:, None, None]
        image = small.repeat_interleave(torch.tensor(ROWS), 2)
        image = image.repeat_interleave(torch.tensor(COLUMNS), 3)
        return image if self.alone else (image, small)


@torch.no_grad()
def true_reach(network: Network, row: int, column: int) -> float:
    """Return the share of the pixels that one place of the first map reaches."""
    first = torch.randn(1, 128, 4, 4).double()
    changed = first.clone()
    changed[:, :, row, column] += 1
    different = network.grow(first)[0] != network.grow(changed)[0]
    return different.any(dim=1).double().mean().item()


def number(found: Any) -> float:
    """Return a number, be it one of Python's or a tensor with nothing else in it."""
    if isinstance(found, Tensor) and found.ndim == 0:
        return float(found)
    require(isinstance(found, int | float), "no_float", found=type(found).__name__)
    return found


def share_of(reach: Callable[..., Any], network: Tiles, first: Tensor) -> float:
    """Return what `reach` finds on a network of tiles; refuse one that takes the pair for one."""
    try:
        return number(called(reach, network, first, 2, 1))
    except (RuntimeError, TypeError, AttributeError):
        alone, works = Tiles(network.scale, ALL, alone=True), False
        with suppress(Exception):  # does it run where the image comes alone?
            reach(alone, first, 2, 1)
            works = True
        require(not works, "pair")
        raise


def check_reaches(reaches: dict[str, Any]) -> None:
    """Check the three numbers by measuring them anew."""
    whole = Network(SMALL).double().eval()
    cut = copy.deepcopy(whole)
    cut.links.clear()
    truth = {
        "corner, no links": true_reach(cut, 0, 0),
        "(1, 1), no links": true_reach(cut, 1, 1),
        "corner, with links": true_reach(whole, 0, 0),
    }
    require(list(reaches) == list(truth), "cases", found=list(reaches))
    require(... not in reaches.values(), "unmeasured")
    edge = true_reach(cut, 0, 1)  # as of all its places but the corners
    for case, found in {case: number(found) for case, found in reaches.items()}.items():
        require(found < 1.01, "above_one", case=case, found=found)
        for other, value in truth.items():
            same = other != case and abs(found - value) < 0.005
            require(not same, "other_case", case=case, found=found, other=other)
        require(abs(found - edge) > 0.005, "at_edge", case=case, found=found)
        require(abs(found - truth[case]) < 0.005, "measured", case=case, found=found)
