"""Lesson figures on evaluation: the right numbers and words in the right places."""

import math

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse

from slae_lib.course.figures.lesson_10 import Clouds, bias_figure, clouds_figure, dots_figure


def words(axis: Axes) -> list[str]:
    return [text.get_text() for text in axis.texts]


def test_an_ellipse_reaches_two_deviations_around_the_mean() -> None:
    # Around (1, -1): twice as wide as high, with deviations sqrt(8 / 3) and sqrt(2 / 3).
    points = torch.tensor([[1.0, 0.0], [1.0, -2.0], [3.0, -1.0], [-1.0, -1.0]])
    reach = [4 * (2 / 3) ** 0.5, 4 * (8 / 3) ** 0.5]
    figure = clouds_figure({"a pair": Clouds(points, points + 5, "5 apart")}, names=("A", "B"))
    (axis,) = figure.axes
    first, second = (patch for patch in axis.patches if isinstance(patch, Ellipse))
    assert first.center == pytest.approx((1, -1))
    assert second.center == pytest.approx((6, 4))
    assert sorted((first.width, first.height)) == pytest.approx(reach)
    long_side = first.angle if first.width > first.height else first.angle + 90
    assert math.sin(math.radians(long_side)) == pytest.approx(0, abs=1e-6)  # it lies along x
    assert axis.get_title() == "a pair\n5 apart"
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("first feature", "second feature")
    assert [text.get_text() for text in figure.legends[0].texts] == ["A", "B"]


def test_the_bias_has_every_draw_the_mean_and_the_theory() -> None:
    distances = torch.tensor([[8.0, 12.0], [1.0, 3.0]])
    kernel = torch.tensor([[-0.1, 0.3], [0.0, 0.0]])
    left, right = bias_figure([10, 100], distances, torch.tensor([9.0, 2.5]), kernel).axes
    assert left.lines[0].get_xydata().tolist() == [[10, 8], [10, 12]]
    drawn = {line.get_label(): line.get_ydata() for line in left.lines + right.lines}
    np.testing.assert_allclose(drawn["theory: the bias"], [9, 2.5])
    np.testing.assert_allclose(left.lines[2].get_ydata(), [10, 2])
    np.testing.assert_allclose(right.lines[2].get_ydata(), [0.1, 0], atol=1e-7)
    for axis in (left, right):
        assert axis.get_xlabel() == "pictures in each of the two sets (log scale)"
        labels = [text.get_text() for text in axis.get_legend().texts]
        assert labels[:2] == ["one pair of draws", "mean"]
    assert (left.get_yscale(), left.get_ylabel()) == ("log", "Fréchet distance (log scale)")
    assert right.get_yscale() == "linear"  # KID may be below 0
    assert list(drawn["the truth: 0"]) == [0, 0]


def test_dots_show_every_number_and_the_median() -> None:
    rows = {"one": [2.0], "several": torch.tensor([1.0, 9.0, 4.0])}
    (axis,) = dots_figure({"FID": rows}, reference="one").axes
    assert words(axis) == ["2.0", "4.0", "median"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["one", "several"]
    assert axis.lines[0].get_xdata().tolist() == [2.0]
    assert list(axis.lines[1].get_xdata()) == [2.0, 2.0]  # the reference goes from top to bottom
    assert axis.lines[2].get_xdata().tolist() == [1.0, 9.0, 4.0]
    assert list(axis.lines[3].get_xdata()) == [4.0, 4.0]
    assert axis.get_ylim()[0] > axis.get_ylim()[1]  # the first row is on top
