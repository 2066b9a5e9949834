"""Figures of an ablation: the paper's figure 5 with its error, and the final comparison."""

import statistics

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from slae_lib.ablation.results import AblationResults, Measure
from slae_lib.ablation.systems import SYSTEMS
from slae_lib.plotting.base import BLUE, GREEN, GREY, ORANGE, PURPLE, new_figure

STYLES = {
    "fastgan": (GREY, "o", "-"),
    "metadata": (ORANGE, "s", "--"),
    "slae": (GREEN, "^", "-."),
    "slae-metadata": (BLUE, "D", "-"),
    "stylegan2": (PURPLE, "v", ":"),
}
"""Colour, marker and line of each system, so that no two differ by colour alone."""

TITLES: dict[Measure, str] = {
    "fid": "FID (lower is better)",
    "kid": "KID x 1000 (lower is better)",
    "diversity": "Diversity of the samples (1: the real images)",
}

SCALES: dict[Measure, int] = {"kid": 1000}
"""What a measure is multiplied by, as in the table; 1 if it is not here."""


def ablation_figure(results: AblationResults, *, title: str, caption: str = "") -> Figure:
    """Draw FID, KID and diversity along the training, one line for each system.

    A line is the mean over the seeds, and the thin ones beside it are the seeds themselves.

    Args:
        results: with one trial or more.
        title: above the figure.
        caption: a second line above the figure.
    """
    figure = new_figure(12, 4.6)
    axes = figure.subplots(1, 3)
    for axis, measure in zip(axes, TITLES, strict=True):
        _curves(axis, results, measure)
    lines, labels = axes[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=len(lines), frameon=False)
    figure.suptitle(f"{title}\n{caption}" if caption else title, fontsize=12)
    return figure


def _curves(axis: Axes, results: AblationResults, measure: Measure) -> None:
    scale = SCALES.get(measure, 1)
    drawn = [0.0, 1.0] if measure == "diversity" else [0.0]
    for system in results.systems:
        color, marker, line = STYLES[system]
        curves = [
            {point.images: scale * getattr(point, measure) for point in trial.points}
            for trial in results.of(system).values()
        ]
        for curve in curves:
            drawn += curve.values()
            axis.plot(list(curve), list(curve.values()), color=color, linewidth=0.7, alpha=0.35)
        seen = sorted(set.intersection(*(set(curve) for curve in curves)))
        means = [statistics.fmean(curve[images] for curve in curves) for images in seen]
        axis.plot(
            seen,
            means,
            line,
            color=color,
            marker=marker,
            label=SYSTEMS[system].title,
            linewidth=1.8,
        )
    if measure == "diversity":
        axis.axhline(1, color=GREY, linewidth=1, linestyle=":")
    axis.set(title=TITLES[measure], xlabel="real images seen in training")
    # Zero belongs to the picture, and so do whole markers at its edges; KID can be below zero.
    low, high = min(drawn), max(drawn)
    air = 0.06 * (high - low)
    axis.set_ylim(low - air if low < 0 else 0, high + air)
    axis.grid(alpha=0.2)
    axis.spines[["top", "right"]].set_visible(False)
