"""Checks of lesson 03, the skip links. Their sentences stand in `texts/lesson_03.toml`."""

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slae_lib.course.checks.base import Refused, called, kinds, require

LAYERS = ["AdaptiveAvgPool2d", "Conv2d", "SiLU", "Conv2d", "Sigmoid"]


def excite(low_channels: int, high_channels: int) -> nn.Sequential:
    """Return the layers that make the gate, with weights large enough to open and shut gates."""
    layers = nn.Sequential(
        nn.AdaptiveAvgPool2d(4),
        nn.Conv2d(low_channels, high_channels, 4, bias=False),
        nn.SiLU(),
        nn.Conv2d(high_channels, high_channels, 1, bias=False),
        nn.Sigmoid(),
    )
    nn.init.normal_(layers[1].get_parameter("weight"), std=0.5)
    nn.init.normal_(layers[3].get_parameter("weight"), std=0.6)
    return layers


class Link(nn.Module):
    """A skip link with plain convolutions, as the notebook builds it; with attention or without."""

    def __init__(self, low_channels: int, high_channels: int, *, attention: bool) -> None:
        super().__init__()
        self.excite = excite(low_channels, high_channels)
        weights = nn.Conv2d(low_channels, 1, 3, padding=1, bias=False)
        self.attention = nn.Sequential(weights, nn.Sigmoid()) if attention else None

    def gate(self, low: Tensor) -> Tensor:
        """Return the gate (B, C_high, 1, 1) of ``low`` (B, C_low, h, w)."""
        weighed = low if self.attention is None else self.attention(low) * low
        return torch.as_tensor(self.excite(weighed))


@torch.no_grad()
def exercise_1(excitation: Callable[..., Any]) -> None:
    """Check the five layers of SLE's gate."""
    layers = called(excitation, 5, 6)
    require(isinstance(layers, nn.Sequential), "no_sequential", found=type(layers).__name__)
    require(kinds(layers) == LAYERS, "layers", found=", ".join(kinds(layers)))
    size = layers[0].output_size
    require(size in (4, (4, 4), [4, 4]), "pooling", found=size)
    for place, wanted in ((1, (6, 5, 4, 4)), (3, (6, 6, 1, 1))):
        found = tuple(layers[place].weight.shape)
        require(found == wanted, "weights", place=place + 1, found=found, wanted=wanted)
        require(layers[place].bias is None, "bias", place=place + 1)
    low = torch.randn(2, 5, 12, 12)
    gate = called(layers, low)
    require(gate.shape == (2, 6, 1, 1), "shape", found=tuple(gate.shape))
    first = F.silu(F.conv2d(F.adaptive_avg_pool2d(low, 4), layers[1].weight))
    right = F.conv2d(first, layers[3].weight).sigmoid()
    require(torch.allclose(gate, right, atol=1e-6), "differs")


def exercise_2(shapes: dict[str, Any]) -> dict[str, Any]:
    """Check two shapes by multiplying tensors that have them."""
    require(isinstance(shapes, dict) and set(shapes) == {"gate", "high"}, "keys", found=shapes)
    require(not any(shape is ... for shape in shapes.values()), "open")
    for name, length in (("gate", 2), ("high", 4)):
        shape = shapes[name]
        fits = isinstance(shape, tuple | list) and len(shape) == length
        fits = fits and all(isinstance(side, int) and side > 0 for side in shape)
        require(fits, "no_shape", name=name, length=length, found=shape)
        require(math.prod(shape) <= 10_000_000, "large", name=name)
    gate, high = torch.rand(*shapes["gate"]), torch.rand(*shapes["high"]) + 1
    right_pair = gate.shape == high.shape[:2]
    require(right_pair, "other_pair", gate=tuple(gate.shape), wanted=tuple(high.shape[:2]))
    try:
        found = high * gate
    except RuntimeError as error:
        told = {"batch": high.shape[0], "channels": high.shape[1], "sides": tuple(high.shape[2:])}
        raise Refused("error", **told) from error
    require(found.shape == high.shape, "grows", found=tuple(found.shape), high=tuple(high.shape))
    wrong = ~torch.isclose(found, high * gate[:, :, None, None])
    require(bool(wrong.any()), "harmless")
    return {"share": wrong.float().mean().item()}


@torch.no_grad()
def exercise_3(twin: Callable[..., Any]) -> dict[str, Any]:
    """Check a twin of maps of several sizes: other numbers, the same sixteen means."""
    shares = []
    for shape in ((1, 5, 32, 32), (2, 3, 16, 16), (3, 2, 8, 8)):
        low = torch.randint(0, 256, shape) / 64
        found = called(twin, low)
        require(isinstance(found, Tensor), "no_tensor", found=type(found).__name__)
        require(found.shape == low.shape, "shape", found=tuple(found.shape), wanted=shape)
        changed = (found != low).float().mean().item()
        require(changed > 0, "same")
        means = [F.adaptive_avg_pool2d(maps, 4) for maps in (found, low)]
        moved = (means[0] - means[1]).abs().amax(dim=(0, 1)) > 1e-4  # (4, 4)
        require(not bool(moved.any()), "gate", cells=int(moved.sum()), side=shape[-1])
        require(changed >= 0.5, "little", share=changed, side=shape[-1])
        shares.append(changed)
    return {"share": shares[0]}


@torch.no_grad()
def exercise_4(skip_layer_attention_excitation: Callable[..., Any]) -> None:
    """Check SLAE's gate with one channel, where the map alone fits too, and then with five."""
    for channels, size in ((1, 7), (5, 3)):
        link = called(skip_layer_attention_excitation, channels, 6, size).eval()
        for layer in (1, 3):
            nn.init.normal_(link.excite[layer].weight, std=0.6)
        low = torch.rand(2, channels, 8, 8) * 3
        try:
            gate = called(link.gate, low)
        except RecursionError as error:
            raise Refused("recursion") from error
        found = tuple(gate.shape)
        require(found != (2, 6, 8, 8), "on_the_gate")
        require(found == (2, 6, 1, 1), "shape", found=found)
        weights, layers = link.attention(low), link.excite
        wrong = {
            "no_attention": layers(low),
            "added": layers(weights + low),
            "twice": layers(weights * (weights * low)),
            "one_number": layers(weights.mean(dim=(2, 3), keepdim=True) * low),
        }
        if channels == 1:
            wrong["map_alone"] = layers(weights)
        for cause, value in wrong.items():
            require(not torch.allclose(gate, value, atol=1e-6), cause)
        require(torch.allclose(gate, layers(weights * low), atol=1e-5), "differs")
        shape = tuple(called(link, low, torch.ones(2, 6, 9, 9)).shape)
        require(shape == (2, 6, 9, 9), "forward", found=shape)


def exercise_5(gate_change: Callable[..., Any]) -> None:
    """Check the difference of two links with the same convolutions."""
    sle, slae = Link(5, 6, attention=False), Link(5, 6, attention=True)
    low = torch.rand(2, 5, 8, 8) * 3
    first, second = copy.deepcopy(sle), copy.deepcopy(slae)
    with torch.no_grad():
        plain, unequal = sle.gate(low), slae.gate(low)
        equal = copy.deepcopy(slae)
        equal.excite = sle.excite
        right = equal.gate(low) - plain
        found = called(gate_change, first, second, low)
        require(isinstance(found, Tensor), "no_tensor", found=type(found).__name__)
        found = found.detach()
        require(torch.allclose(first.gate(low), plain), "sle_changed")
        require(found.shape == right.shape, "shape", found=tuple(found.shape))
        wrong = {"unequal": unequal - plain, "sign": -right, "sizes": right.abs()}
        wrong["one_gate"] = equal.gate(low)
        for cause, value in wrong.items():
            require(not torch.allclose(found, value, atol=1e-6), cause)
        require(torch.allclose(found, right, atol=1e-5), "value")
        require(torch.allclose(second.gate(low), equal.gate(low), atol=1e-5), "slae_left")


class Columns:
    """A link whose gate tells in which of some equal columns things are, and keeps what it gets."""

    def __init__(self, columns: int, *, gates: int = 1, jitter: float = 0.0) -> None:
        self.columns, self.gates, self.jitter = columns, gates, jitter
        self.seen: list[Tensor] = []

    def gate(self, low: Tensor) -> Tensor:
        """Return (1, gates, 1, 1); of several gates, only the last one sees anything."""
        self.seen.append(low.detach().clone())
        strengths = F.adaptive_avg_pool2d(low, (1, self.columns)).sum(dim=(0, 1, 2)).double()
        gate = torch.zeros(1, self.gates, 1, 1, dtype=torch.float64)
        gate[0, -1] = (strengths * torch.arange(self.columns)).sum()
        return gate + self.jitter * torch.rand_like(gate)


def exercise_6(first_noticed: Callable[..., Any]) -> None:
    """Check the measure on links that notice after a known distance."""
    background = torch.randint(0, 128, (1, 5, 32, 32)) / 64
    _dots(first_noticed, background)
    cases = [
        ("value", Columns(4), 8),
        ("value", Columns(8), 4),
        ("any", Columns(16, gates=16), 2),
        ("rounding", Columns(4, jitter=1e-6), 8),
    ]
    for cause, link, wanted in cases:
        found = called(first_noticed, link, background)
        told = {"found": found, "wanted": wanted}
        require(found != wanted + 1, "one_more", **told)
        require(found != wanted - 1, "one_less", **told)
        require(found == wanted, cause, **told)


def _dots(first_noticed: Callable[..., Any], background: Tensor) -> None:
    """Look at the maps that a link is given: the background, and one dot that moves."""
    link = Columns(4)
    try:
        found = called(first_noticed, link, background)
    except IndexError:  # a dot beyond the map: its places tell more
        found = 0
    require(bool(link.seen), "no_gate")
    whole = isinstance(found, int) and not isinstance(found, bool)
    require(whole, "no_int", found=found)
    places = []
    for low in link.seen:
        require(low.shape == background.shape, "shape", found=tuple(low.shape))
        changed = (low != background).nonzero()[:, 1:].tolist()  # [[channel, row, column], ...]
        require(len(changed) < 3 and all(place[0] == 2 for place in changed), "background")
        require(len(changed) != 0, "no_dot")
        require(len(changed) == 1, "two_dots")
        places.append(changed[0][1:])
    require(places[0] == [12, 8], "start", found=places[0])
    require(any(place != [12, 8] for place in places), "stays")
    require(all(row == 12 for row, _ in places), "row", found=places[-1])
