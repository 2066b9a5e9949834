"""Figures of the lessons on training: one iteration, runs side by side, half precision."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from slae_lib.course.figures.diagram import arrow, box
from slae_lib.plotting.base import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    new_figure,
    show,
    to_pixels,
)

_DPI = 110  # of `slae_lib.course.compact_png`: one pixel of a picture becomes one of the figure
# Of float16: the smallest number above 0, the smallest with all digits, and the largest.
_SMALLEST, _ALL_DIGITS, _LARGEST = 2.0**-24, 2.0**-14, 65504.0


def iteration_diagram() -> Figure:
    """Draw one iteration: what is computed, and how far each gradient goes back.

    Source: SLAE paper, section 3.3, for the losses; FastGAN (ICLR 2021) for the order.
    """
    figure = Figure(figsize=(9.6, 4.3))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, 19.2), ylim=(0, 8.6), aspect="equal")
    axis.set_axis_off()
    high, middle, low = 6.8, 4.3, 1.9

    axis.text(1.2, middle + 0.55, "noise,\nmetadata", ha="center", va="center", fontsize=9.5)
    step = partial(box, axis, height=1.0, fontsize=9.5)
    back = partial(arrow, axis, color=ORANGE, linewidth=1.6, linestyle="--")
    arrow(axis, (0.4, middle - 0.25), (2.0, middle - 0.25))
    step(3.3, middle, "generator", width=2.4, color=PURPLE)
    arrow(axis, (4.5, middle), (5.5, middle))
    step(6.6, middle, "DiffAugment", width=2.2, color=GREY)
    axis.text(6.6, high + 0.95, "real images", ha="center", va="center", fontsize=9.5)
    arrow(axis, (6.6, high + 0.65), (6.6, high + 0.5))
    step(6.6, high, "DiffAugment", width=2.2, color=GREY)
    arrow(axis, (7.7, high), (11.1, high))

    # The generated images are made once and judged twice.
    axis.plot([7.7, 9.4], [middle, middle], color=GREY, linewidth=1.2)
    axis.text(8.5, middle + 0.28, "generated", ha="center", va="center", fontsize=9, color=GREY)
    axis.plot([9.4, 9.4], [low + 0.25, high - 0.4], color=GREY, linewidth=1.2)
    arrow(axis, (9.4, high - 0.4), (11.1, high - 0.4))
    axis.plot([10.1, 10.1], [high - 0.68, high - 0.13], color=ORANGE, linewidth=4)
    axis.text(9.65, high - 0.98, "detach", ha="left", va="center", fontsize=9.5)
    arrow(axis, (9.4, low + 0.25), (11.1, low + 0.25))

    step(12.5, high, "discriminator\nlearns", width=2.8, color=BLUE)
    step(12.5, low, "discriminator\nstands still", width=2.8, color=GREY)
    arrow(axis, (13.9, high), (15.3, high))
    arrow(axis, (13.9, low + 0.25), (15.3, low + 0.25))
    step(16.9, high, "hinge +\nreconstruction", width=3.2, color=BLUE)
    step(16.9, low, "minus the\nmean logit", width=3.2, color=PURPLE)
    for y, text in ((high, "1 · step of the discriminator"), (low, "2 · step of the generator")):
        axis.text(14.7, y + 1.15, text, ha="center", va="center", fontsize=10.5)

    # Gradients.
    back((15.3, high - 0.4), (13.9, high - 0.4))
    back((15.3, low - 0.3), (13.9, low - 0.3))
    axis.plot([11.1, 6.6], [low - 0.3, low - 0.3], color=ORANGE, linewidth=1.6, linestyle="--")
    back((6.6, low - 0.3), (6.6, middle - 0.5))
    back((5.5, middle - 0.3), (4.5, middle - 0.3))

    arrow(axis, (3.3, middle - 0.5), (3.3, low + 0.5))
    step(3.3, low, "average", width=2.4, color=GREEN)
    axis.text(3.3, low - 0.95, "3 · follow the generator", ha="center", va="center", fontsize=10.5)

    for x, name, color, style in ((9.9, "forward", GREY, "-"), (13.3, "gradient", ORANGE, "--")):
        axis.plot([x, x + 0.9], [0.4, 0.4], style, color=color, linewidth=1.6)
        axis.text(x + 1.1, 0.4, name, ha="left", va="center", fontsize=9.5)
    return figure


def strips_figure(
    rows: Mapping[str, Tensor],
    *,
    cell: int = 64,
    gap_after: int | None = None,
    attribution: str | None = None,
) -> Figure:
    """Draw rows of small pictures pixel for pixel, which keeps the file of a notebook small.

    Args:
        rows: label of a row to its pictures, uint8 (N, 3, R, R), each drawn ``cell`` pixels wide.
        cell: a multiple of every R.
        gap_after: leave a gap after so many rows.
        attribution: who made the pictures.

    Raises:
        ValueError: if a row is longer than another, or R does not divide ``cell``.
    """
    count = len(next(iter(rows.values())))
    left, gap, space = 132, 14, 4  # pixels for the labels, between groups, between pictures
    below = 24 if attribution else 6
    height = len(rows) * (cell + space) + below + (gap if gap_after is not None else 0)
    width = left + count * (cell + space) + 6
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    top = height
    for number, (label, pictures) in enumerate(rows.items()):
        side = pictures.shape[-1]
        if len(pictures) != count or cell % side:
            raise ValueError(
                f"{label!r} has {len(pictures)} pictures of {side} px; every row needs {count}, "
                f"and their side has to divide {cell}."
            )
        if number == gap_after:
            top -= gap
        top -= cell + space
        for column, picture in enumerate(pictures):
            x = left + column * (cell + space)
            axis = figure.add_axes((x / width, top / height, cell / width, cell / height))
            show(axis, to_pixels(_fewer_colours(picture)))
        figure.text(
            (left - 10) / width,
            (top + cell / 2) / height,
            label,
            ha="right",
            va="center",
            fontsize=8.5,
        )
    if attribution:
        figure.text(0.5, 7 / height, attribution, ha="center", fontsize=6, color=GREY)
    return figure


def _fewer_colours(picture: Tensor) -> Tensor:
    """Round a picture, uint8, to 43 levels a channel: a smaller file, and nobody sees it."""
    return ((picture.int() + 3) // 6 * 6).clamp(max=255).to(picture.dtype)


def histories_figure(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Draw the logs of several runs over each other.

    Args:
        runs: name to its lines of ``metrics.csv``; three at most, the first in front.
    """
    figure = new_figure(8.8, 4.5)
    axes = figure.subplots(2, 2, sharex=True)
    panels = {
        "hinge of the discriminator": ("discriminator",),
        "reconstruction": ("reconstruction",),
        "mean logits: real above, generated below": ("real_logits", "fake_logits"),
        "diversity of the average": ("diversity",),
    }
    looks = ((ORANGE, "-", 2.4), (BLUE, "-", 1.3), (PURPLE, "--", 1.3))
    for axis, (title, columns) in zip(axes.flat, panels.items(), strict=True):
        for order, ((name, rows), (color, style, width)) in enumerate(
            zip(runs.items(), looks, strict=False)
        ):
            for column in columns:
                points = [
                    (row["iteration"], row[column]) for row in rows if row[column] is not None
                ]
                x, y = zip(*points, strict=True)
                axis.plot(
                    x,
                    y,
                    style,
                    color=color,
                    linewidth=width,
                    zorder=9 - order,
                    label=name if column == columns[0] else None,
                    marker="o" if column == "diversity" else None,
                    markersize=4,
                )
        axis.set_title(title, fontsize=10.5)
        axis.spines[["top", "right"]].set_visible(False)
    for axis, level, meaning in (
        (axes[0][0], 2, "blind"),
        (axes[1][0], 0, ""),
        (axes[1][1], 1, "the real images"),
    ):
        axis.axhline(level, color=GREY, linewidth=1, linestyle=":")
        axis.annotate(
            meaning,
            (0.02, level),
            xycoords=("axes fraction", "data"),
            xytext=(0, 3),
            textcoords="offset points",
            fontsize=9,
            color=GREY,
        )
    axes[0][0].set_ylim(0, 2.3)
    axes[0][1].set_ylim(0, None)
    axes[1][1].set_ylim(0, 1.3)
    for axis in axes[1]:
        axis.set_xlabel("iteration")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def gradients_figure(gradients: Mapping[str, Tensor], *, scale: float) -> Figure:
    """Draw how large gradients are, without and with a loss scale, and what 16 bits can hold.

    Args:
        gradients: name to gradients, any shape; zeros are left out.
        scale: of the loss.
    """
    figure = new_figure(8.8, 1.75 * len(gradients) + 0.9)
    axes = figure.subplots(len(gradients), 1, sharex=True, squeeze=False)[:, 0]
    bins = torch.arange(-12.0, 6.01, 0.2)
    middles = (bins[1:] + bins[:-1]) / 2
    low, digits, high = (math.log10(limit) for limit in (_SMALLEST, _ALL_DIGITS, _LARGEST))
    for axis, (name, values) in zip(axes, gradients.items(), strict=True):
        sizes = values.detach().cpu().double().abs().flatten()
        sizes = sizes[sizes > 0]
        for factor, color, label in (
            (1.0, BLUE, "as they are"),
            (scale, ORANGE, f"× {scale:,.0f}"),
        ):
            found = (sizes * factor).log10().float()
            share = torch.histogram(found, bins).hist / len(found)
            axis.bar(
                middles.numpy(),
                (100 * share).numpy(),
                width=0.19,
                color=color,
                alpha=0.8,
                label=label,
            )
        axis.axvspan(-12, low, color=GREY, alpha=0.3, linewidth=0)
        axis.axvspan(low, digits, color=GREY, alpha=0.12, linewidth=0)
        axis.axvspan(high, 6, color=GREY, alpha=0.3, linewidth=0)
        axis.set(xlim=(-12, 6), ylabel="% of them")
        axis.set_title(name, fontsize=10.5)
        axis.spines[["top", "right"]].set_visible(False)
        height = 1.25 * axis.get_ylim()[1]
        axis.set_ylim(0, height)
        for left, right, meaning in (
            (-12, low, "becomes 0"),
            (low, digits, "fewer digits"),
            (high, 6, "inf"),
        ):
            axis.text((left + right) / 2, 0.87 * height, meaning, ha="center", fontsize=9)
    ticks = range(-12, 7, 2)
    axes[-1].set_xticks(ticks, labels=[f"$10^{{{tick}}}$" for tick in ticks])
    axes[-1].set_xlabel("size of a gradient; grey: where 16 bits fail")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    return figure


def lost_time_figure(
    intervals: Sequence[float], *, saving: Sequence[float], again: Sequence[float]
) -> Figure:
    """Draw what a session loses by saving checkpoints, and by the cut-off at its end.

    Args:
        intervals: iterations between two checkpoints, rising.
        saving: seconds lost by writing checkpoints, for each interval.
        again: seconds of iterations that are done again after the cut-off.
    """
    figure = new_figure(7.4, 3.3)
    axis = figure.subplots()
    total = [first + second for first, second in zip(saving, again, strict=True)]
    axis.plot(intervals, saving, "--", color=BLUE, linewidth=1.8, label="saving")
    axis.plot(intervals, again, "-.", color=PURPLE, linewidth=1.8, label="done again")
    axis.plot(intervals, total, "-", color=ORANGE, linewidth=2.6, label="both")
    lowest = min(range(len(total)), key=total.__getitem__)
    axis.plot(intervals[lowest], total[lowest], "o", color=ORANGE, markersize=8)
    axis.annotate(
        f"least near {float(f'{intervals[lowest]:.2g}'):,.0f}",
        (intervals[lowest], total[lowest]),
        xytext=(0, 12),
        textcoords="offset points",
        ha="center",
        fontsize=9,
    )
    axis.set(
        xscale="log",
        xlabel="iterations between two checkpoints",
        ylabel="seconds lost in a session",
        ylim=(0, 4 * total[lowest]),
    )
    ticks = [tick for tick in (50, 100, 200, 500, 1000, 2000, 5000) if tick <= intervals[-1]]
    axis.set_xticks(ticks, labels=[f"{tick:,}" for tick in ticks])
    axis.minorticks_off()
    axis.grid(alpha=0.2)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=9)
    return figure
