"""What all figures share: colours, layout, and how an image becomes pixels."""

import math
import textwrap
from typing import Any

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor

# Okabe and Ito's colours, distinct for colour-blind readers, and never red against green.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#6E6E6E"
ATTENTION_COLORS = "magma"
SIGNED_COLORS = "PuOr"  # brown below zero, violet above; distinct for colour-blind readers

Pixels = npt.NDArray[np.uint8]


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of ``width`` times ``height`` inches, its parts laid out for us."""
    figure = Figure(figsize=(width, height), layout="constrained")
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(w_pad=0.08, h_pad=0.08)  # type: ignore[call-arg]  # inches of air at the edges
    return figure


def at_width(figure: Figure, inches: float) -> Figure:
    """Return ``figure``, made narrower or wider with the same shape: notebooks have to stay small.

    Args:
        figure: with a layout that follows its size.
        inches: its new width.
    """
    width, height = figure.get_size_inches()
    figure.set_size_inches(inches, height * inches / width)
    return figure


def to_pixels(image: Tensor) -> Pixels:
    """Turn an image, uint8 (3, H, W), into what matplotlib draws: (H, W, 3)."""
    return np.asarray(image.permute(1, 2, 0).cpu().numpy(), dtype=np.uint8)


def sheet(images: Tensor, columns: int) -> Pixels:
    """Put images, uint8 (N, 3, R, R), side by side in ``columns``: one picture (H, W, 3)."""
    count, _, side, _ = images.shape
    rows = math.ceil(count / columns)
    padded = F.pad(images, (1, 1, 1, 1), value=255)  # (N, 3, R + 2, R + 2)
    blank = rows * columns - count
    if blank:
        padded = F.pad(padded, (0, 0, 0, 0, 0, 0, 0, blank), value=255)
    sheet = padded.reshape(rows, columns, 3, side + 2, side + 2).permute(0, 3, 1, 4, 2)
    return np.asarray(
        sheet.reshape(rows * (side + 2), columns * (side + 2), 3).cpu().numpy(), dtype=np.uint8
    )


def show(axis: Axes, picture: Any, title: str = "", **options: Any) -> None:
    """Draw a picture (H, W, 3) or a map (H, W) without axes; ``options`` go to ``imshow``."""
    axis.imshow(picture, interpolation="nearest", **options)
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)
    if title:
        axis.set_title(title, fontsize=12)


def width_of(*lines: str) -> float:
    """Return the inches that titles and captions need, so that narrow figures cut none off."""
    return 0.3 + 0.1 * max(len(line) for text in lines for line in text.split("\n"))


def show_over(
    axis: Axes, image: Tensor, attention: Tensor, low: float, high: float, *, overlay: float = 0.6
) -> AxesImage:
    """Draw a map (h, w) over the grey image, uint8 (3, R, R), that it belongs to.

    Args:
        axis: where.
        image: below the map.
        attention: the map.
        low: value of the darkest colour.
        high: value of the brightest one.
        overlay: strength of the map over the image, 0 to 1.

    Returns:
        The drawn map, for a colour bar.
    """
    side = image.shape[-1]
    show(axis, image.float().mean(dim=0).numpy(), cmap="gray", vmin=0, vmax=255)
    return axis.imshow(
        attention.detach().float().cpu().numpy(),
        cmap=ATTENTION_COLORS,
        vmin=low,
        vmax=high,
        alpha=overlay,
        extent=(-0.5, side - 0.5, side - 0.5, -0.5),
        interpolation="nearest",
    )


def label_row(axis: Axes, text: str) -> None:
    """Write what a row shows to the left of its first picture."""
    axis.set_ylabel(text, fontsize=10, rotation=0, ha="right", va="center", labelpad=8)


def credit(figure: Figure, makers: str | None) -> None:
    """Name the makers of the pictures at the foot of a figure, in lines that fit."""
    if makers:
        most = int(figure.get_figwidth() * 17)  # letters of 7 points that fit into the width
        count = len(_lines(makers, most))
        letters = next(n for n in range(1, most + 1) if len(_lines(makers, n)) == count)
        figure.supxlabel("\n".join(_lines(makers, letters)), fontsize=7, color=GREY)


def _lines(text: str, letters: int) -> list[str]:
    return textwrap.wrap(text, letters, break_on_hyphens=False)  # CC BY-SA is one name
