"""What ``slae evaluate`` measures: a generator with its training images, or two folders."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from slae_lib.datasets import ImageSet, load_images
from slae_lib.evaluation.fid import InceptionFeatures
from slae_lib.evaluation.sources import FolderImages, StoredImages
from slae_lib.support.device import pick_device
from slae_lib.support.errors import LabError
from slae_lib.training.run import RunInfo, folder_of, generator_file
from slae_lib.training.sampling import GeneratedImages, check_seed

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
        self, run: Path, data: str | None, seed: int = 0, mode: str = "bank", device: str = "auto"
    ) -> None:
        self.file = generator_file(run)
        self.data = data
        self.seed = seed
        self.samples = GeneratedImages.from_file(self.file, 1, seed, mode, pick_device(device))

    @cached_property
    def training(self) -> ImageSet:
        """The training images at the generator's resolution: ``data``, or what run.json names.

        Raises:
            LabError: if neither says which they are, or they have changed since.
        """
        folder, resolution = folder_of(self.file), self.samples.resolution
        if self.data is not None:
            return load_images(self.data, resolution)
        if not self.knows_training:
            raise LabError(
                f"There is no run.json beside {self.file} that would name its training images; "
                "name them with --data."
            )
        info = RunInfo.load(folder)
        try:
            images = load_images(info.data, resolution)
        except LabError as problem:  # an export may come from a computer that had the pictures
            words = str(problem).rstrip(".")
            mend = f"name the training pictures of {folder} with --data."
            raise LabError(f"{words}; or {mend}") from problem
        if images.fingerprint != info.data_fingerprint:
            raise LabError(
                f"{info.data} no longer holds the pictures that {folder} was trained on; bring "
                "them back, or name others with --data."
            )
        return images

    @property
    def knows_training(self) -> bool:
        """Whether anything says which the training images are."""
        return self.data is not None or (folder_of(self.file) / "run.json").is_file()

    def default_out(self, what: str) -> Path:
        """Return where the JSON of a measurement goes: beside the generator."""
        return self.file.parent / f"evaluation-{what}.json"

    def facts(self) -> dict[str, Any]:
        """Return what is measured, for a report."""
        return {
            "generator": str(self.file),
            "generator_sha256": hashlib.sha256(self.file.read_bytes()).hexdigest(),
            "training": _facts(self.training) if self.knows_training else None,
            "resolution": self.samples.resolution,
            "seed": self.seed,
            "metadata": self.samples.mode if self.samples.bank is not None else None,
            "device": str(self.samples.device),
        }

    def features(self, count: int) -> Features:
        """Return Inception's features of the training images and of ``count`` generated ones."""
        training = self.training
        network = InceptionFeatures(self.samples.device)
        return network.of_stored(training), network.of(self.samples.first(count))


@dataclass
class Folders:
    """Two sets of pictures that are compared, in place of a `Subject`.

    Attributes:
        real: a folder, or the name of a data set.
        fake: the same.
        resolution: to bring the pictures to, as training does; None leaves every picture at its
            own size, as `pytorch-fid` does.
        seed: of the bootstrap.
        device: ``"auto"`` or ``"cpu"``.
    """

    real: str
    fake: str
    resolution: int | None
    seed: int
    device: str

    def __post_init__(self) -> None:
        check_seed(self.seed)

    @cached_property
    def sides(self) -> list[StoredImages]:
        """The pictures of both."""
        return [
            FolderImages(side) if self.resolution is None else load_images(side, self.resolution)
            for side in (self.real, self.fake)
        ]

    def default_out(self, what: str) -> None:
        """Return None: without ``--out`` nothing is written."""

    def facts(self) -> dict[str, Any]:
        """Return what is measured, for a report."""
        real, fake = map(_facts, self.sides)
        resolution = self.resolution or "own size"
        return {"seed": self.seed, "real": real, "fake": fake, "resolution": resolution}

    def features(self, count: int) -> Features:
        """Return Inception's features of both sides, all of them, whatever ``count`` says."""
        network = InceptionFeatures(pick_device(self.device))
        return network.of_stored(self.sides[0]), network.of(self.sides[1])


def _facts(images: StoredImages) -> dict[str, Any]:
    return {"data": images.name, "images": len(images), "fingerprint": images.fingerprint}
