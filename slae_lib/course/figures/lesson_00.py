"""Figures of the tour: what a stored generator draws, and how it moves."""

from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from slae_lib.course.figures.moving import Moving
from slae_lib.plotting import attention_figure, history_figure, progress_figure
from slae_lib.plotting.base import at_width
from slae_lib.plotting.style import in_own_style
from slae_lib.support.images import to_uint8
from slae_lib.training.checkpoint import load_generator
from slae_lib.training.log import load_samples, read_metrics
from slae_lib.training.sampling import GeneratedImages

STOPS = ("1f606", "1f637", "1f622")  # the faces whose metadata a walk passes


@torch.no_grad()
def walk(run: Path, *, steps: int = 4, width: int = 192, seed: int = 3) -> Moving:
    """Let the generator of a run walk through metadata and noise, from face to face and back.

    Args:
        run: the folder of a finished run.
        steps: pictures from one stop to the next.
        width: pixels to show the film with.
        seed: of the noise at the stops.
    """
    images = GeneratedImages.from_file(run / "generator.safetensors", len(STOPS), seed)
    noise, metadata = images.inputs(range(len(STOPS)))
    parts = [_round_trip(noise, steps)]
    if images.bank is not None and metadata is not None:
        rows = [images.bank.names.index(f"{code}.webp") for code in STOPS]
        parts.append(_round_trip(images.bank.rows(rows, images.scale), steps))
    return Moving(to_uint8(images.generator(*parts).image), width)


def _round_trip(stops: Tensor, steps: int) -> Tensor:
    """Put vectors (S, C) on straight lines from each stop to the next, the last to the first."""
    shares = torch.arange(steps).view(1, steps, 1) / steps
    following = stops.roll(-1, 0)
    return (stops[:, None] + shares * (following - stops)[:, None]).flatten(0, 1)  # (S steps, C)


@in_own_style
def growing_figure(run: Path) -> Figure:
    """Draw what a run drew from the same noise while it learned."""
    grids = load_samples(run, 64)  # iteration -> (64, 3, R, R)
    return at_width(progress_figure(grids, title="Two noises, five moments", rows=2), 3.9)


@torch.no_grad()
@in_own_style
def looks_figure(
    run: Path, noise: Tensor, metadata: Tensor | None, *, attribution: str | None = None
) -> Figure:
    """Draw generated images, and below them where each skip link looks.

    Args:
        run: the folder of a finished run.
        noise: (N, noise_dim).
        metadata: (N, C), or None for a generator without.
        attribution: who made the training images.
    """
    generator = load_generator(run / "generator.safetensors")
    output = generator(noise, metadata, return_attention=True)
    figure = attention_figure(
        to_uint8(output.image),
        output.attention,
        title="Where each skip link looks",
        attribution=attribution,
    )
    figure.set_size_inches(1.15 * len(noise) + 1.9, 5.4)
    return figure


@in_own_style
def course_of_a_run(run: Path) -> Figure:
    """Draw the losses, the logits and the samples' worth of a run, from its metrics.csv."""
    rows = read_metrics(run / "metrics.csv")
    return at_width(history_figure(rows, title=f"{rows[-1]['iteration']:,} iterations"), 10.0)
