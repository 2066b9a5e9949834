"""Train and measure every system with every seed; go on where it stopped."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

import slae_lib.ablation.records as records
from slae_lib.ablation.plan import Ablation
from slae_lib.ablation.results import AblationResults, Point, Trial
from slae_lib.ablation.systems import all_systems
from slae_lib.datasets import ImageSet, load_images
from slae_lib.datasets.bank import MetadataBank
from slae_lib.datasets.store import bank_for
from slae_lib.evaluation.cost import count
from slae_lib.evaluation.fid import InceptionFeatures
from slae_lib.evaluation.frechet import frechet_distance
from slae_lib.evaluation.kid import kernel_distance
from slae_lib.support.device import hardware, pick_device
from slae_lib.support.errors import LabError
from slae_lib.support.files import check_writable
from slae_lib.support.images import to_float
from slae_lib.training.checkpoint import (
    averaged_generator,
    checkpoint_path,
    list_checkpoints,
    load_checkpoint,
)
from slae_lib.training.diversity import diversity
from slae_lib.training.loop import train
from slae_lib.training.run import prepare_folder, versions
from slae_lib.training.sampling import GeneratedImages

COMPARED = 95  # samples whose diversity is measured

Say = Callable[[str], None]


def run_ablation(
    ablation: Ablation,
    command: str,
    results: Path,
    say: Say = print,
    network: InceptionFeatures | None = None,
) -> AblationResults:
    """Train and measure what is not done yet; write ``results`` after every run.

    Finished runs of earlier calls with the same settings in the same folder are among the results.

    Args:
        ablation: what to do.
        command: that started it, for the results.
        results: JSON file to write.
        say: told what happens.
        network: whose features FID and KID compare; FID's own Inception when None.

    Returns:
        The results of all systems and seeds, and of those that earlier calls have finished.

    Raises:
        LabError: if data or weights are missing, ``results`` cannot be written, or a folder holds
            a run with other settings, or a damaged one.
        KeyboardInterrupt: if the training was stopped; the next call goes on.
    """
    check_writable(results)
    model, config = ablation.configs(ablation.systems[0], 0)
    images = load_images(ablation.data, model.resolution)
    device = pick_device(config.device)
    if network is None:  # before hours of training: are the weights there?
        network = InceptionFeatures(device)
    bank = None
    if any(ablation.configs(system, 0)[0].metadata for system in ablation.systems):
        bank = bank_for(ablation.data, images=images)
    real = network.of_stored(images)
    if text := ablation.rounding():
        say(text)
    facts: dict[str, Any] = {
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
    trials: list[Trial] = []
    for seed in ablation.seeds:  # all systems with one seed first: soon there is one whole row
        for system in ablation.systems:
            say(f"{all_systems()[system].title}, seed {seed}")
            run = _Run(ablation, system, seed, images, bank, network, real)
            trials.append(run.result())
            last = trials[-1].points[-1]
            say(f"  FID {last.fid:.1f} after {last.images} images")
            # Looked up anew each time: other calls may be at work in the same folder.
            earlier, others = records.earlier_trials(ablation, images)
            gathered = [f"{trial.system}-{trial.seed}" for trial in earlier]
            known = facts | ({"gathered": gathered} if gathered else {})
            found = AblationResults(known, (*trials, *earlier))
            found.save(results)
    if earlier:
        say(f"Gathered from earlier calls: {', '.join(gathered)}.")
    if others:
        say(f"Left out, because of other settings or damage: {', '.join(others)}.")
    return found


@dataclass
class _Run:
    """One run: trained, measured, and never done twice."""

    ablation: Ablation
    system: str
    seed: int
    images: ImageSet
    bank: MetadataBank | None
    network: InceptionFeatures
    real: Tensor

    def __post_init__(self) -> None:
        self.model, self.config = self.ablation.configs(self.system, self.seed)
        self.bank = self.bank if self.model.metadata else None
        self.run = self.ablation.folder / f"{self.system}-{self.seed}"

    def result(self) -> Trial:
        """Return the trial, from its record if it has been done before."""
        info = records.wanted_run(self.ablation, self.system, self.seed, self.images)
        if not (self.run / "run.json").exists():
            prepare_folder(self.run, overwrite=False)
            info.save(self.run)
        if not records.is_run(self.run, info):
            raise LabError(
                f"{self.run} holds a run with other settings or other data; give another --out."
            )
        if (self.run / records.RECORD).exists():
            trial, measured = records.load_record(self.run)
            if measured != self.ablation.count:
                raise LabError(
                    f"{self.run} was measured with {measured} generated images and not "
                    f"{self.ablation.count}; give that --count, or another --out."
                )
            return trial
        checkpoints = self.run / "checkpoints"
        if not (self.run / "generator.safetensors").exists():
            resume = bool(list_checkpoints(checkpoints))
            if not train(self.model, self.config, self.images, self.bank, self.run, resume=resume):
                raise KeyboardInterrupt
        trial = self._measure(self._checkpoints())
        records.save_record(self.run, trial, self.ablation.count)
        for path in list_checkpoints(checkpoints):
            path.unlink()  # large, and measured
        return trial

    def _checkpoints(self) -> list[Path]:
        """Return the checkpoints to measure, without those of interruptions.

        Raises:
            LabError: if they are not all there.
        """
        every, folder = self.config.checkpoint_every, self.run / "checkpoints"
        wanted = [checkpoint_path(folder, every * i) for i in range(1, self.ablation.points + 1)]
        if lost := [path.name for path in wanted if not path.is_file()]:
            raise LabError(
                f"{self.run} has lost {', '.join(lost)}, which its record is made from; delete the "
                "folder, and it is trained again."
            )
        return wanted

    def _measure(self, checkpoints: list[Path]) -> Trial:
        points, seconds = [], 0.0
        for path in checkpoints:
            state = load_checkpoint(path)
            iteration, seconds = state["iteration"], state["seconds"]
            samples = GeneratedImages(
                averaged_generator(state, path),
                self.bank,
                self.ablation.count,
                seed=self.seed,
                scale=getattr(self.config, "metadata_scale", "standardised"),
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
