"""Figures of the lesson on ablation and cost: systems, seeds, verdicts, chance and cost."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from slae_lib.ablation.results import AblationResults
from slae_lib.ablation.systems import SYSTEMS
from slae_lib.course.figures.diagram import arrow, box, drawing, line, write
from slae_lib.evaluation.cost import Counts
from slae_lib.plotting.ablation import styles
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


@in_own_style
def systems_figure() -> Figure:
    """Draw what the ablation compares: two switches, four systems, and StyleGAN2 beside them."""
    figure, axis = drawing(18.4, 7)
    places = {
        "fastgan": (3.6, 1.7),
        "metadata": (10.0, 1.7),
        "slae": (3.6, 5.1),
        "slae-metadata": (10.0, 5.1),
        "stylegan2": (15.9, 3.4),
    }
    for name, (x, y) in places.items():
        color, _, style = styles()[name]
        words = SYSTEMS[name].title.replace("FastGAN + ", "FastGAN\n+ ")
        box(axis, x, y, words, width=3.74, height=1.48, color=color, fontsize=10.5)
        axis.patches[-1].set(linestyle=style, linewidth=2.2)
    for start, end in (
        ("fastgan", "metadata"),
        ("slae", "slae-metadata"),
        ("fastgan", "slae"),
        ("metadata", "slae-metadata"),
    ):
        (x0, y0), (x1, y1) = places[start], places[end]
        dx, dy = (2.0, 0.0) if x1 > x0 else (0.0, 0.85)  # from its middle to a box's edge
        arrow(axis, (x0 + dx, y0 + dy), (x1 - dx, y1 - dy))
    for y in (2.1, 5.5):
        write(axis, 6.8, y, "metadata on", 9.5, GREY, va="bottom")
    write(axis, 3.4, 3.4, "attention on", 9.5, GREY, ha="right")
    write(axis, 10.2, 3.4, "attention on", 9.5, GREY, ha="left")
    line(axis, (13.1, 0.7), (13.1, 6.1), linestyle=":", linewidth=1)
    write(axis, 15.9, 2.3, "another family", 9.5, GREY, va="top")
    return figure


@in_own_style
def curves_figure(results: AblationResults) -> Figure:
    """Draw FID along the training: a thin line for each seed, a thick one for their mean.

    Args:
        results: of which all seeds of a system were measured at the same points.
    """
    figure = new_figure(8.4, 3.6)
    axis = figure.subplots()
    for system in results.systems:
        color, marker, style = styles()[system]
        runs = list(results.of(system).values())
        seen = [point.images for point in runs[0].points]
        curves = np.array([[point.fid for point in run.points] for run in runs])  # (seeds, points)
        axis.plot(seen, curves.T, color=color, linewidth=0.7, alpha=0.4)
        words: Look = {"marker": marker, "label": SYSTEMS[system].title}
        axis.plot(seen, curves.mean(axis=0), style, color=color, linewidth=1.8, **words)
    axis.set(xlabel="real images seen in training", ylabel="FID", ylim=(0, None))
    axis.set_xticks(seen)
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    tidy(axis)
    return figure


@in_own_style
def seeds_figure(values: Mapping[str, Mapping[int, float]], *, measure: str) -> Figure:
    """Draw a measure of several systems, every seed with its own line and marker.

    Args:
        values: title of a system, to the seed, to the number.
        measure: what it is.
    """
    figure = new_figure(1.75 * len(values) + 1.6, 3.4)
    axis = figure.subplots()
    seeds = sorted({seed for numbers in values.values() for seed in numbers})
    looks = ((BLUE, "o", "-"), (ORANGE, "^", "--"), (GREEN, "s", "-."), (PURPLE, "D", ":"))
    for index, seed in enumerate(seeds):
        color, marker, style = looks[index % len(looks)]
        heights = [numbers.get(seed, float("nan")) for numbers in values.values()]
        axis.plot(heights, style, marker=marker, color=color, label=f"seed {seed}", linewidth=1.3)
    for place, numbers in enumerate(values.values()):
        mean = sum(numbers.values()) / len(numbers)
        axis.plot([place - 0.2, place + 0.2], [mean, mean], color="black", linewidth=2.4)
    axis.plot([], [], color="black", linewidth=2.4, label="mean")
    axis.set_xticks(range(len(values)), labels=[name.replace(" + ", "\n+ ") for name in values])
    axis.set_xlim(-0.5, len(values) - 0.5)
    axis.set_ylabel(measure)
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    tidy(axis, grid="y")
    return figure


@in_own_style
def verdicts_figure(
    rows: Mapping[str, tuple[Mapping[int, float], tuple[float, float], str]], *, measure: str
) -> Figure:
    """Draw differences with their intervals: every seed, the mean, and what may be concluded.

    Args:
        rows: what was compared with what, to the differences by seed, the two ends of their
            interval, and the verdict: ``"yes"``, ``"no"`` or ``"not decided"``.
        measure: of which the difference is taken; less is better.
    """
    figure = new_figure(9.2, 0.55 * len(rows) + 1.3)
    axis = figure.subplots()
    for y, (differences, (low, high), verdict) in enumerate(rows.values()):
        color = {"yes": BLUE, "no": ORANGE}.get(verdict, GREY)
        if np.isfinite(low):
            axis.plot([low, high], [y, y], "-", color=color, linewidth=3, alpha=0.6)
            axis.plot([low, high], [y, y], "|", color=color, markersize=13, markeredgewidth=2)
        seeds = list(differences.values())
        axis.plot(np.mean(seeds), y, "D", color=color, markersize=11, markeredgecolor="white")
        axis.plot(seeds, [y] * len(seeds), "o", color="k", markersize=5)
        axis.text(1.02, y, verdict, transform=axis.get_yaxis_transform(), va="center")
    axis.axvline(0, color="black", linewidth=1)
    axis.set_yticks(range(len(rows)), labels=list(rows))
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlabel(f"difference of {measure} (left of 0: better)")
    axis.plot([], [], "o", color="k", markersize=5, label="a seed")
    axis.plot([], [], "D", color=GREY, markersize=10, label="mean")
    axis.plot([], [], "-", color=GREY, linewidth=3, alpha=0.6, label="95 % interval")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    tidy(axis, grid="x")
    return figure


@in_own_style
def shrink_figure(
    reaches: Mapping[int, Sequence[float]], planned: Mapping[int, float], *, difference: float
) -> Figure:
    """Draw how far an interval reaches, over the number of seeds.

    Args:
        reaches: number of seeds to the reach of every choice of so many.
        planned: the same for one deviation, if more seeds scatter as these do.
        difference: that has been seen; a smaller reach than that would decide.
    """
    figure = new_figure(8.4, 3.6)
    axis = figure.subplots()
    axis.plot(list(planned), list(planned.values()), color=BLUE, label="if they scatter as these")
    for n, values in reaches.items():
        label = "real seeds" if n == min(reaches) else None
        axis.plot([n] * len(values), values, "D", color=ORANGE, markersize=7, label=label)
    seen = f"the difference seen, {difference:.0f}"
    axis.axhline(difference, color=GREY, linestyle=":", linewidth=1.6, label=seen)
    axis.set(xlabel="number of seeds", ylabel="reach of the interval\n(points of FID)")
    axis.set_yscale("log")
    axis.set_yticks([10, 20, 50, 100, 200, 400], labels=["10", "20", "50", "100", "200", "400"])
    axis.minorticks_off()
    axis.set_xticks([2, 3, *range(5, max(planned) + 1, 5)])
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    tidy(axis)
    return figure


@in_own_style
def shares_figure(
    x: Sequence[float], panels: Mapping[str, Mapping[str, Sequence[float]]], *, xlabel: str
) -> Figure:
    """Draw how often each of several things happens, as areas that add up to 1.

    Args:
        x: (N,), rising.
        panels: heading to what happens, to how often: (N,) in [0, 1].
        xlabel: what x is.
    """
    figure = new_figure(4.5 * len(panels) + 0.8, 3.6)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    colors = {"right": BLUE, "not decided": "#D9D9D9", "wrong": ORANGE}
    for axis, (heading, shares) in zip(axes, panels.items(), strict=True):
        drawn = axis.stackplot(
            x,
            list(shares.values()),
            labels=list(shares),
            colors=[colors.get(name, GREEN) for name in shares],
        )
        for area, name in zip(drawn, shares, strict=True):
            area.set(hatch={"wrong": "///"}.get(name), edgecolor="white", linewidth=0.8)
        axis.set(title=heading, xlabel=xlabel, xlim=(x[0], x[-1]), ylim=(0, 1))
        tidy(axis, grid=None)
    axes[0].set_ylabel("how often")
    handles = {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    place: Look = {"loc": "outside upper center", "ncols": len(handles)}
    figure.legend(list(handles.values()), list(handles), frameon=False, **place)
    return figure


@in_own_style
def costs_figure(rows: Mapping[str, Counts]) -> Figure:
    """Draw what models cost: parameters of both networks, and multiplications for one image.

    Args:
        rows: name of a model to its counts.
    """
    figure = new_figure(9.6, 0.5 * len(rows) + 1.3)
    left, right = figure.subplots(1, 2, sharey=True)
    places = range(len(rows))
    first = [counts.generator_parameters / 1e6 for counts in rows.values()]
    second = [counts.discriminator_parameters / 1e6 for counts in rows.values()]
    hatched: Look = {"color": ORANGE, "hatch": "///", "edgecolor": "white"}
    left.barh(places, first, color=BLUE, label="generator", height=0.62)
    left.barh(places, second, left=first, label="discriminator", height=0.62, **hatched)
    macs = [counts.macs / 1e9 for counts in rows.values()]
    right.barh(places, macs, color=BLUE, height=0.62)
    for y, (a, b, c) in enumerate(zip(first, second, macs, strict=True)):
        left.text(a + b, y, f" {a + b:.1f}", va="center", fontsize=9)
        right.text(c, y, f" {c:.1f}", va="center", fontsize=9)
    left.set_yticks(list(places), labels=list(rows))
    left.invert_yaxis()
    left.set_xlabel("parameters, millions")
    right.set_xlabel("multiplications for one image, billions")
    for axis in (left, right):
        axis.set_xlim(0, 1.12 * axis.get_xlim()[1])
        tidy(axis, grid="x")
    shared_legend(figure, left, ncols=2)
    return figure


@in_own_style
def ratios_figure(ratios: Sequence[float], *, names: tuple[str, str]) -> Figure:
    """Draw how much longer one model takes than another, round by round, and the median.

    Args:
        ratios: time of the second model divided by that of the first.
        names: of the first and of the second model.
    """
    figure = new_figure(8.4, 3.2)
    axis = figure.subplots()
    rounds = range(1, len(ratios) + 1)
    median = float(np.median(list(ratios)))
    axis.axhline(1, color=GREY, linestyle=":", linewidth=1.6, label="equally long")
    axis.axhline(median, color=BLUE, linewidth=2, label=f"median {median:.2f}")
    axis.plot(rounds, list(ratios), "D", color=ORANGE, markersize=7, label="a round")
    axis.set(
        xlabel="round",
        ylabel=f"time of {names[1]}\n/ time of {names[0]}",
        ylim=(0, 1.15 * max(1, *ratios)),
    )
    axis.set_xticks(list(rounds))
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    tidy(axis)
    return figure
