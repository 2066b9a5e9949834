"""Figures of skip links: every step named, the right bars, cells where the pooling has them."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from slae_lib.course.figures.lesson_03 import (
    by_place_figure,
    cells_figure,
    link_diagram,
)


def words(figure: Figure) -> str:
    return " ".join(text.get_text() for axis in figure.axes for text in axis.texts)


def test_the_drawing_of_a_link_names_every_step() -> None:
    steps = ("low", "pool\nto 4x4", "convolution\n4x4", "Swish", "convolution\n1x1", "sigmoid")
    for step in (*steps, "gate", "(B, C', 1, 1)", "high", "gate · high"):
        assert step in words(link_diagram(attention=False))
        assert step in words(link_diagram(attention=True))


def test_attention_is_drawn_in_the_papers_link_alone() -> None:
    assert "map M" in words(link_diagram(attention=True))
    assert "M · low" in words(link_diagram(attention=True))
    assert "map M" not in words(link_diagram(attention=False))


@pytest.mark.parametrize(("side", "borders"), [(32, [7.5, 15.5, 23.5]), (4, [0.5, 1.5, 2.5])])
def test_borders_lie_between_the_cells_of_the_pooling(side: int, borders: list[float]) -> None:
    figure = cells_figure({"map": torch.rand(2, 1, side, side)}, columns=["a", "b"])
    for axis in figure.axes[:2]:
        upright = {line.get_xdata()[0] for line in axis.lines if line.get_ydata()[0] == 0}
        assert sorted(upright) == borders


def test_changes_by_place_have_zero_in_the_middle_of_their_scale() -> None:
    change = torch.zeros(8, 8)
    change[2, 3] = -2.0
    change[0, 0] = 0.5
    picture = torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8)
    figure = by_place_figure(picture, {"SLE": change}, unit="thousandths", attribution="them")
    left, right = figure.axes[:2]
    np.testing.assert_array_equal(left.images[0].get_array(), picture.permute(1, 2, 0))
    np.testing.assert_array_equal(right.images[0].get_array(), change)
    assert right.images[0].get_clim() == (-2.0, 2.0)
    assert right.get_title() == "SLE"
    assert len(right.lines) == 12  # three borders each way, black under white
