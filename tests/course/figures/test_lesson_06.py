"""Lesson figures on metadata: the right pictures, numbers and words in the right places."""

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.offsetbox import AnnotationBbox

from slae_lib.course.figures.lesson_06 import (
    changes_figure,
    channels_figure,
    cosines_figure,
    drowning_figure,
    metadata_diagram,
    neighbours_figure,
    plane_figure,
)


def words(axis: Axes) -> str:
    return " ".join(text.get_text() for text in axis.texts)


def labels(axis: Axes) -> list[str]:
    legend = axis.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def random_pictures(count: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 8, 8), dtype=torch.uint8)


def test_the_diagram_names_every_step_on_the_way_of_metadata() -> None:
    (axis,) = metadata_diagram().axes
    for step in ("VGG-16\nup to relu5_3", "mean over\nall places", "bank", "noise z", "generator"):
        assert step in words(axis)


def test_each_change_has_its_dots_and_its_median() -> None:
    own = {"moved": torch.tensor([0.9, 0.95, 1.0]), "turned": torch.tensor([0.5, 0.6, 0.7])}
    (axis,) = cosines_figure(own, torch.rand(4, 4)).axes
    names = [tick.get_text() for tick in axis.get_yticklabels()]
    assert names == ["moved", "turned", "two different\npictures"]
    turned = np.asarray(axis.collections[1].get_offsets())
    np.testing.assert_allclose(turned, [[0.5, 1], [0.6, 1], [0.7, 1]], rtol=1e-6)
    assert np.asarray(axis.lines[1].get_xdata()).tolist() == pytest.approx([0.6, 0.6])


def test_channels_are_counted_by_what_they_are_divided_by() -> None:
    means = torch.tensor([1.0, 2.0, 3.0, 0.1, 0.0, 0.0])
    deviations = torch.tensor([1.0, 1.0, 2.0, 0.001, 0.0, 0.0])
    (axis,) = channels_figure(means, deviations, 0.01).axes
    said = " | ".join(labels(axis))
    assert "3 channels divided by their own" in said
    assert "1 channels below the floor" in said
    assert "2 channels never move" in said
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")


def test_the_plane_has_every_picture_and_every_mode() -> None:
    points = torch.randn(4, 2)
    figure = plane_figure(
        random_pictures(4), points, {"bank": points, "mix": 0.5 * points}, attribution="by them"
    )
    left, right = figure.axes
    placed = [artist.xy for artist in left.artists if isinstance(artist, AnnotationBbox)]
    np.testing.assert_allclose(placed, points, rtol=1e-6)
    assert labels(right) == ["bank", "mix"]
    np.testing.assert_allclose(
        np.asarray(right.collections[1].get_offsets()), 0.5 * points, rtol=1e-6
    )


def test_drowning_is_drawn_against_the_noise() -> None:
    figure = drowning_figure({"plain": {"usual": [0, 2, 4]}, "tamed": {"usual": [1, 1, 1]}})
    plain, tamed = figure.axes
    assert (plain.get_title(), tamed.get_title()) == ("plain", "tamed")
    assert labels(plain) == ["usual", "the noise"]
    assert np.asarray(plain.lines[0].get_ydata()).tolist() == [0, 2, 4]
    assert set(np.asarray(plain.lines[1].get_ydata()).tolist()) == {1.0}
    assert plain.get_ylim() == tamed.get_ylim()


def test_each_change_stands_over_its_cosines() -> None:
    changes = {"mirrored": lambda x: x.flip(3), "dark": lambda x: x // 2}
    cosines = {"mirrored": torch.tensor([0.99, 1.0]), "dark": torch.tensor([0.5, 0.25])}
    pictures = random_pictures(3)
    figure = changes_figure(pictures, {"first": 0, "last": 2}, changes, cosines)
    assert [axis.get_title() for axis in figure.axes[:3]] == ["as it is", "mirrored", "dark"]
    notes = [axis.get_xlabel() for axis in figure.axes]
    assert notes == ["1.00", "0.99", "0.50", "1.00", "1.00", "0.25"]
    drawn = np.asarray(figure.axes[4].images[0].get_array())
    np.testing.assert_array_equal(drawn, pictures[2].flip(2).permute(1, 2, 0))


def test_neighbours_stand_in_the_order_in_which_they_were_found() -> None:
    pictures = random_pictures(6)
    raw, scaled = torch.tensor([[1, 0, 3]]), torch.tensor([[1, 5, 4]])
    figure = neighbours_figure(pictures, {"one": 1}, raw, scaled)
    drawn = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title() for axis in drawn] == ["the face", "raw", "2nd", "scaled", "2nd"]
    for axis, place in zip(drawn, (1, 0, 3, 5, 4), strict=True):
        picture = np.asarray(axis.images[0].get_array())
        np.testing.assert_array_equal(picture, pictures[place].permute(1, 2, 0))
