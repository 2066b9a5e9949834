"""Figures of lessons on the generator: its blocks and links, its weights, what reaches what."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from slae_lib.config import ModelConfig
from slae_lib.course.figures.diagram import arrow, drawing, write
from slae_lib.generator import COMPOSITE_SIZES
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
    label_row,
    new_figure,
    shared_legend,
    tidy,
    to_array,
)
from slae_lib.plotting.style import in_own_style


@in_own_style
def generator_diagram(config: ModelConfig) -> Figure:
    """Draw a generator as its maps, blocks, skip links and heads; everything as ``config`` says.

    The height of a map stands for its side length, and its width for its number of channels,
    both on a scale on which each doubling is one step.

    Source: FastGAN (ICLR 2021), figure 3; SLAE paper, figure 2.
    """
    sizes = [4 * 2**step for step in range(int(math.log2(config.resolution)) - 1)]
    gap, floor = 1.15, 2.85
    widths = [0.17 * math.log2(2 * channels_at(config, size)) for size in sizes]
    heights = [0.42 * math.log2(size) for size in sizes]
    lefts = [3.0]
    for width in widths[:-1]:
        lefts.append(lefts[-1] + width + gap)
    middles = {s: x + w / 2 for s, x, w in zip(sizes, lefts, widths, strict=True)}
    tops = {s: floor + h for s, h in zip(sizes, heights, strict=True)}
    right = lefts[-1] + widths[-1] + 1.0
    links = config.generator_links
    top = max(tops.values()) + 0.75 * len(links) + 0.5
    figure, axis = drawing(right, top, scale=1.9)
    _latent(axis, config, lefts[0], floor + heights[0] / 2)
    for index, size in enumerate(sizes):
        corner = (lefts[index], floor)
        axis.add_patch(Rectangle(corner, widths[index], heights[index], facecolor=BLUE))
        write(axis, middles[size], floor - 0.28, f"{size}x{size}")
        write(axis, middles[size], floor - 0.65, f"{channels_at(config, size)}", color=GREY)
        if index:
            start = lefts[index - 1] + widths[index - 1]
            composite = size in COMPOSITE_SIZES
            for offset in (0.13, -0.13) if composite else (0.0,):
                y = floor + 0.42 + offset
                arrow(axis, (start + 0.12, y), (lefts[index] - 0.12, y))
            kind = "composite" if composite else "plain"
            write(axis, start + gap / 2, floor + 0.85, kind, 7, GREY)
    _links(axis, config, middles, tops)
    _heads(axis, config, middles, floor - 0.9)
    write(axis, 0.2, floor - 0.28, "size", ha="left")
    write(axis, 0.2, floor - 0.65, "channels", color=GREY, ha="left")
    return figure


def channels_at(config: ModelConfig, size: int) -> int:
    """Return the channels of the generator's map with side length ``size``."""
    return config.width * (64 if size <= 32 else 128) // size


def _latent(axis: Axes, config: ModelConfig, left: float, y: float) -> None:
    text = f"noise {config.noise_dim}"
    if config.metadata:
        text += f"\n+ metadata {config.metadata_dim}"
    write(axis, 1.1, y, text, linespacing=1.35)
    arrow(axis, (2.2, y), (left - 0.12, y))


def _links(
    axis: Axes, config: ModelConfig, middles: Mapping[int, float], tops: Mapping[int, float]
) -> None:
    color, line = (PURPLE, 2.4) if config.has_attention else (ORANGE, 1.4)
    highest = max(tops.values())
    # The link that starts lowest runs highest, so that no two lines run over each other.
    for level, (low, high) in enumerate(reversed(config.generator_links), start=1):
        y = highest - 0.15 + 0.75 * level
        from_x, to_x = middles[low], middles[high] - 0.3
        axis.plot([from_x, from_x, to_x], [tops[low] + 0.1, y, y], color=color, linewidth=line)
        look = {"arrowstyle": "-|>", "color": color, "lw": line, "shrinkA": 0}
        axis.annotate("", (to_x, tops[high] + 0.02), (to_x, y + 0.02), arrowprops=look)
        if config.has_attention:
            behind = {"facecolor": color, "edgecolor": color, "pad": 2.5}
            write(axis, from_x, tops[low] + 0.75, "M", color="white", bbox=behind)
        words = f"{config.skip.upper()} {low}→{high} · {channels_at(config, high)} gates"
        behind = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        # Over the line of another link, which it may cross.
        write(axis, from_x + 0.1, y + 0.28, words, 8.5, ha="left", zorder=5, bbox=behind)


def _heads(axis: Axes, config: ModelConfig, middles: Mapping[int, float], y: float) -> None:
    for size, kernel, name in (
        (config.small_resolution, "1x1", "small image"),
        (config.resolution, "3x3", "image"),
    ):
        arrow(axis, (middles[size], y), (middles[size], y - 0.75))
        text = f"{name}\n3 channels\n{kernel}, tanh"
        write(axis, middles[size], y - 0.85, text, 8.5, GREEN, va="top", linespacing=1.3)


@in_own_style
def weights_figure(weights: Mapping[str, Tensor], *, deviation: float = 0.02) -> Figure:
    """Draw the weights of layers as histograms, with the normal curve that was asked for.

    Args:
        weights: title to weights of any shape.
        deviation: of the curve, whose mean is 0.
    """
    figure = new_figure(4.5 * len(weights) + 0.2, 2.5)
    axes = figure.subplots(1, len(weights), squeeze=False, sharex=True, sharey=True)[0]
    values = {title: to_array(weight).ravel() for title, weight in weights.items()}
    most = max(4 * deviation, *(float(abs(value).max()) for value in values.values()))
    xs = np.linspace(-most, most, 401)
    bars: Look = {"bins": 61, "range": (-most, most), "density": True, "color": BLUE}
    for axis, (title, value) in zip(axes, values.items(), strict=True):
        axis.hist(value, label="the layer's weights", **bars)
        curve = np.exp(-0.5 * (xs / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))
        axis.plot(xs, curve, color=ORANGE, linewidth=2, label=f"N(0, {deviation:g})")
        axis.set_title(title, fontsize=10)
        axis.set_yticks([])
        axis.tick_params(labelsize=8)
        axis.spines[["top", "left", "right"]].set_visible(False)
    axes[0].legend(fontsize=8, loc="upper left")
    return figure


@in_own_style
def influence_figure(
    rows: Mapping[str, Tensor],
    places: Sequence[tuple[int, int]],
    *,
    decades: int = 4,
    attribution: str | None = None,
) -> Figure:
    """Draw how strongly places of the 4x4 map reach each pixel, on a logarithmic scale.

    Args:
        rows: label to influences (N, R, R) of the N places, 0 or more.
        places: (row, column) of each place.
        decades: powers of ten below the strongest influence of a map that can be told apart.
        attribution: who made the pictures that the generator has learned from.
    """
    count = len(places)
    figure = new_figure(1.5 * count + 2.0, 1.5 * len(rows) + 0.6)
    axes = figure.subplots(len(rows), count, squeeze=False)
    for line, (label, influences) in zip(axes, rows.items(), strict=True):
        label_row(line[0], label)
        for axis, influence in zip(line, influences.detach().float().cpu(), strict=True):
            relative = (influence / influence.max()).clamp(min=0)
            logarithm = relative.clamp(min=10.0**-decades).log10()
            logarithm = (logarithm * 4).round() / 4  # steps that the eye can tell apart
            shown = logarithm.where(relative > 0, math.nan).numpy()
            drawn = draw_picture(axis, shown, cmap=ATTENTION_COLORS, vmin=-decades, vmax=0)
            axis.set_facecolor("#BFD9E8")  # where nothing arrives
            axis.spines[:].set(visible=True, color=GREY, linewidth=0.6)
    for axis, (row, column) in zip(axes[0], places, strict=True):
        axis.set_title(f"place ({row}, {column})", fontsize=9)
    ticks: dict[float, str] = {-decades: f"{10.0**-decades:g}", 0: "1"}
    words = "influence (strongest: 1)"
    color_bar(figure, drawn, axes.flat, ticks, words, shrink=0.85, pad=0.02)
    credit(figure, attribution)
    return figure


@in_own_style
def stretch_figure(tables: Mapping[str, Tensor]) -> Figure:
    """Draw what tables of 2x2 weights make of all patches of length 1, and the longest of these.

    Args:
        tables: title to a table (2, 2).
    """
    figure = new_figure(3.1 * len(tables), 3.1)
    axes = figure.subplots(1, len(tables), squeeze=False, sharex=True, sharey=True)[0]
    angles = np.linspace(0, 2 * math.pi, 181)
    circle = np.stack([np.cos(angles), np.sin(angles)])  # (2, 181)
    for axis, (title, table) in zip(axes, tables.items(), strict=True):
        made = to_array(table) @ circle
        longest = made[:, np.linalg.norm(made, axis=0).argmax()]
        axis.plot(*circle, "--", color=GREY, linewidth=1.5, label="patches of length 1")
        axis.plot(*made, color=BLUE, linewidth=2.4, label="what becomes of them")
        axis.annotate(
            "", longest, (0, 0), arrowprops={"arrowstyle": "-|>", "color": ORANGE, "lw": 2}
        )
        axis.set_title(f"{title}:\nat most {np.linalg.norm(longest):.2f} times as long", fontsize=9)
        axis.set_aspect("equal")
        tidy(axis)
    shared_legend(figure, axes[0], "lower", ncols=2, fontsize=9)
    return figure
