"""Figures of lessons on the generator: its blocks and links, its weights, what reaches what."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from slae_lib.config import ModelConfig
from slae_lib.course.figures.diagram import arrow
from slae_lib.generator import COMPOSITE_SIZES
from slae_lib.plotting.base import (
    ATTENTION_COLORS,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    credit,
    label_row,
    new_figure,
    show,
)


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
    figure = Figure(figsize=(right / 1.9, top / 1.9))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, right), ylim=(0, top), aspect="equal")
    axis.set_axis_off()
    _latent(axis, config, lefts[0], floor + heights[0] / 2)
    for index, size in enumerate(sizes):
        axis.add_patch(
            Rectangle((lefts[index], floor), widths[index], heights[index], facecolor=BLUE)
        )
        axis.text(middles[size], floor - 0.28, f"{size}x{size}", ha="center", va="center",
                  fontsize=9)  # fmt: skip
        axis.text(middles[size], floor - 0.65, f"{channels_at(config, size)}", ha="center",
                  va="center", fontsize=9, color=GREY)  # fmt: skip
        if index:
            start = lefts[index - 1] + widths[index - 1]
            composite = size in COMPOSITE_SIZES
            for offset in (0.13, -0.13) if composite else (0.0,):
                y = floor + 0.42 + offset
                arrow(axis, (start + 0.12, y), (lefts[index] - 0.12, y))
            axis.text(start + gap / 2, floor + 0.85, "composite" if composite else "plain",
                      ha="center", va="center", fontsize=7, color=GREY)  # fmt: skip
    _links(axis, config, middles, tops)
    _heads(axis, config, middles, floor - 0.9)
    axis.text(0.2, floor - 0.28, "places", va="center", fontsize=9)
    axis.text(0.2, floor - 0.65, "channels", va="center", fontsize=9, color=GREY)
    return figure


def channels_at(config: ModelConfig, size: int) -> int:
    """Return the channels of the generator's map with side length ``size``."""
    return config.width * (64 if size <= 32 else 128) // size


def _latent(axis: Axes, config: ModelConfig, left: float, y: float) -> None:
    text = f"noise {config.noise_dim}"
    if config.metadata:
        text += f"\n+ metadata {config.metadata_dim}"
    axis.text(1.1, y, text, ha="center", va="center", fontsize=9, linespacing=1.35)
    arrow(axis, (2.2, y), (left - 0.12, y))


def _links(
    axis: Axes, config: ModelConfig, middles: Mapping[int, float], tops: Mapping[int, float]
) -> None:
    attention = config.skip == "slae"
    color, line = (PURPLE, 2.4) if attention else (ORANGE, 1.4)
    highest = max(tops.values())
    # The link that starts lowest runs highest, so that no two lines run over each other.
    for level, (low, high) in enumerate(reversed(config.generator_links), start=1):
        y = highest - 0.15 + 0.75 * level
        from_x, to_x = middles[low], middles[high] - 0.3
        axis.plot([from_x, from_x, to_x], [tops[low] + 0.1, y, y], color=color, linewidth=line)
        axis.annotate(
            "",
            (to_x, tops[high] + 0.02),
            (to_x, y + 0.02),
            arrowprops={"arrowstyle": "-|>", "color": color, "lw": line, "shrinkA": 0},
        )
        if attention:
            box = {"facecolor": color, "edgecolor": color, "pad": 2.5}
            axis.text(from_x, tops[low] + 0.75, "M", ha="center", va="center", fontsize=9,
                      color="white", bbox=box)  # fmt: skip
        axis.text(
            from_x + 0.1,
            y + 0.28,
            f"{config.skip.upper()} {low}→{high} · {channels_at(config, high)} gates",
            va="center",
            fontsize=8.5,
            zorder=5,  # over the line of another link, which it may cross
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )


def _heads(axis: Axes, config: ModelConfig, middles: Mapping[int, float], y: float) -> None:
    for size, kernel, name in (
        (config.small_resolution, "1x1", "small image"),
        (config.resolution, "3x3", "image"),
    ):
        arrow(axis, (middles[size], y), (middles[size], y - 0.75))
        text = f"{name}\n3 channels\n{kernel}, tanh"
        axis.text(middles[size], y - 0.85, text, ha="center", va="top", fontsize=8.5,
                  linespacing=1.3, color=GREEN)  # fmt: skip


def weights_figure(weights: Mapping[str, Tensor], *, deviation: float = 0.02) -> Figure:
    """Draw the weights of layers as histograms, with the normal curve that was asked for.

    Args:
        weights: title to weights of any shape.
        deviation: of the curve, whose mean is 0.
    """
    figure = new_figure(4.5 * len(weights) + 0.2, 2.5)
    axes = figure.subplots(1, len(weights), squeeze=False, sharex=True, sharey=True)[0]
    values = {title: weight.detach().float().flatten().cpu() for title, weight in weights.items()}
    most = max(4 * deviation, *(float(value.abs().max()) for value in values.values()))
    xs = [most * (step / 200 - 1) for step in range(401)]
    height = 1 / (deviation * math.sqrt(2 * math.pi))
    for axis, (title, value) in zip(axes, values.items(), strict=True):
        axis.hist(value.numpy(), bins=61, range=(-most, most), density=True, color=BLUE,
                  label="the layer's weights")  # fmt: skip
        axis.plot(xs, [height * math.exp(-0.5 * (x / deviation) ** 2) for x in xs],
                  color=ORANGE, linewidth=2, label=f"N(0, {deviation:g})")  # fmt: skip
        axis.set_title(title, fontsize=10)
        axis.set_yticks([])
        axis.tick_params(labelsize=8)
        axis.spines[["top", "left", "right"]].set_visible(False)
    axes[0].legend(fontsize=8, loc="upper left")
    return figure


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
            none = relative == 0
            logarithm = relative.clamp(min=10.0**-decades).log10()
            logarithm = (logarithm * 4).round() / 4  # steps that the eye can tell apart
            logarithm[none] = math.nan
            show(axis, logarithm.numpy(), cmap=ATTENTION_COLORS, vmin=-decades, vmax=0)
            axis.set_facecolor("#BFD9E8")  # where nothing arrives
    for axis, (row, column) in zip(axes[0], places, strict=True):
        axis.set_title(f"place ({row}, {column})", fontsize=9)
    for axis in axes.flat:
        for spine in axis.spines.values():
            spine.set(visible=True, color=GREY, linewidth=0.6)
    bar = figure.colorbar(axes[0][0].images[0], ax=list(axes.flat), shrink=0.85, pad=0.02)
    bar.set_ticks([-decades, 0], labels=[f"{10.0**-decades:g}", "1"])
    bar.ax.tick_params(labelsize=8)
    bar.set_label("influence (strongest: 1)", fontsize=8)
    credit(figure, attribution)
    return figure
