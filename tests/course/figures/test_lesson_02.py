"""Lesson figures on attention: the right pixels and words in the right places."""

import torch

from slae_lib.course.figures.lesson_02 import attention_diagram, kernels_figure


def test_the_diagram_names_every_step_of_the_formula() -> None:
    (axis,) = attention_diagram(3).axes
    words = " ".join(text.get_text() for text in axis.texts)
    for step in ("mean over C", "max over C", "convolution\n3x3", "sigmoid", "map M", "M · F"):
        assert step in words


def test_kernels_share_one_scale_with_zero_in_its_middle() -> None:
    large, small = torch.full((1, 2, 7, 7), 2.0), torch.full((1, 2, 3, 3), -1.0)
    figure = kernels_figure({"7x7": large, "3x3": small})
    drawn = [axis.images[0] for axis in figure.axes[:4]]
    assert {image.get_clim() for image in drawn} == {(-2.0, 2.0)}
    assert [axis.get_title() for axis in figure.axes[:2]] == ["7x7, on the mean", "7x7, on the max"]
