"""Figures of the lesson on evaluation: clouds, the bias of few images, and measures as dots."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from torch import Tensor

from slae_lib.plotting.base import (
    BLUE,
    GREY,
    ORANGE,
    PURPLE,
    Look,
    new_figure,
    shared_legend,
    tidy,
)
from slae_lib.plotting.style import in_own_style

_SIDES = ((BLUE, "o", "-"), (ORANGE, "^", "--"))


class Clouds(NamedTuple):
    """Two sets of points in a plane, and what to write about them.

    Attributes:
        first: (n, 2).
        second: (m, 2).
        note: below the heading.
    """

    first: Tensor
    second: Tensor
    note: str = ""


@in_own_style
def clouds_figure(panels: Mapping[str, Clouds], *, names: tuple[str, str]) -> Figure:
    """Draw pairs of clouds with the Gaussians fitted to them.

    A cross is the mean, and the ellipse reaches two standard deviations in every direction.

    Args:
        panels: heading to two clouds.
        names: of the first and of the second cloud.
    """
    figure = new_figure(2.4 * len(panels), 3.5)
    axes = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axis, (heading, clouds) in zip(axes, panels.items(), strict=True):
        for points, name, (color, marker, style) in zip(
            (clouds.first, clouds.second), names, _SIDES, strict=True
        ):
            x, y = points.detach().cpu().double().T.numpy()
            axis.plot(x, y, marker, color=color, markersize=3, alpha=0.35, markeredgewidth=0)
            axis.add_patch(_two_deviations(points, edgecolor=color, linestyle=style))
            axis.plot(x.mean(), y.mean(), "x", color=color, markersize=9, markeredgewidth=2.6)
            axis.plot([], [], style, color=color, linewidth=2.2, label=name)
        axis.set_title(f"{heading}\n{clouds.note}", fontsize=10)
        axis.set_xlabel("first feature", fontsize=9.5)
        axis.set_aspect("equal")
        axis.tick_params(labelsize=7.5)
        tidy(axis, grid=None)
    axes[0].set_ylabel("second feature", fontsize=9.5)
    shared_legend(figure, axes[0], ncols=2)
    return figure


def _two_deviations(points: Tensor, **options: str) -> Ellipse:
    """Return the ellipse at two standard deviations of the Gaussian fitted to ``points``."""
    values, vectors = torch.linalg.eigh(points.detach().cpu().double().T.cov())
    width, height = (4 * values.clamp_min(0).sqrt()).tolist()
    angle = float(torch.rad2deg(torch.atan2(vectors[1, 0], vectors[0, 0])))
    x, y = points.double().mean(dim=0).tolist()
    return Ellipse((x, y), width, height, angle=angle, fill=False, linewidth=2.2, **options)


@in_own_style
def bias_figure(
    counts: Sequence[int], distances: Tensor, theory: Tensor, unbiased: Tensor
) -> Figure:
    """Draw what two draws from **one** distribution seem to be apart, over the number of images.

    Args:
        counts: (K,) images on each side.
        distances: (K, R) Frechet distances of R pairs of draws.
        theory: (K,) what the formula expects.
        unbiased: (K, R) the same draws' kernel distances.
    """
    figure = new_figure(9.2, 3.4)
    left, right = figure.subplots(1, 2)
    for axis, values, color in ((left, distances, BLUE), (right, unbiased, PURPLE)):
        for row, count in zip(values.tolist(), counts, strict=True):
            label = "one pair of draws" if count == counts[0] else None
            look: Look = {"color": color, "markersize": 3, "alpha": 0.3}
            axis.plot([count] * len(row), row, "o", label=label, **look)
        axis.plot(counts, values.mean(dim=1).tolist(), "-", color=color, label="mean", linewidth=2)
    left.plot(counts, theory.tolist(), "--", color=ORANGE, label="theory: the bias", linewidth=2)
    left.set(title="Fréchet distance: the truth is 0", ylabel="Fréchet distance (log scale)")
    left.set_yscale("log")
    right.set(title="KID: the truth is 0", ylabel="KID")
    right.axhline(0, color=ORANGE, linestyle="--", linewidth=2, label="the truth: 0")
    for axis in (left, right):
        axis.set(xlabel="pictures in each of the two sets (log scale)", xscale="log")
        axis.set_xticks(list(counts), labels=[str(count) for count in counts])
        axis.minorticks_off()
        axis.legend(frameon=False)
        tidy(axis)
    left.set_yticks([1, 3, 10, 30], labels=["1", "3", "10", "30"])
    return figure


@in_own_style
def dots_figure(
    panels: Mapping[str, Mapping[str, Sequence[float] | Tensor]],
    *,
    reference: str | None = None,
    digits: int = 1,
) -> Figure:
    """Draw numbers as dots in rows, with the median of each row in figures.

    Args:
        panels: what is measured, to a row's name, to its numbers; the same rows in all panels.
        reference: a row through whose median a dotted line goes.
        digits: of the medians.
    """
    names = list(next(iter(panels.values())))
    longest = max(len(name) for name in names)
    figure = new_figure(4.0 * len(panels) + 0.075 * longest + 0.6, 0.46 * len(names) + 1.0)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, (title, rows) in zip(axes, panels.items(), strict=True):
        for y, name in enumerate(names):
            values = np.asarray(rows[name], dtype=float).ravel()
            median = float(np.median(values))
            look: Look = {"color": BLUE, "markersize": 8, "markeredgewidth": 0}
            shifts = np.zeros(1)
            if len(values) > 1:
                look |= {"markersize": 4, "alpha": 0.5}
                shifts = np.random.default_rng(0).permutation(np.linspace(-0.22, 0.22, len(values)))
            axis.plot(values, y + shifts, "o", **look)
            if len(values) > 1:
                axis.plot([median, median], [y - 0.34, y + 0.34], color="black", linewidth=2)
            if name == reference:
                axis.axvline(median, color=GREY, linestyle=":", linewidth=1.5)
            beside = axis.get_yaxis_transform()
            axis.text(1.01, y, f"{median:.{digits}f}", transform=beside, va="center")
        axis.set_xlabel(title)
        axis.text(1.01, -0.62, "median", transform=beside, va="bottom", color=GREY, fontsize=9)
        axis.set_yticks(range(len(names)), labels=names)
        axis.set_ylim(len(names) - 0.5, -0.5)
        tidy(axis, grid="x")
    return figure
