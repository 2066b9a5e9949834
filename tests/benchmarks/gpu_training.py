"""Training on a folder of photographs until the time is over, and what is brought back of it."""

import json
import math
import shutil
import signal
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pieces
import torch
from accelerate.state import AcceleratorState

from slae_lib.datasets import MetadataBank, load_images
from slae_lib.support.images import image_grid, to_uint8
from slae_lib.training.checkpoint import averaged_generator, load_checkpoint, save_generator
from slae_lib.training.config import TrainConfig
from slae_lib.training.log import load_samples, read_metrics
from slae_lib.training.loop import train
from slae_lib.training.presets import PRESETS
from slae_lib.training.recorder import Progress
from slae_lib.training.run import newest_checkpoint

ENDLESS = 10_000_000
"""Iterations that no run reaches; the time ends it."""
GROWTH = 8, 6
"""Rows and columns of the picture of growth."""


def train_until(
    deadline: float,
    photos: Path,
    metadata: Path | None,
    reconstruction: str,
    batch: int,
    device: torch.device,
    tiny: bool,
    out: Path,
) -> dict[str, Any]:
    """Train SLAE on photographs and leave generator, grids and log in ``out``.

    Args:
        deadline: on `time.monotonic`'s clock, after which no iteration begins.
        photos: a folder of pictures.
        metadata: their bank, as `slae metadata extract` writes it; without it SLAE has none.
        reconstruction: "l1", "vgg", "lpips" or "none".
        batch: images in an iteration.
        device: where to train.
        tiny: narrow networks at 64 px and a few iterations.
        out: an existing folder.

    Returns:
        What was done, and what `pieces.join` has to know.

    Raises:
        LabError: as `slae_lib.training.loop.train`, for pictures, metadata or weights.
    """
    model, iterations = PRESETS["paper-256"].model, ENDLESS
    if tiny:
        model, iterations = PRESETS["cpu-demo"].model, 6
    images = load_images(photos, model.resolution)
    bank = None if metadata is None else MetadataBank.load(metadata)
    model = replace(model, metadata=bank is not None)
    if bank is not None:
        model = replace(model, metadata_dim=bank.values.shape[1])
    config = TrainConfig(
        iterations=iterations,
        batch_size=batch,
        reconstruction=reconstruction,
        precision="bf16",
        device="cpu" if device.type == "cpu" else "auto",
        samples=4 if tiny else 25,
        log_every=1 if tiny else 20,
        sample_every=2 if tiny else 500,
        checkpoint_every=0,
    )
    said = -math.inf

    def callback(progress: Progress) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said > 10 or progress.samples is not None:
            said = now
            values = {n: v for n, v in progress.metrics.items() if v is not None and n != "images"}
            print(", ".join(f"{name} {value:.4g}" for name, value in values.items()), flush=True)

    AcceleratorState._reset_state(reset_partial_state=True)  # the checks had other precisions
    with tempfile.TemporaryDirectory(prefix="slae-round-") as folder:
        run = Path(folder, "run")
        # As Ctrl-C: the iteration under way is finished, and a checkpoint is left.
        ending = threading.Timer(
            deadline - time.monotonic(), lambda: signal.raise_signal(signal.SIGINT)
        )
        ending.start()
        try:
            train(model, config, images, bank, run, callback=callback)
        finally:
            ending.cancel()
        return _bring_back(run, out, config, images.name)


@torch.no_grad()
def _bring_back(run: Path, out: Path, config: TrainConfig, data: str) -> dict[str, Any]:
    newest = newest_checkpoint(run)
    state = load_checkpoint(newest)
    generator, iteration = averaged_generator(state, newest), state["iteration"]
    grids = load_samples(run, config.samples)
    rows = state["fixed_metadata"]
    images = generator(state["fixed_noise"], rows).image
    grids[iteration] = to_uint8(images)
    facts = {"iteration": str(iteration), "data": data, "train": json.dumps(config.to_dict())}
    file = run / "generator.safetensors"
    save_generator(file, generator, facts, torch.float16)
    known = pieces.split(file, out)
    shutil.copyfile(run / "metrics.csv", out / "metrics.csv")
    image_grid(grids[iteration]).save(out / "samples.png")
    shown = [images[: GROWTH[1]] for images in _evenly(list(grids.values()), GROWTH[0])]
    image_grid(torch.cat(shown), len(shown[0])).save(out / "growth.jpg", quality=92)
    lines = read_metrics(run / "metrics.csv")
    return {
        "iterations": iteration,
        "seconds": lines[-1]["seconds"] if lines else None,
        "last": lines[-1] if lines else None,
        "train": config.to_dict(),
        "data": data,
        "generator": known,
    }


def _evenly(items: list[Any], count: int) -> list[Any]:
    """Return so many items, the last among them, or all if there are fewer."""
    last = len(items) - 1
    chosen = {last - round(last * step / max(1, count - 1)) for step in range(count)}
    return [items[index] for index in sorted(chosen)]
