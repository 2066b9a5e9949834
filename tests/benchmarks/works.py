"""What is measured inside a process: one class for each work, all with the same three parts.

`round()` does the work once and returns the seconds of its parts by name; `needed` holds the
multiplications of those parts that have any, `heaviest` the convolution that sets their floor;
`images` says how many images a part deals with.
"""

import dataclasses
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from floor import Convolution, Counter, count, finish
from layouts import Training, made_bank, model_of, part, train_of
from PIL import Image


class Skipped(Exception):
    """The work cannot be done here; the message is the reason."""


def device_of(job: dict[str, Any]) -> torch.device:
    """Return the accelerator if there is one and the job does not say otherwise."""
    if job["device"] == "cpu" or not torch.accelerator.is_available():
        return torch.device("cpu")
    return torch.accelerator.current_accelerator() or torch.device("cpu")


class Work:
    """What all have in common."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.device = device_of(job)
        self.needed: dict[str, int] = {}
        self.heaviest: Convolution | None = None
        self.images = job["batch"]

    def timed(self, work: Callable[[], object]) -> float:
        """Return how many seconds the work takes, until the device has finished it."""
        finish(self.device)
        start = time.perf_counter()
        work()
        finish(self.device)
        return time.perf_counter() - start

    def count(self, name: str, work: Callable[[], object]) -> None:
        """Do the work once, as its floor and to warm up."""
        counter = count(work)
        self.needed[name], self.heaviest = counter.macs, counter.heaviest

    def training(self) -> Training:
        """Return iterations as the job wants them."""
        model = model_of(self.job["model"], self.job["resolution"])
        reconstruction, batch = self.job["reconstruction"], self.job["batch"]
        config = train_of(self.job["resolution"], batch, reconstruction, self.job["precision"])
        config = dataclasses.replace(config, device="cpu" if self.device.type == "cpu" else "auto")
        return Training(model, config, reconstruction)


class Iteration(Work):
    """One training iteration, the mean over ten in a row where they are short.

    After the other side's turn the first one finds nothing in the processor's cache, which is not
    how a training runs.
    """

    def __init__(self, job: dict[str, Any]) -> None:
        super().__init__(job)
        self.work = self.training()
        self.count("iteration", self.work.iterate)
        self.work.iterate()  # the first real one: counting takes another path through torch
        self.times = 10 if job["resolution"] == 64 else 1

    def round(self) -> dict[str, float]:
        return {"iteration": self.timed(self._iterate) / self.times}

    def _iterate(self) -> None:
        for _ in range(self.times):
            self.work.iterate()


class Parts(Work):
    """The parts of a training iteration, told apart by hooks on the real one.

    The generator's forward pass ends when its output is there; the step of a network ends when its
    optimiser begins, and so has the losses, all passes through the discriminator and the backward
    pass. What the reconstruction takes, decoders, distance and their backward pass, is what an
    iteration without it is shorter by.
    """

    FORWARD, OPTIMISER = "generator forward", "optimisers and average"
    DISCRIMINATOR, GENERATOR = "discriminator step", "generator step"
    RECONSTRUCTION = "of which reconstruction"

    def __init__(self, job: dict[str, Any]) -> None:
        super().__init__(job)
        self.work = self.training()
        state = self.work.state
        state.generator.register_forward_hook(lambda *_: self._mark(self.FORWARD))
        for optimizer, name in (
            (state.discriminator_optimizer, self.DISCRIMINATOR),
            (state.generator_optimizer, self.GENERATOR),
        ):
            optimizer.register_step_pre_hook(lambda *_, name=name: self._mark(name))
            optimizer.register_step_post_hook(lambda *_: self._mark(self.OPTIMISER))
        self.seconds: dict[str, float] = {}
        with Counter() as counter:  # the multiplications of each part, in the same way
            self.now: Callable[[], float] = lambda: float(counter.macs)
            self.needed = {name: int(value) for name, value in self._iteration().items() if value}
        self.heaviest = counter.heaviest
        self.now = self._clock
        self.round()

    def round(self) -> dict[str, float]:
        seconds = self._iteration()
        distance = getattr(self.work.step, "distance", None)
        if distance is not None:
            self.work.step.distance = None
            without = self._iteration()
            self.work.step.distance = distance
            seconds[self.RECONSTRUCTION] = sum(seconds.values()) - sum(without.values())
        return seconds

    def _iteration(self) -> dict[str, float]:
        names = self.FORWARD, self.DISCRIMINATOR, self.GENERATOR, self.OPTIMISER
        self.seconds = dict.fromkeys(names, 0.0)
        self.last = self.now()
        self.work.iterate()
        self._mark(self.OPTIMISER)
        return self.seconds

    def _clock(self) -> float:
        finish(self.device)
        return time.perf_counter()

    def _mark(self, name: str) -> None:
        now = self.now()
        self.seconds[name] += now - self.last
        self.last = now


class Checkpoint(Work):
    """A checkpoint after one iteration: written, read, and taken into the networks."""

    def __init__(self, job: dict[str, Any]) -> None:
        super().__init__(job)
        training = self.training()
        training.iterate()  # the optimisers have their moments from now on
        self.state = training.state
        self.folder = tempfile.TemporaryDirectory(prefix="slae-checkpoint-")  # goes with the work
        self.path = Path(self.folder.name) / "step-0000001.pt"
        self.images = 0

    def round(self) -> dict[str, float]:
        header = {"model": {}, "train": {}, "data_fingerprint": ""}
        save, load = part("save_checkpoint"), part("load_checkpoint")
        return {
            "save a checkpoint": self.timed(
                lambda: save(self.path, header | self.state.state_dict())
            ),
            "load a checkpoint": self.timed(
                lambda: self.state.load_state_dict(load(self.path), self.path)
            ),
        }


class Sampling(Work):
    """Images of a finished generator, as `slae sample` and the evaluation draw them."""

    def __init__(self, job: dict[str, Any]) -> None:
        super().__init__(job)
        model = model_of(job["model"], job["resolution"])
        generator = part("fold_spectral_norm")(part("make_generator")(model))
        generator.eval().requires_grad_(False)
        self.images = job["images"]
        self.source = part("GeneratedImages")(
            generator, made_bank(model), self.images, device=self.device
        )
        self._draw()  # the first time the generator is made ready
        self.count("sampling", self._draw)

    def _draw(self) -> object:
        return self.source.batch(range(self.images))

    def round(self) -> dict[str, float]:
        return {"sampling": self.timed(self._draw)}


class FidFeatures(Work):
    """The features of FID of random pictures; loading the network is not in it."""

    def __init__(self, job: dict[str, Any]) -> None:
        super().__init__(job)
        if not part("FID_INCEPTION").is_present():
            raise Skipped("the weights of FID's Inception network are not on this computer")
        self.network = part("InceptionFeatures")(device=self.device, progress=False)
        self.images, side = job["images"], job["resolution"]
        self.pictures = torch.randint(0, 256, (self.images, 3, side, side), dtype=torch.uint8)
        self.count("fid features", self._measure)
        self._measure()

    def _measure(self) -> None:
        for batch in self.pictures.split(self.network.batch_size):
            self.network(batch)

    def round(self) -> dict[str, float]:
        return {"fid features": self.timed(self._measure)}


class Reading(Work):
    """A folder of JPEGs: checked and loaded, and read batch by batch from the disk."""

    BATCHES = 8

    def __init__(self, job: dict[str, Any]) -> None:
        super().__init__(job)
        self.folder = Path(job["folder"])
        self.images = job["pictures"]
        self.first = True
        Image.init()  # Pillow looks for its formats once
        part("load_images"), part("image_batches")

    def round(self) -> dict[str, float]:
        start = time.perf_counter()
        found = part("load_images")(self.folder, self.job["resolution"])
        end = time.perf_counter()
        name = "folder, first time" if self.first else "folder, again"
        self.first = False
        # Without them the pictures are decoded, as those of a set too large for the cache are.
        fields = {field.name for field in dataclasses.fields(found)}
        on_disk = dataclasses.replace(found, **dict.fromkeys({"images", "pixels"} & fields))
        wanted = max(1, min(self.BATCHES, self.images // self.job["batch"]))
        config = part("TrainConfig")(batch_size=self.job["batch"])
        batches = part("image_batches")(on_disk, config)
        again = time.perf_counter()
        read = sum(len(pictures) for _, pictures in itertools.islice(batches, wanted))
        seconds = time.perf_counter() - again
        batches.close()
        return {name: end - start, "batches from the disk": seconds * self.images / read}


WORKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "iteration": Iteration,
    "parts": Parts,
    "checkpoint": Checkpoint,
    "sampling": Sampling,
    "fid": FidFeatures,
    "reading": Reading,
}
