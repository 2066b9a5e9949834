"""Latent back-tracking: how well can the generator make a given image that it has not seen?

Its input is searched for, by gradient descent, until its image looks like the given one; what
distance is left says how much of the kind of images the generator covers. On training images it
measures memory instead: hold some images back from training and give those.

The number depends on the distance, on the steps and on the restarts. Each result carries the name
of its distance, so that calibrated LPIPS and the uncalibrated VGG-16 distance are never mixed.

Source: SLAE paper, table 5; FastGAN (ICLR 2021), section 4, for the procedure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from slae_lib.evaluation.intervals import Interval, bootstrap_mean
from slae_lib.generator import Generator
from slae_lib.losses import l1_distance
from slae_lib.metadata import RESOLUTION, MetadataExtractor
from slae_lib.support.errors import UsageError
from slae_lib.support.images import resized, to_float, to_uint8
from slae_lib.support.pretrained import PerceptualDistance, perceptual_distance
from slae_lib.support.progress import progress_bar
from slae_lib.training.sampling import GeneratedImages

DistanceKind = Literal["lpips", "vgg", "l1"]


class L1Distance(nn.Module):
    """The mean absolute difference of the pixels; needs no weights, and is not perceptual."""

    name = "L1 distance (not perceptual)"

    def forward(self, images: Tensor, others: Tensor) -> Tensor:
        """Return the distance (B,), 0 to 2, of each pair of (B, 3, H, W) in [-1, 1]."""
        return l1_distance(images, others)


NamedDistance = PerceptualDistance | L1Distance
"""A distance (B,) of each pair of images (B, 3, H, W) in [-1, 1]; tables and plots call it by its
``name``."""


def named_distance(kind: DistanceKind, device: torch.device | str = "cpu") -> NamedDistance:
    """Return the distance ``"lpips"`` (calibrated), ``"vgg"`` (uncalibrated) or ``"l1"``.

    Raises:
        UsageError: for another kind.
        MissingWeightsError: if its weights cannot be had; no kind stands in for another.
    """
    if kind not in get_args(DistanceKind):
        raise UsageError(f'There is no distance {kind!r}; choose "lpips", "vgg" or "l1".')
    return L1Distance() if kind == "l1" else perceptual_distance(kind).to(device)


@dataclass(frozen=True)
class Search:
    """How to look for the input of the generator.

    Attributes:
        steps: of Adam, for each restart.
        learning_rate: at the start; it falls to 0 along a cosine.
        pixel_weight: of the mean squared difference of the pixels, which keeps colours right
            where the distance is blind for them.
        optimise_metadata: search for metadata as well as for noise.
    """

    steps: int = 200
    learning_rate: float = 0.1
    pixel_weight: float = 0.1
    optimise_metadata: bool = False


@dataclass(frozen=True)
class Backtracking:
    """The best that was found for N given images.

    Attributes:
        distance_name: of the distance that all numbers here are measured in.
        distances: (N,) from each given image to its reconstruction.
        start: (N,) the mean distance at the random starts, for comparison.
        reconstructions: uint8 (N, 3, R, R).
        noise: (N, noise_dim) that makes them.
        metadata: (N, C) that makes them, or None.
    """

    distance_name: str
    distances: Tensor
    start: Tensor
    reconstructions: Tensor
    noise: Tensor
    metadata: Tensor | None

    @property
    def mean(self) -> float:
        """The mean distance."""
        return float(self.distances.mean())

    @property
    def interval(self) -> Interval:
        """A bootstrap interval of the mean; it covers the choice of the given images."""
        return bootstrap_mean(self.distances)

    @property
    def noise_length(self) -> float:
        """The mean length of the noise, where 1 is that of random noise.

        Far above 1 the search has left the region that samples are drawn from.
        """
        return float(self.noise.norm(dim=1).mean() / self.noise.shape[1] ** 0.5)


def backtrack(
    generator: Generator,
    targets: Tensor,
    distance: NamedDistance,
    noise: Tensor,
    metadata: Tensor | None = None,
    search: Search | None = None,
    batch_size: int | None = None,
    progress: bool = True,
) -> Backtracking:
    """Look for the inputs with which a generator makes given images.

    Every restart takes one forward and one backward pass of generator and distance for each image
    and step. With VGG-16 on two CPU cores that is one to three tenths of a second at 64 px, and
    sixteen times as much at 256.

    Args:
        generator: frozen and in evaluation mode, as `load_generator` gives it; its device counts.
        targets: uint8 (N, 3, R, R).
        distance: to minimise and to report, on the generator's device.
        noise: (K, N, noise_dim), where each of K restarts begins; see `starting_points`.
        metadata: (K, N, C) beside it, for a generator with metadata.
        search: how to look; the defaults of `Search` if not given.
        batch_size: images at a time; 8 at 256 px, and fewer of larger images, if not given.
        progress: show a progress bar.

    Raises:
        UsageError: if there is no image, or images of another size than the generator's.
    """
    search = search or Search()
    side = generator.config.resolution
    if len(targets) == 0 or targets.shape[-2:] != (side, side):
        raise UsageError(
            f"Back-tracking needs one or more images of {side}x{side} pixels, as this generator "
            f"makes them; it got {len(targets)} of {targets.shape[-1]}x{targets.shape[-2]}."
        )
    device = next(generator.parameters()).device
    batch_size = batch_size or min(32, max(1, 8 * 256**2 // side**2))
    inputs = [noise] if metadata is None else [noise, metadata]
    chunks = torch.arange(len(targets)).split(batch_size)
    total = len(noise) * len(chunks) * search.steps
    parts = []
    with progress_bar(desc="back-tracking", total=total, unit="step", disable=not progress) as bar:
        for chunk in chunks:
            wanted = to_float(targets[chunk]).to(device)
            starts = [rows[:, chunk].to(device) for rows in inputs]
            parts.append(_search(generator, wanted, distance, starts, search, bar.update))
    start, distances, images, *found = (torch.cat(part).cpu() for part in zip(*parts, strict=True))
    return Backtracking(
        distance_name=distance.name,
        distances=distances,
        start=start,
        reconstructions=to_uint8(images),
        noise=found[0],
        metadata=None if metadata is None else found[1],
    )


def _search(
    generator: Generator,
    targets: Tensor,
    distance: NamedDistance,
    starts: list[Tensor],
    search: Search,
    tick: Callable[[], object],
) -> list[Tensor]:
    """Return the mean distance at the starts (B,), and of the best images all that is known.

    That is their distances (B,), the images, their noise and their metadata, if any. ``starts``
    are noise (K, B, noise_dim) and metadata (K, B, C); ``tick`` is called after each step.
    """
    at_start = targets.new_zeros(len(targets))
    best: list[Tensor] = []
    for noise, *metadata in zip(*starts, strict=True):
        inputs = [noise.clone().requires_grad_()]
        inputs += [rows.clone().requires_grad_(search.optimise_metadata) for rows in metadata]
        free = [rows for rows in inputs if rows.requires_grad]
        optimiser = torch.optim.Adam(free, lr=search.learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, search.steps))
        for step in range(search.steps + 1):
            images = generator(*inputs).image  # (B, 3, R, R)
            distances = distance(images, targets)  # (B,)
            now = [tensor.detach() for tensor in (distances, images, *inputs)]
            if step == 0:
                at_start += now[0] / len(starts[0])
            best = best or [torch.full_like(now[0], torch.inf), *now[1:]]
            better = now[0] < best[0]
            best = [
                torch.where(better.view(-1, *[1] * (new.ndim - 1)), new, old)
                for new, old in zip(now, best, strict=True)
            ]
            if step == search.steps:
                break
            pixels = (images - targets).square().flatten(1).mean(dim=1)  # (B,)
            optimiser.zero_grad()
            # The sum, so that no image's search depends on how many others are in its batch.
            (distances + search.pixel_weight * pixels).sum().backward()
            optimiser.step()
            schedule.step()
            tick()
    return [at_start, *best]


def starting_points(
    source: GeneratedImages, targets: Tensor, restarts: int
) -> tuple[Tensor, Tensor | None]:
    """Draw noise (K, N, noise_dim) and metadata (K, N, C), or None, for K restarts of N images.

    Args:
        source: what the generator, the seed and the kind of metadata are taken from.
        targets: uint8 (N, 3, R, R).
        restarts: K.
    """
    noise, metadata = source.inputs(torch.arange(restarts * len(targets)))
    noise = noise.unflatten(0, (restarts, len(targets)))
    return noise, None if metadata is None else metadata.unflatten(0, (restarts, len(targets)))


@torch.no_grad()
def own_metadata(source: GeneratedImages, targets: Tensor) -> Tensor:
    """Return the metadata (N, C) of the given images themselves.

    Args:
        source: what the layer, the statistics and the scale are taken from.
        targets: uint8 (N, 3, R, R); metadata is measured at 256 px.

    Raises:
        UsageError: if the generator takes no metadata.
        MissingWeightsError: if VGG-16 cannot be had.
    """
    if source.bank is None:
        raise UsageError(
            "--metadata target has no meaning for this generator, which takes no metadata; leave "
            "it out."
        )
    extractor = MetadataExtractor(source.bank.layer)
    rows = [extractor(resized(to_float(target)[None], RESOLUTION)) for target in targets]
    return source.bank.of_images(torch.cat(rows), source.scale)
