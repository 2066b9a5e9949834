"""What all figures share: colours, layout, how images become pixels, and a figure a small file."""

import io
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image
from torch import Tensor

from slae_lib.plotting.style import save_figure
from slae_lib.support.images import image_grid

# Okabe and Ito's colours, distinct for colour-blind readers, and never red against green.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#6E6E6E"
ATTENTION_COLORS = "magma"
SIGNED_COLORS = "PuOr"  # brown below zero, violet above; distinct for colour-blind readers
NOTEBOOK_DPI = 110  # pixels in an inch of a stored figure; it is shown with 96 at most

Pixels = npt.NDArray[np.uint8]
Look = dict[str, Any]  # options of a drawing call


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


def to_array(numbers: Tensor) -> npt.NDArray[np.float32]:
    """Turn numbers of any shape, on any device, into what matplotlib plots."""
    return np.asarray(numbers.detach().float().cpu().numpy())


def sheet(images: Tensor, columns: int) -> Pixels:
    """Put images, uint8 (N, 3, R, R), side by side in ``columns``: one picture (H, W, 3)."""
    return np.asarray(image_grid(images.cpu(), columns, frame=1))


def draw_picture(axis: Axes, picture: Any, title: str = "", **options: Any) -> AxesImage:
    """Draw a picture (H, W, 3) or a map (H, W) without axes; ``options`` go to ``imshow``."""
    drawn = axis.imshow(picture, interpolation="nearest", **options)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    if title:
        axis.set_title(title, fontsize=12)
    return drawn


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
    draw_picture(axis, image.float().mean(dim=0).numpy(), cmap="gray", vmin=0, vmax=255)
    return axis.imshow(
        to_array(attention),
        cmap=ATTENTION_COLORS,
        vmin=low,
        vmax=high,
        alpha=overlay,
        extent=(-0.5, side - 0.5, side - 0.5, -0.5),
        interpolation="nearest",
    )


def tidy(axis: Axes, grid: Literal["both", "x", "y"] | None = "both") -> None:
    """Give a plot a light grid, or none, and no frame at the top and at the right."""
    if grid is not None:
        axis.grid(alpha=0.2, axis=grid)
    axis.spines[["top", "right"]].set_visible(False)


def color_bar(
    figure: Figure,
    drawn: AxesImage,
    axes: Axes | Iterable[Axes],
    ticks: Mapping[float, str] | None = None,
    label: str = "",
    **options: Any,
) -> Colorbar:
    """Draw the scale of an image's colours beside the axes that it holds for.

    Args:
        figure: where.
        drawn: the image.
        axes: beside which the bar stands.
        ticks: value to what is written there; matplotlib's choice when not given.
        label: of the whole bar.
        options: for `Figure.colorbar`.
    """
    beside = axes if isinstance(axes, Axes) else list(axes)
    bar = figure.colorbar(drawn, ax=beside, **{"pad": 0.01, **options})
    if bar.solids is not None:
        bar.solids.set_alpha(1)  # also for a map that lies over a picture
    if ticks is not None:
        bar.set_ticks(list(ticks), labels=list(ticks.values()))
    bar.ax.tick_params(labelsize=8)
    if label:
        bar.set_label(label, fontsize=8)
    return bar


def shared_legend(figure: Figure, axis: Axes, place: str = "upper", **options: Any) -> None:
    """Draw the legend of one of the plots for all of them, outside at the ``place`` center."""
    handles, labels = axis.get_legend_handles_labels()
    options = {"loc": f"outside {place} center", "frameon": False, **options}
    figure.legend(handles, labels, **options)


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


def compact_png(figure: Figure, dpi: int = NOTEBOOK_DPI) -> tuple[bytes, int]:
    """Draw a figure as a small PNG.

    At most 256 colours make it three times smaller, and nobody sees it.

    Args:
        figure: any matplotlib figure.
        dpi: pixels in an inch; it is shown with 96 at most, so it stays sharp on fine screens.

    Returns:
        The PNG's bytes, and the width in pixels to show it with.
    """
    drawn, small = io.BytesIO(), io.BytesIO()
    save_figure(figure, drawn, dpi=dpi, facecolor="white")
    picture = Image.open(drawn).convert("RGB")
    # No dithering: it would make the flat areas of a drawing noisy, and the file large.
    picture = picture.quantize(256, dither=Image.Dither.NONE)
    picture.save(small, format="PNG", optimize=True)
    return small.getvalue(), round(picture.width * 96 / dpi)
