"""Figures and page of an ablation: the paper's figure 5 with its error, and the comparison."""

import itertools
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import slae_lib.plotting.base as base
from slae_lib.ablation.results import AblationResults, Measure, final_table
from slae_lib.ablation.systems import all_systems
from slae_lib.plotting.style import in_own_style, save_figure
from slae_lib.support.files import atomic_write

_LOOKS = (
    (base.GREY, "o", "-"),
    (base.ORANGE, "s", "--"),
    (base.GREEN, "^", "-."),
    (base.BLUE, "D", "-"),
    (base.PURPLE, "v", ":"),
    ("#B8860B", "P", "--"),
    ("#008B8B", "X", "-."),
)


def styles() -> dict[str, tuple[str, str, str]]:
    """Return colour, marker and line of each system: no two of the first differ by colour alone."""
    return dict(zip(all_systems(), itertools.cycle(_LOOKS), strict=False))


TITLES: dict[Measure, str] = {
    "fid": "FID (lower is better)",
    "kid": "KID x 1000 (lower is better)",
    "diversity": "Diversity of the samples (1: the real images)",
}

SCALES: dict[Measure, int] = {"kid": 1000}
"""What a measure is multiplied by, as in the table; 1 if it is not here."""


@in_own_style
def ablation_figure(results: AblationResults, *, title: str, caption: str = "") -> Figure:
    """Draw FID, KID and diversity along the training, one line for each system.

    FID also over the minutes of training, at the pace of the middle seed. A line is the mean over
    the seeds, and the thin ones beside it are the seeds themselves.

    Args:
        results: with one trial or more.
        title: above the figure.
        caption: a second line above the figure.
    """
    figure = base.new_figure(11, 7.6)
    axes = figure.subplots(2, 2).ravel()
    for axis, measure in zip(axes, (*TITLES, "fid"), strict=True):
        _curves(axis, results, measure, minutes=axis is axes[3])
    base.shared_legend(figure, axes[0], "lower", ncols=len(results.systems))
    figure.suptitle(f"{title}\n{caption}" if caption else title, fontsize=12)
    return figure


def _curves(axis: Axes, results: AblationResults, measure: Measure, minutes: bool) -> None:
    scale = SCALES.get(measure, 1)
    drawn = [0.0, 1.0] if measure == "diversity" else [0.0]
    for system in results.systems:
        color, marker, line = styles()[system]
        curves = []  # by images seen: where it stands and how high
        for trial in results.of(system).values():
            pace = trial.seconds / 60 / max(1, trial.points[-1].images) if minutes else 1
            seen = {p.images: (pace * p.images, scale * getattr(p, measure)) for p in trial.points}
            drawn += [value for _, value in seen.values()]
            axis.plot(*zip(*seen.values(), strict=True), color=color, linewidth=0.7, alpha=0.35)
            curves.append(seen)
        common = sorted(set.intersection(*map(set, curves)))
        both = np.array([[curve[images] for images in common] for curve in curves])
        # Of minutes the middle seed's: one run may have waited for hours.
        x, y = np.median(both[..., 0], axis=0), both[..., 1].mean(axis=0)
        title = all_systems()[system].title
        axis.plot(x, y, line, color=color, marker=marker, label=title, linewidth=1.8)
    if measure == "diversity":
        axis.axhline(1, color=base.GREY, linewidth=1, linestyle=":")
    over = "minutes of training" if minutes else "real images seen in training"
    axis.set(title=TITLES[measure], xlabel=over)
    # Zero belongs to the picture, and so do whole markers at its edges; KID can be below zero.
    low, high = min(drawn), max(drawn)
    air = 0.06 * (high - low)
    axis.set_ylim(low - air if low < 0 else 0, high + air)
    base.tidy(axis)


def describe(results: AblationResults) -> str:
    """Return in one sentence how the numbers came about."""
    facts = results.facts
    return (
        f"{facts['data']}, {facts['real_images']} real images at {facts['resolution']} px; "
        f"{facts['generated_images']} generated images for each measurement; "
        f"{facts['hardware']}, torch {facts['versions']['torch']}."
    )


def markdown(results: AblationResults) -> str:
    """Return the table with the command that made it."""
    gathered = ", ".join(results.facts.get("gathered", ()))
    earlier = f"From earlier calls with the same settings: {gathered}.\n\n" if gathered else ""
    return (
        f"{final_table(results)}\n\n"
        "Mean ± deviation over the seeds. Last columns: differences of FID and of KID x 1000 "
        "seed by seed, their mean with Student's 95 % interval. "
        "Minutes are those of the runs, which may have shared the computer.\n\n"
        f"{describe(results)}\n\n{earlier}```bash\n{results.facts['command']}\n```\n"
    )


def write_page(results: AblationResults, file: Path) -> list[Path]:
    """Write a table (``.md``) and a plot (``.png``) beside the JSON ``file``; return their paths.

    Raises:
        LabError: if one cannot be written.
    """
    table, plot = file.with_suffix(".md"), file.with_suffix(".png")
    with atomic_write(table) as temporary:
        temporary.write_text(markdown(results), encoding="utf-8", errors="backslashreplace")
    figure = ablation_figure(
        results,
        title=f"Ablation on {results.facts['data']} at {results.facts['resolution']} px",
        caption="thick: mean over the seeds; thin: each seed",
    )
    with atomic_write(plot) as temporary:
        save_figure(figure, temporary, dpi=110)
    return [table, plot]
