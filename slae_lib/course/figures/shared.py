"""Figures that several lessons use: rows of pictures and maps, and gates as bars."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from slae_lib.plotting.base import (
    ATTENTION_COLORS,
    BLUE,
    GREEN,
    GREY,
    NOTEBOOK_DPI,
    ORANGE,
    PURPLE,
    at_width,
    color_bar,
    credit,
    draw_picture,
    label_row,
    new_figure,
    tidy,
    to_array,
    to_pixels,
)
from slae_lib.plotting.style import in_own_style
from slae_lib.support.images import to_uint8


@in_own_style
def maps_figure(
    rows: Mapping[str, Tensor],
    *,
    columns: Sequence[str] = (),
    limits: Mapping[str, tuple[float, float]] | None = None,
    title: str = "",
    attribution: str | None = None,
) -> Figure:
    """Draw pictures and maps in rows, so that a column shows one thing in several ways.

    Args:
        rows: label of a row to its pictures, uint8 (N, 3, H, W), or its maps (N, 1, h, w), which
            get a colour bar.
        columns: a heading for each of the N columns.
        limits: label to the lowest and highest value of the colours; a row that is not named is
            drawn from its own minimum to its own maximum.
        title: above the figure.
        attribution: who made the pictures.

    Raises:
        ValueError: if the rows are not equally long.
    """
    count = _length(rows, "columns")
    figure = new_figure(1.15 * count + 1.9, 1.2 * len(rows) + 0.5 * bool(title) + 0.35)
    axes = figure.subplots(len(rows), count, squeeze=False)
    for line, (label, images) in zip(axes, rows.items(), strict=True):
        label_row(line[0], label)
        if images.shape[1] == 3:
            for axis, image in zip(line, images, strict=True):
                draw_picture(axis, to_pixels(image))
            continue
        maps = to_array(images)
        low, high = (limits or {}).get(label, (float(maps.min()), float(maps.max())))
        for axis, shown in zip(line, maps, strict=True):
            drawn = draw_picture(axis, shown[0], cmap=ATTENTION_COLORS, vmin=low, vmax=high)
        ticks = {low: f"{low:.2g}", high: f"{high:.2g}"}
        color_bar(figure, drawn, line, ticks, shrink=0.85, aspect=12)
    for axis, heading in zip(axes[0], columns, strict=False):
        axis.set_title(heading, fontsize=9)
    if title:
        figure.suptitle(title, fontsize=12)
    credit(figure, attribution)
    return figure


@in_own_style
def faces_figure(
    rows: Mapping[str, Tensor],
    *,
    width: float,
    columns: Sequence[str] = (),
    attribution: str | None = None,
) -> Figure:
    """Draw rows of pictures, given as a network makes them or as they are stored.

    Args:
        rows: label of a row to its pictures (N, 3, R, R), in [-1, 1] or uint8.
        width: of the figure, in inches.
        columns: a heading for each of the N columns.
        attribution: who made the pictures.
    """
    pictures = {
        label: images if images.dtype == torch.uint8 else to_uint8(images)
        for label, images in rows.items()
    }
    return at_width(maps_figure(pictures, columns=columns, attribution=attribution), width)


@in_own_style
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
    widths = [1.0] * _length(rows, "pictures")
    if gap_after is not None:
        widths.insert(gap_after, 0.25)
    height = 0.88 + 0.22 * (notes is not None)
    figure = new_figure(0.88 * sum(widths) + 1.2, height * len(rows) + 0.5)
    axes = figure.subplots(len(rows), len(widths), squeeze=False, width_ratios=widths)
    places = [place for place in range(len(widths)) if place != gap_after]
    for line, (label, pictures) in zip(axes, rows.items(), strict=True):
        label_row(line[0], label)
        for column, place in enumerate(places):
            draw_picture(line[place], to_pixels(pictures[column]))
            if notes is not None:
                line[place].set_xlabel(notes[label][column], fontsize=9, labelpad=2)
        if gap_after is not None:
            line[gap_after].set_axis_off()
    for heading, place in zip(columns, places, strict=False):
        axes[0][place].set_title(heading, fontsize=9)
    credit(figure, attribution)
    return figure


@in_own_style
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
    figure = Figure(figsize=(width / NOTEBOOK_DPI, height / NOTEBOOK_DPI), dpi=NOTEBOOK_DPI)
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
            draw_picture(axis, to_pixels(_fewer_colours(picture)))
        beside = (left - 10) / width, (top + cell / 2) / height
        figure.text(*beside, label, ha="right", va="center", fontsize=8.5)
    if attribution:
        figure.text(0.5, 7 / height, attribution, ha="center", fontsize=6, color=GREY)
    return figure


def _length(rows: Mapping[str, Tensor], what: str) -> int:
    lengths = {label: len(images) for label, images in rows.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"every row needs as many {what} as the others; they have {lengths}.")
    return next(iter(lengths.values()))


def _fewer_colours(picture: Tensor) -> Tensor:
    """Round a picture, uint8, to 43 levels a channel: a smaller file, and nobody sees it."""
    return ((picture.int() + 3) // 6 * 6).clamp(max=255).to(picture.dtype)


@in_own_style
def gates_figure(
    panels: Mapping[str, Mapping[str, Tensor]],
    *,
    difference: tuple[str, Tensor] | None = None,
) -> Figure:
    """Draw gates as bars, sorted from the most open to the most closed one.

    All panels have the order of the first one, so that a bar is the same channel everywhere.

    Args:
        panels: title to one or two gates (C,) with their names: the first as bars, the second as
            points over them.
        difference: title and numbers (C,) below all panels, as bars up and down.
    """
    first = next(iter(next(iter(panels.values())).values()))
    order = first.detach().flatten().cpu().argsort(descending=True)
    places = range(len(order))
    rows = len(panels) + (difference is not None)
    figure = new_figure(9.4, 1.75 * rows + 0.3)
    axes = figure.subplots(rows, 1, squeeze=False, sharex=True)[:, 0]
    points = {"color": ORANGE, "markeredgecolor": "black", "markersize": 5}
    for axis, (title, gates) in zip(axes, panels.items(), strict=False):
        for index, (name, gate) in enumerate(gates.items()):
            heights = to_array(gate.flatten())[order]
            if index == 0:
                axis.bar(places, heights, color=BLUE, width=0.7, label=name)
            else:
                axis.plot(places, heights, "o", label=name, **points)
        axis.set(ylim=(0, 1), yticks=(0, 0.5, 1))
        axis.set_ylabel("gate", fontsize=9)
        axis.set_title(title, fontsize=10)
        axis.legend(fontsize=8, loc="upper right", ncols=2, framealpha=0.9)
    if difference is not None:
        title, numbers = difference
        changes = to_array(numbers.flatten())[order]
        colors = [PURPLE if change < 0 else GREEN for change in changes]
        axes[-1].bar(places, changes, color=colors, width=0.7)
        axes[-1].axhline(0, color=GREY, linewidth=0.8)
        axes[-1].set_title(title, fontsize=10)
        axes[-1].set_ylabel("difference", fontsize=9)
    axes[-1].set_xlabel("channels of high, from the most open to the most closed", fontsize=9)
    axes[-1].set_xticks([])
    for axis in axes:
        tidy(axis, grid=None)
        axis.tick_params(labelsize=8)
        axis.set_xlim(-0.8, len(order) - 0.2)
    return figure
