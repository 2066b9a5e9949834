"""Figures of the lesson on attention: the module as a drawing, and its kernels."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from torch import Tensor

from slae_lib.course.figures.diagram import arrow, box, drawing, line, stack, write
from slae_lib.plotting.base import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SIGNED_COLORS,
    color_bar,
    draw_picture,
    new_figure,
    to_array,
)
from slae_lib.plotting.style import in_own_style


@in_own_style
def attention_diagram(kernel_size: int = 7) -> Figure:
    """Draw spatial attention as blocks: two poolings, one convolution, a sigmoid, a product.

    Source: SLAE paper, figure 3; CBAM (2018), figure 2.

    Args:
        kernel_size: written on the convolution.
    """
    figure, axis = drawing(19.2, 6)
    stack(axis, 1.0, 3.1, 5, BLUE, "features F", "(B, C, h, w)")
    stack(axis, 5.1, 4.5, 1, GREEN, "mean over C", "(B, 1, h, w)", below=0.98)
    stack(axis, 5.1, 1.7, 1, ORANGE, "max over C", "(B, 1, h, w)")
    for y in (4.5, 1.7):
        arrow(axis, (2.75, 3.1), (4.35, y))
        arrow(axis, (5.85, y), (7.45, 3.1))
    stack(axis, 8.2, 3.1, 2, GREY, "both", "(B, 2, h, w)")
    box(axis, 11.0, 3.1, f"convolution\n{kernel_size}x{kernel_size}, 2 → 1\nno bias")
    box(axis, 13.5, 3.1, "sigmoid", width=1.5)
    stack(axis, 16.0, 3.1, 1, PURPLE, "map M", "(B, 1, h, w)")
    for start, end in ((9.2, 10.05), (11.95, 12.75), (14.25, 15.25)):
        arrow(axis, (start, 3.1), (end, 3.1))
    # F is carried over the top to the product.
    line(axis, (1.9, 4.25), (1.9, 5.75), (18.2, 5.75), (18.2, 3.65))
    arrow(axis, (18.2, 3.8), (18.2, 3.45))
    arrow(axis, (16.75, 3.1), (17.85, 3.1))
    write(axis, 18.2, 3.08, "×", 17)
    write(axis, 18.2, 2.35, "M · F", 10)
    return figure


@in_own_style
def kernels_figure(kernels: Mapping[str, Tensor], *, title: str = "") -> Figure:
    """Draw the weights of spatial attention's convolutions: for the mean, and for the maximum.

    Args:
        kernels: label to the weights (1, 2, k, k).
        title: above the figure.
    """
    figure = new_figure(4.3 * len(kernels) + 0.6, 2.35 + 0.35 * bool(title))
    axes = iter(figure.subplots(1, 2 * len(kernels), squeeze=False)[0])
    both = {label: to_array(kernel[0]) for label, kernel in kernels.items()}  # (2, k, k)
    most = max(float(abs(weights).max()) for weights in both.values())
    for label, pair in both.items():
        for weights, pooled in zip(pair, ("mean", "max"), strict=True):
            axis = next(axes)
            drawn = draw_picture(axis, weights, cmap=SIGNED_COLORS, vmin=-most, vmax=most)
            axis.set_title(f"{label}, on the {pooled}", fontsize=9)
    ticks = {-most: "closes", 0: "0", most: "opens"}
    color_bar(figure, drawn, figure.axes, ticks, shrink=0.8, aspect=16)
    if title:
        figure.suptitle(title, fontsize=12)
    return figure
