"""Lesson figures on losses: the right curves, arrows and points in the right places."""

import numpy as np
import torch

from slae_lib.course.figures.lesson_07 import (
    Curve,
    Moment,
    Plane,
    curves_figure,
    line_figure,
    planes_figure,
)


def test_each_panel_has_its_losses_above_their_slopes() -> None:
    logits = torch.linspace(-1, 1, 3)
    hinge = Curve(torch.tensor([2.0, 1.0, 0.0]), torch.tensor([-1.0, -1.0, 0.0]))
    figure = curves_figure(logits, {"real": {"hinge": hinge}, "fake": {"hinge": hinge}})
    above, below = figure.axes[:2], figure.axes[2:]
    assert [axis.get_title() for axis in above] == ["real", "fake"]
    np.testing.assert_array_equal(above[0].lines[0].get_ydata(), hinge.value)
    np.testing.assert_array_equal(below[1].lines[0].get_ydata(), hinge.slope)
    assert above[0].get_ylabel() == "loss"
    assert below[0].get_ylabel() == "slope of the loss"


def test_a_plane_has_arrows_only_where_something_pushes() -> None:
    grid = torch.tensor([[0.0, 0.0], [2.0, 2.0], [2.0, -2.0]])
    steps = torch.tensor([[1.0, -1.0], [0.0, -1.0], [0.0, 0.0]])
    path = torch.tensor([[0.0, 0.0], [1.0, -1.0]])
    figure = planes_figure({"a loss": Plane(grid, steps, path)}, target=(1, -1))
    (axis,) = figure.axes
    (arrows,) = [found for found in axis.collections if hasattr(found, "U")]
    assert list(zip(arrows.U, arrows.V, strict=True)) == [(1.0, -1.0), (0.0, -1.0)]
    still, trained, start, end = axis.lines
    assert (still.get_xdata().tolist(), still.get_ydata().tolist()) == ([2.0], [-2.0])
    np.testing.assert_array_equal(trained.get_xydata(), path)
    assert list(start.get_xydata()[0]) == [0.0, 0.0]
    assert list(end.get_xydata()[0]) == [1.0, -1.0]


def test_a_line_shows_every_moment_with_its_points_and_its_loss() -> None:
    places, real = torch.linspace(-1, 1, 5), torch.tensor([0.5, 0.6])
    moment = Moment(2 * places, torch.tensor([-0.5]), torch.tensor([-1.0]), 2 * real, 1.25)
    figure = line_figure(places, real, {"start": moment, "end": moment}, [2.0, 1.25])
    first, second, history = figure.axes
    assert [axis.get_title() for axis in (first, second)] == ["start", "end"]
    np.testing.assert_array_equal(first.lines[0].get_ydata(), 2 * places)
    drawn_real, drawn_fake = (np.asarray(dots.get_offsets()) for dots in first.collections)
    np.testing.assert_allclose(drawn_real, torch.stack([real, 2 * real], dim=1))
    np.testing.assert_allclose(drawn_fake, [[-0.5, -1.0]])
    assert first.texts[0].get_text() == "loss 1.25"
    np.testing.assert_array_equal(history.lines[0].get_ydata(), [2.0, 1.25])
