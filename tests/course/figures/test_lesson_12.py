"""The figure of levers: every lever with its number, in its place."""

import pytest

from slae_lib.course.figures.lesson_12 import levers_figure


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
