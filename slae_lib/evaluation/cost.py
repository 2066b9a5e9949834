"""What a model costs: parameters, multiplications, time and memory. The paper's table 1.

Parameters and multiplications are counted, not measured: no image is computed, so any size is
counted within a second on any computer. Time and memory are measured in a process of their own.
LPIPS stands in the training step with random weights, which cost what the real ones cost.
"""

import functools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.utils.flop_counter import FlopCounterMode

from slae_lib.baselines.stylegan2_config import StyleGAN2Config
from slae_lib.blocks import fold_spectral_norm
from slae_lib.config import ModelConfig
from slae_lib.support.errors import LabError, UsageError
from slae_lib.training.families import AnyConfig, make_discriminator, make_generator, model_to_dict

Device = Literal["auto", "cpu"]
Distance = Literal["lpips", "l1", "none"]


def _fastgan(resolution: Any, width: int) -> AnyConfig:
    return ModelConfig(resolution=resolution, width=width, skip="sle", metadata=False)


def _slae_without_metadata(resolution: Any, width: int) -> AnyConfig:
    return ModelConfig(resolution=resolution, width=width, skip="slae", metadata=False)


def _slae(resolution: Any, width: int) -> AnyConfig:
    return ModelConfig(resolution=resolution, width=width, skip="slae", metadata=True)


def _stylegan2(resolution: Any, width: int) -> AnyConfig:
    # AnyConfig F at the other models' full width of 64, and as much narrower as they are.
    return StyleGAN2Config(resolution=resolution, channel_base=512 * width, channel_max=8 * width)


MODELS: dict[str, Callable[[Any, int], AnyConfig]] = {
    "fastgan": _fastgan,
    "slae-no-metadata": _slae_without_metadata,
    "slae": _slae,
    "stylegan2": _stylegan2,
}
"""The rows of table 1: name to a function of resolution and width (64 is full width)."""


@dataclass(frozen=True)
class Counts:
    """Sizes that need no measurement.

    Attributes:
        generator_parameters: of the generator, mapping network and metadata projection included.
        discriminator_parameters: of the discriminator, decoders included.
        macs: multiply-accumulate operations in convolutions and matrix products for one image.
    """

    generator_parameters: int
    discriminator_parameters: int
    macs: int


@dataclass(frozen=True)
class Measurement:
    """Time and memory on one device.

    Memory is the accelerator's, or on a CPU all of the process, Python and torch included.

    Attributes:
        device: where it was measured.
        batch_size: images in a training iteration.
        rounds: how many times were taken; the numbers are their medians.
        iteration_seconds: one training iteration: both networks, augmentation, and for StyleGAN2
            a sixteenth of its R1 penalty.
        image_seconds: one generated image, alone.
        training_bytes: peak of the memory while training.
        sampling_bytes: peak of the memory while generating.
    """

    device: str
    batch_size: int
    rounds: int
    iteration_seconds: float
    image_seconds: float
    training_bytes: int | None
    sampling_bytes: int | None


@dataclass(frozen=True)
class PairedTime:
    """How long the training iterations of two models take, measured in turn.

    Attributes:
        ratio: median over the rounds of (seconds of b) / (seconds of a).
        ratios: of every round.
        seconds: median of a and of b.
    """

    ratio: float
    ratios: tuple[float, ...]
    seconds: tuple[float, float]


def inputs(
    config: AnyConfig, batch_size: int, device: torch.device | str
) -> tuple[torch.Tensor, ...]:
    """Return random inputs for the generator: noise, and metadata if it takes any."""
    noise = torch.randn(batch_size, config.noise_dim, device=device)
    if isinstance(config, ModelConfig) and config.metadata:
        return noise, torch.randn(batch_size, config.metadata_dim, device=device)
    return (noise,)


@functools.cache
def count(config: AnyConfig) -> Counts:
    """Count parameters and the multiplications of one generated image, without computing it."""
    # On "meta" nothing is computed. With spectral norm that is slower than computing it.
    place = "meta" if isinstance(config, StyleGAN2Config) else "cpu"
    with torch.random.fork_rng(devices=[]), torch.device(place):
        generator, discriminator = make_generator(config), make_discriminator(config)
    generator_parameters, discriminator_parameters = (
        sum(parameter.numel() for parameter in network.parameters())
        for network in (generator, discriminator)
    )
    # As a finished generator is used: in evaluation mode, its spectral norms computed in.
    fold_spectral_norm(generator.to("meta")).eval().requires_grad_(False)
    with FlopCounterMode(display=False) as counter:
        generator(*inputs(config, 1, "meta"))
    # The counter takes a multiplication and an addition for two operations.
    macs = counter.get_total_flops() // 2
    return Counts(generator_parameters, discriminator_parameters, macs)


def measure(
    config: AnyConfig,
    *,
    batch_size: int | None = None,
    rounds: int = 3,
    device: Device = "auto",
    reconstruction: Distance = "lpips",
) -> Measurement:
    """Measure time and memory in a new process, which nothing else has filled before.

    Args:
        config: the networks.
        batch_size: images in a training iteration, 2 or more; 8 on an accelerator and 2 on a CPU
            if not given.
        rounds: how many iterations to time, after one to warm up.
        device: the accelerator if there is one, or the CPU.
        reconstruction: the distance in FastGAN's and SLAE's training.

    Raises:
        UsageError: for a batch or a number of rounds that is too small.
        LabError: if it failed, for example because the memory is too small.
    """
    answer = _in_a_process("measure", (config,), batch_size, rounds, device, reconstruction)
    return Measurement(**answer)


def paired_step_time(
    model_a: AnyConfig,
    model_b: AnyConfig,
    rounds: int = 10,
    *,
    batch_size: int | None = None,
    device: Device = "auto",
    reconstruction: Distance = "lpips",
) -> PairedTime:
    """Compare the training iterations of two models, taking turns: a b a b ...

    Whatever else the computer does, or how warm it is, meets both alike; the ratio of each round
    is therefore much steadier than the times themselves.

    Args:
        model_a: what to compare with.
        model_b: what to compare.
        rounds: pairs of iterations, after one to warm up.
        batch_size: as in `measure`.
        device: as in `measure`.
        reconstruction: as in `measure`.

    Raises:
        UsageError: as `measure`.
        LabError: as `measure`.
    """
    answer = _in_a_process("pair", (model_a, model_b), batch_size, rounds, device, reconstruction)
    first, second = answer["seconds"]
    ratios = tuple(b / a for a, b in zip(first, second, strict=True))
    medians = statistics.median(first), statistics.median(second)
    return PairedTime(statistics.median(ratios), ratios, medians)


def _in_a_process(
    task: str,
    configs: tuple[AnyConfig, ...],
    batch_size: int | None,
    rounds: int,
    device: Device,
    reconstruction: Distance,
) -> dict[str, Any]:
    """Let `workload` do a task; a process of its own also keeps Accelerate's choice."""
    if batch_size is None:
        batch_size = 8 if device == "auto" and torch.accelerator.is_available() else 2
    if batch_size < 2:
        raise UsageError(f"batch_size is {batch_size}; batch norm needs 2 or more images.")
    if rounds < 1:
        raise UsageError(f"rounds is {rounds}; it has to be 1 or more.")
    job = {
        "task": task,
        "models": [model_to_dict(config) for config in configs],
        "batch_size": batch_size,
        "rounds": rounds,
        "device": device,
        "reconstruction": reconstruction,
    }
    child = subprocess.run(
        # Not multiprocessing: that would run the caller's script a second time.
        [sys.executable, "-c", "from slae_lib.evaluation import workload; workload.main()"],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        encoding="utf-8",
    )
    if child.returncode != 0:
        reason = f"the process ended with {child.returncode}"
        if child.returncode < 0:  # what it said before has nothing to do with it
            reason = f"the process was killed by signal {-child.returncode}"
        elif child.stderr.strip():
            reason = child.stderr.strip().splitlines()[-1]
        raise LabError(
            f"Time and memory at {configs[-1].resolution} px could not be measured ({reason}); "
            "try a smaller batch or resolution."
        )
    return json.loads(child.stdout.splitlines()[-1])
