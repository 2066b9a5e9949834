"""Figures of the lesson on the training loop: one iteration, and runs side by side."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from slae_lib.course.figures.diagram import arrow, box, drawing, line, write
from slae_lib.course.figures.shared import strips_figure
from slae_lib.plotting.base import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    Look,
    new_figure,
    shared_legend,
    tidy,
)
from slae_lib.plotting.style import in_own_style

# Measured now and then, and drawn into one graph.
_MARKS: dict[str, Look] = {
    "diversity": {"linestyle": "-", "marker": "o", "markersize": 4},
    "broken": {"linestyle": "--", "marker": "s", "markersize": 4, "markerfacecolor": "white"},
}


@in_own_style
def iteration_diagram() -> Figure:
    """Draw one iteration: what is computed, and how far each gradient goes back.

    Source: SLAE paper, section 3.3, for the losses; FastGAN (ICLR 2021) for the order.
    """
    figure, axis = drawing(19.2, 8.6)
    high, middle, low = 6.8, 4.3, 1.9

    write(axis, 1.2, middle + 0.55, "noise,\nmetadata", 9.5)
    step = partial(box, axis, height=1.0, fontsize=9.5)
    back = partial(arrow, axis, color=ORANGE, linewidth=1.6, linestyle="--")
    arrow(axis, (0.4, middle - 0.25), (2.0, middle - 0.25))
    step(3.3, middle, "generator", width=2.4, color=PURPLE)
    arrow(axis, (4.5, middle), (5.5, middle))
    step(6.6, middle, "DiffAugment", width=2.2, color=GREY)
    write(axis, 6.6, high + 0.95, "real images", 9.5)
    arrow(axis, (6.6, high + 0.65), (6.6, high + 0.5))
    step(6.6, high, "DiffAugment", width=2.2, color=GREY)
    arrow(axis, (7.7, high), (11.1, high))

    # The generated images are made once and judged twice.
    line(axis, (7.7, middle), (9.4, middle))
    write(axis, 8.5, middle + 0.28, "generated", color=GREY)
    line(axis, (9.4, low + 0.25), (9.4, high - 0.4))
    arrow(axis, (9.4, high - 0.4), (11.1, high - 0.4))
    line(axis, (10.1, high - 0.68), (10.1, high - 0.13), color=ORANGE, linewidth=4)
    write(axis, 9.65, high - 0.98, "detach", 9.5, ha="left")
    arrow(axis, (9.4, low + 0.25), (11.1, low + 0.25))

    step(12.5, high, "discriminator\nlearns", width=2.8, color=BLUE)
    step(12.5, low, "discriminator\nstands still", width=2.8, color=GREY)
    arrow(axis, (13.9, high), (15.3, high))
    arrow(axis, (13.9, low + 0.25), (15.3, low + 0.25))
    step(16.9, high, "hinge +\nreconstruction", width=3.2, color=BLUE)
    step(16.9, low, "minus the\nmean logit", width=3.2, color=PURPLE)
    for y, text in ((high, "1 · step of the discriminator"), (low, "2 · step of the generator")):
        write(axis, 14.7, y + 1.15, text, 10.5)

    # Gradients.
    back((15.3, high - 0.4), (13.9, high - 0.4))
    back((15.3, low - 0.3), (13.9, low - 0.3))
    line(axis, (11.1, low - 0.3), (6.6, low - 0.3), linestyle="--", color=ORANGE, linewidth=1.6)
    back((6.6, low - 0.3), (6.6, middle - 0.5))
    back((5.5, middle - 0.3), (4.5, middle - 0.3))

    arrow(axis, (3.3, middle - 0.5), (3.3, low + 0.5))
    step(3.3, low, "average", width=2.4, color=GREEN)
    write(axis, 3.3, low - 0.95, "3 · follow the generator", 10.5)

    for x, name, color, style in ((9.9, "forward", GREY, "-"), (13.3, "gradient", ORANGE, "--")):
        line(axis, (x, 0.4), (x + 0.9, 0.4), linestyle=style, color=color, linewidth=1.6)
        write(axis, x + 1.1, 0.4, name, 9.5, ha="left")
    return figure


@in_own_style
def histories_figure(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Draw the logs of several runs over each other.

    Args:
        runs: name to its lines of ``metrics.csv``; three at most, the first in front.
    """
    figure = new_figure(8.8, 4.5)
    axes = figure.subplots(2, 2, sharex=True)
    panels = {
        "hinge of the discriminator": ("discriminator",),
        "reconstruction": ("reconstruction",),
        "mean logits: real above, generated below": ("real_logits", "fake_logits"),
        "the average: diversity (dots), broken share (squares)": ("diversity", "broken"),
    }
    looks = ((ORANGE, "-", 2.4, 9), (BLUE, "-", 1.3, 8), (PURPLE, "--", 1.3, 7))
    for axis, (title, columns) in zip(axes.flat, panels.items(), strict=True):
        for (name, rows), (color, style, width, order) in zip(runs.items(), looks, strict=False):
            look: Look = {"color": color, "linewidth": width, "zorder": order}
            for column in columns:
                label = name if column == columns[0] else None
                look |= _MARKS.get(column, {"linestyle": style})
                points = [(row["iteration"], row.get(column)) for row in rows]
                measured = [point for point in points if point[1] is not None]
                if measured:  # most lines have no samples, and an older log no broken share
                    axis.plot(*zip(*measured, strict=True), label=label, **look)
        axis.set_title(title, fontsize=10.5)
        tidy(axis, grid=None)
    for axis, level, meaning in (
        (axes[0][0], 2, "blind"),
        (axes[1][0], 0, ""),
        (axes[1][1], 1, "diversity of the real images"),
    ):
        axis.axhline(level, color=GREY, linewidth=1, linestyle=":")
        offset: Look = {"xytext": (0, 3), "textcoords": "offset points", "ha": "right"}
        place = axis.get_yaxis_transform()
        axis.annotate(meaning, (0.98, level), xycoords=place, fontsize=9, color=GREY, **offset)
    axes[0][0].set_ylim(0, 2.3)
    axes[0][1].set_ylim(0, None)
    axes[1][1].set_ylim(0, 1.3)
    for axis in axes[1]:
        axis.set_xlabel("iteration")
    shared_legend(figure, axes[0][0], "lower", ncols=3)
    return figure


@in_own_style
def growth_figure(
    here: Mapping[int, Tensor],
    loaded: Mapping[int, Tensor],
    *,
    count: int = 4,
    attribution: str | None = None,
) -> Figure:
    """Draw the same noises at several iterations of a run made here, and of a stored one.

    Args:
        here: iteration to its samples, uint8 (N, 3, R, R).
        loaded: the same of the stored run.
        count: how many samples of each are drawn.
        attribution: who made the pictures that were learned from.
    """
    rows = {}
    for word, grids in (("trained here", here), ("loaded", loaded)):
        for iteration, images in grids.items():
            rows[f"{word},\n{iteration:,} iterations"] = images[:count]
    return strips_figure(rows, gap_after=len(here), attribution=attribution)
