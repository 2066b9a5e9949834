"""What an ablation trains and measures."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from slae_lib.ablation.systems import SYSTEMS, system_configs
from slae_lib.config import NetworkConfig
from slae_lib.support.errors import UsageError
from slae_lib.training.config import RunConfig


@dataclass(frozen=True)
class Ablation:
    """What to train and to measure.

    Attributes:
        data: name of a data set or folder.
        folder: where the runs go, one folder for each system and seed.
        systems: keys of `slae_lib.ablation.systems.all_systems`.
        seeds: of the runs.
        images: real images that each run sees, with repetition; the preset's when None.
        points: how many times each run is measured, at equal distances; the last is its end.
        count: generated images for each measurement.
        preset: networks and settings of FastGAN and SLAE.
        resolution: of all images; the preset's when None.
        width: of all networks; the preset's when None.

    Raises:
        UsageError: if a number makes no sense.
    """

    data: str
    folder: Path
    systems: tuple[str, ...] = tuple(SYSTEMS)
    seeds: tuple[int, ...] = (0, 1, 2)
    images: int | None = None
    points: int = 4
    count: int = 5000
    preset: str = "cpu-demo"
    resolution: int | None = None
    width: int | None = None

    def __post_init__(self) -> None:
        if self.count < 2:
            raise UsageError(f"count is {self.count}; FID needs 2 or more images.")
        if self.points < 1:
            raise UsageError(f"points is {self.points}; it has to be 1 or more.")
        if self.images is not None and self.images < (least := self.points * 2):
            raise UsageError(
                f"images is {self.images}; for points = {self.points} it has to be {least} or "
                "more, two for each."
            )

    def configs(self, system: str, seed: int) -> tuple[NetworkConfig, RunConfig]:
        """Return networks and settings of one run."""
        sizes = {"resolution": self.resolution, "width": self.width}
        model, config = system_configs(system, self.preset, **sizes)
        iterations = config.iterations
        if self.images is not None:
            iterations = -(-self.images // config.batch_size)
        every = -(-iterations // self.points)
        config = dataclasses.replace(
            config,
            seed=seed,
            iterations=every * self.points,
            checkpoint_every=every,
            sample_every=every,
            # Every point is measured from its checkpoint, after the training; those of
            # interruptions must not push one out.
            keep_checkpoints=every * self.points,
        )
        return model, config

    def rounding(self) -> str:
        """Return a sentence if each run sees more images than were asked for, else nothing."""
        _, config = self.configs(self.systems[0], 0)
        seen = config.iterations * config.batch_size
        if self.images is None or seen == self.images:
            return ""
        return (
            f"Each run sees {seen} real images and not {self.images}: the next number that "
            f"{self.points} equal parts of whole batches of {config.batch_size} make."
        )
