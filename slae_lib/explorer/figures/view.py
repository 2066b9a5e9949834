"""Figures: one view of a generator, and maps in rows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from slae_lib.plotting.base import (
    ATTENTION_COLORS,
    BLUE,
    GREY,
    ORANGE,
    label_row,
    show_over,
    tidy,
    to_pixels,
)
from slae_lib.plotting.style import in_own_style

DIFFERENCE_TOP = 64
"""Steps of 255 that are drawn brightest: one scale for all differences, here and on the stage."""

_WIDTH, _HEIGHT = 9.6, 3.4  # inches of a view


@in_own_style
def view_figure(
    image: Tensor,
    gates: Tensor,
    *,
    link: str,
    attention: Tensor | None = None,
    plain_image: Tensor | None = None,
    plain_gates: Tensor | None = None,
) -> Figure:
    """Draw an image, the attention of one link over it, and the gates of that link.

    Nothing is laid out by matplotlib here, so that drawing takes no longer than a key press.

    Args:
        image: uint8 (3, R, R).
        gates: (C,) in (0, 1).
        link: such as ``"8->32"``.
        attention: (h, w) in [0, 1]; without it, as in a link of SLE, the gates have more room.
        plain_image: what the generator makes with the link's own attention, if ``image`` is made
            with another one.
        plain_gates: (C,), the same.
    """
    figure = Figure(figsize=(_WIDTH, _HEIGHT))
    name = link.replace("->", " → ")
    # All pictures share one pair of axes, in inches: each pair costs as much as an image.
    page = figure.add_axes((0, 0, 1, 1))
    place_picture(page, to_pixels(image), 0.1, 0.35, 2.7, "Image")
    left = 3.5
    if attention is not None:
        _place_map(page, image, attention, f"Attention of link {name}")
        left = 6.4
    if plain_image is not None:
        difference = (image.float() - plain_image.float()).abs().mean(0)  # (R, R)
        place_picture(page, to_pixels(plain_image), 5.95, 1.83, 1.22, "Plain image")
        colours = {"cmap": "cividis", "vmin": 0, "vmax": DIFFERENCE_TOP}
        place_picture(page, difference.numpy(), 5.95, 0.35, 1.22, "Difference", **colours)
        left = 7.75
    page.set(xlim=(0, _WIDTH), ylim=(0, _HEIGHT))
    page.set_axis_off()
    width = _WIDTH - 0.15 - left
    axis = figure.add_axes((left / _WIDTH, 0.6 / _HEIGHT, width / _WIDTH, 2.45 / _HEIGHT))
    _gate_bars(axis, gates, plain_gates)
    page.text(left + width / 2, 3.12, f"Gates of link {name}", **_TITLE)
    return figure


_TITLE: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 10}


def place_picture(
    page: Axes,
    picture: Any,
    left: float,
    bottom: float,
    side: float,
    title: str = "",
    **options: Any,
) -> None:
    """Draw a square picture, (H, W, 3) or (H, W), on a page whose axes are in inches.

    Args:
        page: where.
        picture: what.
        left: of its left edge.
        bottom: of its lower edge.
        side: of the picture.
        title: above it.
        options: for ``imshow``.
    """
    box = (left, left + side, bottom, bottom + side)
    page.imshow(picture, extent=box, aspect="auto", **{"interpolation": "nearest", **options})
    if title:
        page.text(left + side / 2, bottom + side + 0.07, title, **_TITLE)


def _place_map(page: Axes, image: Tensor, attention: Tensor, title: str) -> None:
    """Draw a map (h, w) over its grey image, with its scale below."""
    low, high = float(attention.min()), float(attention.max())
    if high - low < 1e-6:
        low, high = 0.0, 1.0
    left, bottom, side = 3.0, 0.35, 2.7
    grey = {"cmap": "gray", "vmin": 0, "vmax": 255}
    place_picture(page, image.float().mean(dim=0).numpy(), left, bottom, side, title, **grey)
    coloured = {"cmap": ATTENTION_COLORS, "vmin": low, "vmax": high, "alpha": 0.6}
    place_picture(page, attention.detach().cpu().numpy(), left, bottom, side, "", **coloured)
    bar = (left + 0.4, left + side - 0.4, 0.14, 0.23)
    page.imshow(np.linspace(0, 1, 64)[None], extent=bar, aspect="auto", cmap=ATTENTION_COLORS)
    text: dict[str, Any] = {"va": "center", "fontsize": 8}
    page.text(bar[0] - 0.05, 0.185, f"{low:.2f}", ha="right", **text)
    page.text(bar[1] + 0.05, 0.185, f"{high:.2f}", ha="left", **text)


def _gate_bars(axis: Axes, gates: Tensor, plain: Tensor | None) -> None:
    """Draw gates (C,) sorted; with ``plain`` ones, those are the bars and ``gates`` the dots."""
    bars = (gates if plain is None else plain).detach().cpu()
    order = bars.argsort(descending=True)
    places = np.arange(len(bars))
    # One outline in place of C rectangles: it is drawn twenty times faster.
    axis.fill_between(places, bars[order].numpy(), step="mid", color=BLUE, linewidth=0)
    if plain is not None:
        axis.plot(
            places, gates.detach().cpu()[order].numpy(), "o", color=ORANGE, markersize=2.8,
            markeredgecolor="black", markeredgewidth=0.4, label="changed",
        )  # fmt: skip
        axis.plot([], [], color=BLUE, linewidth=5, label="plain")
        axis.legend(fontsize=8, frameon=False, loc="upper right", handlelength=1)
    axis.axhline(0.5, color=GREY, linewidth=1, linestyle=":")
    axis.set(ylim=(0, 1), xlim=(-0.5, len(bars) - 0.5), yticks=(0, 0.5, 1))
    axis.set_xticks([])
    axis.set_xlabel(f"{len(bars)} channels, sorted", fontsize=9)
    axis.tick_params(labelsize=8)
    tidy(axis, grid=None)


def draw_maps(axes: Any, images: Tensor, attention: Mapping[str, Tensor], label: str = "") -> None:
    """Draw the maps of each link in a row, over the images that they belong to and on one scale.

    Args:
        axes: array of Axes, a row for each link and a column for each image.
        images: uint8 (N, 3, R, R).
        attention: link name to (N, 1, h, w).
        label: stands before the name of a link.
    """
    for row, (name, maps) in zip(axes, attention.items(), strict=True):
        low, high = float(maps.min()), float(maps.max())
        for axis, image, (attention_map,) in zip(row, images, maps, strict=True):
            show_over(axis, image, attention_map, low, high)
        label_row(row[0], f"{label}{name.replace('->', ' → ')}\n{low:.2f} to {high:.2f}")
