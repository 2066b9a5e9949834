"""A walk through the latents of a generator: from stop to stop and back, so that it is a loop.

It slows down at each stop, so that a picture that was asked for can be seen.
"""

import itertools
import math

import torch
from torch import Tensor

from slae_lib.explorer.latents import Latents
from slae_lib.support.errors import UsageError
from slae_lib.training.sampling import GeneratedImages

PACE = math.pi / 2
"""How fast the walk is half-way between two stops, on average being 1."""


def seeded_stops(samples: GeneratedImages, through: str, count: int) -> Latents:
    """Return stops that differ in their noise alone, or in their metadata alone.

    Args:
        samples: of the generator; its seed draws them.
        through: ``"noise"``: that of the first images of the seed, with the metadata of the first
            of them; ``"metadata"``: that of different training pictures, with one noise.
        count: of the stops.

    Raises:
        UsageError: for metadata where there is none, or fewer training pictures than stops.
    """
    noise, metadata = samples.inputs(range(count))
    if through == "noise":
        rows = None if metadata is None else metadata[:1].expand(count, -1)
        return Latents(noise, rows, tuple(f"image {index}" for index in range(count)))
    if samples.bank is None:
        raise UsageError(
            "--through metadata has no meaning for this generator, which takes no metadata; walk "
            "--through noise."
        )
    if count > len(samples.bank):
        raise UsageError(
            f"There are {len(samples.bank)} training pictures to stop at and not {count}; give "
            "--stops less."
        )
    source = torch.Generator().manual_seed(samples.seed)
    chosen = torch.randperm(len(samples.bank), generator=source)[:count]
    names = tuple(samples.bank.names[index] for index in chosen.tolist())
    return Latents(noise[:1].expand(count, -1), samples.bank.rows(chosen, samples.scale), names)


def check_frames(frames: int, stops: int) -> None:
    """Raise `UsageError` if there are fewer frames than stops."""
    if frames < stops:
        raise UsageError(f"{frames} frames are too few for {stops} stops; take --frames {stops}.")


def walk(stops: Latents, frames: int) -> Latents:
    """Return the latents on the way through all stops and back to the first: ``frames`` of them.

    Noise goes along the sphere: on the straight line between two noises lie shorter ones than any
    that the generator has learned with. Metadata goes straight, as between two pictures' means.

    Raises:
        UsageError: if there are fewer frames than stops.
    """
    count = len(stops)
    check_frames(frames, count)
    starts = [round(stop * frames / count) for stop in range(count + 1)]
    noise, metadata = [], []
    for stop, (start, end) in enumerate(itertools.pairwise(starts)):
        share = torch.arange(end - start) / (end - start)
        share = ((1 - torch.cos(math.pi * share)) / 2)[:, None]  # (F, 1)
        first, second = stops.noise[stop], stops.noise[(stop + 1) % count]
        noise.append(on_sphere(first, second, share))
        if stops.metadata is not None:
            pair = stops.metadata[stop], stops.metadata[(stop + 1) % count]
            metadata.append(torch.lerp(*pair, share))
    names = tuple(f"frame {frame}" for frame in range(frames))
    return Latents(torch.cat(noise), torch.cat(metadata) if metadata else None, names)


def on_sphere(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Return points (F, D) between two (D,), along the great circle; lengths change evenly.

    Source: Shoemake, "Animating Rotation with Quaternion Curves" (SIGGRAPH 1985).

    Args:
        first: where share is 0.
        second: where it is 1.
        share: (F, 1) from 0 to 1.
    """
    lengths = first.norm(), second.norm()
    one, other = first / lengths[0].clamp_min(1e-9), second / lengths[1].clamp_min(1e-9)
    angle = torch.acos((one @ other).clamp(-1, 1))
    if torch.sin(angle) < 1e-4:  # of one direction, or of opposite ones: no circle is the right one
        return torch.lerp(first, second, share)
    between = torch.sin((1 - share) * angle) * one + torch.sin(share * angle) * other
    return between / torch.sin(angle) * torch.lerp(*lengths, share)
