"""Parts of drawings of a network: feature maps as sheets, layers as boxes, arrows between them."""

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from slae_lib.plotting.base import BLUE, GREY


def stack(
    axis: Axes,
    x: float,
    y: float,
    sheets: int,
    color: str,
    name: str,
    shape: str,
    *,
    below: bool = True,
) -> None:
    """Draw a feature map as ``sheets`` squares, one behind the other, with its name and shape."""
    side, step = 1.3, 0.17
    for sheet in reversed(range(sheets)):
        offset = step * sheet
        axis.add_patch(
            Rectangle(
                (x - side / 2 + offset, y - side / 2 + offset),
                side,
                side,
                facecolor=color,
                edgecolor="white",
                linewidth=1.3,
            )
        )
    middle = x + step * (sheets - 1) / 2
    text = y - 1.0 if below else y - 0.98
    axis.text(middle, text, name, ha="center", va="center", fontsize=10)
    axis.text(middle, text - 0.48, shape, ha="center", va="center", fontsize=9, color=GREY)


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
    axis.add_patch(
        FancyBboxPatch(
            (x - width / 2 + 0.1, y - height / 2 + 0.1),
            width - 0.2,
            height - 0.2,
            boxstyle="round,pad=0.1",
            facecolor="white",
            edgecolor=color,
            linewidth=1.3,
        )
    )
    axis.text(x, y, text, ha="center", va="center", fontsize=fontsize, linespacing=1.25)


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
    axis.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=10,
            color=color,
            linewidth=linewidth,
            linestyle=linestyle,
            shrinkA=0,
            shrinkB=0,
        )
    )
