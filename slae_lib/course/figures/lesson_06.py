"""Figures of the lesson on metadata: how it is made, what it keeps, how it meets the noise."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.patches import Rectangle
from torch import Tensor

from slae_lib.course.figures.diagram import arrow, box
from slae_lib.plotting.base import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    Pixels,
    credit,
    label_row,
    new_figure,
    show,
    to_pixels,
)


def metadata_diagram() -> Figure:
    """Draw the way of metadata: a picture, VGG-16, channel means, a bank, added to the noise.

    Source: SLAE paper, section 3.2 and figure 4.
    """
    figure = Figure(figsize=(9.6, 3.75))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, 19.2), ylim=(0, 7.5), aspect="equal")
    axis.set_axis_off()
    axis.text(9.4, 7.1, "once for each picture", ha="center", fontsize=10, color=GREY)
    axis.plot([0.3, 18.6], [6.85, 6.85], color=GREY, linewidth=0.8)
    high, low = 5.2, 0.95
    _sheets(axis, 1.3, high, 3, ORANGE, "real picture", "(B, 3, 256, 256)")
    box(axis, 4.6, high, "VGG-16\nup to relu5_3", width=2.4, height=1.44, color=GREEN)
    _sheets(axis, 7.6, high, 6, BLUE, "features", "(B, 512, 16, 16)")
    box(axis, 11.2, high, "mean over\nall places", width=2.2, height=1.44, color=GREEN)
    _column(axis, 13.8, high, BLUE, "metadata m", "(B, 512)")
    box(axis, 17.0, high, "bank:\nkeep, draw,\nstandardise", width=2.4, height=1.44, color=GREEN)
    for start, end in ((2.4, 3.35), (5.85, 6.8), (9.1, 10.05), (12.35, 13.4), (14.2, 15.75)):
        arrow(axis, (start, high), (end, high))

    axis.plot([17.0, 17.0], [high - 0.75, low], color=GREY, linewidth=1.2)
    axis.text(16.7, 2.3, "for each\nnew image", ha="right", va="center", fontsize=10, color=GREY)
    arrow(axis, (17.0, low), (15.05, low))
    box(axis, 13.8, low, "learned map\n512 → 256", width=2.4, height=1.44, color=GREEN)
    arrow(axis, (12.55, low), (11.6, low))
    axis.text(11.2, low - 0.02, "+", ha="center", va="center", fontsize=19)
    _column(axis, 11.2, 2.85, PURPLE, "", "")
    axis.text(10.8, 3.1, "noise z", ha="right", va="center", fontsize=10)
    axis.text(10.8, 2.6, "(B, 256)", ha="right", va="center", fontsize=9, color=GREY)
    arrow(axis, (11.2, 2.0), (11.2, 1.35))
    arrow(axis, (10.8, low), (9.0, low))
    box(axis, 7.8, low, "generator", width=2.3, height=1.44, color=GREEN)
    return figure


def _sheets(axis: Axes, x: float, y: float, count: int, color: str, name: str, shape: str) -> None:
    """Draw a picture or a feature map as ``count`` squares, one behind the other."""
    side, step = 1.3, 0.15
    for sheet in reversed(range(count)):
        corner = x - side / 2 + step * sheet, y - side / 2 + step * sheet
        axis.add_patch(
            Rectangle(corner, side, side, facecolor=color, edgecolor="white", linewidth=1.2)
        )
    middle = x + step * (count - 1) / 2
    axis.text(middle, y - 1.0, name, ha="center", va="center", fontsize=10)
    axis.text(middle, y - 1.48, shape, ha="center", va="center", fontsize=9, color=GREY)


def _column(axis: Axes, x: float, y: float, color: str, name: str, shape: str) -> None:
    """Draw a vector: a column of small squares."""
    side = 0.3
    for place in range(5):
        corner = x - side / 2, y + side * (1.5 - place)
        axis.add_patch(
            Rectangle(corner, side, side, facecolor=color, edgecolor="white", linewidth=1.0)
        )
    axis.text(x, y - 1.25, name, ha="center", va="center", fontsize=10)
    axis.text(x, y - 1.73, shape, ha="center", va="center", fontsize=9, color=GREY)


def pictures_figure(
    rows: Mapping[str, Tensor],
    *,
    columns: Sequence[str] = (),
    notes: Mapping[str, Sequence[str]] | None = None,
    gap_after: int | None = None,
    attribution: str | None = None,
) -> Figure:
    """Draw rows of pictures, each with a short note below it.

    Args:
        rows: label of a row to its pictures, uint8 (N, 3, H, W).
        columns: a heading for each of the N columns.
        notes: label to N notes.
        gap_after: leave a gap after so many columns.
        attribution: who made the pictures.

    Raises:
        ValueError: if the rows are not equally long.
    """
    lengths = {label: len(pictures) for label, pictures in rows.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"every row needs as many pictures as the others; they have {lengths}.")
    count = next(iter(lengths.values()))
    widths = [1.0] * count
    if gap_after is not None:
        widths.insert(gap_after, 0.25)
    height = 0.88 + 0.22 * (notes is not None)
    figure = new_figure(0.88 * sum(widths) + 1.2, height * len(rows) + 0.5)
    axes = figure.subplots(len(rows), len(widths), squeeze=False, width_ratios=widths)
    places = [place for place in range(len(widths)) if place != gap_after]
    for row, (label, pictures) in enumerate(rows.items()):
        label_row(axes[row][0], label)
        for column, place in enumerate(places):
            show(axes[row][place], to_pixels(pictures[column]))
            if notes is not None:
                axes[row][place].set_xlabel(notes[label][column], fontsize=9, labelpad=2)
        if gap_after is not None:
            axes[row][gap_after].set_axis_off()
    for heading, place in zip(columns, places, strict=False):
        axes[0][place].set_title(heading, fontsize=9)
    credit(figure, attribution)
    return figure


def cosines_figure(own: Mapping[str, Tensor], others: Tensor) -> Figure:
    """Draw how alike the metadata of changed pictures is to that of the same pictures unchanged.

    Args:
        own: name of a change to the cosines (N,) of changed pictures with themselves.
        others: cosines between different pictures, any shape; drawn below, in grey.
    """
    figure = new_figure(8.4, 0.46 * (len(own) + 1) + 0.75)
    axis = figure.subplots()
    names = [*own, "two different\npictures"]
    for row, values in enumerate([*own.values(), others.flatten()]):
        last = row == len(own)
        dots = values.detach().float().cpu()
        axis.scatter(
            dots,
            [row] * len(dots),
            s=14 if last else 34,
            color=GREY if last else BLUE,
            alpha=0.05 if last else 0.45,
            linewidth=0,
            rasterized=True,
        )
        middle = float(dots.median())
        axis.plot([middle, middle], [row - 0.32, row + 0.32], color=ORANGE, linewidth=3)
    axis.plot([], [], color=ORANGE, linewidth=3, label="median")
    axis.set_yticks(range(len(names)), labels=names)
    axis.set(ylim=(len(own) + 0.6, -0.6), xlabel="cosine of the metadata: 1 means the same")
    axis.grid(axis="x", alpha=0.2)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    axis.legend(frameon=False, fontsize=9, loc="upper left")
    return figure


def channels_figure(means: Tensor, deviations: Tensor, floor: float) -> Figure:
    """Draw every channel of a bank: how loud it is, and how much it moves.

    Args:
        means: (C,) of the channels over the pictures.
        deviations: (C,), not yet held to the floor; channels with 0 are counted, not drawn.
        floor: the smallest deviation to divide by.
    """
    figure = new_figure(6.0, 3.1)
    axis = figure.subplots()
    means, deviations = means.detach().float().cpu(), deviations.detach().float().cpu()
    dead = deviations == 0
    quiet = ~dead & (deviations < floor)
    alive = ~dead & ~quiet
    for chosen, color, marker, name in (
        (alive, BLUE, "o", "divided by their own deviation"),
        (quiet, ORANGE, "^", "below the floor, divided by it"),
    ):
        axis.scatter(
            means[chosen],
            deviations[chosen],
            s=13,
            color=color,
            marker=marker,
            alpha=0.6,
            linewidth=0,
            label=f"{int(chosen.sum())} channels {name}",
        )
    axis.axhline(floor, color=GREY, linewidth=1.2, linestyle="--", label=f"floor: {floor:.3f}")
    axis.scatter([], [], s=0, label=f"{int(dead.sum())} channels never move, and are not drawn")
    axis.set(
        xscale="log",
        yscale="log",
        xlabel="mean of the channel over the pictures",
        ylabel="deviation",
    )
    axis.grid(alpha=0.2)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8.5, loc="lower right", handletextpad=0.7)
    return figure


def plane_figure(
    pictures: Tensor,
    points: Tensor,
    samples: Mapping[str, Tensor],
    *,
    attribution: str | None = None,
) -> Figure:
    """Draw a bank as a map of its pictures, and what each mode of sampling draws from it.

    Args:
        pictures: uint8 (N, 3, R, R).
        points: (N, 2), where each picture lies.
        samples: mode to the points (M, 2) that it drew; three at most.
        attribution: who made the pictures.
    """
    figure = new_figure(8.8, 4.1)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    at = points.detach().float().cpu()
    for picture, (x, y) in zip(pictures, at.tolist(), strict=True):
        image = OffsetImage(_disc(picture), zoom=21 / picture.shape[-1], interpolation="hanning")
        left.add_artist(AnnotationBbox(image, (x, y), frameon=False, pad=0))
    left.set_title("the pictures of the bank", fontsize=11)
    right.set_title("what is drawn from it", fontsize=11)
    looks = ((BLUE, "o", 18), (ORANGE, "^", 18), (PURPLE, "x", 16))
    for (mode, drawn), (color, marker, size) in zip(samples.items(), looks, strict=False):
        where = drawn.detach().float().cpu()
        right.scatter(
            where[:, 0], where[:, 1], s=size, color=color, marker=marker, alpha=0.75, label=mode
        )
    low, high = at.amin(dim=0), at.amax(dim=0)
    margin = 0.12 * (high - low)
    left.set(
        xlim=(float(low[0] - margin[0]), float(high[0] + margin[0])),
        ylim=(float(low[1] - margin[1]), float(high[1] + margin[1])),
    )
    right.legend(frameon=False, fontsize=10, title="mode")
    for axis in (left, right):
        axis.set(xticks=[], yticks=[], xlabel="first main direction")
        axis.spines[["top", "right"]].set_visible(False)
    left.set_ylabel("second main direction")
    credit(figure, attribution)
    return figure


def _disc(picture: Tensor) -> Pixels:
    """Turn a picture, uint8 (3, R, R), into pixels (R, R, 4): see-through outside of its disc."""
    side = picture.shape[-1]
    across = torch.linspace(-1, 1, side)
    inside = across[:, None].square() + across.square() <= 0.85
    return to_pixels(torch.cat([picture.cpu(), 255 * inside[None].to(torch.uint8)]))


def drowning_figure(
    curves: Mapping[str, Mapping[str, Sequence[float]]], *, noise: float = 1.0
) -> Figure:
    """Draw how the metadata's part of the generator's input grows, against the noise.

    Args:
        curves: heading of a panel to its curves: label to the deviation after 0, 1, 2, ... steps.
        noise: deviation of the noise.
    """
    figure = new_figure(4.2 * len(curves), 2.8)
    axes = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    for axis, (heading, lines) in zip(axes, curves.items(), strict=True):
        for (label, values), (color, style) in zip(
            lines.items(), ((BLUE, "-"), (ORANGE, "--"), (PURPLE, "-.")), strict=False
        ):
            axis.plot(values, style, color=color, linewidth=1.9, label=label)
        axis.axhline(noise, color=GREY, linewidth=1.4, linestyle=":", label="the noise")
        axis.set(title=heading, xlabel="steps of Adam")
        axis.grid(alpha=0.2)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize=9, loc="upper left")
    axes[0].set(ylim=(0, None), ylabel="deviation of the metadata's part")
    return figure
