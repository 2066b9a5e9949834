"""Figures that several lessons use: the right pixels, words and bars in the right places."""

import numpy as np
import pytest
import torch

from slae_lib.course.figures.shared import (
    faces_figure,
    gates_figure,
    maps_figure,
    pictures_figure,
    strips_figure,
)


def random_pictures(count: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 8, 8), dtype=torch.uint8)


def test_each_row_of_maps_has_its_own_or_the_given_scale() -> None:
    maps = torch.rand(2, 1, 8, 8) * 5
    pictures = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    figure = maps_figure(
        {"picture": pictures, "own": maps, "given": maps},
        columns=["first", "second"],
        limits={"given": (0, 1)},
        attribution="drawn by them",
    )
    axes = figure.axes[:6]
    assert [axis.get_title() for axis in axes[:2]] == ["first", "second"]
    assert [axis.get_ylabel() for axis in axes[::2]] == ["picture", "own", "given"]
    np.testing.assert_array_equal(axes[1].images[0].get_array(), pictures[1].permute(1, 2, 0))
    np.testing.assert_array_equal(axes[3].images[0].get_array(), maps[1, 0])
    assert axes[2].images[0].get_clim() == (float(maps.min()), float(maps.max()))
    assert axes[5].images[0].get_clim() == (0, 1)


def test_rows_of_maps_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="as many columns"):
        maps_figure({"a": torch.rand(2, 1, 4, 4), "b": torch.rand(3, 1, 4, 4)})


def test_pictures_stand_in_rows_with_headings_and_notes() -> None:
    first, second = random_pictures(3), random_pictures(3)
    figure = pictures_figure(
        {"one": first, "two": second},
        columns=["a", "b", "c"],
        notes={"one": ["1", "2", "3"], "two": ["4", "5", "6"]},
        attribution="drawn by them",
    )
    axes = figure.axes
    assert [axis.get_title() for axis in axes[:3]] == ["a", "b", "c"]
    assert [axis.get_xlabel() for axis in axes] == ["1", "2", "3", "4", "5", "6"]
    assert axes[3].get_ylabel() == "two"
    np.testing.assert_array_equal(axes[4].images[0].get_array(), second[1].permute(1, 2, 0))


def test_a_gap_keeps_the_order_of_the_pictures() -> None:
    pictures = random_pictures(3)
    figure = pictures_figure({"row": pictures}, columns=["a", "b", "c"], gap_after=1)
    drawn = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title() for axis in drawn] == ["a", "b", "c"]
    for axis, picture in zip(drawn, pictures, strict=True):
        np.testing.assert_array_equal(axis.images[0].get_array(), picture.permute(1, 2, 0))


def test_rows_of_pictures_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="as many pictures"):
        pictures_figure({"a": random_pictures(2), "b": random_pictures(3)})


def test_strips_show_every_picture_at_its_place_to_six_levels_of_grey() -> None:
    first, second = torch.randint(0, 256, (2, 3, 3, 64, 64), dtype=torch.uint8)
    figure = strips_figure({"first": first, "second": second}, gap_after=1, attribution="them")
    assert len(figure.axes) == 6
    assert {"first", "second", "them"} <= {text.get_text() for text in figure.texts}
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


def test_faces_are_drawn_alike_from_floats_and_from_bytes() -> None:
    white, black = torch.ones(1, 3, 8, 8), torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    figure = faces_figure({"floats": white, "bytes": black}, width=3.0, columns=["a"])
    drawn = [np.asarray(axis.images[0].get_array()) for axis in figure.axes]
    assert [picture.max() for picture in drawn] == [255, 0]
    assert figure.get_figwidth() == 3.0
