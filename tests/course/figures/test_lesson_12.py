"""The figure of levers: every lever with its number, in its place."""

import numpy as np
import pytest
import torch

from slae_lib.course.figures.lesson_12 import (
    DIFFERENCE_TOP,
    changes_figure,
    levers_figure,
    series_figure,
    walk_figure,
)
from slae_lib.generator import GeneratorOutput


def test_each_lever_has_a_bar_of_its_length_and_its_number() -> None:
    changes = {"input": {"noise": 15.7, "metadata": 21.2}, "attention": {"4 → 16": 0.004}}
    (axis,) = levers_figure(changes, attribution="drawn by them").axes
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == ["input: noise", "input: metadata", "attention: 4 → 16"]
    assert [text.get_text() for text in axis.texts] == ["15.70", "21.20", "0.00"]
    ends = [bar.get_x() + bar.get_width() for bar in axis.patches]
    assert ends == pytest.approx([15.7, 21.2, 0.01])
    assert axis.get_xscale() == "log"


def test_groups_stand_apart_and_have_their_colours() -> None:
    (axis,) = levers_figure({"a": {"x": 1.0, "y": 2.0}, "b": {"x": 3.0}}).axes
    middles = [bar.get_y() + bar.get_height() / 2 for bar in axis.patches]
    assert middles == pytest.approx([0, 1, 3])
    colours = [bar.get_facecolor() for bar in axis.patches]
    assert colours[0] == colours[1] != colours[2]


def test_a_series_has_a_column_for_each_image() -> None:
    images = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8)
    maps = {"4->16": torch.rand(3, 1, 4, 4), "8->32": torch.rand(3, 1, 8, 8)}
    figure = series_figure(images, maps, ["0", "0.5", "1"], title="a walk")
    assert [axis.get_title() for axis in figure.axes[:3]] == ["0", "0.5", "1"]
    drawn = [np.asarray(image.get_array()) for axis in figure.axes for image in axis.images]
    last = maps["8->32"][2, 0]
    assert any(found.shape == last.shape and np.allclose(found, last) for found in drawn)
    low, high = float(maps["4->16"].min()), float(maps["4->16"].max())
    labels = {text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text"))}
    assert f"link 4 → 16\n{low:.2f} to {high:.2f}" in labels


def test_all_differences_have_one_scale_and_say_their_mean() -> None:
    plain = -torch.ones(1, 3, 8, 8)  # 0 of 255
    images = {"plain": plain, "a little": plain + 0.4, "much": plain + 2}
    figure = changes_figure(images, attribution="drawn by them")
    drawn = [image for axis in figure.axes for image in axis.images]
    differences = [image for image in drawn if np.asarray(image.get_array()).ndim == 2]
    assert len(differences) == 2
    assert {image.get_clim() for image in differences} == {(0, DIFFERENCE_TOP)}
    told = [axis.get_xlabel() for axis in figure.axes if axis.get_xlabel()]
    assert told == ["mean 51.0", "mean 255.0"]


def test_a_walk_shows_its_beginning_its_middle_and_its_end() -> None:
    image, maps = torch.zeros(7, 3, 8, 8), {"4->16": torch.rand(7, 1, 4, 4)}
    walk = GeneratorOutput(image=image, small=image, attention=maps, gates={})
    figure = walk_figure(walk, "4->16", title="a walk")
    assert [axis.get_title() for axis in figure.axes[:3]] == ["0.00", "0.50", "1.00"]
