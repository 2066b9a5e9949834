"""What a running training leaves behind: metrics, sample grids, checkpoints."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from slae_lib.datasets import ImageSet
from slae_lib.discriminator import downsample
from slae_lib.support.errors import LabError, beside_the_weights
from slae_lib.support.files import check_still_there
from slae_lib.support.images import to_float
from slae_lib.training.checkpoint import (
    checkpoint_path,
    keep_generator,
    keep_newest,
    list_checkpoints,
    save_checkpoint,
)
from slae_lib.training.config import RunConfig
from slae_lib.training.diversity import broken, diversity, pairwise_distance
from slae_lib.training.families import model_to_dict
from slae_lib.training.log import MetricsFile, save_samples
from slae_lib.training.state import StepLosses, TrainingState

COMPARED_IMAGES = 100  # how many images, and at which resolution, samples are held against
COMPARED_RESOLUTION = 128
KEPT_BYTES = 2**28  # of the generators that a run keeps for looking back, one for each grid


@dataclass(frozen=True)
class Progress:
    """What a callback is told whenever metrics are written.

    Attributes:
        run: the run's folder.
        iteration: finished iterations.
        metrics: column name to value, as in ``metrics.csv``.
        samples: images of the averaged generator, uint8 (N, 3, R, R); None between samples.
    """

    run: Path
    iteration: int
    metrics: dict[str, float | None]
    samples: Tensor | None


class Recorder:
    """Writes into the run's folder what is due after an iteration.

    Args:
        run: the run's folder.
        state: what is being trained.
        images: the real images.
        batch_size: images per iteration, of all processes.
        callback: told about each line of metrics.
    """

    def __init__(
        self,
        run: Path,
        state: TrainingState,
        images: ImageSet,
        batch_size: int,
        callback: Callable[[Progress], None] | None,
    ) -> None:
        self.run = run
        self.state = state
        self.config = config = state.config
        self.facts = facts_of(config, images)
        self.header = {
            "model": model_to_dict(state.model),
            "train": config.to_dict(),
            "data_fingerprint": images.fingerprint,
            "whole_batch": batch_size,
        }
        self.batch_size = batch_size
        self.callback = callback
        keep_newest(run / "checkpoints", config.keep_checkpoints)  # a kill may have been faster
        self.metrics = MetricsFile(run / "metrics.csv", state.iteration)
        self.real = compared(images)
        self.losses: list[StepLosses] = []
        self.saved = state.iteration  # of the newest checkpoint
        self.clock = time.monotonic()

    def record(self, losses: StepLosses) -> dict[str, float | None] | None:
        """Take the losses of an iteration; return the line of metrics if one was due.

        Raises:
            LabError: if a file cannot be written.
        """
        self.losses.append(losses)
        self.state.images += self.batch_size
        sampling = self._due(self.config.sample_every)
        saving = self._due(self.config.checkpoint_every)
        if not (sampling or saving or self._due(self.config.log_every)):
            return None
        return self._write(sampling, saving)

    def interrupt(self) -> None:
        """Save a checkpoint now, if this iteration has none."""
        if self.saved != self.state.iteration:
            self._write(sampling=False, saving=True)

    def _due(self, every: int) -> bool:
        iteration = self.state.iteration
        return iteration == self.config.iterations or (every > 0 and iteration % every == 0)

    def _write(self, sampling: bool, saving: bool) -> dict[str, float | None] | None:
        check_still_there(self.run)
        iteration = self.state.iteration
        row = self._line() if self.losses else None
        if saving or not all(math.isfinite(value) for value in (row or {}).values() if value):
            self._check_weights()
        samples = None
        if row is not None:
            if sampling:
                with beside_the_weights("A sample grid"):
                    samples = self.state.sample()
                    drawn = reduced(samples)
                    row["diversity"] = diversity(drawn, self.real)
                    row["broken"] = broken(drawn, self.real)
            with beside_the_weights(str(self.metrics.path)):
                self.metrics.write(row)
        if samples is not None:  # before the checkpoint, after which nobody would make them anew
            self._keep(samples)
        if saving:
            self._save()
        if row is not None and self.callback is not None:
            try:
                self.callback(Progress(self.run, iteration, row, samples))
            except BaseException:
                self._save()
                raise
        self.losses.clear()
        self.clock = time.monotonic()
        return row

    def _save(self) -> None:
        if self.saved != self.state.iteration:
            folder, iteration = self.run / "checkpoints", self.state.iteration
            checkpoint = {**self.header, **self.state.state_dict()}
            save_checkpoint(checkpoint_path(folder, iteration), checkpoint)
            keep_newest(folder, self.config.keep_checkpoints)
            self.saved = iteration

    def _keep(self, samples: Tensor) -> None:
        """Write what one looks back at: the grid, and the generator that drew it."""
        iteration = self.state.iteration
        with beside_the_weights("A sample grid"):
            save_samples(self.run, iteration, samples)
        with beside_the_weights("A generator to look back at"):
            facts = {**self.facts, "iteration": str(iteration)}
            generator = self.state.averaged_generator
            keep_generator(self.run / "generators", iteration, generator, facts, KEPT_BYTES)

    def _check_weights(self) -> None:
        # A loss that is no number may be one step that half precision has skipped. Weights and
        # running statistics that are none stay so for ever, and must not get into a checkpoint.
        networks = (self.state.generator, self.state.discriminator, self.state.average)
        tensors = (tensor for network in networks for tensor in network.state_dict().values())
        if all(tensor.isfinite().all() for tensor in tensors):
            return
        saved = list_checkpoints(self.run / "checkpoints")
        before = (
            f"the newest checkpoint, {saved[-1].name}, is from before"
            if saved
            else "there is no checkpoint from before"
        )
        raise LabError(
            f"Training has failed: by iteration {self.state.iteration} the weights are no numbers "
            f"any more; {before}. Start a new run with a smaller --learning-rate."
        )

    def _line(self) -> dict[str, float | None]:
        means = {name: self._mean(name) for name in StepLosses._fields}
        # Reading the losses waits for the device, so the clock is looked at after it.
        seconds = time.monotonic() - self.clock
        self.state.seconds += seconds
        return {
            "iteration": self.state.iteration,
            "images": self.state.images,
            "seconds": round(self.state.seconds, 2),
            "images_per_second": round(len(self.losses) * self.batch_size / seconds, 2),
            **means,
            "diversity": None,
            "broken": None,
        }

    def _mean(self, name: str) -> float | None:
        """Return the mean of a loss over the iterations that computed it."""
        values = [value for step in self.losses if (value := getattr(step, name)) is not None]
        return torch.stack(values).mean().item() if values else None


def facts_of(config: RunConfig, images: ImageSet) -> dict[str, str]:
    """Return what the header of a run's generators says of it, but for the iteration."""
    facts = {
        "data": images.name,
        "data_fingerprint": images.fingerprint,
        "train": json.dumps(config.to_dict()),
    }
    return facts | ({"attribution": images.attribution} if images.attribution else {})


def distance_of_reals(images: ImageSet) -> float:
    """Return the mean distance of two real images, which the samples' distance is divided by."""
    return pairwise_distance(compared(images))


def compared(images: ImageSet) -> Tensor:
    """Return those images that samples are held against, as `reduced`."""
    stride = -(-len(images) // COMPARED_IMAGES)
    return reduced(images.batch(range(0, len(images), stride)))


def reduced(images: Tensor) -> Tensor:
    """Bring images, uint8, to [-1, 1] and to the size at which they are compared."""
    floats = to_float(images)
    return downsample(floats, min(COMPARED_RESOLUTION, floats.shape[-1]))
