"""Train and measure every system with every seed; go on where it stopped."""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slae_lib.ablation.results import AblationResults, Point, Trial
from slae_lib.ablation.systems import SYSTEMS, system_configs
from slae_lib.checkpoint import list_checkpoints, load_averaged_generator, load_checkpoint
from slae_lib.config import TrainConfig
from slae_lib.cost import count
from slae_lib.datasets import ImageSet, load_images, to_float
from slae_lib.device import hardware, pick_device
from slae_lib.diversity import diversity
from slae_lib.errors import LabError, UsageError
from slae_lib.evaluation.fid import InceptionFeatures
from slae_lib.evaluation.frechet import frechet_distance
from slae_lib.evaluation.kid import kernel_distance
from slae_lib.files import atomic_write
from slae_lib.metadata import MetadataBank
from slae_lib.metadata_store import bank_for
from slae_lib.models import AnyConfig
from slae_lib.runs import RunInfo, prepare_folder, versions
from slae_lib.sampling import GeneratedImages
from slae_lib.training import train

COMPARED = 95  # samples whose diversity is measured

Say = Callable[[str], None]


@dataclass(frozen=True)
class Ablation:
    """What to train and to measure.

    Attributes:
        data: name of a data set or folder.
        folder: where the runs go, one folder for each system and seed.
        systems: keys of `SYSTEMS`.
        seeds: of the runs.
        images: real images that each run sees, with repetition; the preset's when None.
        points: how many times each run is measured, at equal distances; the last is its end.
        count: generated images for each measurement.
        preset: networks and settings of FastGAN and SLAE.

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

    def __post_init__(self) -> None:
        if self.count < 2:
            raise UsageError(f"count is {self.count}; FID needs 2 or more images.")
        if self.points < 1:
            raise UsageError(f"points is {self.points}; it has to be 1 or more.")
        if self.images is not None and self.images < self.points * 2:
            raise UsageError(f"images is {self.images}; that is too few to be trained with.")

    def configs(self, system: str, seed: int) -> tuple[AnyConfig, TrainConfig]:
        """Return networks and settings of one run."""
        model, config = system_configs(system, self.preset)
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
            # Every point is measured from its checkpoint, after the training.
            keep_checkpoints=self.points,
        )
        return model, config


def run_ablation(
    ablation: Ablation,
    command: str,
    results: Path,
    say: Say = print,
    network: InceptionFeatures | None = None,
) -> AblationResults:
    """Train and measure what is not done yet; write ``results`` after every run.

    Args:
        ablation: what to do.
        command: that started it, for the results.
        results: JSON file to write.
        say: told what happens.
        network: whose features FID and KID compare; FID's own Inception when None.

    Returns:
        The results of all systems and seeds.

    Raises:
        LabError: if data or weights are missing, or a folder holds a run with other settings.
        KeyboardInterrupt: if the training was stopped; the next call goes on.
    """
    resolution = ablation.configs(ablation.systems[0], 0)[0].resolution
    images = load_images(ablation.data, resolution)
    device = pick_device(ablation.configs(ablation.systems[0], 0)[1].device)
    if network is None:  # before hours of training: are the weights there?
        network = InceptionFeatures(device)
    bank = None
    if any(ablation.configs(system, 0)[0].metadata for system in ablation.systems):
        bank = bank_for(ablation.data, images=images)
    real = network.of_stored(images)
    trials: list[Trial] = []
    for seed in ablation.seeds:  # all systems with one seed first: soon there is one whole row
        for system in ablation.systems:
            say(f"{SYSTEMS[system].title}, seed {seed}")
            trial = _Trial(ablation, system, seed, images, bank, network, real)
            trials.append(trial.result())
            last = trials[-1].points[-1]
            say(f"  FID {last.fid:.1f} after {last.images} images")
            found = AblationResults(_facts(ablation, images, device, command), tuple(trials))
            found.save(results)
    return found


class _Trial:
    """One run: trained, measured, and never done twice."""

    def __init__(
        self,
        ablation: Ablation,
        system: str,
        seed: int,
        images: ImageSet,
        bank: MetadataBank | None,
        network: InceptionFeatures,
        real: Tensor,
    ) -> None:
        self.ablation = ablation
        self.system = system
        self.seed = seed
        self.images = images
        self.network = network
        self.real = real
        self.model, self.config = ablation.configs(system, seed)
        self.bank = bank if self.model.metadata else None
        self.run = ablation.folder / f"{system}-{seed}"
        self.record = self.run / "ablation.json"

    def result(self) -> Trial:
        """Return the trial, from its record if it has been done before."""
        self._check_folder()
        if not self.record.exists():
            trial = self._measure(self._train())
            with atomic_write(self.record) as temporary:
                values = {"count": self.ablation.count, **dataclasses.asdict(trial)}
                temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
            for path in list_checkpoints(self.run / "checkpoints"):
                path.unlink()  # large, and measured
            return trial
        values = json.loads(self.record.read_text(encoding="utf-8"))
        if (count := values.pop("count")) != self.ablation.count:
            raise LabError(
                f"{self.run} was measured with {count} generated images and not "
                f"{self.ablation.count}; give that --count, or another --out."
            )
        return Trial.from_dict(values)

    def _check_folder(self) -> None:
        """Make the run's folder, or make sure that it holds this run."""
        info = RunInfo(
            model=self.model,
            train=self.config,
            data=self.images.reference,
            data_fingerprint=self.images.fingerprint,
            versions=versions(),
        )
        if not (self.run / "run.json").exists():
            prepare_folder(self.run, overwrite=False)
            info.save(self.run)
        found = RunInfo.load(self.run)
        if dataclasses.replace(found, versions=info.versions) != info:
            raise LabError(
                f"{self.run} holds a run with other settings or other data; give another --out."
            )

    def _train(self) -> list[Path]:
        """Train to the end and return the checkpoints to measure."""
        folder = self.run / "checkpoints"
        reached = list_checkpoints(folder)
        if not (self.run / "generator.safetensors").exists():
            resume = bool(reached)
            if not train(self.model, self.config, self.images, self.bank, self.run, resume=resume):
                raise KeyboardInterrupt
        return list_checkpoints(folder)

    def _measure(self, checkpoints: list[Path]) -> Trial:
        points, seconds = [], 0.0
        for path in checkpoints:
            state = load_checkpoint(path)
            iteration, seconds = state["iteration"], state["seconds"]
            samples = GeneratedImages(
                load_averaged_generator(path),
                self.bank,
                self.ablation.count,
                seed=self.seed,
                scale=self.config.metadata_scale,
                device=self.network.device,
            )
            features = self.network.of(samples)
            few = min(COMPARED, len(samples))
            points.append(
                Point(
                    images=iteration * self.config.batch_size,
                    fid=frechet_distance(self.real, features),
                    kid=kernel_distance(self.real, features).mean,
                    diversity=diversity(
                        to_float(samples.batch(range(few))),
                        to_float(self.images.batch(range(min(few, len(self.images)))).cpu()),
                    ),
                )
            )
        parameters = count(self.model).generator_parameters
        return Trial(self.system, self.seed, parameters, seconds, tuple(points))


def _facts(
    ablation: Ablation, images: ImageSet, device: torch.device, command: str
) -> dict[str, Any]:
    return {
        "command": command,
        "data": images.name,
        "real_images": len(images),
        "data_fingerprint": images.fingerprint,
        "resolution": images.resolution,
        "preset": ablation.preset,
        "generated_images": ablation.count,
        "hardware": hardware(device),
        "versions": versions(),
    }
