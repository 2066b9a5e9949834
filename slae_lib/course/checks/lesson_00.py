"""Checks of lesson 00, the tour. Their sentences stand in `texts/lesson_00.toml`."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from slae_lib.course.checks.base import called, require
from slae_lib.course.stored import demo_run
from slae_lib.datasets.bank import MetadataBank
from slae_lib.training.checkpoint import load_generator


@torch.no_grad()
def exercise_1(faces_of_kind: Callable[..., Any]) -> None:
    """Check three faces of one kind, drawn by the stored generator."""
    generator = load_generator(demo_run() / "generator.safetensors")
    bank = MetadataBank.load(demo_run() / "metadata.safetensors")
    kinds = bank.rows([5, 17, 40])  # (3, 512)
    noises = torch.randn(3, generator.config.noise_dim)
    found = called(faces_of_kind, generator, noises, kinds[0])
    require(not isinstance(found, tuple), "output")
    require(isinstance(found, Tensor), "no_tensor", found=type(found).__name__)
    right = generator(noises, kinds[:1].expand(3, -1))
    require(found.shape != right.small.shape, "small")
    shapes = {"found": tuple(found.shape), "wanted": tuple(right.image.shape)}
    require(found.shape == right.image.shape, "shape", **shapes)
    wrong = {
        "one_noise": generator(noises[:1].expand(3, -1), kinds[:1].expand(3, -1)).image,
        "own_noise": generator(torch.zeros_like(noises), kinds[:1].expand(3, -1)).image,
    }
    _refuse(found, wrong)
    require(torch.allclose(found, right.image, atol=1e-3), "value")


def _refuse(found: Tensor, wrong: Mapping[str, Tensor]) -> None:
    """Refuse what comes out of a known mistake."""
    for cause, value in wrong.items():
        require(not torch.allclose(found, value, atol=1e-3), cause)


def exercise_2(between: Callable[..., Any]) -> None:
    """Check a point a quarter of the way from one vector to another, then both ends."""
    first, second = torch.randn(2, 512)
    found = called(between, first, second, 0.25)
    require(isinstance(found, Tensor), "no_tensor", found=type(found).__name__)
    require(found.shape == (512,), "shape", found=tuple(found.shape))
    wrong = {
        "half": (first + second) / 2,
        "swapped": first / 4 + 3 * second / 4,
        "sum": first + 0.25 * second,
        "difference": 0.25 * (second - first),
        "share_of_both": 0.25 * (first + second),
    }
    _refuse(found, wrong)
    for share in (0.25, 0.0, 1.0):
        told = {"share": share, "near": "first" if share < 0.5 else "second"}
        wanted = first + share * (second - first)
        right = torch.allclose(called(between, first, second, share), wanted, atol=1e-4)
        require(right, "value", **told)
