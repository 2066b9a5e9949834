"""Figures of the lesson on few-shot data: all pictures, a folder of files, how a logit drifts."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from slae_lib.plotting.base import (
    BLUE,
    GREEN,
    GREY,
    NOTEBOOK_DPI,
    ORANGE,
    PURPLE,
    at_width,
    credit,
    draw_picture,
    label_row,
    new_figure,
    sheet,
    tidy,
    to_pixels,
)
from slae_lib.plotting.style import in_own_style

_LINES = ((BLUE, "-"), (GREEN, "--"), (ORANGE, "-."), (PURPLE, ":"))


@in_own_style
def sheet_figure(images: Tensor, *, columns: int, attribution: str | None = None) -> Figure:
    """Draw a whole data set on one sheet, every pixel as one dot of a notebook's picture.

    Args:
        images: uint8 (N, 3, R, R).
        columns: pictures in a row.
        attribution: who made the pictures.
    """
    picture = sheet(images, columns)
    height, width = (length / NOTEBOOK_DPI for length in picture.shape[:2])  # inches
    words = 0.25 if attribution else 0.0
    figure = Figure(figsize=(width, height + words))
    below = words / (height + words)
    draw_picture(figure.add_axes((0, below, 1, 1 - below)), picture)
    if attribution:
        figure.text(0.5, below / 2, attribution, ha="center", va="center", fontsize=7, color=GREY)
    return figure


@in_own_style
def folder_figure(
    files: Mapping[str, Tensor | None],
    pictures: Mapping[str, Tensor],
    *,
    attribution: str | None = None,
) -> Figure:
    """Draw the files of a folder, and below each what a network is given of it.

    Args:
        files: name to the file's own pixels, uint8 (3, H, W) or, with transparency, (4, H, W);
            None for a file that holds no picture.
        pictures: name to the picture in the set, uint8 (3, R, R); a name that is missing here
            was left out of the set.
        attribution: who made the pictures.
    """
    figure = new_figure(1.45 * len(files) + 1.0, 2.9)
    axes = figure.subplots(2, len(files), squeeze=False)
    for (above, below), (name, pixels) in zip(axes.T, files.items(), strict=True):
        if pixels is None:
            _words(above, "no picture\ninside")
        else:
            draw_picture(above, to_pixels(pixels))
            above.set_facecolor("#D0D0D0")  # behind what is see-through
        above.set_title(name, fontsize=9)
        if name in pictures:
            draw_picture(below, to_pixels(pictures[name]))
        else:
            _words(below, "skipped")
    label_row(axes[0][0], "file")
    label_row(axes[1][0], "picture\nin the set")
    credit(figure, attribution)
    return figure


def _words(axis: Axes, text: str) -> None:
    """Write words where a picture would be."""
    axis.text(0.5, 0.5, text, ha="center", va="center", fontsize=9, color=GREY)
    axis.set(xticks=[], yticks=[], box_aspect=1)
    axis.spines[:].set(color=GREY, linestyle=":")


@in_own_style
def drift_figure(
    runs: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    x: str = "step",
    y: str = "mean logit",
) -> Figure:
    """Draw what several runs have recorded, one panel a run, all on the same scale.

    Args:
        runs: title of a run to its columns: one called ``x``, and up to four others of the same
            length, each of which becomes a line.
        x: name of the column below the panels.
        y: written beside the first panel.

    Raises:
        ValueError: if a run has no column ``x``, or more than four others.
    """
    figure = new_figure(4.1 * len(runs) + 0.4, 3.1)
    axes = figure.subplots(1, len(runs), squeeze=False, sharey=True)[0]
    for axis, (title, columns) in zip(axes, runs.items(), strict=True):
        names = [name for name in columns if name != x]
        if x not in columns or len(names) > len(_LINES):
            raise ValueError(
                f"{title}: a run needs the column {x!r} and at most {len(_LINES)} others; it has "
                f"{', '.join(columns)}."
            )
        for name, (color, style) in zip(names, _LINES, strict=False):
            axis.plot(columns[x], columns[name], style, color=color, label=name, linewidth=1.8)
        axis.axhline(0, color=GREY, linewidth=0.8, linestyle=":")
        axis.set_title(title, fontsize=11)
        axis.set_xlabel(x)
        tidy(axis)
    axes[0].set_ylabel(y)
    axes[-1].legend(fontsize=9, frameon=False, loc="upper left")
    return figure


@in_own_style
def logits_figure(histories: Mapping[str, Mapping[str, Tensor]], *, every: int = 20) -> Figure:
    """Draw the mean logits of one or two runs.

    Args:
        histories: title of a run to the logits (T, N) of each sort of pictures, at T moments.
        every: steps from one moment to the next.
    """
    runs = {}
    for title, history in histories.items():
        columns = {name: logits.mean(dim=1).tolist() for name, logits in history.items()}
        moments = len(next(iter(columns.values())))
        runs[title] = {"step": [every * moment for moment in range(moments)], **columns}
    return at_width(drift_figure(runs), 3.9 if len(runs) == 1 else 6.6)


@contextlib.contextmanager
def untidy_folder(faces: Tensor) -> Iterator[tuple[Path, dict[str, Tensor | None]]]:
    """Fill a folder as people have them, and take it away in the end.

    Args:
        faces: uint8 (5, 3, R, R): three to stand side by side, one to be cut out, and one to
            become small and grey.

    Yields:
        The folder, and each file's name with its pixels (4, H, W), or None for a file that is
        called a picture and is none.
    """
    drawn = [Image.fromarray(to_pixels(face)) for face in faces]
    side = drawn[0].width
    wide = Image.new("RGB", (3 * side, side))
    for place, face in enumerate(drawn[:3]):
        wide.paste(face, (place * side, 0))
    see_through = drawn[3].copy()
    see_through.putalpha(drawn[3].convert("L").point(lambda grey: 0 if grey > 250 else 255))
    files: dict[str, Image.Image | None] = {
        "wide.png": wide,
        "see-through.png": see_through,
        "small-grey.bmp": drawn[4].convert("L").resize((24, 24)),
        "page.jpg": None,
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, picture in files.items():
            if picture is None:
                (folder / name).write_text("<html>Not found</html>", encoding="utf-8")
            else:
                picture.save(folder / name)
        yield folder, {name: _pixels(picture) for name, picture in files.items()}


def _pixels(picture: Image.Image | None) -> Tensor | None:
    if picture is None:
        return None
    return torch.from_numpy(np.array(picture.convert("RGBA"))).permute(2, 0, 1)
