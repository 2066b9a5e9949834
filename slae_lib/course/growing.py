"""A first try: train for a minute, and see the pictures grow."""

import dataclasses
import io
import tempfile
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slae_lib.datasets import bank_for, load_images
from slae_lib.support.images import image_grid
from slae_lib.training.loop import train
from slae_lib.training.presets import PRESETS
from slae_lib.training.recorder import Progress

STORED = "fluent-faces"  # whose metadata come with the lab, so that nothing is downloaded
WARM_UP = 20  # iterations that say how fast this computer is
COLUMNS = 8  # noises that are shown


def grow(
    data: str | Path = STORED, seconds: float = 60.0, *, moments: int = 6
) -> dict[int, Tensor]:
    """Train a small generator for about so long, and show what it draws meanwhile.

    What was trained is not kept; `slae train` does that.

    Args:
        data: a name or a folder, as for `slae_lib.datasets.load_images`. Own pictures are learned
            without metadata.
        seconds: of training; loading comes on top.
        moments: how often to look.

    Returns:
        Iteration to what the same noises drew then, uint8 (8, 3, 64, 64).

    Raises:
        LabError: if the pictures cannot be read.
    """
    chosen = PRESETS["cpu-demo"]
    images = load_images(data, chosen.model.resolution)
    bank = bank_for(data, images=images) if images.reference == STORED else None
    model = dataclasses.replace(chosen.model, metadata=bank is not None)
    screen = _Screen(len(images), images.name)
    config = dataclasses.replace(
        chosen.train,
        device="auto",
        samples=COLUMNS,
        iterations=WARM_UP,
        sample_every=0,
        log_every=WARM_UP,
        checkpoint_every=0,
    )
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        start = time.monotonic()
        train(model, config, images, bank, run, callback=screen)
        pace = (time.monotonic() - start) / WARM_UP
        more = max(moments, round(seconds / pace) - WARM_UP)
        every = -(-(WARM_UP + more) // moments)
        longer = dataclasses.replace(config, iterations=moments * every, sample_every=every)
        train(model, longer, images, bank, run, resume=True, callback=screen)
    return screen.moments


class _Screen:
    """Shows a row of pictures for each moment, in one place that is drawn anew."""

    def __init__(self, count: int, name: str) -> None:
        self.moments: dict[int, Tensor] = {}
        self.title = f"Training on {count} pictures of {name}"
        self.handle: Any = None

    def __call__(self, progress: Progress) -> None:
        if progress.samples is None:
            return
        self.moments[progress.iteration] = progress.samples[:COLUMNS]
        iterations = ", ".join(f"{iteration:,}" for iteration in self.moments)
        words = (
            f"{self.title}: what {COLUMNS} noises draw, one below the other, after {iterations} "
            "iterations."
        )
        from IPython.display import display

        file = io.BytesIO()
        image_grid(torch.cat(list(self.moments.values())), COLUMNS).save(file, format="PNG")
        picture = {"image/png": b64encode(file.getvalue()).decode("ascii"), "text/plain": words}
        told = {"metadata": {"image/png": {"alt": words}}, "raw": True}
        if self.handle is None:
            self.handle = display(picture, display_id=True, **told)  # type: ignore[no-untyped-call]
        else:
            self.handle.update(picture, **told)
