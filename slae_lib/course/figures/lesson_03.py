"""Figures of lessons on skip links: the links as drawings, maps cut into cells, gates as bars."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from slae_lib.course.figures.diagram import arrow, box, stack
from slae_lib.course.figures.lesson_02 import maps_figure
from slae_lib.plotting.base import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SIGNED_COLORS,
    credit,
    new_figure,
    show,
    to_pixels,
)


def link_diagram(*, attention: bool) -> Figure:
    """Draw a skip link as blocks, from the small map to the product with the large one.

    Source: FastGAN (ICLR 2021), section 3.1; SLAE paper, figures 2 and 3.

    Args:
        attention: draw the paper's link (SLAE) and not FastGAN's (SLE).
    """
    shift = 3.4 if attention else 0.0
    figure = Figure(figsize=((19.6 + shift) / 2, 2.9))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, 19.6 + shift), ylim=(0, 5.8), aspect="equal")
    axis.set_axis_off()
    y = 2.1
    stack(axis, 1.2, y, 4, BLUE, "low", "(B, C, h, w)")
    if attention:
        stack(axis, 4.0, 4.1, 1, PURPLE, "", "")
        _label(axis, 5.9, 4.35, "map M", "(B, 1, h, w)")
        axis.plot([1.45, 1.45], [3.35, 4.1], color=GREY, linewidth=1.2)
        arrow(axis, (1.45, 4.1), (3.3, 4.1))
        arrow(axis, (4.0, 3.35), (4.0, y + 0.35))
        arrow(axis, (2.55, y), (3.7, y))
        axis.text(4.0, y - 0.02, "×", ha="center", va="center", fontsize=17)
        axis.text(4.0, y - 0.75, "M · low", ha="center", va="center", fontsize=10)
    arrow(axis, ((4.3 if attention else 2.55), y), (3.4 + shift, y))
    box(axis, 4.4 + shift, y, "pool\nto 4x4", width=1.8)
    box(axis, 6.9 + shift, y, "convolution\n4x4", width=2.2)
    box(axis, 9.1 + shift, y, "Swish", width=1.4)
    box(axis, 11.3 + shift, y, "convolution\n1x1", width=2.2)
    box(axis, 13.6 + shift, y, "sigmoid", width=1.6)
    for start, end in ((5.3, 5.8), (8.0, 8.4), (9.8, 10.2), (12.4, 12.8), (14.4, 14.9)):
        arrow(axis, (start + shift, y), (end + shift, y))
    _gate_bars(axis, 15.6 + shift, y)
    arrow(axis, (16.3 + shift, y), (17.3 + shift, y))
    stack(axis, 15.5 + shift, 4.4, 3, GREEN, "", "")
    _label(axis, 13.8 + shift, 4.7, "high", "(B, C', H, W)")
    axis.plot([16.65 + shift, 17.7 + shift], [4.6, 4.6], color=GREY, linewidth=1.2)
    arrow(axis, (17.7 + shift, 4.6), (17.7 + shift, y + 0.35))
    axis.text(17.7 + shift, y - 0.02, "×", ha="center", va="center", fontsize=17)
    axis.text(17.8 + shift, y - 0.75, "gate · high", ha="center", va="center", fontsize=10)
    return figure


def _gate_bars(axis: Axes, x: float, y: float) -> None:
    """Draw a gate as a few bars; their heights mean nothing."""
    for index, height in enumerate((0.9, 0.35, 0.65, 1.15, 0.5)):
        left = x - 0.55 + 0.23 * index
        axis.add_patch(Rectangle((left, y - 0.6), 0.17, height, facecolor=ORANGE))
    _label(axis, x, y - 1.0, "gate", "(B, C', 1, 1)")


def _label(axis: Axes, x: float, y: float, name: str, shape: str) -> None:
    axis.text(x, y, name, ha="center", va="center", fontsize=10)
    axis.text(x, y - 0.48, shape, ha="center", va="center", fontsize=9, color=GREY)


def cells_figure(
    rows: Mapping[str, Tensor],
    *,
    columns: Sequence[str] = (),
    limits: Mapping[str, tuple[float, float]] | None = None,
    cells: int = 4,
    attribution: str | None = None,
) -> Figure:
    """Draw pictures and maps in rows, with the borders of the pooling's cells over each.

    Args:
        rows: as for `maps_figure`.
        columns: a heading for each column.
        limits: as for `maps_figure`.
        cells: how many along each side.
        attribution: who made the pictures.
    """
    figure = maps_figure(rows, columns=columns, limits=limits, attribution=attribution)
    count = len(next(iter(rows.values())))
    for axis in figure.axes[: len(rows) * count]:
        _draw_cells(axis, cells)
    return figure


def by_place_figure(
    picture: Tensor,
    maps: Mapping[str, Tensor],
    *,
    cells: int = 4,
    unit: str = "",
    attribution: str | None = None,
) -> Figure:
    """Draw how one number changes when something stands on each place, beside the picture.

    Args:
        picture: uint8 (3, H, W).
        maps: title to changes (h, w), above and below 0; each has its own scale.
        cells: of the pooling, along each side; their borders are drawn.
        unit: of the changes, written on the scales.
        attribution: who made the picture.
    """
    figure = new_figure(2.35 * (len(maps) + 1), 3.2)
    first, *others = figure.subplots(1, len(maps) + 1)
    show(first, to_pixels(picture), "picture")
    for axis, (title, values) in zip(others, maps.items(), strict=True):
        changes = values.detach().float().cpu()
        most = float(changes.abs().max())
        show(axis, changes.numpy(), title, cmap=SIGNED_COLORS, vmin=-most, vmax=most)
        bar = figure.colorbar(axis.images[0], ax=axis, orientation="horizontal", pad=0.03)
        bar.set_ticks([-most, 0, most], labels=[f"−{most:.2g}", "0", f"{most:.2g}"])
        bar.ax.tick_params(labelsize=8)
        bar.set_label(unit, fontsize=8)
    # An empty scale below the picture keeps it as large as the maps.
    blank = figure.colorbar(first.images[0], ax=first, orientation="horizontal", pad=0.03)
    blank.set_label(" ", fontsize=8)
    blank.ax.set_visible(False)
    for axis in (first, *others):
        axis.title.set_fontsize(10)
        _draw_cells(axis, cells)
    credit(figure, attribution)
    return figure


def _draw_cells(axis: Axes, cells: int) -> None:
    side = axis.images[0].get_size()[0]
    for index in range(1, cells):
        place = side * index / cells - 0.5
        for line in (axis.axvline, axis.axhline):
            line(place, color="black", linewidth=1.6)
            line(place, color="white", linewidth=0.8)


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
    for axis, (title, gates) in zip(axes, panels.items(), strict=False):
        (name, bars), *more = [(n, g.detach().flatten().cpu()[order]) for n, g in gates.items()]
        axis.bar(places, bars.numpy(), color=BLUE, width=0.7, label=name)
        for other, points in more:
            axis.plot(places, points.numpy(), "o", color=ORANGE, markeredgecolor="black",
                      markersize=5, label=other)  # fmt: skip
        axis.set(ylim=(0, 1), yticks=(0, 0.5, 1))
        axis.set_ylabel("gate", fontsize=9)
        axis.set_title(title, fontsize=10)
        axis.legend(fontsize=8, loc="upper right", ncols=2, framealpha=0.9)
    if difference is not None:
        title, numbers = difference
        heights = numbers.detach().flatten().cpu()[order].numpy()
        colors = [PURPLE if height < 0 else GREEN for height in heights]
        axes[-1].bar(places, heights, color=colors, width=0.7)
        axes[-1].axhline(0, color=GREY, linewidth=0.8)
        axes[-1].set_title(title, fontsize=10)
        axes[-1].set_ylabel("difference", fontsize=9)
    axes[-1].set_xlabel("channels of high, from the most open to the most closed", fontsize=9)
    axes[-1].set_xticks([])
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
        axis.set_xlim(-0.8, len(order) - 0.2)
    return figure
