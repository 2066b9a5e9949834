"""Two pages: a bank of metadata as a map, and a training that is running."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from slae_lib.explorer.figures.view import draw_maps, place_picture
from slae_lib.plotting.base import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    draw_picture,
    new_figure,
    sheet,
    tidy,
    to_pixels,
)
from slae_lib.plotting.style import in_own_style

_WIDTH, _HEIGHT = 9.6, 5.0  # inches of the metadata page
_MAP = (0.1, 0.1, 5.3, 4.6)  # left, bottom, width, height of the map on it


def grid_for(count: int) -> tuple[int, int]:
    """Return columns and rows of a grid on the map with room for ``count`` and half as many."""
    _, _, width, height = _MAP
    columns = math.ceil(math.sqrt(1.5 * count * width / height))
    return columns, math.ceil(1.5 * count / columns)


@in_own_style
def metadata_figure(
    places: Tensor,
    thumbnails: Sequence[Tensor | None],
    picked: int,
    neighbours: Mapping[int, float],
    *,
    name: str,
) -> Figure:
    """Draw a bank as a map, and the picked picture with its neighbours.

    Args:
        places: (N, 2) in [0, 1].
        thumbnails: N pictures, uint8 (3, r, r); a dot stands for None.
        picked: index of the picked picture.
        neighbours: index of a picture to the cosine of its metadata, the most similar first.
        name: of the picked picture.
    """
    figure = Figure(figsize=(_WIDTH, _HEIGHT))
    page = figure.add_axes((0, 0, 1, 1))
    left, bottom, width, height = _MAP
    side = 0.97 * width / max(8, grid_for(len(places))[0])  # of a thumbnail, inches
    half = side / 2
    room = torch.tensor([width - side - 0.1, height - side - 0.1])
    start = torch.tensor([left + half + 0.05, bottom + half + 0.05])
    spots = places * room + start  # (N, 2) inches
    _draw_map(page, spots, thumbnails, side)
    corners = (spots - half).tolist()  # the lower left ones of thumbnails
    for neighbour in neighbours:
        x, y = spots[[picked, neighbour]].T.tolist()
        page.plot(x, y, color=BLUE, linewidth=0.9, zorder=4)
        _box(page, corners[neighbour], side, side, BLUE, 1.8)
    if (shown := thumbnails[picked]) is not None:
        x, y = corners[picked]
        place_picture(page, to_pixels(shown), x, y, side, interpolation="antialiased", zorder=5)
    _box(page, corners[picked], side, side, ORANGE, 3)
    page.text(left + width / 2, 4.78, "All pictures, by what VGG-16 sees", ha="center", fontsize=10)
    _draw_neighbours(page, thumbnails, picked, neighbours, name)
    page.set(xlim=(0, _WIDTH), ylim=(0, _HEIGHT))
    page.set_axis_off()
    return figure


def _draw_map(page: Axes, spots: Tensor, thumbnails: Sequence[Tensor | None], size: float) -> None:
    left, bottom, width, height = _MAP
    pixels = 110  # in an inch; all thumbnails become one picture, which is drawn quickly
    canvas = np.full((round(height * pixels), round(width * pixels), 3), 255, dtype=np.uint8)
    side = round(size * pixels)
    for (x, y), thumbnail in zip(spots.tolist(), thumbnails, strict=True):
        if thumbnail is None:
            continue
        small = torch.nn.functional.interpolate(
            thumbnail[None].float(), size=side, mode="bilinear", antialias=True
        )
        picture = small.round().clamp(0, 255).to(torch.uint8)[0]
        right = round((x - left) * pixels) - side // 2
        down = round((bottom + height - y) * pixels) - side // 2
        area = canvas[down : down + side, right : right + side]
        # The darker of both: a white corner of a picture does not hide another one.
        np.minimum(area, to_pixels(picture), out=area)
    box = (left, left + width, bottom, bottom + height)
    page.imshow(canvas, extent=box, aspect="auto", interpolation="bilinear")
    dots = spots[[thumbnail is None for thumbnail in thumbnails]]
    page.plot(*dots.T.tolist(), "o", color=GREY, markersize=4)
    _box(page, (left, bottom), width, height, GREY, 0.6)


def _draw_neighbours(
    page: Axes,
    thumbnails: Sequence[Tensor | None],
    picked: int,
    neighbours: Mapping[int, float],
    name: str,
) -> None:
    page.text(5.68, 4.78, name, fontsize=10)
    shown = thumbnails[picked]
    if shown is not None:
        place_picture(page, to_pixels(shown), 5.68, 3.62, 1.05)
        _box(page, (5.68, 3.62), 1.05, 1.05, ORANGE, 3)
    page.text(6.95, 4.55, "most similar (cosine)", fontsize=9, color=GREY)
    for order, (neighbour, cosine) in enumerate(list(neighbours.items())[:8]):
        row, column = divmod(order, 4)
        x, y = 6.95 + 0.66 * column, 3.95 - 0.85 * row
        picture = thumbnails[neighbour]
        if picture is not None:
            place_picture(page, to_pixels(picture), x, y, 0.52)
        page.text(x + 0.26, y - 0.05, f"{cosine:.2f}", ha="center", va="top", fontsize=8)


def _box(
    page: Axes, corner: Sequence[float], width: float, height: float, color: str, line: float
) -> None:
    left, bottom = corner
    x = [left, left + width, left + width, left, left]
    y = [bottom, bottom, bottom + height, bottom + height, bottom]
    page.plot(x, y, color=color, linewidth=line, zorder=6)


@in_own_style
def monitor_figure(
    rows: Sequence[Mapping[str, Any]],
    *,
    title: str,
    samples: Tensor | None = None,
    samples_title: str = "",
    attention: Mapping[str, Tensor] | None = None,
    attention_images: Tensor | None = None,
    attention_title: str = "",
    blind: float = 2.0,
) -> Figure:
    """Draw how far a training is: losses, diversity, samples, attention.

    Args:
        rows: lines of ``metrics.csv``, one or more.
        title: above the figure.
        samples: uint8 (N, 3, R, R), the newest; 16 of them are shown.
        samples_title: above them.
        attention: link name to (K, 1, h, w), of the newest checkpoint.
        attention_images: uint8 (K, 3, R, R), the images that the maps belong to.
        attention_title: above the maps.
        blind: loss of a discriminator that tells nothing apart.
    """
    has_pictures = samples is not None or bool(attention)
    figure = new_figure(9.6, 6.6 if has_pictures else 2.7)
    parts: Any = [figure]
    if has_pictures:
        parts = figure.subfigures(2, 1, height_ratios=(2.4, 3.9))
    losses, diversity = parts[0].subplots(1, 2)
    _draw_losses(losses, rows, blind)
    _draw_diversity(diversity, rows)
    figure.suptitle(title, fontsize=11)
    if not has_pictures:
        return figure
    lower: Any = parts[1].subfigures(1, 2, width_ratios=(1, 1.15))
    if samples is not None:
        draw_picture(lower[0].subplots(), sheet(samples[:16], 4), samples_title)
        lower[0].axes[0].title.set_fontsize(10)
    if attention and attention_images is not None:
        axes = lower[1].subplots(len(attention), len(attention_images), squeeze=False)
        draw_maps(axes, attention_images, attention)
        for axis in axes[:, 0]:
            axis.yaxis.label.set_fontsize(8)
        lower[1].suptitle(attention_title, fontsize=10)
    return figure


def _draw_losses(axis: Axes, rows: Sequence[Mapping[str, Any]], blind: float) -> None:
    x = [row["iteration"] for row in rows]
    lines = (
        ("discriminator", BLUE, "-"),
        ("reconstruction", ORANGE, "--"),
        ("penalty", GREEN, "--"),
        ("generator", PURPLE, "-."),
    )
    for column, color, style in lines:
        values = [row[column] for row in rows]
        if any(value is not None for value in values):
            # A single point has no line to be seen.
            marker = "o" if len(rows) == 1 else ""
            axis.plot(x, values, style, marker=marker, color=color, label=column, linewidth=1.4)
    axis.axhline(blind, color=GREY, linewidth=1, linestyle=":", label="blind discriminator")
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + 0.8 * (high - low))  # room for two lines of the legend
    axis.legend(fontsize=8, frameon=False, loc="upper right", ncols=2)
    _finish(axis, "Losses")


def _draw_diversity(axis: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    measured = [row for row in rows if row["diversity"] is not None]
    x = [row["iteration"] for row in measured]
    axis.plot(x, [row["diversity"] for row in measured], "o-", color=GREEN, label="diversity")
    shares = [math.nan if row["broken"] is None else row["broken"] for row in measured]
    axis.plot(x, shares, "s--", color=ORANGE, label="broken share")
    axis.axhline(1, color=GREY, linewidth=1, linestyle=":", label="the real images")
    axis.set(ylim=(0, 1.5), xlim=(0, 1.03 * max(1, rows[-1]["iteration"])))
    axis.legend(fontsize=8, frameon=False, loc="upper right", ncols=2)
    _finish(axis, "Samples")


def _finish(axis: Axes, title: str) -> None:
    axis.set_title(title, fontsize=10)
    axis.set_xlabel("iteration", fontsize=9)
    axis.tick_params(labelsize=8)
    tidy(axis)
