"""Figures of the lesson on the discriminator: its parts, its weights, and what a logit sees."""

import math
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from slae_lib.config import ModelConfig
from slae_lib.course.figures.diagram import arrow, box
from slae_lib.plotting.base import (
    ATTENTION_COLORS,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    credit,
    new_figure,
    show,
)

_STEP = 2.3  # from one column to the next; maps of one size stand in one column
_LARGE, _SMALL = 5.8, 1.6  # heights of the two branches


def discriminator_diagram(config: ModelConfig) -> Figure:
    """Draw the discriminator as blocks: two branches, skip links, and three decoders.

    Source: FastGAN (ICLR 2021), section 3.2 and appendix.

    Args:
        config: of the model; its resolution may be 64, 128 or 256.

    Raises:
        ValueError: for another resolution.
    """
    resolution, width = config.resolution, config.widths_of_discriminator
    if resolution > 256:
        raise ValueError(f"the diagram is drawn up to 256 pixels; the model has {resolution}.")
    sizes = [resolution >> step for step in range(int(math.log2(resolution)) - 2)]  # R ... 8
    place = {size: 1.0 + _STEP * (index + 1) for index, size in enumerate(sizes)}
    end = place[8] + 2.6
    figure = Figure(figsize=((end + 1.2) / 2, 4.95))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, end + 1.2), ylim=(-1.0, 8.9), aspect="equal")
    axis.set_axis_off()

    _map(axis, 1.0, _LARGE, resolution, GREY, "image", f"3, {resolution}x{resolution}")
    before, side = 1.0, _side(resolution)
    for size in sizes:
        name = f"{width * 64 // size}"
        _map(axis, place[size], _LARGE, size, BLUE, name, f"{size}x{size}")
        arrow(axis, (before + side / 2, _LARGE), (place[size] - _side(size) / 2, _LARGE))
        before, side = place[size], _side(size)
    _logits(axis, end, _LARGE, (before + side / 2, _LARGE))

    for level, (low, high) in enumerate(config.discriminator_links):
        _link(axis, place[low], place[high], _side(low), _side(high), 7.25 + 0.5 * level)

    small = config.small_resolution
    _map(axis, place[small], _SMALL, small, GREY, "small image", f"3, {small}x{small}")
    before, side = place[small], _side(small)
    for size in [other for other in sizes if other < small]:
        name = f"{width * 32 // size}"
        _map(axis, place[size], _SMALL, size, GREEN, name, f"{size}x{size}")
        arrow(axis, (before + side / 2, _SMALL), (place[size] - _side(size) / 2, _SMALL))
        before, side = place[size], _side(size)
    _logits(axis, end, _SMALL, (before + side / 2, _SMALL))

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
    axis.add_patch(Rectangle((x - side / 2, y - side / 2), side, side, facecolor=color))
    axis.text(x, y - side / 2 - 0.3, name, ha="center", va="center", fontsize=9)
    axis.text(x, y - side / 2 - 0.68, shape, ha="center", va="center", fontsize=8, color=GREY)


def _logits(axis: Axes, x: float, y: float, start: tuple[float, float]) -> None:
    side = 0.9
    for row in range(5):
        for column in range(5):
            corner = (x - side / 2 + side / 5 * column, y - side / 2 + side / 5 * row)
            axis.add_patch(
                Rectangle(
                    corner,
                    side / 5,
                    side / 5,
                    facecolor=PURPLE,
                    edgecolor="white",
                    linewidth=1,
                )
            )
    arrow(axis, start, (x - side / 2, y))
    axis.text(x, y - side / 2 - 0.3, "logits", ha="center", va="center", fontsize=9)
    axis.text(x, y - side / 2 - 0.68, "1, 5x5", ha="center", va="center", fontsize=8, color=GREY)


def _link(
    axis: Axes, low: float, high: float, low_side: float, high_side: float, level: float
) -> None:
    """Draw a skip link over the top, from the larger map to the smaller one that it gates."""
    axis.plot(
        [low, low, high, high],
        [_LARGE + low_side / 2, level, level, _LARGE + high_side / 2 + 0.35],
        color=GREY,
        linewidth=1.2,
    )
    arrow(axis, (high, _LARGE + high_side / 2 + 0.4), (high, _LARGE + high_side / 2))
    axis.text(
        (low + high) / 2,
        level,
        "SLE",
        ha="center",
        va="center",
        fontsize=8,
        color=GREY,
        backgroundcolor="white",
    )


def _decoder(axis: Axes, x: float, top: float, y: float, what: str) -> None:
    # Below the two lines of text under the map.
    size = 16 if what == "a quarter" else 8
    arrow(axis, (x, top - _side(size) / 2 - 0.92), (x, y + 0.48))
    box(axis, x, y, f"decoder:\n{what}", width=1.92, height=0.86, color=ORANGE, fontsize=8)


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
        ordered = values.detach().float().cpu().sort(descending=True).values
        axis.plot(
            range(1, len(ordered) + 1),
            ordered.numpy(),
            style,
            color=color,
            label=label,
            linewidth=1.8,
        )
    axis.axhline(1, color=GREY, linewidth=0.8)
    axis.set(xlabel="singular values, the largest first", ylim=(0, None), xlim=(0, None))
    axis.legend(fontsize=9, frameon=False)
    axis.grid(alpha=0.2)
    axis.spines[["top", "right"]].set_visible(False)
    if title:
        figure.suptitle(title, fontsize=12)
    return figure


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
    drawn = None
    for axis, (label, field) in zip(axes, fields.items(), strict=True):
        show(axis, picture.float().mean(dim=0).cpu().numpy(), label, cmap="gray", vmin=0, vmax=255)
        axis.title.set_fontsize(10)
        influence = field.detach().float().cpu()
        drawn = axis.imshow(
            (influence / influence.max()).numpy(),
            cmap=ATTENTION_COLORS,
            norm=PowerNorm(0.5, 0, 1),
            alpha=0.72,
            interpolation="nearest",
        )
        if label in windows:
            top, left, length = windows[label]
            axis.add_patch(
                Rectangle(
                    (left - 0.5, top - 0.5),
                    length,
                    length,
                    fill=False,
                    edgecolor=BLUE,
                    linestyle="--",
                    linewidth=1.6,
                )
            )
        axis.set(xlim=(-margin, side + margin), ylim=(side + margin, -margin))
    assert drawn is not None
    bar = figure.colorbar(drawn, ax=list(axes), shrink=0.75, pad=0.01, aspect=14)
    if bar.solids is not None:
        bar.solids.set_alpha(1)
    bar.set_ticks([0, 0.25, 1], labels=["none", "1/4", "most"])
    bar.ax.tick_params(labelsize=8)
    credit(figure, attribution)
    return figure


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
