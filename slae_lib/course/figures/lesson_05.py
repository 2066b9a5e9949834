"""Figures of the lesson on the discriminator: its parts, its weights, and what a logit sees."""

import itertools
import math
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from slae_lib.config import ModelConfig
from slae_lib.course.figures.diagram import arrow, box, caption, drawing, line, square, write
from slae_lib.plotting.base import (
    ATTENTION_COLORS,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    Look,
    color_bar,
    credit,
    draw_picture,
    new_figure,
    tidy,
    to_array,
)
from slae_lib.plotting.style import in_own_style

_STEP = 2.3  # from one column to the next; maps of one size stand in one column
_LARGE, _SMALL = 5.8, 1.6  # heights of the two branches


@in_own_style
def discriminator_diagram(config: ModelConfig) -> Figure:
    """Draw the discriminator as blocks: two branches, skip links, and three decoders.

    Source: FastGAN (ICLR 2021), section 3.2 and appendix.

    Args:
        config: of the model; its resolution may be 64, 128 or 256.

    Raises:
        ValueError: for another resolution.
    """
    resolution, width = config.resolution, config.width
    if resolution > 256:
        raise ValueError(f"the diagram is drawn up to 256 pixels; the model has {resolution}.")
    sizes = [resolution >> step for step in range(int(math.log2(resolution)) - 2)]  # R ... 8
    place = {size: 1.0 + _STEP * (index + 1) for index, size in enumerate(sizes)}
    end = place[8] + 2.6
    figure, axis = drawing(end + 1.2, 9.9, bottom=-1.0)
    small = config.small_resolution
    smaller = [size for size in sizes if size < small]
    for y, name, x, first, maps, channels, color in (
        (_LARGE, "image", 1.0, resolution, sizes, 64 * width, BLUE),
        (_SMALL, "small image", place[small], small, smaller, 32 * width, GREEN),
    ):
        _map(axis, x, y, first, GREY, name, f"3, {first}x{first}")
        right = x + _side(first) / 2
        for size in maps:
            _map(axis, place[size], y, size, color, f"{channels // size}", f"{size}x{size}")
            arrow(axis, (right, y), (place[size] - _side(size) / 2, y))
            right = place[size] + _side(size) / 2
        _logits(axis, end, y, right)

    for level, (low, high) in enumerate(config.discriminator_links):
        sides = _side(low), _side(high)
        name = config.discriminator_skip.upper()
        _link(axis, (place[low], place[high]), sides, 7.25 + 0.5 * level, name)

    for x, top, y, what in (
        (place[16], _LARGE, 3.6, "a quarter"),
        (place[8], _LARGE, 3.6, "the image"),
        (place[8], _SMALL, -0.45, "small image"),
    ):
        _decoder(axis, x, top, y, what)
    return figure


def _side(size: int) -> float:
    """Side length on the paper: one step larger for each doubling."""
    return 0.42 + 0.2 * math.log2(size / 8)


def _map(axis: Axes, x: float, y: float, size: int, color: str, name: str, shape: str) -> None:
    side = _side(size)
    square(axis, x - side / 2, y - side / 2, side, color)
    caption(axis, x, y - side / 2 - 0.3, name, shape, gap=0.38, size=9)


def _logits(axis: Axes, x: float, y: float, start: float) -> None:
    side = 0.9
    for row, column in itertools.product(range(5), repeat=2):
        left, bottom = x - side / 2 + side / 5 * column, y - side / 2 + side / 5 * row
        square(axis, left, bottom, side / 5, PURPLE, 1)
    arrow(axis, (start, y), (x - side / 2, y))
    caption(axis, x, y - side / 2 - 0.3, "logits", "1, 5x5", gap=0.38, size=9)


def _link(
    axis: Axes, xs: tuple[float, float], sides: tuple[float, float], level: float, name: str
) -> None:
    """Draw a skip link over the top, from the larger map to the smaller one that it gates."""
    low, high = xs
    start, end = (_LARGE + side / 2 for side in sides)
    line(axis, (low, start), (low, level), (high, level), (high, end + 0.35))
    arrow(axis, (high, end + 0.4), (high, end))
    write(axis, (low + high) / 2, level, name, 8, GREY, backgroundcolor="white")


def _decoder(axis: Axes, x: float, top: float, y: float, what: str) -> None:
    # Below the two lines of text under the map.
    size = 16 if what == "a quarter" else 8
    arrow(axis, (x, top - _side(size) / 2 - 0.92), (x, y + 0.48))
    box(axis, x, y, f"decoder:\n{what}", width=1.92, height=0.86, color=ORANGE, fontsize=8)


@in_own_style
def spectra_figure(spectra: Mapping[str, Tensor], *, title: str = "") -> Figure:
    """Draw the singular values of weight matrices, largest first.

    Args:
        spectra: label to the singular values (N,), in any order; up to four.
        title: above the figure.
    """
    figure = new_figure(6.4, 3.0 + 0.35 * bool(title))
    axis = figure.subplots()
    styles = ((GREY, ":"), (ORANGE, "--"), (BLUE, "-"), (PURPLE, "-."))
    for (label, values), (color, style) in zip(spectra.items(), styles, strict=False):
        places = range(1, len(values) + 1)
        ordered = to_array(values.sort(descending=True).values)
        axis.plot(places, ordered, style, color=color, label=label, linewidth=1.8)
    axis.axhline(1, color=GREY, linewidth=0.8)
    axis.set(xlabel="singular values, the largest first", ylim=(0, None), xlim=(0, None))
    axis.legend(fontsize=9, frameon=False)
    tidy(axis)
    if title:
        figure.suptitle(title, fontsize=12)
    return figure


@in_own_style
def receptive_fields_figure(
    picture: Tensor,
    fields: Mapping[str, Tensor],
    windows: Mapping[str, tuple[float, float, float]],
    *,
    attribution: str | None = None,
) -> Figure:
    """Draw over a picture how much each pixel moves a logit, one panel a logit.

    Each panel is drawn from 0 to its own largest value, on a scale of square roots, so that weak
    influence can be seen too.

    Args:
        picture: uint8 (3, R, R), drawn in grey.
        fields: label of a logit to the influence of each pixel (R, R), 0 or more.
        windows: the same label to what the layers allow it to see: top, left and side length of
            a square in pixels, which may reach beyond the picture.
        attribution: who made the picture.
    """
    figure = new_figure(3.0 * len(fields) + 1.0, 3.2)
    axes = figure.subplots(1, len(fields), squeeze=False)[0]
    side = picture.shape[-1]
    margin = 0.38 * side
    grey = to_array(picture.float().mean(dim=0))
    colors: Look = {"cmap": ATTENTION_COLORS, "norm": PowerNorm(0.5, 0, 1)}
    frame: Look = {"fill": False, "edgecolor": BLUE, "linestyle": "--"}
    for axis, (label, field) in zip(axes, fields.items(), strict=True):
        draw_picture(axis, grey, cmap="gray", vmin=0, vmax=255)
        axis.set_title(label, fontsize=10)
        influence = to_array(field / field.max())
        drawn = axis.imshow(influence, alpha=0.72, interpolation="nearest", **colors)
        if label in windows:
            top, left, length = windows[label]
            corner = (left - 0.5, top - 0.5)
            axis.add_patch(Rectangle(corner, length, length, linewidth=1.6, **frame))
        axis.set(xlim=(-margin, side + margin), ylim=(side + margin, -margin))
    ticks = {0: "none", 0.25: "1/4", 1: "most"}
    color_bar(figure, drawn, axes, ticks, shrink=0.75, aspect=14)
    credit(figure, attribution)
    return figure


@in_own_style
def parts_figure(parts: Mapping[str, int], *, title: str = "") -> Figure:
    """Draw how many parameters each part of a network has.

    Args:
        parts: name of a part to its number of parameters, from top to bottom.
        title: above the bars.
    """
    figure = new_figure(7.2, 0.42 * len(parts) + 0.6 + 0.35 * bool(title))
    axis = figure.subplots()
    bars = axis.barh(list(parts), list(parts.values()), color=BLUE, height=0.68)
    axis.bar_label(bars, [f"{count:,}" for count in parts.values()], padding=5, fontsize=9)
    axis.invert_yaxis()
    axis.margins(x=0.18)
    axis.set_xticks([])
    axis.tick_params(axis="y", length=0, labelsize=10)
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    if title:
        axis.set_title(title, fontsize=12)
    return figure
