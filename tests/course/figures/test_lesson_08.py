"""Lesson figures on training: every step named, the lines of the log in their place."""

import numpy as np
import torch
from matplotlib.figure import Figure

from slae_lib.course.figures.lesson_08 import (
    growth_figure,
    histories_figure,
    iteration_diagram,
)


def words(figure: Figure) -> str:
    texts = [text for axis in figure.axes for text in axis.texts] + list(figure.texts)
    return " | ".join(text.get_text() for text in texts)


def test_the_drawing_of_an_iteration_names_every_part() -> None:
    parts = ("generator", "DiffAugment", "real images", "detach", "discriminator\nlearns")
    parts += ("discriminator\nstands still", "minus the\nmean logit", "average", "gradient")
    for part in parts:
        assert part in words(iteration_diagram())


def line(
    iteration: int, diversity: float | None = None, broken: float | None = None
) -> dict[str, float | None]:
    names = ("discriminator", "reconstruction", "real_logits", "fake_logits")
    values = {name: iteration + place / 10 for place, name in enumerate(names)}
    return {"iteration": iteration, "diversity": diversity, "broken": broken, **values}


def test_histories_of_two_runs_lie_over_each_other() -> None:
    older = [line(10), line(20), line(30, 0.9)]  # a log without the broken share
    runs = {"here": [line(10), line(20, 0.5, 0.25)], "loaded": older}
    figure = histories_figure(runs)
    hinge, reconstruction, logits, samples = figure.axes
    assert [len(axis.lines) for axis in figure.axes] == [3, 2, 5, 4]  # with levels to compare
    np.testing.assert_allclose(hinge.lines[0].get_xydata(), [[10, 10], [20, 20]])
    np.testing.assert_allclose(reconstruction.lines[1].get_ydata(), [10.1, 20.1, 30.1])
    np.testing.assert_allclose(logits.lines[1].get_ydata(), [10.3, 20.3])
    diversity, broken, diversity_of_older, _ = samples.lines
    np.testing.assert_allclose(diversity.get_xydata(), [[20, 0.5]])
    np.testing.assert_allclose(broken.get_xydata(), [[20, 0.25]])
    assert broken.get_marker() != diversity.get_marker()
    np.testing.assert_allclose(diversity_of_older.get_xydata(), [[30, 0.9]])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(runs)


def test_growing_samples_tell_the_iterations_of_their_run() -> None:
    images = torch.zeros(5, 3, 64, 64, dtype=torch.uint8)
    figure = growth_figure({50: images, 1200: images}, {600: images}, count=3)
    assert len(figure.axes) == 9
    told = ["trained here,\n50 iterations", "trained here,\n1,200 iterations"]
    assert [text.get_text() for text in figure.texts] == [*told, "loaded,\n600 iterations"]
