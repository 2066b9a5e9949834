"""Time one training iteration and its parts, FastGAN beside SLAE, and print a table.

The two models take turns, so that a computer which slows down slows down both; the ratio is the
median over the pairs. Run with ``--help`` for the sizes.
"""

import argparse
import dataclasses
import statistics
import sys
import time
from collections.abc import Callable

import torch
from accelerate import Accelerator

from slae_lib.config import ModelConfig
from slae_lib.discriminator import downsample
from slae_lib.losses import l1_distance
from slae_lib.training.presets import PRESETS
from slae_lib.training.state import TrainingState
from slae_lib.training.step import TrainingStep


def parts(model: ModelConfig) -> dict[str, Callable[[], object]]:
    """Return what is timed: name to a call without arguments."""
    config = dataclasses.replace(PRESETS["cpu-demo"].train, device="auto")
    accelerator = Accelerator()
    state = TrainingState(model, config, None)
    state.average.to(accelerator.device)
    step = TrainingStep(state, config, accelerator, l1_distance)
    device = accelerator.device
    batch, side = config.batch_size, model.resolution
    real = torch.rand(batch, 3, side, side, device=device) * 2 - 1
    small = downsample(real, model.small_resolution)
    noise = torch.randn(batch, model.noise_dim, device=device)
    rows = torch.randn(batch, model.metadata_dim, device=device) if model.metadata else None

    def without_gradients(call: Callable[[], object]) -> Callable[[], object]:
        def run() -> object:
            with torch.no_grad():
                return call()

        return run

    return {
        "generator, forward": without_gradients(lambda: state.generator(noise, rows)),
        "discriminator, forward": without_gradients(lambda: state.discriminator(real, small)),
        "one iteration": lambda: step(real, rows),
    }


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes, the device's work included."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def peak_memory() -> str:
    """Return the most memory that this process has used."""
    if torch.cuda.is_available():
        return f"{torch.cuda.max_memory_allocated() / 2**30:.2f} GiB on the accelerator"
    try:
        import resource
    except ImportError:
        return "not measured on this system"
    unit = 1 if sys.platform == "darwin" else 1024
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30:.2f} GiB"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    slae = ModelConfig(resolution=options.resolution, width=options.width)
    fastgan = dataclasses.replace(slae, skip="sle", metadata=False)
    timed = {"FastGAN": parts(fastgan), "SLAE": parts(slae)}
    print(
        f"{options.resolution} px, width {options.width}, batch "
        f"{PRESETS['cpu-demo'].train.batch_size}, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads, {options.rounds} rounds after 3 to warm up"
    )
    print(f"{'':<24}{'FastGAN':>12}{'SLAE':>12}{'SLAE / FastGAN':>17}")
    for name in timed["SLAE"]:
        times: dict[str, list[float]] = {"FastGAN": [], "SLAE": []}
        for round_number in range(-3, options.rounds):
            for model, calls in timed.items():
                duration = seconds(calls[name])
                if round_number >= 0:
                    times[model].append(duration)
        ratio = statistics.median(
            own / other for own, other in zip(times["SLAE"], times["FastGAN"], strict=True)
        )
        medians = [1000 * statistics.median(times[model]) for model in ("FastGAN", "SLAE")]
        print(f"{name:<24}{medians[0]:>9.1f} ms{medians[1]:>9.1f} ms{ratio:>17.3f}")
    print(f"peak memory: {peak_memory()}")


if __name__ == "__main__":
    main()
