"""What all figures share: sizes, the line that names the makers of the pictures, small files."""

import io

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from slae_lib.plotting.base import at_width, color_bar, compact_png, credit, new_figure


def test_a_narrower_figure_keeps_its_shape() -> None:
    figure = at_width(Figure(figsize=(12, 6)), 8)
    assert figure.get_size_inches().tolist() == [8, 4]


def test_the_makers_stand_at_the_foot_in_lines_that_fit() -> None:
    makers = "All pictures were drawn by people who let others use them, under a licence."
    for inches, in_one_line in ((10, True), (3, False)):
        figure = new_figure(inches, 2)
        credit(figure, makers)
        assert figure.get_supxlabel().split() == makers.split()
        assert ("\n" not in figure.get_supxlabel()) == in_one_line
        line = next(text for text in figure.texts if text.get_text() == figure.get_supxlabel())
        assert line.get_window_extent(FigureCanvasAgg(figure).get_renderer()).width < 100 * inches


def test_without_makers_there_is_no_line() -> None:
    figure = new_figure(3, 2)
    credit(figure, None)
    assert figure.get_supxlabel() == ""


def test_a_color_bar_tells_the_values_it_is_given_and_is_opaque() -> None:
    figure = new_figure(3, 2)
    axis = figure.subplots()
    drawn = axis.imshow([[0.25, 0.75]], alpha=0.5)
    bar = color_bar(figure, drawn, axis, {0.25: "closed", 0.75: "open"}, "gate")
    assert [label.get_text() for label in bar.ax.get_yticklabels()] == ["closed", "open"]
    assert bar.ax.get_ylabel() == "gate"
    assert bar.solids is not None
    assert bar.solids.get_alpha() == 1


def test_a_compact_picture_has_the_same_colours_and_few_bytes() -> None:
    figure = Figure(figsize=(4, 2))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.imshow(np.random.default_rng(0).random((20, 40)), cmap="magma")
    axis.set_axis_off()
    png, width = compact_png(figure, dpi=100)
    plain = io.BytesIO()
    figure.savefig(plain, format="png", dpi=100)
    assert width == 384  # 4 inches, 96 pixels each
    assert len(png) < len(plain.getvalue())
    one, other = (
        torch.tensor(list(Image.open(file).convert("RGB").tobytes())).float()
        for file in (io.BytesIO(png), plain)
    )
    assert (one - other).abs().mean() < 3
