"""Figures of the lesson on skip links: the links as drawings, and maps cut into cells."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from slae_lib.course.figures.diagram import arrow, box, caption, drawing, line, stack, write
from slae_lib.course.figures.shared import maps_figure
from slae_lib.plotting.base import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SIGNED_COLORS,
    Look,
    color_bar,
    credit,
    draw_picture,
    new_figure,
    to_array,
    to_pixels,
)
from slae_lib.plotting.style import in_own_style


@in_own_style
def link_diagram(*, attention: bool) -> Figure:
    """Draw a skip link as blocks, from the small map to the product with the large one.

    Source: FastGAN (ICLR 2021), section 3.1; SLAE paper, figures 2 and 3.

    Args:
        attention: draw the paper's link (SLAE) and not FastGAN's (SLE).
    """
    shift = 3.4 if attention else 0.0
    figure, axis = drawing(19.6 + shift, 5.8)
    y = 2.1
    stack(axis, 1.2, y, 4, BLUE, "low", "(B, C, h, w)")
    if attention:
        stack(axis, 4.0, 4.1, 1, PURPLE, "", "")
        caption(axis, 5.9, 4.35, "map M", "(B, 1, h, w)")
        line(axis, (1.45, 3.35), (1.45, 4.1))
        arrow(axis, (1.45, 4.1), (3.3, 4.1))
        arrow(axis, (4.0, 3.35), (4.0, y + 0.35))
        arrow(axis, (2.55, y), (3.7, y))
        write(axis, 4.0, y - 0.02, "×", 17)
        write(axis, 4.0, y - 0.75, "M · low", 10)
    arrow(axis, ((4.3 if attention else 2.55), y), (3.4 + shift, y))
    for x, width, name in (
        (4.4, 1.8, "pool\nto 4x4"),
        (6.9, 2.2, "convolution\n4x4"),
        (9.1, 1.4, "Swish"),
        (11.3, 2.2, "convolution\n1x1"),
        (13.6, 1.6, "sigmoid"),
    ):
        box(axis, x + shift, y, name, width=width)
    for start, end in ((5.3, 5.8), (8.0, 8.4), (9.8, 10.2), (12.4, 12.8), (14.4, 14.9)):
        arrow(axis, (start + shift, y), (end + shift, y))
    for index, height in enumerate((0.9, 0.35, 0.65, 1.15, 0.5)):  # a gate; heights mean nothing
        corner = (15.6 + shift - 0.55 + 0.23 * index, y - 0.6)
        axis.add_patch(Rectangle(corner, 0.17, height, facecolor=ORANGE))
    caption(axis, 15.6 + shift, y - 1.0, "gate", "(B, C', 1, 1)")
    arrow(axis, (16.3 + shift, y), (17.3 + shift, y))
    stack(axis, 15.5 + shift, 4.4, 3, GREEN, "", "")
    caption(axis, 13.8 + shift, 4.7, "high", "(B, C', H, W)")
    line(axis, (16.65 + shift, 4.6), (17.7 + shift, 4.6))
    arrow(axis, (17.7 + shift, 4.6), (17.7 + shift, y + 0.35))
    write(axis, 17.7 + shift, y - 0.02, "×", 17)
    write(axis, 17.8 + shift, y - 0.75, "gate · high", 10)
    return figure


@in_own_style
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


@in_own_style
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
    below: Look = {"orientation": "horizontal", "pad": 0.03}
    for axis, (title, values) in zip(others, maps.items(), strict=True):
        changes = to_array(values)
        most = float(abs(changes).max())
        drawn = draw_picture(axis, changes, title, cmap=SIGNED_COLORS, vmin=-most, vmax=most)
        ticks = {-most: f"−{most:.2g}", 0: "0", most: f"{most:.2g}"}
        color_bar(figure, drawn, axis, ticks, label=unit, **below)
    # An empty scale below the picture keeps it as large as the maps.
    drawn = draw_picture(first, to_pixels(picture), "picture")
    color_bar(figure, drawn, first, label=" ", **below).ax.set_visible(False)
    for axis in (first, *others):
        axis.title.set_fontsize(10)
        _draw_cells(axis, cells)
    credit(figure, attribution)
    return figure


def _draw_cells(axis: Axes, cells: int) -> None:
    side = axis.images[0].get_size()[0]
    for index in range(1, cells):
        place = side * index / cells - 0.5
        for border in (axis.axvline, axis.axhline):
            border(place, color="black", linewidth=1.6)
            border(place, color="white", linewidth=0.8)
