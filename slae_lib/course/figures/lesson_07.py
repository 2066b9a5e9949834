"""Figures of the lesson on losses: curves, slopes, where training goes, and a GAN on a line."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from slae_lib.course.figures.diagram import write
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
    to_array,
)
from slae_lib.plotting.style import in_own_style

_LOOKS = ((BLUE, "-", 2.4), (ORANGE, "--", 2.0), (PURPLE, "-.", 1.8), (GREEN, ":", 2.4))


class Curve(NamedTuple):
    """A loss over the logit.

    Attributes:
        value: (N,) of the loss.
        slope: (N,) of its derivative.
    """

    value: Tensor
    slope: Tensor


@in_own_style
def curves_figure(logits: Tensor, panels: Mapping[str, Mapping[str, Curve]]) -> Figure:
    """Draw losses over the logit, and below them their slopes.

    Args:
        logits: (N,), rising.
        panels: heading of a column to its curves by name.
    """
    figure = new_figure(3.6 * len(panels) + 0.4, 5.0)
    axes = figure.subplots(2, len(panels), sharex=True, sharey="row", squeeze=False)
    x = to_array(logits)
    for (values, slopes), (heading, curves) in zip(axes.T, panels.items(), strict=True):
        for (name, curve), (color, style, width) in zip(curves.items(), _LOOKS, strict=False):
            look: Look = {"color": color, "linewidth": width, "label": name}
            values.plot(x, to_array(curve.value), style, **look)
            slopes.plot(x, to_array(curve.slope), style, **look)
        values.set_title(heading, fontsize=11)
        slopes.set_xlabel("logit D")
        values.legend(frameon=False, fontsize=8.5)
        for axis in (values, slopes):
            axis.axhline(0, color=GREY, linewidth=0.8)
            tidy(axis)
    axes[0][0].set_ylabel("loss")
    axes[1][0].set_ylabel("slope of the loss")
    return figure


class Plane(NamedTuple):
    """Where a loss drives two logits.

    Attributes:
        grid: (N, 2), logits of a real and of a generated image.
        steps: (N, 2), where a step from there goes: minus the gradient.
        path: (T, 2), a training.
    """

    grid: Tensor
    steps: Tensor
    path: Tensor


@in_own_style
def planes_figure(planes: Mapping[str, Plane], *, target: tuple[float, float]) -> Figure:
    """Draw where losses drive the logits of one real and one generated image.

    Args:
        planes: heading to what is drawn there.
        target: logits from which on nothing is left to do: real above, generated below.
    """
    figure = new_figure(4.3 * len(planes), 4.2)
    axes = figure.subplots(1, len(planes), sharex=True, sharey=True, squeeze=False)[0]
    for axis, (heading, plane) in zip(axes, planes.items(), strict=True):
        grid, steps, path = (to_array(part) for part in plane)
        moving = np.linalg.norm(steps, axis=1) > 0
        scale: Look = {"angles": "xy", "scale_units": "xy", "scale": 2.6}
        axis.quiver(*grid[moving].T, *steps[moving].T, color=BLUE, width=0.006, **scale)
        axis.plot(*grid[~moving].T, ".", color=GREY, markersize=3, label="no push")
        axis.plot(*path.T, "-", color=ORANGE, linewidth=2.6, label="a training")
        axis.plot(*path[0], "o", color=ORANGE, markersize=9, label="its start")
        axis.plot(*path[-1], "s", color=PURPLE, markersize=9, label="its end")
        low, high = float(grid.min()) - 0.6, float(grid.max()) + 0.6
        top = (target[1] - low) / (high - low)
        axis.axvspan(target[0], high, ymax=top, color=GREEN, alpha=0.14, lw=0)
        middle = (target[0] + high) / 2, (target[1] + low) / 2
        write(axis, *middle, "told apart", color=GREEN, backgroundcolor="#DBF1EA")
        axis.set(title=heading, xlim=(low, high), ylim=(low, high), xlabel="real logit")
        axis.set_aspect("equal")
        tidy(axis, grid=None)
    axes[0].set_ylabel("logit of the generated image")
    shared_legend(figure, axes[0], "lower", ncols=4, fontsize=9)
    return figure


class Moment(NamedTuple):
    """A GAN on a line at one moment.

    Attributes:
        curve: (N,), the discriminator's logit at the places that were asked.
        fake: (M,), where the generated points are.
        fake_logits: (M,), their logits.
        real_logits: (K,), the logits of the real points.
        loss: the discriminator's.
    """

    curve: Tensor
    fake: Tensor
    fake_logits: Tensor
    real_logits: Tensor
    loss: float


@in_own_style
def line_figure(
    places: Tensor, real: Tensor, moments: Mapping[str, Moment], history: Sequence[float]
) -> Figure:
    """Draw a GAN whose images are points on a line, at some moments, and its loss over time.

    Args:
        places: (N,), where the discriminator was asked.
        real: (K,), the real points.
        moments: heading to what was found there.
        history: the discriminator's loss after each step.
    """
    figure = new_figure(2.2 * len(moments) + 2.9, 3.2)
    widths = [*[1.0] * len(moments), 1.15]
    axes = figure.subplots(1, len(widths), squeeze=False, width_ratios=widths)[0]
    for index, (axis, (heading, moment)) in enumerate(zip(axes, moments.items(), strict=False)):
        axis.plot(places, to_array(moment.curve), color=GREY, linewidth=1.6, label="D")
        _points(axis, real, moment.real_logits, BLUE, "o", "real")
        _points(axis, moment.fake, moment.fake_logits, ORANGE, "^", "generated")
        for margin in (-1, 1):
            axis.axhline(margin, color=GREY, linewidth=1, linestyle=":")
        axis.set(title=heading, ylim=(-4.3, 4.3), xlabel="place on the line")
        axis.title.set_fontsize(10)
        told = f"loss {moment.loss:.2f}"
        axis.text(0.04, 0.04, told, transform=axis.transAxes, fontsize=10, va="bottom")
        tidy(axis, grid=None)
        if index:
            axis.tick_params(labelleft=False)
    axes[0].set_ylabel("logit")
    axes[0].legend(frameon=False, fontsize=9, loc="upper left")
    last = axes[len(moments)]
    last.plot(history, color=BLUE, linewidth=1.6)
    last.axhline(2, color=GREY, linewidth=1.2, linestyle=":")
    last.text(len(history), 2.17, "blind: 2", ha="right", fontsize=9, color=GREY)
    last.set(title="the discriminator's loss", xlabel="step", ylim=(-0.06, 2.45))
    last.title.set_fontsize(10)
    tidy(last)
    return figure


def _points(axis: Axes, places: Tensor, logits: Tensor, color: str, marker: str, name: str) -> None:
    look: Look = {"s": 26, "color": color, "marker": marker, "label": name}
    axis.scatter(to_array(places), to_array(logits), alpha=0.7, linewidth=0, zorder=3, **look)
