"""Figures of the lesson on metadata: how it is made, what it keeps, how it meets the noise."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from torch import Tensor

from slae_lib.course.figures.diagram import (
    arrow,
    box,
    caption,
    drawing,
    line,
    square,
    stack,
    write,
)
from slae_lib.course.figures.shared import pictures_figure
from slae_lib.plotting.base import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    Look,
    Pixels,
    at_width,
    credit,
    new_figure,
    tidy,
    to_array,
    to_pixels,
)
from slae_lib.plotting.style import in_own_style


@in_own_style
def metadata_diagram() -> Figure:
    """Draw the way of metadata: a picture, VGG-16, channel means, a bank, added to the noise.

    Source: SLAE paper, section 3.2 and figure 4.
    """
    figure, axis = drawing(19.2, 7.5)
    step = partial(box, axis, height=1.44, color=GREEN)
    sheets = partial(stack, axis, step=0.15, linewidth=1.2)
    write(axis, 9.4, 7.1, "once for each picture", 10, GREY, va="baseline")
    line(axis, (0.3, 6.85), (18.6, 6.85), linewidth=0.8)
    high, low = 5.2, 0.95
    sheets(1.3, high, 3, ORANGE, "real picture", "(B, 3, 256, 256)")
    step(4.6, high, "VGG-16\nup to relu5_3", width=2.4)
    sheets(7.6, high, 6, BLUE, "features", "(B, 512, 16, 16)")
    step(11.2, high, "mean over\nall places", width=2.2)
    _column(axis, 13.8, high, BLUE, "metadata m", "(B, 512)")
    step(17.0, high, "bank:\nkeep, draw,\nstandardise", width=2.4)
    for start, end in ((2.4, 3.35), (5.85, 6.8), (9.1, 10.05), (12.35, 13.4), (14.2, 15.75)):
        arrow(axis, (start, high), (end, high))

    line(axis, (17.0, high - 0.75), (17.0, low))
    write(axis, 16.7, 2.3, "for each\nnew image", 10, GREY, ha="right")
    arrow(axis, (17.0, low), (15.05, low))
    step(13.8, low, "learned map\n512 → 256", width=2.4)
    arrow(axis, (12.55, low), (11.6, low))
    write(axis, 11.2, low - 0.02, "+", 19)
    _column(axis, 11.2, 2.85, PURPLE, "", "")
    write(axis, 10.8, 3.1, "noise z", 10, ha="right")
    write(axis, 10.8, 2.6, "(B, 256)", color=GREY, ha="right")
    arrow(axis, (11.2, 2.0), (11.2, 1.35))
    arrow(axis, (10.8, low), (9.0, low))
    step(7.8, low, "generator", width=2.3)
    return figure


def _column(axis: Axes, x: float, y: float, color: str, name: str, shape: str) -> None:
    """Draw a vector: a column of small squares."""
    side = 0.3
    for place in range(5):
        square(axis, x - side / 2, y + side * (1.5 - place), side, color, 1.0)
    caption(axis, x, y - 1.25, name, shape)


@in_own_style
def cosines_figure(own: Mapping[str, Tensor], others: Tensor) -> Figure:
    """Draw how alike the metadata of changed pictures is to that of the same pictures unchanged.

    Args:
        own: name of a change to the cosines (N,) of changed pictures with themselves.
        others: cosines between different pictures, any shape; drawn below, in grey.
    """
    figure = new_figure(8.4, 0.46 * (len(own) + 1) + 0.75)
    axis = figure.subplots()
    names = [*own, "two different\npictures"]
    same: Look = {"s": 34, "color": BLUE, "alpha": 0.45}
    different: Look = {"s": 14, "color": GREY, "alpha": 0.05}
    for row, values in enumerate([*own.values(), others.flatten()]):
        look = different if row == len(own) else same
        axis.scatter(to_array(values), [row] * len(values), linewidth=0, rasterized=True, **look)
        middle = float(values.detach().median())
        axis.plot([middle, middle], [row - 0.32, row + 0.32], color=ORANGE, linewidth=3)
    axis.plot([], [], color=ORANGE, linewidth=3, label="median")
    axis.set_yticks(range(len(names)), labels=names)
    axis.set(ylim=(len(own) + 0.6, -0.6), xlabel="cosine of the metadata: 1 means the same")
    tidy(axis, grid="x")
    axis.spines["left"].set_visible(False)
    axis.tick_params(axis="y", length=0)
    axis.legend(frameon=False, fontsize=9, loc="upper left")
    return figure


@in_own_style
def changes_figure(
    pictures: Tensor,
    faces: Mapping[str, int],
    changes: Mapping[str, Callable[[Tensor], Tensor]],
    cosines: Mapping[str, Tensor],
    attribution: str | None = None,
) -> Figure:
    """Draw faces as they are and after each change, with the cosine of their metadata below.

    Args:
        pictures: uint8 (N, 3, R, R).
        faces: name to the place of a face in ``pictures``.
        changes: name to a function of pictures.
        cosines: name of a change to a cosine for each face.
        attribution: who made the pictures.
    """
    rows, notes = {}, {}
    for row, (name, place) in enumerate(faces.items()):
        one = pictures[[place]]
        rows[name] = torch.cat([one, *(change(one) for change in changes.values())])
        notes[name] = ["1.00", *(f"{float(cosines[change][row]):.2f}" for change in changes)]
    columns = ["as it is", *(name.replace(" ", "\n", 1) for name in changes)]
    figure = pictures_figure(rows, columns=columns, notes=notes, attribution=attribution)
    return at_width(figure, 5.2)


@in_own_style
def neighbours_figure(
    pictures: Tensor,
    faces: Mapping[str, int],
    raw: Tensor,
    scaled: Tensor,
    attribution: str | None = None,
) -> Figure:
    """Draw faces, and beside each its nearest neighbours by raw and by standardised metadata.

    Args:
        pictures: uint8 (N, 3, R, R).
        faces: name to the place of a face in ``pictures``.
        raw: places (number of faces, k); the first of each is the face itself.
        scaled: the same for standardised metadata.
        attribution: who made the pictures.
    """
    rows = {
        name: pictures[torch.cat([by_raw, by_scaled[1:]])]
        for name, by_raw, by_scaled in zip(faces, raw, scaled, strict=True)
    }
    count = raw.shape[1]
    others = ["2nd", "3rd", *(f"{place}th" for place in range(4, count))][: count - 2]
    columns = ["the face", "raw", *others, "scaled", *others]
    figure = pictures_figure(rows, columns=columns, gap_after=count, attribution=attribution)
    return at_width(figure, 5.4)


@in_own_style
def channels_figure(means: Tensor, deviations: Tensor, floor: float) -> Figure:
    """Draw every channel of a bank: how loud it is, and how much it moves.

    Args:
        means: (C,) of the channels over the pictures.
        deviations: (C,), not yet held to the floor; channels with 0 are counted, not drawn.
        floor: the smallest deviation to divide by.
    """
    figure = new_figure(5.4, 2.9)
    axis = figure.subplots()
    x, y = to_array(means), to_array(deviations)
    dead = y == 0
    quiet = ~dead & (y < floor)
    for chosen, color, marker, name in (
        (~dead & ~quiet, BLUE, "o", "divided by their own deviation"),
        (quiet, ORANGE, "^", "below the floor, divided by it"),
    ):
        look: Look = {"color": color, "marker": marker, "alpha": 0.6, "linewidth": 0}
        label = f"{chosen.sum()} channels {name}"
        axis.scatter(x[chosen], y[chosen], s=13, label=label, **look)
    axis.axhline(floor, color=GREY, linewidth=1.2, linestyle="--", label=f"floor: {floor:.3f}")
    axis.scatter([], [], s=0, label=f"{dead.sum()} channels never move, and are not drawn")
    axis.set(xlabel="mean of the channel over the pictures", ylabel="deviation")
    axis.set(xscale="log", yscale="log")
    tidy(axis)
    axis.legend(frameon=False, fontsize=8.5, loc="lower right", handletextpad=0.7)
    return figure


@in_own_style
def plane_figure(
    pictures: Tensor,
    points: Tensor,
    samples: Mapping[str, Tensor],
    *,
    attribution: str | None = None,
) -> Figure:
    """Draw a bank as a map of its pictures, and what each mode of sampling draws from it.

    Args:
        pictures: uint8 (N, 3, R, R).
        points: (N, 2), where each picture lies.
        samples: mode to the points (M, 2) that it drew; three at most.
        attribution: who made the pictures.
    """
    figure = new_figure(8.8, 4.1)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    at = to_array(points)
    for picture, (x, y) in zip(pictures, at.tolist(), strict=True):
        image = OffsetImage(_disc(picture), zoom=19 / picture.shape[-1], interpolation="hanning")
        left.add_artist(AnnotationBbox(image, (x, y), frameon=False, pad=0))
    left.set_title("the pictures of the bank", fontsize=11)
    right.set_title("what is drawn from it", fontsize=11)
    looks = ((BLUE, "o", 18), (ORANGE, "^", 18), (PURPLE, "x", 16))
    for (mode, drawn), (color, marker, size) in zip(samples.items(), looks, strict=False):
        look: Look = {"s": size, "color": color, "marker": marker, "alpha": 0.75}
        right.scatter(*to_array(drawn).T, label=mode, **look)
    margin = 0.12 * np.ptp(at, axis=0)
    xlim, ylim = zip(at.min(axis=0) - margin, at.max(axis=0) + margin, strict=True)
    left.set(xlim=xlim, ylim=ylim)
    right.legend(fontsize=8, loc="upper left", framealpha=0.9, handletextpad=0.2, borderpad=0.3)
    for axis in (left, right):
        axis.set(xticks=[], yticks=[], xlabel="first main direction")
        tidy(axis, grid=None)
    left.set_ylabel("second main direction")
    credit(figure, attribution)
    return figure


def _disc(picture: Tensor) -> Pixels:
    """Turn a picture, uint8 (3, R, R), into pixels (R, R, 4): see-through outside of its disc."""
    side = picture.shape[-1]
    across = torch.linspace(-1, 1, side)
    inside = across[:, None].square() + across.square() <= 0.85
    return to_pixels(torch.cat([picture.cpu(), 255 * inside[None].to(torch.uint8)]))


@in_own_style
def drowning_figure(
    curves: Mapping[str, Mapping[str, Sequence[float]]], *, noise: float = 1.0
) -> Figure:
    """Draw how the metadata's part of the generator's input grows, against the noise.

    Args:
        curves: heading of a panel to its curves: label to the deviation after 0, 1, 2, ... steps.
        noise: deviation of the noise.
    """
    figure = new_figure(4.2 * len(curves), 2.8)
    axes = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    looks = ((BLUE, "-"), (ORANGE, "--"), (PURPLE, "-."))
    for axis, (heading, lines) in zip(axes, curves.items(), strict=True):
        for (label, values), (color, style) in zip(lines.items(), looks, strict=False):
            axis.plot(values, style, color=color, linewidth=1.9, label=label)
        axis.axhline(noise, color=GREY, linewidth=1.4, linestyle=":", label="the noise")
        axis.set(title=heading, xlabel="steps of Adam")
        tidy(axis)
        axis.legend(frameon=False, fontsize=9, loc="upper left")
    axes[0].set(ylim=(0, None), ylabel="deviation of the metadata's part")
    return figure
