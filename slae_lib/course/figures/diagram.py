"""Parts of drawings of a network: feature maps as sheets, layers as boxes, arrows between them."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from slae_lib.plotting.base import BLUE, GREY, Look


def drawing(
    width: float, height: float, *, bottom: float = 0.0, scale: float = 2.0
) -> tuple[Figure, Axes]:
    """Return an empty figure and its only axes, which fill it and are not drawn themselves.

    Args:
        width: from the left edge, x = 0, to the right one.
        height: from the lower edge to the upper one.
        bottom: y of the lower edge.
        scale: units in an inch.
    """
    figure = Figure(figsize=(width / scale, height / scale))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, width), ylim=(bottom, bottom + height), aspect="equal")
    axis.set_axis_off()
    return figure, axis


def write(
    axis: Axes, x: float, y: float, text: str, size: float = 9, color: str = "black", **options: Any
) -> None:
    """Write ``text`` around (x, y); ``options`` go to `Axes.text`."""
    axis.text(x, y, text, fontsize=size, color=color, **{"ha": "center", "va": "center", **options})


def caption(
    axis: Axes, x: float, y: float, name: str, shape: str, *, gap: float = 0.48, size: float = 10
) -> None:
    """Write the name of a feature map at (x, y), and its shape in grey ``gap`` below it."""
    write(axis, x, y, name, size)
    write(axis, x, y - gap, shape, size - 1, GREY)


def square(
    axis: Axes, left: float, bottom: float, side: float, color: str, edge: float | None = None
) -> None:
    """Draw a square on its lower left corner, with a white edge of ``edge`` points, if any."""
    look: Look = {} if edge is None else {"edgecolor": "white", "linewidth": edge}
    axis.add_patch(Rectangle((left, bottom), side, side, facecolor=color, **look))


def stack(
    axis: Axes,
    x: float,
    y: float,
    sheets: int,
    color: str,
    name: str,
    shape: str,
    *,
    below: float = 1.0,
    step: float = 0.17,
    linewidth: float = 1.3,
) -> None:
    """Draw a feature map as ``sheets`` squares, one behind the other, with its name and shape.

    Args:
        axis: where.
        x: middle of the first square.
        y: middle of the first square.
        sheets: how many.
        color: of the squares.
        name: of the feature map.
        shape: of the feature map.
        below: how far under the middle the name stands.
        step: from one square to the next.
        linewidth: of their edges.
    """
    for offset in (step * sheet for sheet in reversed(range(sheets))):
        square(axis, x - 0.65 + offset, y - 0.65 + offset, 1.3, color, linewidth)
    caption(axis, x + step * (sheets - 1) / 2, y - below, name, shape)


def box(
    axis: Axes,
    x: float,
    y: float,
    text: str,
    *,
    width: float = 1.9,
    height: float = 1.7,
    color: str = BLUE,
    fontsize: float = 9,
) -> None:
    """Draw a layer or a step as a rounded box around (x, y), with its name inside."""
    patch = FancyBboxPatch(
        (x - width / 2 + 0.1, y - height / 2 + 0.1),
        width - 0.2,
        height - 0.2,
        boxstyle="round,pad=0.1",
        facecolor="white",
        edgecolor=color,
        linewidth=1.3,
    )
    axis.add_patch(patch)
    write(axis, x, y, text, fontsize, linespacing=1.25)


def arrow(
    axis: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    *,
    color: str = GREY,
    linewidth: float = 1.2,
    linestyle: str = "-",
) -> None:
    """Draw where something goes."""
    look: Look = {"color": color, "linewidth": linewidth, "linestyle": linestyle}
    patch = FancyArrowPatch(
        start, end, arrowstyle="-|>", mutation_scale=10, shrinkA=0, shrinkB=0, **look
    )
    axis.add_patch(patch)


def line(axis: Axes, *points: tuple[float, float], linestyle: str = "-", **options: Any) -> None:
    """Draw a line through ``points``, for an arrow that goes around corners."""
    xs, ys = zip(*points, strict=True)
    axis.plot(xs, ys, linestyle, **{"color": GREY, "linewidth": 1.2, **options})
