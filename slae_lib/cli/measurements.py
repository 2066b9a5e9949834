"""Whole measurements, from a run's folder or two folders of pictures to a `Report`.

This is what ``slae evaluate`` does; each function fills a report and draws its pictures.
"""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slae_lib.cli.report import Report
from slae_lib.datasets import ImageSet, load_images
from slae_lib.evaluation.backtracking import (
    DistanceKind,
    Search,
    backtrack,
    named_distance,
    own_metadata,
    starting_points,
)
from slae_lib.evaluation.fid import InceptionFeatures
from slae_lib.evaluation.novelty import VggFeatures, measure_novelty
from slae_lib.evaluation.sources import FolderImages, training_images
from slae_lib.plotting.evaluation import novelty_figure, pairs_figure, reconstruction_figure
from slae_lib.support.device import pick_device
from slae_lib.support.pretrained import MissingWeightsError
from slae_lib.training.run import generator_file
from slae_lib.training.sampling import GeneratedImages

SHOWN_PAIRS = 16

Features = tuple[Tensor, Tensor]
"""Inception features (n, 2048) of the real and (m, 2048) of the generated images."""


class Subject:
    """A generator that is measured, and the images that it was trained on.

    Args:
        run: folder of a finished run, or a generator file.
        data: name or folder of the training images, if the run does not say it.
        seed: of all that is drawn.
        mode: where metadata comes from, as for `slae_lib.training.sampling.sample_images`.
        device: ``"auto"`` or ``"cpu"``.

    Raises:
        LabError: if there is no generator.
    """

    def __init__(
        self,
        run: Path,
        data: str | None = None,
        seed: int = 0,
        mode: str = "bank",
        device: str = "auto",
    ) -> None:
        self.file = generator_file(run)
        self.data = data
        self.samples = GeneratedImages.from_file(self.file, 1, seed, mode, pick_device(device))

    @cached_property
    def training(self) -> ImageSet:
        """The training images at the generator's resolution.

        Raises:
            LabError: if they are not known or not there any more.
        """
        return training_images(self.file, self.samples.resolution, self.data)

    @property
    def knows_training(self) -> bool:
        """Whether anything says which the training images are."""
        return self.data is not None or (self.file.parent / "run.json").is_file()

    def default_out(self, what: str) -> Path:
        """Return where the JSON of a measurement goes: beside the generator."""
        return self.file.parent / f"evaluation-{what}.json"

    def report(self, command: str) -> Report:
        """Return an empty report that says what is measured."""
        facts: dict[str, Any] = {
            "generator": str(self.file),
            "generator_sha256": hashlib.sha256(self.file.read_bytes()).hexdigest(),
            "training": _facts(self.training) if self.knows_training else None,
            "resolution": self.samples.resolution,
            "seed": self.samples.seed,
            "metadata": self.samples.mode if self.samples.bank is not None else None,
            "device": str(self.samples.device),
        }
        return Report(command, facts)


def features_of_run(subject: Subject, count: int) -> Features:
    """Return the Inception features of the training images and of ``count`` generated ones."""
    training = subject.training
    network = InceptionFeatures(subject.samples.device)
    return network.of_stored(training), network.of(subject.samples.first(count))


def features_of_folders(
    real: str, fake: str, resolution: int | None, device: str, report: Report
) -> Features:
    """Return the Inception features of two folders and say in ``report`` what they hold.

    Args:
        real: a folder, or the name of a data set.
        fake: the same.
        resolution: to bring the pictures to, as training does; None leaves every picture at its
            own size, as `pytorch-fid` does.
        device: ``"auto"`` or ``"cpu"``.
        report: gets the facts.
    """
    sides: list[FolderImages | ImageSet] = [
        FolderImages(side) if resolution is None else load_images(side, resolution)
        for side in (real, fake)
    ]
    report.facts |= {
        "real": _facts(sides[0]),
        "fake": _facts(sides[1]),
        "resolution": resolution or "own size",
    }
    network = InceptionFeatures(pick_device(device))
    return network.of_stored(sides[0]), network.of(sides[1])


def add_novelty(report: Report, subject: Subject, count: int, side: int) -> None:
    """Measure the novelty of ``count`` samples, to be drawn beside their nearest images.

    Args:
        report: gets the result and the drawings.
        subject: what is measured.
        count: how many samples.
        side: at which VGG-16 sees the images.
    """
    samples, training = subject.samples.first(count), subject.training
    result = measure_novelty(samples, training, VggFeatures(side, samples.device))
    report.add_novelty(result, training.names, side)
    closest = result.features.distances.argsort()[:SHOWN_PAIRS]
    nearest = result.features.nearest[closest]
    report.drawings["pairs"] = lambda: pairs_figure(
        samples.batch(closest),
        training.batch(nearest),
        result.features.distances[closest].tolist(),
        measure=result.features.measure,
        names=[training.names[index] for index in nearest.tolist()],
        copied=result.copied[closest].tolist(),
        title=f"The samples nearest to a training image ({len(closest)} of {count})",
        attribution=training.attribution,
    )
    report.drawings["novelty"] = lambda: novelty_figure(result)


def add_backtracking(
    report: Report,
    subject: Subject,
    *,
    images: str | None = None,
    targets: int = 8,
    distance: DistanceKind = "lpips",
    restarts: int = 2,
    search: Search | None = None,
    metadata_of_target: bool = False,
) -> None:
    """Reconstruct images with the generator, to be drawn beside them.

    Args:
        report: gets the result and the drawing.
        subject: what is measured.
        images: folder or name of images that were held back; the training images if not given.
        targets: how many of them, evenly spread over the set.
        distance: ``"lpips"``, ``"vgg"`` or ``"l1"``.
        restarts: random starts for each image.
        search: how to look.
        metadata_of_target: start from the metadata of each image itself.
    """
    source = subject.samples
    try:
        measure = named_distance(distance, source.device)
    except MissingWeightsError as problem:
        if distance != "lpips":
            raise
        raise MissingWeightsError(
            f"{str(problem).rstrip('.')}; --distance vgg is the uncalibrated form, whose numbers "
            "are no LPIPS."
        ) from problem
    given = subject.training if images is None else load_images(images, source.resolution)
    count = min(targets, len(given))
    chosen = [index * len(given) // count for index in range(count)]
    pictures = given.batch(chosen).cpu()
    noise, metadata = starting_points(source, pictures, restarts)
    if metadata_of_target:
        metadata = own_metadata(source, pictures).expand(restarts, -1, -1)
        report.facts["metadata"] = "target"
    result = backtrack(source.generator, pictures, measure, noise, metadata, search)
    names = [given.names[index] for index in chosen]
    known = _count_known(pictures, subject.training) if subject.knows_training else None
    report.add_backtracking(result, given.name, names, known)
    report.drawings["reconstructions"] = lambda: reconstruction_figure(
        pictures,
        result.reconstructions,
        result.distances.tolist(),
        distance_name=result.distance_name,
        names=names,
        attribution=given.attribution,
    )


def _count_known(pictures: Tensor, training: ImageSet) -> int:
    """Return how many of ``pictures`` are training images, pixel by pixel."""
    wanted = {picture.numpy().tobytes() for picture in pictures}
    found: set[bytes] = set()
    for indices in torch.arange(len(training)).split(64):
        found |= wanted & {image.numpy().tobytes() for image in training.batch(indices).cpu()}
    return sum(picture.numpy().tobytes() in found for picture in pictures)


def _facts(images: ImageSet | FolderImages) -> dict[str, Any]:
    return {"data": images.name, "images": len(images), "fingerprint": images.fingerprint}
