"""Figures of the lesson on losses: curves, slopes, where training goes, and a GAN on a line."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from slae_lib.plotting.base import BLUE, GREEN, GREY, ORANGE, PURPLE, new_figure

_LOOKS = ((BLUE, "-", 2.4), (ORANGE, "--", 2.0), (PURPLE, "-.", 1.8), (GREEN, ":", 2.4))


class Curve(NamedTuple):
    """A loss over the logit.

    Attributes:
        value: (N,) of the loss.
        slope: (N,) of its derivative.
    """

    value: Tensor
    slope: Tensor


def curves_figure(logits: Tensor, panels: Mapping[str, Mapping[str, Curve]]) -> Figure:
    """Draw losses over the logit, and below them their slopes.

    Args:
        logits: (N,), rising.
        panels: heading of a column to its curves by name.
    """
    figure = new_figure(3.6 * len(panels) + 0.4, 5.0)
    axes = figure.subplots(2, len(panels), sharex=True, sharey="row", squeeze=False)
    x = logits.detach().float().cpu()
    for column, (heading, curves) in enumerate(panels.items()):
        values, slopes = axes[0][column], axes[1][column]
        for (name, curve), (color, style, width) in zip(curves.items(), _LOOKS, strict=False):
            for axis, y in ((values, curve.value), (slopes, curve.slope)):
                axis.plot(
                    x, y.detach().float().cpu(), style, color=color, linewidth=width, label=name
                )
        values.set_title(heading, fontsize=11)
        slopes.set_xlabel("logit D")
        values.legend(frameon=False, fontsize=8.5)
        for axis in (values, slopes):
            axis.axhline(0, color=GREY, linewidth=0.8)
            axis.grid(alpha=0.2)
            axis.spines[["top", "right"]].set_visible(False)
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


def planes_figure(planes: Mapping[str, Plane], *, target: tuple[float, float]) -> Figure:
    """Draw where losses drive the logits of one real and one generated image.

    Args:
        planes: heading to what is drawn there.
        target: logits from which on nothing is left to do: real above, generated below.
    """
    figure = new_figure(4.3 * len(planes), 4.2)
    axes = figure.subplots(1, len(planes), sharex=True, sharey=True, squeeze=False)[0]
    for axis, (heading, plane) in zip(axes, planes.items(), strict=True):
        grid, steps = plane.grid.detach().float().cpu(), plane.steps.detach().float().cpu()
        moving = steps.norm(dim=1) > 0
        still = ~moving
        axis.quiver(
            grid[moving, 0],
            grid[moving, 1],
            steps[moving, 0],
            steps[moving, 1],
            color=BLUE,
            angles="xy",
            scale_units="xy",
            scale=2.6,
            width=0.006,
        )
        axis.plot(grid[still, 0], grid[still, 1], ".", color=GREY, markersize=3, label="no push")
        path = plane.path.detach().float().cpu()
        axis.plot(path[:, 0], path[:, 1], "-", color=ORANGE, linewidth=2.6, label="a training")
        axis.plot(*path[0].tolist(), "o", color=ORANGE, markersize=9, label="its start")
        axis.plot(*path[-1].tolist(), "s", color=PURPLE, markersize=9, label="its end")
        low, high = float(grid.min()) - 0.6, float(grid.max()) + 0.6
        axis.axvspan(
            target[0], high, ymax=(target[1] - low) / (high - low), color=GREEN, alpha=0.14, lw=0
        )
        axis.text(
            (target[0] + high) / 2,
            (target[1] + low) / 2,
            "told apart",
            ha="center",
            va="center",
            fontsize=9,
            color=GREEN,
            backgroundcolor="#DBF1EA",
        )
        axis.set(
            title=heading, xlim=(low, high), ylim=(low, high), aspect="equal", xlabel="real logit"
        )
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("logit of the generated image")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
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
        axis.plot(places, moment.curve.detach().cpu(), color=GREY, linewidth=1.6, label="D")
        _points(axis, real, moment.real_logits, BLUE, "o", "real")
        _points(axis, moment.fake, moment.fake_logits, ORANGE, "^", "generated")
        for margin in (-1, 1):
            axis.axhline(margin, color=GREY, linewidth=1, linestyle=":")
        axis.set(title=heading, ylim=(-4.3, 4.3), xlabel="place on the line")
        axis.title.set_fontsize(10)
        axis.text(
            0.04,
            0.04,
            f"loss {moment.loss:.2f}",
            transform=axis.transAxes,
            fontsize=10,
            va="bottom",
        )
        axis.spines[["top", "right"]].set_visible(False)
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
    last.grid(alpha=0.2)
    last.spines[["top", "right"]].set_visible(False)
    return figure


def _points(axis: Axes, places: Tensor, logits: Tensor, color: str, marker: str, name: str) -> None:
    axis.scatter(
        places.detach().cpu(),
        logits.detach().cpu(),
        s=26,
        color=color,
        marker=marker,
        alpha=0.7,
        linewidth=0,
        label=name,
        zorder=3,
    )
