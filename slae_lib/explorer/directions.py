"""What lies around a latent: its picture, changed step by step."""

from dataclasses import dataclass

import torch
from torch import Tensor

from slae_lib.datasets import ImageSet
from slae_lib.explorer.films import shoot
from slae_lib.explorer.latents import Latents
from slae_lib.explorer.walks import on_sphere, seeded_stops
from slae_lib.training.sampling import GeneratedImages

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""How far the pictures of a `Direction` are changed."""
_DIRECTIONS = 4


@dataclass(frozen=True, eq=False)
class Direction:
    """A latent moved toward another one, step by step.

    Attributes:
        name: of the training picture whose metadata it is moved toward; None for other noise.
        images: uint8 (len(SHARES), 3, R, R).
        goal: uint8 (3, R, R), that picture; None if there is none, or it cannot be had.
    """

    name: str | None
    images: Tensor
    goal: Tensor | None


def directions(
    samples: GeneratedImages, latent: Latents, training: ImageSet | None
) -> list[Direction]:
    """Move a latent toward the metadata of training pictures, its noise kept, and toward noise.

    Args:
        samples: of the generator; its seed chooses what it is moved toward.
        latent: one.
        training: whose pictures are shown beside it.
    """
    shares = torch.tensor(SHARES)[:, None]  # (S, 1)
    noise, metadata = latent.inputs(torch.zeros(len(SHARES), dtype=torch.long))
    paths: list[tuple[str | None, Tensor, Tensor | None]] = []
    if metadata is not None and samples.bank is not None:
        goals = seeded_stops(samples, "metadata", min(_DIRECTIONS - 1, len(samples.bank)))
        assert goals.metadata is not None
        for name, row in zip(goals.names, goals.metadata, strict=True):
            paths.append((name, noise, torch.lerp(metadata, row, shares)))
    for row in seeded_stops(samples, "noise", _DIRECTIONS - len(paths)).noise:
        paths.append((None, on_sphere(latent.noise[0], row, shares), metadata))
    found = []
    for goal, moved, rows in paths:
        path = Latents(moved, rows, latent.names)
        film = shoot(samples, path, attention=False, progress=False)
        found.append(Direction(goal, film.images, _picture_of(training, goal)))
    return found


def _picture_of(training: ImageSet | None, name: str | None) -> Tensor | None:
    if training is None or name not in training.names:
        return None
    return training.batch([training.names.index(name)]).cpu()[0]
