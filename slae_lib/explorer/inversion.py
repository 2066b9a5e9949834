"""A picture turned back into the latent that makes it, and what its distance means.

A distance alone says little. Beside that of the nearest training picture it tells covering from
copying: what comes nearer to a stranger than any training picture does is no copy of one.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from slae_lib.datasets import ImageSet
from slae_lib.evaluation.backtracking import NamedDistance
from slae_lib.evaluation.novelty import COPY_RATIO
from slae_lib.explorer.latents import Latents
from slae_lib.explorer.search import find_latents
from slae_lib.support.errors import LabError
from slae_lib.support.images import to_float
from slae_lib.support.progress import progress_bar
from slae_lib.training.sampling import GeneratedImages

_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class Neighbour:
    """The training picture nearest to a given picture, that picture itself left out.

    Attributes:
        image: uint8 (3, R, R).
        name: of it.
        distance: from the given picture to it.
    """

    image: Tensor
    name: str
    distance: float


@dataclass(frozen=True, eq=False)
class Inversion:
    """What was found for one picture.

    Attributes:
        latent: of the reconstruction.
        target: uint8 (3, R, R).
        reconstruction: uint8 (3, R, R).
        distance_name: of the distance that all numbers here are measured in.
        distance: from the target to the reconstruction.
        start: from the target to where the search began, on average.
        known: whether the target is a training picture, pixel by pixel.
        neighbour: None if the training pictures cannot be had.
    """

    latent: Latents
    target: Tensor
    reconstruction: Tensor
    distance_name: str
    distance: float
    start: float
    known: bool
    neighbour: Neighbour | None

    @property
    def meaning(self) -> str:
        """One sentence on what the numbers say, of copying and covering."""
        if self.neighbour is None:
            return "Without the training pictures nothing says whether this is near."
        share = self.distance / max(self.neighbour.distance, 1e-9)
        which = "the nearest other training picture" if self.known else "any training picture"
        if share >= 1:
            so = "nothing says that it holds this one" if self.known else "a copy would do as well"
            return f"The generator comes no nearer to it than {which} is: {so}."
        told = f"The generator comes nearer to it than {which} is, {share:.2f} of that distance: "
        able = "say that it holds this one" if self.known else "call it covered, unseen"
        return told + ("too far to " if share >= COPY_RATIO else "near enough to ") + able + "."

    def told(self) -> list[str]:
        """Return the numbers as lines of a table, and what they mean."""
        which = ", a training picture" if self.known else ""
        rows = [("picture", f"{self.latent.names[0]}{which}")]
        rows += [("distance", self.distance_name), ("  at a random start", f"{self.start:.3f}")]
        rows.append(("  reconstruction", f"{self.distance:.3f}"))
        if self.neighbour is not None:
            other = "nearest other" if self.known else "nearest training"
            rows.append(
                (f"  {other} picture", f"{self.neighbour.distance:.3f}   {self.neighbour.name}")
            )
        return [*(f"{name:<27}{value}" for name, value in rows), self.meaning]


def training_or_none(find: Callable[[], ImageSet]) -> ImageSet | None:
    """Return the training pictures that ``find`` gives, or None with a warning that says why."""
    try:
        return find()
    except LabError as problem:
        warnings.warn(f"The nearest training picture is left out: {problem}", stacklevel=2)
        return None


def invert(
    samples: GeneratedImages,
    target: Tensor,
    name: str,
    distance: NamedDistance,
    training: ImageSet | None,
    steps: int = 100,
    restarts: int = 2,
) -> Inversion:
    """Search for the latent that makes a picture.

    Args:
        samples: of the generator, with the seed of the starts.
        target: the picture, uint8 (3, R, R).
        name: of it.
        distance: to minimise and to report.
        training: the generator's training pictures, at its resolution.
        steps: of the search, from each start.
        restarts: random starts.
    """
    latent, found = find_latents(samples, target[None], (name,), distance, steps, restarts)
    known, neighbour = False, None
    if training is not None:
        known, neighbour = _nearest(target, training, distance, samples.device)
    return Inversion(
        latent=latent,
        target=target,
        reconstruction=found.reconstructions[0],
        distance_name=found.distance_name,
        distance=float(found.distances[0]),
        start=float(found.start[0]),
        known=known,
        neighbour=neighbour,
    )


@torch.no_grad()
def _nearest(
    target: Tensor, training: ImageSet, distance: NamedDistance, device: torch.device
) -> tuple[bool, Neighbour | None]:
    """Return whether ``target`` is a training picture, and the nearest one that is another."""
    wanted = to_float(target).to(device)
    known, best = False, None
    bar = progress_bar(desc="training pictures", total=len(training), unit="picture")
    with bar:
        for which in torch.arange(len(training)).split(_AT_ONCE):
            pictures = training.batch(which).cpu()
            same = (pictures == target).flatten(1).all(dim=1)
            distances = distance(
                to_float(pictures).to(device), wanted.expand(len(which), -1, -1, -1)
            )
            distances = distances.cpu().masked_fill(same, torch.inf)
            place = int(distances.argmin())
            known |= bool(same.any())
            if not same.all() and (best is None or distances[place] < best.distance):
                name = training.names[int(which[place])]
                best = Neighbour(pictures[place], name, float(distances[place]))
            bar.update(len(which))
    return known, best
