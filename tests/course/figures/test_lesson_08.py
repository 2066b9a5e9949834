"""Lesson figures on training: every step named, pictures as they are, bars in their place."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from slae_lib.course.figures.lesson_08 import (
    gradients_figure,
    histories_figure,
    iteration_diagram,
    lost_time_figure,
    strips_figure,
)


def words(figure: Figure) -> str:
    texts = [text for axis in figure.axes for text in axis.texts] + list(figure.texts)
    return " | ".join(text.get_text() for text in texts)


def test_the_drawing_of_an_iteration_names_every_part() -> None:
    parts = ("generator", "DiffAugment", "real images", "detach", "discriminator\nlearns")
    parts += ("discriminator\nstands still", "minus the\nmean logit", "average", "gradient")
    for part in parts:
        assert part in words(iteration_diagram())


def test_strips_show_every_picture_at_its_place_to_six_levels_of_grey() -> None:
    first, second = torch.randint(0, 256, (2, 3, 3, 64, 64), dtype=torch.uint8)
    figure = strips_figure({"first": first, "second": second}, gap_after=1, attribution="them")
    assert len(figure.axes) == 6
    assert {"first", "second", "them"} <= set(words(figure).split(" | "))
    for axis, picture in zip(figure.axes, torch.cat([first, second]), strict=True):
        drawn = np.asarray(axis.images[0].get_array()).astype(int)
        assert np.abs(drawn - picture.permute(1, 2, 0).numpy()).max() <= 3
    places = [axis.get_position() for axis in figure.axes]
    assert places[0].y0 > places[3].y1  # the first row stands above the second
    assert places[0].x1 < places[1].x0


def test_a_picture_of_a_strip_is_drawn_pixel_for_pixel() -> None:
    figure = strips_figure({"small": torch.zeros(1, 3, 32, 32, dtype=torch.uint8)})
    place = figure.axes[0].get_position()
    width, height = figure.get_size_inches() * figure.dpi
    assert place.width * width == pytest.approx(64)
    assert place.height * height == pytest.approx(64)


@pytest.mark.parametrize(("count", "side"), [(2, 64), (3, 48)])
def test_a_row_that_does_not_fit_is_refused(count: int, side: int) -> None:
    rows = {"fits": torch.zeros(3, 3, 64, 64), "does not": torch.zeros(count, 3, side, side)}
    with pytest.raises(ValueError, match=f"'does not' has {count} pictures of {side} px"):
        strips_figure({name: row.to(torch.uint8) for name, row in rows.items()})


def line(iteration: int, diversity: float | None = None) -> dict[str, float | None]:
    names = ("discriminator", "reconstruction", "real_logits", "fake_logits")
    values = {name: iteration + place / 10 for place, name in enumerate(names)}
    return {"iteration": iteration, "diversity": diversity, **values}


def test_histories_of_two_runs_lie_over_each_other() -> None:
    runs = {"here": [line(10), line(20, 0.5)], "loaded": [line(10), line(20), line(30, 0.9)]}
    figure = histories_figure(runs)
    hinge, reconstruction, logits, diversity = figure.axes
    assert [len(axis.lines) for axis in figure.axes] == [3, 2, 5, 3]  # with levels to compare
    np.testing.assert_allclose(hinge.lines[0].get_xydata(), [[10, 10], [20, 20]])
    np.testing.assert_allclose(reconstruction.lines[1].get_ydata(), [10.1, 20.1, 30.1])
    np.testing.assert_allclose(logits.lines[1].get_ydata(), [10.3, 20.3])
    np.testing.assert_allclose(diversity.lines[0].get_xydata(), [[20, 0.5]])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(runs)


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
    for meaning in ("becomes 0", "fewer digits", "inf"):
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
