"""Figures of the lesson on full training: half precision, lost time, and samples over time."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from slae_lib.course.figures.shared import strips_figure
from slae_lib.plotting.base import BLUE, GREY, ORANGE, PURPLE, Look, new_figure, shared_legend, tidy
from slae_lib.plotting.style import in_own_style

# Of float16: the smallest number above 0, the smallest with all digits, and the largest.
_SMALLEST, _ALL_DIGITS, _LARGEST = 2.0**-24, 2.0**-14, 65504.0


@in_own_style
def gradients_figure(gradients: Mapping[str, Tensor], *, scale: float) -> Figure:
    """Draw how large gradients are, without and with a loss scale, and what 16 bits can hold.

    Args:
        gradients: name to gradients, any shape; zeros are left out.
        scale: of the loss.
    """
    figure = new_figure(8.8, 1.75 * len(gradients) + 0.9)
    axes = figure.subplots(len(gradients), 1, sharex=True, squeeze=False)[:, 0]
    low, digits, high = (math.log10(limit) for limit in (_SMALLEST, _ALL_DIGITS, _LARGEST))
    for axis, (name, values) in zip(axes, gradients.items(), strict=True):
        found = values.detach().cpu().double().abs()
        sizes = found[found > 0].log10().numpy()
        bars: Look = {"bins": np.linspace(-12, 6, 91), "rwidth": 0.95, "alpha": 0.8}
        bars["weights"] = np.full(len(sizes), 100 / max(1, len(sizes)))
        axis.hist(sizes, color=BLUE, label="as they are", **bars)
        axis.hist(sizes + math.log10(scale), color=ORANGE, label=f"× {scale:,.0f}", **bars)
        axis.set(xlim=(-12, 6), ylabel="% of them")
        axis.set_title(name, fontsize=10.5)
        tidy(axis, grid=None)
        height = 1.25 * axis.get_ylim()[1]
        axis.set_ylim(0, height)
        for left, right, meaning, grey in (
            (-12, low, "becomes 0", 0.3),
            (low, digits, "subnormal", 0.12),
            (high, 6, "inf", 0.3),
        ):
            axis.axvspan(left, right, color=GREY, alpha=grey, linewidth=0)
            axis.text((left + right) / 2, 0.87 * height, meaning, ha="center", fontsize=9)
    ticks = range(-12, 7, 2)
    axes[-1].set_xticks(ticks)
    axes[-1].xaxis.set_major_formatter("$10^{{{x:g}}}$")
    axes[-1].set_xlabel("size of a gradient; grey: where 16 bits fail")
    shared_legend(figure, axes[0], ncols=2, fontsize=9)
    return figure


@in_own_style
def lost_time_figure(
    intervals: Sequence[float], *, saving: Sequence[float], again: Sequence[float]
) -> Figure:
    """Draw what a session loses by saving checkpoints, and by the cut-off at its end.

    Args:
        intervals: iterations between two checkpoints, rising.
        saving: seconds lost by writing checkpoints, for each interval.
        again: seconds of iterations that are done again after the cut-off.
    """
    figure = new_figure(7.4, 3.3)
    axis = figure.subplots()
    total = [first + second for first, second in zip(saving, again, strict=True)]
    axis.plot(intervals, saving, "--", color=BLUE, linewidth=1.8, label="saving")
    axis.plot(intervals, again, "-.", color=PURPLE, linewidth=1.8, label="done again")
    axis.plot(intervals, total, "-", color=ORANGE, linewidth=2.6, label="both")
    lowest = min(range(len(total)), key=total.__getitem__)
    axis.plot(intervals[lowest], total[lowest], "o", color=ORANGE, markersize=8)
    told = f"least near {float(f'{intervals[lowest]:.2g}'):,.0f}"
    above: Look = {"xytext": (0, 12), "textcoords": "offset points", "ha": "center"}
    axis.annotate(told, (intervals[lowest], total[lowest]), fontsize=9, **above)
    axis.set(xlabel="iterations between two checkpoints", ylabel="seconds lost in a session")
    axis.set(xscale="log", ylim=(0, 4 * total[lowest]))
    ticks = [tick for tick in (50, 100, 200, 500, 1000, 2000, 5000) if tick <= intervals[-1]]
    axis.set_xticks(ticks, labels=[f"{tick:,}" for tick in ticks])
    axis.minorticks_off()
    tidy(axis)
    axis.legend(frameon=False, fontsize=9)
    return figure


@in_own_style
def grids_figure(grids: Mapping[int, Tensor], *, attribution: str | None = None) -> Figure:
    """Draw the same noises in the first, a middle and the last grid of samples.

    Args:
        grids: iteration to uint8 (N, 3, R, R).
        attribution: who made the training pictures.
    """
    order = sorted(grids)
    side = next(iter(grids.values())).shape[-1]
    count = max(3, min(8, 560 // side))  # as many as fit into a page
    chosen = dict.fromkeys((order[0], order[len(order) // 2], order[-1]))
    rows = {f"iteration {at:,}": grids[at][:count] for at in chosen}
    return strips_figure(rows, cell=side, attribution=attribution)
