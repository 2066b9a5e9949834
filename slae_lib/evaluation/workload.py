"""The work that `cost` measures, in a process of its own: iterations and images."""

import dataclasses
import json
import math
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from slae_lib.baselines.stylegan2_config import StyleGAN2Config, StyleGAN2TrainConfig
from slae_lib.baselines.stylegan2_step import StyleGAN2Step
from slae_lib.blocks import fold_spectral_norm
from slae_lib.config import ModelConfig
from slae_lib.evaluation.cost import Device, Measurement, inputs
from slae_lib.losses import l1_distance
from slae_lib.support.pretrained import PerceptualDistance
from slae_lib.training.config import TrainConfig
from slae_lib.training.families import AnyConfig, make_generator, model_from_dict
from slae_lib.training.state import TrainingState
from slae_lib.training.step import Distance, TrainingStep


class TrainingWork:
    """Training iterations of a model on random images.

    Args:
        config: the networks.
        batch_size: images in an iteration.
        device: the accelerator if there is one, or the CPU.
        reconstruction: the distance of FastGAN's and SLAE's decoders; without effect on StyleGAN2.
    """

    def __init__(
        self, config: AnyConfig, batch_size: int, device: Device, reconstruction: str
    ) -> None:
        accelerator = Accelerator(cpu=device == "cpu")
        self.device = accelerator.device
        size = config.resolution
        self.real = torch.rand(batch_size, 3, size, size, device=self.device) * 2 - 1
        self.step: Callable[[bool], object]
        if isinstance(config, StyleGAN2Config):
            self.lazy_interval: int | None = StyleGAN2TrainConfig().r1_interval
            self.step = _stylegan2_step(config, accelerator, self.real)
        else:
            self.lazy_interval = None
            self.step = _slae_step(config, accelerator, self.real, reconstruction)

    def seconds(self) -> float:
        """Do one iteration and return its time in seconds.

        Where a penalty is due only now and then, a second iteration pays for its share.
        """
        plain = timed(lambda: self.step(False), self.device)
        if self.lazy_interval is None:
            return plain
        lazy = timed(lambda: self.step(True), self.device)
        return plain + (lazy - plain) / self.lazy_interval


def _slae_step(
    config: ModelConfig, accelerator: Accelerator, real: Tensor, reconstruction: str
) -> Callable[[bool], object]:
    train = TrainConfig(batch_size=len(real), samples=2)
    state = TrainingState(config, train, None)
    state.average.to(accelerator.device)
    distance: Distance | None = None
    if reconstruction == "lpips":
        distance = untrained_lpips().to(accelerator.device)
    elif reconstruction == "l1":
        distance = l1_distance
    step = TrainingStep(state, train, accelerator, distance)
    metadata = None
    if config.metadata:
        metadata = torch.randn(len(real), config.metadata_dim, device=real.device)
    return lambda _: step(real, metadata)


def _stylegan2_step(
    config: StyleGAN2Config, accelerator: Accelerator, real: Tensor
) -> Callable[[bool], object]:
    train = StyleGAN2TrainConfig(batch_size=len(real), samples=2, augment="color,translation")
    state = TrainingState(config, train, None)
    state.average.to(accelerator.device)
    step = StyleGAN2Step(state, train, accelerator)

    def iterate(lazy: bool) -> None:
        state.iteration = 0 if lazy else 1  # R1 is due in the first of every 16 iterations
        step(real)

    return iterate


def untrained_lpips() -> PerceptualDistance:
    """Return LPIPS with random weights: the cost of the real one, and no download."""
    import lpips

    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")  # lpips calls torchvision in an outdated way
        network = lpips.LPIPS(net="vgg", pretrained=False, pnet_rand=True, verbose=False)
    network.to_empty(device="cpu")
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


def measure(
    config: AnyConfig, batch_size: int, rounds: int, device: Device, reconstruction: str
) -> Measurement:
    """Measure sampling, then training, in this process."""
    place = Accelerator(cpu=device == "cpu").device
    images = _sampling_seconds(config, rounds, place)
    sampling_bytes = peak_memory(place)
    if place.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(place)
    work = TrainingWork(config, batch_size, device, reconstruction)
    work.seconds()  # to warm up
    iterations = [work.seconds() for _ in range(rounds)]
    if place.type == "cpu":
        name = f"cpu, {torch.get_num_threads()} threads"
    else:
        name = torch.cuda.get_device_name(place) if place.type == "cuda" else place.type
    return Measurement(
        device=name,
        batch_size=batch_size,
        rounds=rounds,
        iteration_seconds=statistics.median(iterations),
        image_seconds=statistics.median(images),
        training_bytes=peak_memory(place),
        sampling_bytes=sampling_bytes,
    )


@torch.no_grad()
def _sampling_seconds(config: AnyConfig, rounds: int, device: torch.device) -> list[float]:
    generator = fold_spectral_norm(make_generator(config)).eval().to(device)
    batch = inputs(config, 1, device)
    generator(*batch)  # to warm up
    return [timed(lambda: generator(*batch), device) for _ in range(rounds)]


def pair(
    configs: tuple[AnyConfig, AnyConfig],
    batch_size: int,
    rounds: int,
    device: Device,
    distance: str,
) -> tuple[list[float], list[float]]:
    """Return the seconds of training iterations of two models, done in turn."""
    first, second = (TrainingWork(config, batch_size, device, distance) for config in configs)
    for work in (first, second):
        work.seconds()  # to warm up
    pairs = [(first.seconds(), second.seconds()) for _ in range(rounds)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def main() -> None:
    """Do the job on standard input and print the answer, both JSON, for `cost`."""
    job = json.load(sys.stdin)
    configs = [model_from_dict(model) for model in job["models"]]
    terms = job["batch_size"], job["rounds"], job["device"], job["reconstruction"]
    if job["task"] == "pair":
        answer: dict[str, Any] = {"seconds": pair((configs[0], configs[1]), *terms)}
    else:
        answer = dataclasses.asdict(measure(configs[0], *terms))
    print(json.dumps(answer))
