"""How far a training is, read from its folder: it needs no word from the training itself."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from slae_lib.explorer.source import memory_in_words
from slae_lib.explorer.words import FLAT, highest_place, link_label
from slae_lib.support.errors import LabError
from slae_lib.support.images import grid_cells, to_uint8
from slae_lib.support.language import said
from slae_lib.support.sealed import reading, understanding
from slae_lib.training.checkpoint import (
    CHECKPOINT_MEND,
    averaged_generator,
    list_checkpoints,
    load_checkpoint,
)
from slae_lib.training.log import read_metrics
from slae_lib.training.run import RunInfo

LOOKED_AT = 4  # images with attention


@dataclass(frozen=True, eq=False)
class Glance:
    """Attention of a checkpoint, on the first noises of the sample grids.

    Attributes:
        checkpoint: its file.
        iteration: of the checkpoint.
        images: uint8 (K, 3, R, R).
        attention: link name to (K, 1, h, w); empty for a generator without attention.
    """

    checkpoint: Path
    iteration: int
    images: Tensor
    attention: dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class RunProgress:
    """What the folder of a run says at this moment.

    Attributes:
        run: the folder.
        info: what ``run.json`` holds.
        rows: lines of ``metrics.csv``.
        samples: the newest grid, uint8 (N, 3, R, R), or None.
        samples_iteration: when it was made.
        glance: at the newest checkpoint, or None.
        written: seconds since the epoch at which the newest line was written.
    """

    run: Path
    info: RunInfo
    rows: list[dict[str, Any]]
    samples: Tensor | None
    samples_iteration: int
    glance: Glance | None
    written: float

    @property
    def iteration(self) -> int:
        """The newest iteration that a line was written of."""
        return int(self.rows[-1]["iteration"]) if self.rows else 0

    @property
    def finished(self) -> bool:
        """Whether all iterations are done."""
        return self.iteration >= self.info.train.iterations


def read_progress(run: Path, before: RunProgress | None = None) -> RunProgress:
    """Read a run's folder, which a training may be writing at the same time.

    Args:
        run: the folder.
        before: what was read last, so that an old checkpoint is not read again.

    Raises:
        LabError: if it is no folder of a run, or damaged.
    """
    info = RunInfo.load(run)
    metrics = run / "metrics.csv"
    samples, samples_iteration = _newest_samples(run, info.train.samples)
    return RunProgress(
        run,
        info,
        read_metrics(metrics),
        samples,
        samples_iteration,
        _glance(run, None if before is None else before.glance),
        metrics.stat().st_mtime if metrics.is_file() else 0.0,
    )


def progress_facts(progress: RunProgress) -> list[str]:
    """Return how far a training is, one sentence each."""
    total = progress.info.train.iterations
    state = "finished" if progress.finished else "not finished"
    facts = [f"Iteration {progress.iteration:,} of {total:,} ({state})."]
    if not progress.rows:
        return [*map(said, facts), said("No losses are written yet.")]
    last = progress.rows[-1]
    if not progress.finished:
        facts[0] = f"{facts[0][:-1]}; {_remaining(progress)}."
    losses = [
        f"{name} {last[name]:.2f}"
        for name in ("discriminator", "generator", "reconstruction", "penalty")
        if last[name] is not None
    ]
    facts.append(f"Newest losses: {', '.join(losses)}.")
    measured = [row for row in progress.rows if row["diversity"] is not None]
    if measured:
        facts.append(
            f"Diversity of the samples at iteration {measured[-1]['iteration']:,}: "
            f"{measured[-1]['diversity']:.2f} of the real images' own."
        )
    if measured and measured[-1]["broken"] is not None:
        facts.append(f"Of the samples, {measured[-1]['broken']:.0%} look like no real image.")
    return list(map(said, facts + _attention_facts(progress.glance)))


def _remaining(progress: RunProgress) -> str:
    last = progress.rows[-1]
    rate = last["images_per_second"] * last["iteration"] / max(1, last["images"])
    left = (progress.info.train.iterations - progress.iteration) / max(rate, 1e-9)
    clock = time.strftime("%H:%M:%S", time.localtime(progress.written))
    length = f"{left:.0f} seconds" if left < 120 else f"{left / 60:.0f} minutes"
    if left > 2 * 3600:
        length = f"{left / 3600:.1f} hours"
    return f"about {length} left when the newest line was written, at {clock}"


def _attention_facts(glance: Glance | None) -> list[str]:
    if glance is None:
        return ["Attention is shown from the first checkpoint on."]
    if not glance.attention:
        return ["This generator has no attention to show."]
    parts = []
    for link, maps in glance.attention.items():
        first = maps[0, 0]
        flat = float(first.max() - first.min()) < FLAT
        where = "everywhere alike" if flat else f"most at the {highest_place(first)}"
        parts.append(f"link {link_label(link)} {where}")
    return [
        f"Attention at iteration {glance.iteration:,}, on the first sample: {', '.join(parts)}."
    ]


def _newest_samples(run: Path, count: int) -> tuple[Tensor | None, int]:
    paths = sorted((run / "samples").glob("*.png"))
    if not paths:
        return None, 0
    try:
        with reading(paths[-1], "delete it"), Image.open(paths[-1]) as picture:
            return grid_cells(picture, count), int(paths[-1].stem)
    except LabError:  # damaged, or gone since the folder was listed
        return None, 0


def _glance(run: Path, before: Glance | None) -> Glance | None:
    paths = list_checkpoints(run / "checkpoints")
    if not paths:
        return None
    if before is not None and before.checkpoint == paths[-1]:
        return before
    with memory_in_words("the newest checkpoint"):
        state = load_checkpoint(paths[-1])
        generator = averaged_generator(state, paths[-1])
        if not generator.config.has_attention:
            return Glance(paths[-1], state["iteration"], torch.empty(0), {})
        with understanding(paths[-1], CHECKPOINT_MEND):
            iteration, noise = state["iteration"], state["fixed_noise"][:LOOKED_AT]
            metadata = state["fixed_metadata"]
            del state  # the optimisers' part is large
            rows = None if metadata is None else metadata[:LOOKED_AT]
            output = generator(noise, rows, return_attention=True)
    return Glance(paths[-1], iteration, to_uint8(output.image), output.attention)
