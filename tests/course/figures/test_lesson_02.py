"""Lesson figures on attention: the right pixels and words in the right places."""

import numpy as np
import pytest
import torch

from slae_lib.course.figures.lesson_02 import attention_diagram, kernels_figure, maps_figure


def test_the_diagram_names_every_step_of_the_formula() -> None:
    (axis,) = attention_diagram(3).axes
    words = " ".join(text.get_text() for text in axis.texts)
    for step in ("mean over C", "max over C", "convolution\n3x3", "sigmoid", "map M", "M · F"):
        assert step in words


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


def test_rows_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="as many columns"):
        maps_figure({"a": torch.rand(2, 1, 4, 4), "b": torch.rand(3, 1, 4, 4)})


def test_kernels_share_one_scale_with_zero_in_its_middle() -> None:
    large, small = torch.full((1, 2, 7, 7), 2.0), torch.full((1, 2, 3, 3), -1.0)
    figure = kernels_figure({"7x7": large, "3x3": small})
    drawn = [axis.images[0] for axis in figure.axes[:4]]
    assert {image.get_clim() for image in drawn} == {(-2.0, 2.0)}
    assert [axis.get_title() for axis in figure.axes[:2]] == ["7x7, on the mean", "7x7, on the max"]
