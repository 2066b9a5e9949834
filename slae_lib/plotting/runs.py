"""Figures of a training run."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

import slae_lib.plotting.base as base
from slae_lib.plotting.style import in_own_style


@in_own_style
def samples_figure(
    samples: Tensor,
    real: Tensor,
    *,
    title: str,
    real_title: str = "Real images",
    caption: str = "",
    attribution: str | None = None,
) -> Figure:
    """Draw generated images beside real ones.

    Args:
        samples: uint8 (N, 3, R, R).
        real: uint8 (M, 3, R, R), as many or fewer are shown.
        title: above the left half.
        real_title: above the right half.
        caption: a line below.
        attribution: who made the real images, shown below them.
    """
    columns = math.ceil(math.sqrt(len(samples)))
    figure = base.new_figure(12, 6.8)
    left, right = figure.subplots(1, 2)
    base.draw_picture(left, base.sheet(samples, columns), title)
    base.draw_picture(right, base.sheet(real[: len(samples)], columns), real_title)
    notes = [note for note in (caption, attribution) if note]
    figure.supxlabel("\n".join(notes), fontsize=9, color=base.GREY)
    return figure


@in_own_style
def attention_figure(
    images: Tensor, attention: Mapping[str, Tensor], *, title: str, attribution: str | None = None
) -> Figure:
    """Draw each link's attention map over the images that it belongs to.

    Each map is drawn on its own scale, written beside it: what matters in a gate is where the
    attention is higher than elsewhere.

    Args:
        images: uint8 (N, 3, R, R), one column each.
        attention: link name to (N, 1, h, w) in (0, 1).
        title: above the figure.
        attribution: who made the training images.
    """
    count = len(images)
    rows = 1 + len(attention)
    figure = base.new_figure(1.45 * count + 1.6, 1.55 * rows + 0.9)
    axes = figure.subplots(rows, count, squeeze=False)
    for column in range(count):
        base.draw_picture(axes[0][column], base.to_pixels(images[column]))
    base.label_row(axes[0][0], "generated\nimage")
    for row, (name, maps) in enumerate(attention.items(), start=1):
        low, high = float(maps[:count].min()), float(maps[:count].max())
        for axis, image, shown in zip(axes[row], images, maps[:, 0], strict=False):
            drawn = base.show_over(axis, image, shown, low, high, overlay=0.65)
        size = f"{maps.shape[-2]}x{maps.shape[-1]}"
        base.label_row(axes[row][0], f"link {name.replace('->', ' → ')}\nmap {size}")
        ticks = {low: f"{low:.2f}", high: f"{high:.2f}"}
        base.color_bar(figure, drawn, axes[row], ticks, shrink=0.85, aspect=12)
    figure.suptitle(title)
    base.credit(figure, attribution)
    return figure


@in_own_style
def history_figure(rows: Sequence[Mapping[str, Any]], *, title: str, blind: float = 2.0) -> Figure:
    """Draw the losses, the logits, and what the samples of a run are worth.

    Args:
        rows: lines of ``metrics.csv``.
        title: above the figure.
        blind: loss of a discriminator that tells nothing apart: 2 for the hinge.
    """
    figure = base.new_figure(12, 4.2)
    drawn = ["discriminator", "generator"]
    losses, logits, diversity = figure.subplots(1, 3)
    x = [row["iteration"] for row in rows]

    def line(axis: Axes, column: str, label: str, color: str, style: str = "-") -> None:
        axis.plot(x, [row[column] for row in rows], style, color=color, label=label, linewidth=1.6)

    line(losses, "discriminator", "discriminator: adversarial", base.BLUE)
    for column, color in (("reconstruction", base.ORANGE), ("penalty", base.GREEN)):
        if any(row[column] is not None for row in rows):
            line(losses, column, f"discriminator: {column}", color, "--")
            drawn.append(column)
    line(losses, "generator", "generator", base.PURPLE, "-.")
    losses.axhline(
        blind, color=base.GREY, linewidth=1, linestyle=":", label="adversarial, if it were blind"
    )
    # Room above the highest line of all, for the legend.
    top = _highest((row[column] for row in rows for column in drawn), 1.1 * blind)
    losses.set(title="Losses", xlabel="iteration", ylim=(None, 1.45 * top))
    line(logits, "real_logits", "real images", base.BLUE)
    line(logits, "fake_logits", "generated images", base.PURPLE, "--")
    logits.axhline(0, color=base.GREY, linewidth=0.8, linestyle=":")
    logits.set(title="Mean logits of the discriminator", xlabel="iteration")
    # 0 is a measurement too: all samples are the same.
    measured = [row for row in rows if row["diversity"] is not None]
    for column, label, color, style in (
        ("diversity", "diversity", base.GREEN, "o-"),
        ("broken", "broken share", base.ORANGE, "s--"),
    ):
        points = [row for row in measured if row.get(column) is not None]
        if points:
            at, values = zip(*((row["iteration"], row[column]) for row in points), strict=True)
            diversity.plot(at, values, style, color=color, label=label)
    diversity.axhline(
        1, color=base.GREY, linewidth=1, linestyle=":", label="diversity of the real images"
    )
    top = _highest((row["diversity"] for row in measured), 1.6 / 1.3)
    diversity.set(title="The samples", xlabel="iteration", ylim=(0, 1.3 * top))
    if rows and len(measured) < 2:
        diversity.set_xlim(0, 1.05 * x[-1])  # one point alone gives its axis no length
    logits.margins(y=0.25)
    for axis in (losses, logits, diversity):
        axis.legend(fontsize=9, frameon=False, loc="upper right")
        base.tidy(axis)
    figure.suptitle(title)
    return figure


def _highest(values: Iterable[float | None], least: float) -> float:
    """Return the highest of ``values`` that are finite numbers, and ``least`` at the least."""
    return max([least, *(value for value in values if value is not None and math.isfinite(value))])


@in_own_style
def progress_figure(
    grids: Mapping[int, Tensor], *, title: str, rows: int = 6, columns: int = 10
) -> Figure:
    """Draw the same noise over time, one column for each of up to ``columns`` sample grids.

    Args:
        grids: iteration to uint8 (N, 3, R, R).
        title: above the figure.
        rows: how many noises.
        columns: how many moments, evenly spread, the last always among them.
    """
    iterations = list(grids)
    if len(iterations) > columns:
        step = (len(iterations) - 1) / (columns - 1)
        iterations = [iterations[round(index * step)] for index in range(columns)]
    rows = min(rows, len(grids[iterations[0]]))
    caption = "iterations; each row is one noise vector"
    width = max(base.width_of(title, caption), 1.15 * len(iterations) + 0.4)
    figure = Figure(figsize=(width, 1.15 * rows + 0.9), layout="constrained")
    axes = figure.subplots(rows, len(iterations), squeeze=False)
    for column, iteration in enumerate(iterations):
        for row in range(rows):
            base.draw_picture(axes[row][column], base.to_pixels(grids[iteration][row]))
        axes[0][column].set_title(f"{iteration:,}", fontsize=9)
    figure.suptitle(title)
    figure.supxlabel(caption, fontsize=9, color=base.GREY)
    return figure
