"""Checks of lesson 12, attention explorer. Their sentences stand in `texts/lesson_12.toml`."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from slae_lib.course.checks.base import called, require
from slae_lib.course.stored import demo_run
from slae_lib.datasets.bank import MetadataBank
from slae_lib.generator import Generator
from slae_lib.training.checkpoint import load_generator

LINK = "8->32"


@functools.cache
def _generator() -> Generator:
    return load_generator(demo_run() / "generator.safetensors")


def _inputs(count: int) -> tuple[Generator, Tensor, Tensor]:
    """Return the stored generator, and noise and metadata of other images than the lesson's."""
    luck = torch.Generator().manual_seed(5)
    generator = _generator()
    bank = MetadataBank.load(demo_run() / "metadata.safetensors")
    noise = torch.randn(count, generator.config.noise_dim, generator=luck)
    return generator, noise, bank.sample(count, generator=luck)


def exercise_1(effect: Callable[..., Any]) -> dict[str, Any]:
    """Check how far images move under a given map, by what each mistake would give."""
    generator, noise, metadata = _inputs(5)
    side = int(LINK.split("->")[0])
    given = {LINK: torch.rand(5, 1, side, side)}
    found = called(effect, generator, noise, metadata, given)
    require(isinstance(found, float), "no_float", found=type(found).__name__)
    plain = generator(noise, metadata).image
    difference = generator(noise, metadata, attention=given).image - plain
    right = float(difference.abs().mean() * 127.5)
    ones = {LINK: torch.ones_like(given[LINK])}
    wrong = {
        "no_change": 0.0,
        "signed": float(difference.mean() * 127.5),
        "range": right / 127.5,
        "double": 2 * right,
        "unscaled_range": float(difference.abs().mean() / 2),
        "sums": float(difference.abs().sum() * 127.5),
        "root": float(difference.square().mean().sqrt() * 127.5),
        "first": float(difference[0].abs().mean() * 127.5),
        "ones": float((generator(noise, metadata, attention=ones).image - plain).abs().mean())
        * 127.5,
    }
    for cause, value in wrong.items():
        require(abs(found - value) > 1e-4 * abs(value) + 1e-9, cause, found=found)
    require(abs(found - right) < 1e-3 * right, "value", found=found, wanted=right)
    return {"found": found}


def exercise_2(flat: Callable[..., Any]) -> None:
    """Check maps that have lost their places, on maps whose means differ."""
    maps = torch.rand(3, 1, 4, 4) * torch.tensor([1.0, 0.5, 0.1])[:, None, None, None]
    found = called(flat, maps)
    require(isinstance(found, Tensor), "no_tensor", found=type(found).__name__)
    try:
        spread = found.expand_as(maps)
    except RuntimeError:
        spread = found
    shape = tuple(found.shape)
    require(spread.shape == maps.shape and found.dim() in (0, 4), "shape", found=shape)
    wrong = {
        "unchanged": maps,
        "whole_batch": maps.mean().expand_as(maps),
        "over_images": maps.mean(dim=0, keepdim=True).expand_as(maps),
        "over_rows": maps.mean(dim=2, keepdim=True).expand_as(maps),
        "over_columns": maps.mean(dim=3, keepdim=True).expand_as(maps),
        "sums": maps.sum(dim=(2, 3), keepdim=True).expand_as(maps),
    }
    for cause, value in wrong.items():
        require(not torch.allclose(spread, value), cause)
    right = maps.mean(dim=(2, 3), keepdim=True)
    told = {"found": float(spread[0, 0, 0, 0]), "wanted": float(right[0])}
    require(torch.allclose(spread, right.expand_as(maps)), "value", **told)


def exercise_3(steering: Callable[..., Any]) -> dict[str, Any]:
    """Check which input moves the maps, by recomputing; each mistake has its own numbers."""
    generator, noise, metadata = _inputs(6)
    found = called(steering, generator, noise, metadata)
    require(isinstance(found, dict), "no_dict", found=type(found).__name__)
    require(set(found) == {"noise", "metadata"}, "keys", found=", ".join(map(str, found)))
    links = list(generator.links)
    for name, moves in found.items():
        fits = isinstance(moves, dict) and set(moves) == set(links)
        require(fits, "links", name=name, links=", ".join(links))
        floats = all(isinstance(value, float) for value in moves.values())
        require(floats, "no_floats", name=name)
    inputs = {"noise": noise, "metadata": metadata}
    changed = functools.partial(_changes, generator, inputs)
    for name, other in (("noise", "metadata"), ("metadata", "noise")):
        for by in (1, -1):  # the neighbour on either side
            flat = changed({name: inputs[name].roll(by)})
            require(not _near(found[name], flat["mean"]), "rolled_flat", name=name)
            numbers = changed({name: inputs[name].roll(by, dims=1)})
            require(not _near(found[name], numbers["mean"]), "rolled_numbers", name=name)
            rows = changed({name: inputs[name].roll(by, dims=0)})
            for cause in ("signed", "sums", "first"):
                require(not _near(found[name], rows[cause]), cause, name=name)
            both = changed({it: inputs[it].roll(by, dims=0) for it in inputs})
            require(not _near(found[name], both["mean"]), "both", name=name)
            crossed = _near(found[other], rows["mean"])
            require(not crossed or not _near(found[name], rows["mean"]), "alike")
            require(not crossed, "swapped")
    require(not _near(found["noise"], found["metadata"]), "alike")
    for name, moves in found.items():
        right = [changed({name: inputs[name].roll(by, dims=0)})["mean"] for by in (1, -1)]
        told = {"found": moves[LINK], "wanted": right[0][LINK], "link": LINK}
        require(any(_near(moves, each) for each in right), "value", name=name, **told)
    return {"ratio": sum(found["metadata"].values()) / sum(found["noise"].values())}


def _changes(
    generator: Generator, inputs: dict[str, Tensor], others: dict[str, Tensor]
) -> dict[str, dict[str, float]]:
    """Return how each link's maps change if some inputs are replaced, in several measures."""
    own = generator(**inputs, return_attention=True).attention
    moved = generator(**inputs | others, return_attention=True).attention
    differences = {link: moved[link] - maps for link, maps in own.items()}
    return {
        "mean": {link: float(change.abs().mean()) for link, change in differences.items()},
        "signed": {link: float(change.mean()) for link, change in differences.items()},
        "sums": {link: float(change.abs().sum()) for link, change in differences.items()},
        "first": {link: float(change[0].abs().mean()) for link, change in differences.items()},
    }


def _near(found: dict[str, float], moves: dict[str, float]) -> bool:
    return all(abs(found[link] - value) <= 1e-3 * abs(value) for link, value in moves.items())
