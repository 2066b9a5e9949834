"""Figures of lessons on attention: the module as a drawing, maps beside pictures, kernels."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from torch import Tensor

from slae_lib.course.figures.diagram import arrow, box, stack
from slae_lib.plotting.base import (
    ATTENTION_COLORS,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SIGNED_COLORS,
    credit,
    label_row,
    new_figure,
    show,
    to_pixels,
)


def attention_diagram(kernel_size: int = 7) -> Figure:
    """Draw spatial attention as blocks: two poolings, one convolution, a sigmoid, a product.

    Source: SLAE paper, figure 3; CBAM (2018), figure 2.

    Args:
        kernel_size: written on the convolution.
    """
    figure = Figure(figsize=(9.6, 3.0))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, 19.2), ylim=(0, 6), aspect="equal")
    axis.set_axis_off()
    stack(axis, 1.0, 3.1, 5, BLUE, "features F", "(B, C, h, w)")
    stack(axis, 5.1, 4.5, 1, GREEN, "mean over C", "(B, 1, h, w)", below=False)
    stack(axis, 5.1, 1.7, 1, ORANGE, "max over C", "(B, 1, h, w)")
    for y in (4.5, 1.7):
        arrow(axis, (2.75, 3.1), (4.35, y))
        arrow(axis, (5.85, y), (7.45, 3.1))
    stack(axis, 8.2, 3.1, 2, GREY, "both", "(B, 2, h, w)")
    box(axis, 11.0, 3.1, f"convolution\n{kernel_size}x{kernel_size}, 2 → 1\nno bias")
    box(axis, 13.5, 3.1, "sigmoid", width=1.5)
    stack(axis, 16.0, 3.1, 1, PURPLE, "map M", "(B, 1, h, w)")
    arrow(axis, (9.2, 3.1), (10.05, 3.1))
    arrow(axis, (11.95, 3.1), (12.75, 3.1))
    arrow(axis, (14.25, 3.1), (15.25, 3.1))
    # F is carried over the top to the product.
    axis.plot([1.9, 1.9, 18.2, 18.2], [4.25, 5.75, 5.75, 3.65], color=GREY, linewidth=1.2)
    arrow(axis, (18.2, 3.8), (18.2, 3.45))
    arrow(axis, (16.75, 3.1), (17.85, 3.1))
    axis.text(18.2, 3.08, "×", ha="center", va="center", fontsize=17)
    axis.text(18.2, 2.35, "M · F", ha="center", va="center", fontsize=10)
    return figure


def maps_figure(
    rows: Mapping[str, Tensor],
    *,
    columns: Sequence[str] = (),
    limits: Mapping[str, tuple[float, float]] | None = None,
    title: str = "",
    attribution: str | None = None,
) -> Figure:
    """Draw pictures and maps in rows, so that a column shows one thing in several ways.

    Args:
        rows: label of a row to its pictures, uint8 (N, 3, H, W), or its maps (N, 1, h, w), which
            get a colour bar.
        columns: a heading for each of the N columns.
        limits: label to the lowest and highest value of the colours; a row that is not named is
            drawn from its own minimum to its own maximum.
        title: above the figure.
        attribution: who made the pictures.

    Raises:
        ValueError: if the rows are not equally long.
    """
    lengths = {label: len(images) for label, images in rows.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"every row needs as many columns as the others; they have {lengths}.")
    count = next(iter(lengths.values()))
    figure = new_figure(1.15 * count + 1.9, 1.2 * len(rows) + 0.5 * bool(title) + 0.35)
    axes = figure.subplots(len(rows), count, squeeze=False)
    for row, (label, images) in enumerate(rows.items()):
        label_row(axes[row][0], label)
        if images.shape[1] == 3:
            for column in range(count):
                show(axes[row][column], to_pixels(images[column]))
            continue
        maps = images.detach().float().cpu()
        default = float(maps.min()), float(maps.max())
        low, high = (limits or {}).get(label, default)
        for column in range(count):
            show(
                axes[row][column],
                maps[column, 0].numpy(),
                cmap=ATTENTION_COLORS,
                vmin=low,
                vmax=high,
            )
        bar = figure.colorbar(
            axes[row][0].images[0], ax=list(axes[row]), shrink=0.85, pad=0.01, aspect=12
        )
        bar.set_ticks([low, high], labels=[f"{low:.2g}", f"{high:.2g}"])
        bar.ax.tick_params(labelsize=8)
    for column, heading in enumerate(columns):
        axes[0][column].set_title(heading, fontsize=9)
    if title:
        figure.suptitle(title, fontsize=12)
    credit(figure, attribution)
    return figure


def kernels_figure(kernels: Mapping[str, Tensor], *, title: str = "") -> Figure:
    """Draw the weights of spatial attention's convolutions: for the mean, and for the maximum.

    Args:
        kernels: label to the weights (1, 2, k, k).
        title: above the figure.
    """
    figure = new_figure(4.3 * len(kernels) + 0.6, 2.35 + 0.35 * bool(title))
    axes = figure.subplots(1, 2 * len(kernels), squeeze=False)[0]
    weights = {label: kernel.detach().float().cpu() for label, kernel in kernels.items()}
    most = max(float(kernel.abs().max()) for kernel in weights.values())
    for index, (label, kernel) in enumerate(weights.items()):
        for channel, pooled in enumerate(("mean", "max")):
            axis = axes[2 * index + channel]
            show(
                axis,
                kernel[0, channel].numpy(),
                f"{label}, on the {pooled}",
                cmap=SIGNED_COLORS,
                vmin=-most,
                vmax=most,
            )
            axis.title.set_fontsize(9)
    bar = figure.colorbar(axes[0].images[0], ax=list(axes), shrink=0.8, pad=0.01, aspect=16)
    bar.set_ticks([-most, 0, most], labels=["closes", "0", "opens"])
    bar.ax.tick_params(labelsize=8)
    if title:
        figure.suptitle(title, fontsize=12)
    return figure
