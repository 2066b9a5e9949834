"""Figures of full training: bars where the gradients lie, the least of the lost time marked."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from slae_lib.course.figures.lesson_09 import (
    gradients_figure,
    grids_figure,
    lost_time_figure,
)


def words(figure: Figure) -> str:
    texts = [text for axis in figure.axes for text in axis.texts] + list(figure.texts)
    return " | ".join(text.get_text() for text in texts)


def test_gradients_are_counted_where_they_lie_with_and_without_the_scale() -> None:
    sizes = torch.tensor([0.0, 3e-9, -3e-9, 3e-6, 0.3])  # the zero is left out
    figure = gradients_figure({"some": sizes}, scale=2.0**10)
    (axis,) = figure.axes
    plain, scaled = axis.containers
    found = {round(bar.get_x() + bar.get_width() / 2, 1): bar.get_height() for bar in plain}
    assert {place: share for place, share in found.items() if share > 0} == pytest.approx(
        {-8.5: 50, -5.5: 25, -0.5: 25}
    )
    moved = [bar.get_x() for bar in scaled if bar.get_height() > 0]
    kept = [bar.get_x() for bar in plain if bar.get_height() > 0]
    np.testing.assert_allclose(np.subtract(moved, kept), 3, atol=0.21)
    for meaning in ("becomes 0", "subnormal", "inf"):
        assert meaning in words(figure)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["as they are", "× 1,024"]


def test_the_least_of_the_lost_time_is_marked() -> None:
    figure = lost_time_figure([100, 657, 5000], saving=[50, 8, 1], again=[1, 7, 60])
    (axis,) = figure.axes
    saving, again, both, mark = axis.lines
    np.testing.assert_array_equal(both.get_ydata(), [51, 15, 61])
    assert (saving.get_label(), again.get_label(), both.get_label()) == (
        "saving",
        "done again",
        "both",
    )
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (657, 15)
    assert "least near 660" in words(figure)


def test_the_first_a_middle_and_the_last_grid_are_drawn() -> None:
    grids = {at: torch.full((9, 3, 128, 128), at, dtype=torch.uint8) for at in (6, 12, 60, 120)}
    figure = grids_figure(grids)
    assert [text.get_text() for text in figure.texts] == [
        "iteration 6",
        "iteration 60",
        "iteration 120",
    ]
    assert len(figure.axes) == 3 * 4  # four of 128 px fit beside each other
    assert len(grids_figure({5: grids[6]}).axes) == 4
