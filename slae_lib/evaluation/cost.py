"""What a model costs: parameters, multiplications, time and memory. The paper's table 1.

Parameters and multiplications are counted, not measured: no image is computed, so any size is
counted within a second on any computer. Time and memory are measured in a process of their own.
LPIPS stands in the training step with random weights, which cost what the real ones cost.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Literal, cast

import torch
from torch.utils.flop_counter import FlopCounterMode

from slae_lib.attention import LINKS
from slae_lib.baselines.stylegan2.config import StyleGAN2Config
from slae_lib.blocks import fold_upsampling
from slae_lib.config import ModelConfig, NetworkConfig
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.spectral_norm import fold_spectral_norm
from slae_lib.training.families import make_discriminator, make_generator, model_to_dict

Device = Literal["auto", "cpu"]
Reconstruction = Literal["lpips", "l1", "none"]
Model = Callable[[Any, int], NetworkConfig]  # of the resolution and the width


def _stylegan2(resolution: Any, width: int) -> NetworkConfig:
    # Config F at the other models' full width of 64, and as much narrower as they are.
    return StyleGAN2Config(resolution=resolution, channel_base=512 * width, channel_max=8 * width)


MODELS: dict[str, Model] = {
    "fastgan": partial(ModelConfig, skip="sle", metadata=False),
    "slae-no-metadata": partial(ModelConfig, skip="slae", metadata=False),
    "slae": partial(ModelConfig, skip="slae", metadata=True),
    "stylegan2": _stylegan2,
}
"""The rows of table 1: name to a function of resolution and width (64 is full width)."""


def all_models() -> dict[str, Model]:
    """Return `MODELS`, and two more for every kind of link that they do not have."""
    found = dict(MODELS)
    for link in LINKS:
        if link not in ("sle", *MODELS):
            found[f"{link}-no-metadata"] = partial(ModelConfig, skip=link, metadata=False)
            found[link] = partial(ModelConfig, skip=link, metadata=True)
    return found


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
    config: NetworkConfig, batch_size: int, device: torch.device | str
) -> tuple[torch.Tensor, ...]:
    """Return random inputs for the generator: noise, and metadata if it takes any."""
    noise = torch.randn(batch_size, config.noise_dim, device=device)
    if config.metadata:
        rows = torch.randn(batch_size, cast(ModelConfig, config).metadata_dim, device=device)
        return noise, rows
    return (noise,)


@cache
def count(config: NetworkConfig) -> Counts:
    """Count parameters and the multiplications of one generated image, without computing it."""
    with torch.random.fork_rng(devices=[]):
        generator, discriminator = make_generator(config), make_discriminator(config)
    generator_parameters, discriminator_parameters = (
        sum(parameter.numel() for parameter in network.parameters())
        for network in (generator, discriminator)
    )
    # As a finished generator is used: in evaluation mode, all that depends on no input computed in.
    fold_upsampling(fold_spectral_norm(generator.to("meta"))).eval().requires_grad_(False)
    with FlopCounterMode(display=False) as counter:
        generator(*inputs(config, 1, "meta"))
    # The counter takes a multiplication and an addition for two operations.
    macs = counter.get_total_flops() // 2
    return Counts(generator_parameters, discriminator_parameters, macs)


def measure(
    config: NetworkConfig,
    *,
    batch_size: int | None = None,
    rounds: int = 3,
    device: Device = "auto",
    reconstruction: Reconstruction = "lpips",
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
    how = {"batch_size": batch_size, "device": device, "reconstruction": reconstruction}
    return Measurement(**_in_a_process("measure", config, rounds=rounds, **how))


def paired_step_time(
    model_a: NetworkConfig, model_b: NetworkConfig, rounds: int = 10, **how: Any
) -> PairedTime:
    """Compare the training iterations of two models, taking turns: a b a b ...

    Whatever else the computer does, or how warm it is, meets both alike; the ratio of each round
    is therefore much steadier than the times themselves. Arguments and errors are those of
    `measure`, with pairs of iterations for ``rounds``.
    """
    first, second = _in_a_process("pair", model_a, model_b, rounds=rounds, **how)["seconds"]
    ratios = tuple(b / a for a, b in zip(first, second, strict=True))
    medians = statistics.median(first), statistics.median(second)
    return PairedTime(statistics.median(ratios), ratios, medians)


def _in_a_process(task: str, *configs: NetworkConfig, rounds: int, **how: Any) -> dict[str, Any]:
    """Let `workload` do a task; a process of its own also keeps Accelerate's choice."""
    how = {"batch_size": None, "device": "auto", "reconstruction": "lpips", **how}
    if how["batch_size"] is None:
        how["batch_size"] = 8 if how["device"] == "auto" and torch.accelerator.is_available() else 2
    if how["batch_size"] < 2:
        raise UsageError(f"batch_size is {how['batch_size']}; batch norm needs 2 or more images.")
    if rounds < 1:
        raise UsageError(f"rounds is {rounds}; it has to be 1 or more.")
    models = [model_to_dict(config) for config in configs]
    child = subprocess.run(
        # Not multiprocessing: that would run the caller's script a second time.
        [sys.executable, "-c", "from slae_lib.evaluation import workload; workload.main()"],
        input=json.dumps({"task": task, "models": models, "rounds": rounds, **how}),
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        encoding="utf-8",
    )
    if child.returncode == 0:
        return json.loads(child.stdout.splitlines()[-1])
    reason = f"the process ended with {child.returncode}"
    if child.returncode < 0:  # what it said before has nothing to do with it
        reason = f"the process was killed by signal {-child.returncode}"
    elif child.stderr.strip():
        reason = child.stderr.strip().splitlines()[-1]
    raise LabError(
        f"Time and memory at {configs[-1].resolution} px could not be measured ({reason}); "
        "try a smaller batch or resolution."
    )
