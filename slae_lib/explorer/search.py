"""From pictures to the latents that make them."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from slae_lib.datasets.depth import BadPicture
from slae_lib.datasets.pictures import in_threads, read_picture
from slae_lib.evaluation.backtracking import (
    Backtracking,
    DistanceKind,
    NamedDistance,
    Search,
    backtrack,
    named_distance,
    starting_points,
)
from slae_lib.explorer.latents import SUFFIX, Latents
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.pretrained import MissingWeightsError
from slae_lib.training.sampling import GeneratedImages


def picture_tensor(path: Path, resolution: int) -> Tensor:
    """Return a picture file as training sees it: uint8 (3, R, R), its middle square.

    Raises:
        UsageError: if there is no such file.
        LabError: if it is no usable picture.
    """
    if not path.exists():
        raise UsageError(f"{path} does not exist; give the file of a picture.")
    try:
        # Through `in_threads`, which keeps Pillow's own warnings quiet.
        ((pixels, _),) = in_threads(lambda file: read_picture(file, resolution), [path])
    except BadPicture as bad:
        raise LabError(f"{path} cannot be used: {bad}; give another picture.") from None
    return pixels


def find_latents(
    samples: GeneratedImages,
    targets: Tensor,
    names: tuple[str, ...],
    distance: NamedDistance,
    steps: int,
    restarts: int,
) -> tuple[Latents, Backtracking]:
    """Search for the latents, metadata included, that make given pictures.

    Args:
        samples: of the generator, with the seed of the starts.
        targets: uint8 (N, 3, R, R).
        names: of them.
        distance: to minimise.
        steps: from each start.
        restarts: random starts for each picture.
    """
    starts = starting_points(samples, targets, restarts)
    search = Search(steps, optimise_metadata=True)
    found = backtrack(samples.generator, targets, distance, *starts, search)
    return Latents(found.noise, found.metadata, names), found


def distance_at_hand(kind: DistanceKind | None, device: torch.device) -> NamedDistance:
    """Return a distance, or for None the best whose weights can be had; it has its name on it.

    Raises:
        MissingWeightsError: if the weights of a certain ``kind`` cannot be had.

    Warns:
        UserWarning: for each distance that is passed over.
    """
    if kind is not None:
        return named_distance(kind, device)
    best: tuple[tuple[DistanceKind, str], ...] = (
        ("lpips", "VGG-16's, uncalibrated"),
        ("vgg", "L1"),
    )
    for better, then in best:
        try:
            return named_distance(better, device)
        except MissingWeightsError as problem:
            warnings.warn(f"The distance will be {then}, and no LPIPS: {problem}", stacklevel=2)
    return named_distance("l1")


def given_stops(
    samples: GeneratedImages,
    files: Sequence[Path],
    distance: DistanceKind | None,
    steps: int,
    restarts: int,
) -> Latents:
    """Return the latents of files: those that `Latents.save` wrote, and pictures, searched for.

    Raises:
        UsageError: if there are fewer than two latents, or a file does not exist.
        LabError: if a file is no usable picture and no latent.
    """
    stored = {file: Latents.load(file, samples) for file in files if file.suffix == SUFFIX}
    pictures = [file for file in dict.fromkeys(files) if file not in stored]
    if len(pictures) + sum(map(len, stored.values())) < 2:
        raise UsageError(
            f"--through {files[0]} alone leads nowhere; give two files or more, or noise, or "
            "metadata."
        )
    if pictures:
        targets = torch.stack([picture_tensor(file, samples.resolution) for file in pictures])
        measure = distance_at_hand(distance, samples.device)
        names = tuple(file.name for file in pictures)
        found, _ = find_latents(samples, targets, names, measure, steps, restarts)
        for place, file in enumerate(pictures):
            stored[file] = Latents(*found.inputs(torch.tensor([place])), names[place : place + 1])
    parts = [stored[file] for file in files]
    metadata = [part.metadata for part in parts if part.metadata is not None]
    return Latents(
        torch.cat([part.noise for part in parts]),
        torch.cat(metadata) if metadata else None,
        tuple(name for part in parts for name in part.names),
    )
