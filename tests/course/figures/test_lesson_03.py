"""Figures of skip links: every step named, the right bars, cells where the pooling has them."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from slae_lib.course.figures.lesson_03 import (
    by_place_figure,
    cells_figure,
    gates_figure,
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


def test_gates_are_sorted_by_the_first_and_stay_with_their_channel() -> None:
    first, second = torch.tensor([0.2, 0.9, 0.5]), torch.tensor([0.1, 0.3, 0.8])
    figure = gates_figure(
        {"SLE": {"whole": first, "scrambled": first}, "SLAE": {"whole": second}},
        difference=("difference", second - first),
    )
    upper, middle, lower = figure.axes
    assert [bar.get_height() for bar in upper.patches] == pytest.approx([0.9, 0.5, 0.2])
    np.testing.assert_allclose(upper.lines[0].get_ydata(), [0.9, 0.5, 0.2])
    assert [bar.get_height() for bar in middle.patches] == pytest.approx([0.3, 0.8, 0.1])
    assert [bar.get_height() for bar in lower.patches] == pytest.approx([-0.6, 0.3, -0.1])
    assert [axis.get_title() for axis in figure.axes] == ["SLE", "SLAE", "difference"]
    legend = upper.get_legend()
    assert legend is not None
    assert {text.get_text() for text in legend.get_texts()} == {"whole", "scrambled"}


def test_gates_may_come_as_a_link_makes_them() -> None:
    gate = torch.rand(1, 5, 1, 1, requires_grad=True)
    assert len(gates_figure({"SLE": {"face": gate}}).axes[0].patches) == 5


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
