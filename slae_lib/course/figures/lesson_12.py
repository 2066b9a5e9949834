"""Figures of the lesson on the explorer: differences on one scale, levers, walks with maps."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from torch import Tensor

from slae_lib.explorer.figures.view import DIFFERENCE_TOP, draw_maps
from slae_lib.generator import GeneratorOutput
from slae_lib.plotting.base import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    Look,
    at_width,
    color_bar,
    credit,
    draw_picture,
    label_row,
    new_figure,
    to_pixels,
)
from slae_lib.plotting.style import in_own_style
from slae_lib.support.images import to_uint8

_COLORS = (BLUE, ORANGE, PURPLE, GREEN, GREY)
_LEAST = 0.01  # what is smaller is drawn as this, since a logarithm has no zero


@in_own_style
def levers_figure(changes: Mapping[str, Mapping[str, float]], *, attribution: str = "") -> Figure:
    """Draw how much images change when one thing is changed, as bars of several groups.

    The axis is logarithmic: from one line to the next, a change is ten times as large.

    Args:
        changes: name of a group to what was changed and by how much the colours differ, in steps
            of 255, on average.
        attribution: who made the training images.
    """
    count = sum(len(group) for group in changes.values()) + len(changes) - 1
    figure = new_figure(9.6, 0.27 * count + 0.95)
    axis = figure.subplots()
    most = max(value for group in changes.values() for value in group.values())
    place, ticks, labels = 0, [], []
    for index, (name, group) in enumerate(changes.items()):
        color = _COLORS[index % len(_COLORS)]
        for lever, value in group.items():
            drawn = max(value, _LEAST)
            axis.barh(place, drawn - _LEAST, left=_LEAST, color=color, height=0.8)
            axis.text(drawn * 1.08, place, f"{value:.2f}", va="center", fontsize=8)
            ticks.append(place)
            labels.append(f"{name}: {lever}")
            place += 1
        place += 1  # air between the groups
    axis.set_yticks(ticks, labels, fontsize=9)
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.set_xlabel("mean change of the colours, in steps of 255", fontsize=9)
    axis.set_xticks([0.01, 0.1, 1, 10, 100], ["0.01", "0.1", "1", "10", "100"], fontsize=8)
    axis.set_xlim(_LEAST, max(1.0, 2.5 * most))
    axis.minorticks_off()
    axis.grid(axis="x", alpha=0.25)
    axis.set_axisbelow(True)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    credit(figure, attribution)
    return figure


@in_own_style
def series_figure(
    images: Tensor, attention: Mapping[str, Tensor], headings: Sequence[str], *, title: str
) -> Figure:
    """Draw images in a row with the maps of each link below: a walk, or a film of a training.

    A row of maps has one scale, so that its columns can be compared.

    Args:
        images: uint8 (N, 3, R, R).
        attention: link name to (N, 1, h, w).
        headings: one for each image, such as the iteration or the share of a mix.
        title: above the figure.
    """
    count, rows = len(images), 1 + len(attention)
    figure = new_figure(1.2 * count + 1.5, 1.3 * rows + 0.7)
    axes = figure.subplots(rows, count, squeeze=False)
    for column, heading in enumerate(headings):
        draw_picture(axes[0][column], to_pixels(images[column]), heading)
        axes[0][column].title.set_fontsize(9)
    label_row(axes[0][0], "image")
    draw_maps(axes[1:], images, attention, "link ")
    figure.suptitle(title, fontsize=11)
    return figure


@in_own_style
def changes_figure(images: Mapping[str, Tensor], *, attribution: str | None = None) -> Figure:
    """Draw a picture and changed versions of it, with their differences to it below.

    Every difference is drawn on the same scale, from 0 to `DIFFERENCE_TOP` steps of 255.

    Args:
        images: heading to an image (1, 3, R, R) in [-1, 1]; the first one is the plain one.
        attribution: who made the training pictures.
    """
    pictures = [to_uint8(image)[0] for image in images.values()]
    figure = new_figure(1.05 * len(images) + 0.8, 2.65)
    axes = figure.subplots(2, len(images), squeeze=False)
    for axis, heading, picture in zip(axes[0], images, pictures, strict=True):
        draw_picture(
            axis, to_pixels(picture) // 8 * 8, heading
        )  # a smaller file, and nobody sees it
        axis.title.set_fontsize(9)
    axes[1][0].set_axis_off()
    for axis, picture in zip(axes[1][1:], pictures[1:], strict=True):
        difference = (picture.float() - pictures[0].float()).abs().mean(dim=0).numpy()  # (R, R)
        scale: Look = {"cmap": "cividis", "vmin": 0, "vmax": DIFFERENCE_TOP}
        drawn = draw_picture(axis, difference, **scale)
        axis.set_xlabel(f"mean {difference.mean():.1f}", fontsize=9, labelpad=2)
    ticks = {0.0: "0", float(DIFFERENCE_TOP): f"{DIFFERENCE_TOP}+"}
    color_bar(figure, drawn, axes.ravel(), ticks, label="difference, in steps of 255", aspect=25)
    credit(figure, attribution)
    return figure


@in_own_style
def walk_figure(walk: GeneratorOutput, link: str, *, title: str) -> Figure:
    """Draw the beginning, the middle and the end of a walk, with the maps of one link.

    Args:
        walk: what the generator made of inputs that go from one to another.
        link: whose maps are shown.
        title: above the figure.
    """
    last = len(walk.image) - 1
    places = [0, last // 2, last]
    headings = [f"{place / last:.2f}" for place in places]
    maps = {link: walk.attention[link][places]}
    figure = series_figure(to_uint8(walk.image[places]), maps, headings, title=title)
    return at_width(figure, 4.2)
