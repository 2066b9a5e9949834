"""Figures of measurements, as pure functions: tensors in, a matplotlib figure out."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

import slae_lib.plotting.base as base
from slae_lib.evaluation.novelty import COPY_RATIO, Novelty
from slae_lib.plotting.style import in_own_style

SHOWN_TARGETS = 16
"""More columns than these make a picture that no screen can show."""


@in_own_style
def pairs_figure(
    samples: Tensor,
    nearest: Tensor,
    distances: Sequence[float],
    *,
    measure: str,
    names: Sequence[str] | None = None,
    copied: Sequence[bool] | None = None,
    title: str = "Samples and the training images nearest to them",
    columns: int = 4,
    attribution: str | None = None,
    figure: Any = None,
) -> Figure:
    """Draw each sample with its nearest training image and their distance.

    A pair flagged as a copy says so in words, and has a frame.

    Args:
        samples: uint8 (N, 3, R, R).
        nearest: uint8 (N, 3, R, R), the nearest training image of each.
        distances: N numbers, written below each pair.
        measure: what they are.
        names: of the nearest training images.
        copied: which pairs are flagged.
        title: above the figure.
        columns: pairs in a row.
        attribution: who made the training images.
        figure: to draw into, in place of a new one.
    """
    columns = min(columns, len(samples))
    rows = -(-len(samples) // columns)
    size = max(3.1 * columns, base.width_of(title)), 1.75 * rows + 0.9
    figure = figure or Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, 2 * columns, squeeze=False)
    for axis in grid.flat:
        axis.set_axis_off()
    for index in range(len(samples)):
        row, column = divmod(index, columns)
        left, right = grid[row][2 * column], grid[row][2 * column + 1]
        flagged = copied is not None and bool(copied[index])
        for axis, image in ((left, samples[index]), (right, nearest[index])):
            axis.set_axis_on()
            base.draw_picture(axis, base.to_pixels(image))
            if flagged:
                for spine in axis.spines.values():
                    spine.set(visible=True, color=base.ORANGE, linewidth=3)
        if row == 0:
            left.set_title("sample", fontsize=9)
            right.set_title("nearest", fontsize=9)
        left.set_xlabel(f"{distances[index]:.3f}{' COPY' if flagged else ''}", fontsize=8)
        if names is not None:
            right.set_xlabel(_short(names[index]), fontsize=8)
    figure.suptitle(title)
    notes = [f"number: {measure}; right: the nearest training image", attribution]
    figure.supxlabel("\n".join(filter(None, notes)), fontsize=8, color=base.GREY)
    return figure


@in_own_style
def advice_figure(
    numbers: Mapping[str, Any],
    samples: Tensor,
    nearest: Tensor,
    ratios: Sequence[float],
    *,
    attribution: str | None = None,
) -> Figure:
    """Draw what kept generators are worth, the one to use marked, beside the nearest pairs.

    Args:
        numbers: of `slae_lib.evaluation.advice.judge`.
        samples: uint8 (K, 3, R, R), as for `pairs_figure`.
        nearest: uint8 (K, 3, R, R).
        ratios: K, of the distances to the nearest and to the second nearest.
        attribution: who made the training pictures.
    """
    figure = Figure(figsize=(12.5, 6.3), layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1, 1.15), wspace=0.04)[0]
    worth, own, shares = left.subplots(3, 1, sharex=True, height_ratios=(1.5, 1, 1))
    rows, best = numbers["generators"], numbers["best"]
    table = {name: [row[name] for row in rows] for name in rows[0]}
    at, marked = table["iteration"], [rows.index(best)]
    for axis, name, color, label in (
        (worth, "value", base.BLUE, f"{numbers['measure']}, with its 95 % interval"),
        (own, "diversity", base.GREEN, "diversity; 1: of the real pictures"),
        (shares, "broken", base.ORANGE, "share of broken samples"),
        (shares, "copied", base.PURPLE, "share flagged as copies"),
    ):
        axis.errorbar(at, table[name], table["noise"] if axis is worth else None, color=color)
        style: base.Look = {"fillstyle": "none", "markersize": 11, "markevery": marked}
        axis.plot(at, table[name], "o", color=color, markersize=4, label=label)
        axis.plot(at, table[name], "o", color=color, **style)
        axis.set_ylim(min(0, *table[name]), None if axis is worth else 1.1 * max(1, *table[name]))
        axis.legend(fontsize=8, frameon=False, loc="best")
        base.tidy(axis)
    own.axhline(1, color=base.GREY, linewidth=0.8, linestyle="--")
    left.suptitle(f"Ring: the generator to use, of iteration {best['iteration']:,}")
    shares.set_xlabel("iterations")
    shown = f"iteration {numbers['shown']['iteration']:,}"
    look: base.Look = {"copied": [ratio < COPY_RATIO for ratio in ratios], "columns": 3}
    look |= {"measure": f"distance / that to the second nearest; a copy below {COPY_RATIO}"}
    look |= {"title": f"Samples of {shown} most like one picture alone", "figure": right}
    pairs_figure(samples, nearest, ratios, attribution=attribution, **look)
    return figure


@in_own_style
def novelty_figure(novelty: Novelty, *, title: str = "How near do samples come?") -> Figure:
    """Draw the samples' distances to training images against those among training images.

    Above the distance to the nearest, below its ratio to the second nearest: samples left of the
    dotted line are flagged as copies.

    Args:
        novelty: what was measured.
        title: above the figure.
    """
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    axes = figure.subplots(2, 2)
    for (above, below), found in zip(axes.T, (novelty.features, novelty.pixels), strict=True):
        _distribution(above, found.distances, found.training)
        above.set_xlabel(f"to the nearest, {found.measure}")
        _distribution(below, found.ratios, found.training_ratios)
        below.set(xlabel="distance to the nearest / to the second nearest", xlim=(0, 1))
        below.axvline(COPY_RATIO, color=base.GREY, linestyle=":", linewidth=1.2)
        look: base.Look = {"ha": "right", "fontsize": 8, "color": base.GREY}
        half_way_up = below.get_xaxis_transform()
        below.text(COPY_RATIO, 0.5, "copy: left of here ", transform=half_way_up, **look)
    copied = int(novelty.copied.sum())
    figure.suptitle(f"{title} {copied} of {len(novelty.copied)} samples flagged as copies")
    return figure


@in_own_style
def reconstruction_figure(
    targets: Tensor,
    reconstructions: Tensor,
    distances: Sequence[float],
    *,
    distance_name: str,
    names: Sequence[str] | None = None,
    title: str = "Latent back-tracking",
    attribution: str | None = None,
) -> Figure:
    """Draw given images, the generator's best reconstructions and where they differ.

    Of many images the first `SHOWN_TARGETS` are drawn; the mean in the title is that of all.

    Args:
        targets: uint8 (N, 3, R, R), one column each.
        reconstructions: uint8 (N, 3, R, R).
        distances: N numbers, written above the columns.
        distance_name: what they are; always written, since LPIPS and the uncalibrated distance
            look alike and cannot be compared.
        names: of the given images.
        title: above the figure.
        attribution: who made the given images.
    """
    count = min(len(targets), SHOWN_TARGETS)
    heading = f"{title}: {distance_name}, mean {sum(distances) / len(targets):.3f}"
    if count < len(targets):
        heading += f"\nshown: the first {count} of {len(targets)}"
    width = max(1.5 * count + 1.8, base.width_of(heading))
    figure = Figure(figsize=(width, 5.2), layout="constrained")
    axes = figure.subplots(3, count, squeeze=False)
    difference = targets[:count].float() - reconstructions[:count].float()
    error = difference.abs().mean(dim=1)  # (N, R, R)
    scale: base.Look = {
        "cmap": base.ATTENTION_COLORS,
        "vmin": 0,
        "vmax": max(1.0, float(error.max())),
    }
    for column, (target, found, below) in enumerate(axes.T):
        base.draw_picture(target, base.to_pixels(targets[column]))
        target.set_title(f"{distances[column]:.3f}", fontsize=10)
        base.draw_picture(found, base.to_pixels(reconstructions[column]))
        drawn = base.draw_picture(below, error[column].cpu().numpy(), **scale)
        below.spines[:].set_visible(True)
        if names is not None:
            below.set_xlabel(_short(names[column]), fontsize=8)
    for row, label in enumerate(("target", "reconstruction", "error")):
        base.label_row(axes[row][0], label)
    # Beside all rows, so that an error stays below its image in a wide figure of few columns.
    place: base.Look = {"shrink": 0.28, "anchor": (0, 0.02), "aspect": 12}
    base.color_bar(figure, drawn, axes.flat, label="mean of |difference|\n(0 to 255)", **place)
    figure.suptitle(heading)
    base.credit(figure, attribution)
    return figure


def _distribution(axis: Axes, samples: Tensor, training: Tensor) -> None:
    highest = max(float(samples.max()), float(training.max()))
    edges = [highest * step / 30 for step in range(31)] if highest > 0 else 30
    filled: base.Look = {"histtype": "stepfilled", "color": base.BLUE, "alpha": 0.4}
    outline: base.Look = {"histtype": "step", "color": base.PURPLE}
    for values, label, look in (
        (training, "training images to each other", filled),
        (samples, "samples to training images", outline),
    ):
        share = [1 / len(values)] * len(values)
        axis.hist(values.tolist(), edges, weights=share, linewidth=1.8, label=label, **look)
    axis.set(ylabel="share", xlim=(0, None))
    axis.legend(fontsize=8, frameon=False)
    base.tidy(axis, grid=None)


def _short(name: str, longest: int = 18) -> str:
    last = name.rsplit("/", 1)[-1]
    return last if len(last) <= longest else f"{last[: longest - 1]}…"
