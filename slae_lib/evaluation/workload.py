"""The work that `cost` measures, in a process of its own: iterations and images."""

import dataclasses
import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from slae_lib.config import NetworkConfig
from slae_lib.evaluation.cost import Device, Measurement, inputs
from slae_lib.support.device import prepare_process
from slae_lib.support.pretrained import PerceptualDistance, empty_lpips
from slae_lib.support.spectral_norm import fold_spectral_norm
from slae_lib.training.families import family_of, make_generator, model_from_dict
from slae_lib.training.state import TrainingState


class TrainingWork:
    """Training iterations of a model on random images.

    Args:
        config: the networks.
        batch_size: images in an iteration.
        device: the accelerator if there is one, or the CPU.
        reconstruction: the distance of decoders, if the model has any.
    """

    def __init__(
        self, config: NetworkConfig, batch_size: int, device: Device, reconstruction: str
    ) -> None:
        accelerator = Accelerator(cpu=device == "cpu")
        self.device = accelerator.device
        family, size = family_of(config), config.resolution
        train: Any = family.train(batch_size=batch_size, samples=2, augment="color,translation")
        decodes = hasattr(train, "reconstruction")
        if decodes:  # LPIPS would ask for its weights; it is put in below, with random ones
            known = "none" if reconstruction == "none" else "l1"
            train = dataclasses.replace(train, reconstruction=known)
        self.state = TrainingState(config, train, None)
        self.state.move_average(self.device)
        self.step = family.load("step")(self.state, train, accelerator)
        if decodes and reconstruction == "lpips":
            self.step.distance = untrained_lpips().to(self.device)
        self.real = torch.rand(batch_size, 3, size, size, device=self.device) * 2 - 1
        self.metadata = (*inputs(config, batch_size, self.device)[1:], None)[0]

    def seconds(self) -> float:
        """Do one iteration and return its time in seconds.

        Where a penalty is due only now and then, a second iteration pays for its share.
        """
        period = self.step.period
        if period == 1:
            return self._timed(0)
        plain = self._timed(1)
        return plain + (self._timed(0) - plain) / period  # due in the first of them

    def _timed(self, iteration: int) -> float:
        self.state.iteration = iteration
        return timed(lambda: self.step(self.real, self.metadata), self.device)


def untrained_lpips() -> PerceptualDistance:
    """Return LPIPS with random weights: the cost of the real one, and no download."""
    network = empty_lpips()
    # Not left as the memory happens to be: a CPU is slow with numbers close to zero.
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0.0, math.sqrt(2 / parameter[0].numel()))
    network.scaling_layer.shift.zero_()
    network.scaling_layer.scale.fill_(1.0)
    return PerceptualDistance("LPIPS with random weights (for timing alone)", network)


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Return how many seconds ``work`` takes, until the device has really finished it."""
    _finish(device)
    start = time.perf_counter()
    work()
    _finish(device)
    return time.perf_counter() - start


def _finish(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize()


def peak_memory(device: torch.device) -> int | None:
    """Return the most memory used so far in bytes, or None where that cannot be known.

    That is the accelerator's memory (CUDA), or the memory of this whole process.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if device.type != "cpu":
        return None
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: on Linux a child inherits its peak from the process that started it.
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def measure(config: NetworkConfig, *, rounds: int, **how: Any) -> Measurement:
    """Measure sampling, then training, in this process."""
    place = Accelerator(cpu=how["device"] == "cpu").device
    generator = fold_spectral_norm(make_generator(config)).eval().to(place)
    batch = inputs(config, 1, place)
    with torch.no_grad():
        generator(*batch)  # to warm up
        images = [timed(lambda: generator(*batch), place) for _ in range(rounds)]
    sampling_bytes = peak_memory(place)
    if place.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(place)
    work = TrainingWork(config, **how)
    work.seconds()  # to warm up
    iterations = [work.seconds() for _ in range(rounds)]
    name = torch.cuda.get_device_name(place) if place.type == "cuda" else place.type
    return Measurement(
        device=f"cpu, {torch.get_num_threads()} threads" if place.type == "cpu" else name,
        batch_size=how["batch_size"],
        rounds=rounds,
        iteration_seconds=statistics.median(iterations),
        image_seconds=statistics.median(images),
        training_bytes=peak_memory(place),
        sampling_bytes=sampling_bytes,
    )


def pair(
    first: NetworkConfig, second: NetworkConfig, *, rounds: int, **how: Any
) -> list[list[float]]:
    """Return the seconds of training iterations of two models, done in turn."""
    works = [TrainingWork(config, **how) for config in (first, second)]
    for work in works:
        work.seconds()  # to warm up
    pairs = [[work.seconds() for work in works] for _ in range(rounds)]
    return [list(seconds) for seconds in zip(*pairs, strict=True)]


def main() -> None:
    """Do the job on standard input and print the answer, both JSON, for `cost`."""
    prepare_process()
    job = json.load(sys.stdin)
    task, configs = job.pop("task"), map(model_from_dict, job.pop("models"))
    if task == "pair":
        answer: dict[str, Any] = {"seconds": pair(*configs, **job)}
    else:
        answer = dataclasses.asdict(measure(*configs, **job))
    print(json.dumps(answer))
