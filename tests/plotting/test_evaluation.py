"""Figures of measurements: the right pixels and words in the right places."""

import numpy as np
import torch
from matplotlib.figure import Figure

from slae_lib.evaluation.novelty import COPY_RATIO, Neighbours, Novelty
from slae_lib.plotting.evaluation import (
    SHOWN_TARGETS,
    advice_figure,
    novelty_figure,
    pairs_figure,
    reconstruction_figure,
)


def words(figure: Figure) -> str:
    figure.canvas.draw()
    return "\n".join(text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text")))


def pictures(count: int, side: int = 8) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8)


def neighbours(measure: str, scale: float = 1.0) -> Neighbours:
    return Neighbours(
        measure,
        distances=torch.tensor([0.01, 0.5, 0.6]) * scale,
        second=torch.tensor([0.7, 0.6, 0.7]) * scale,
        nearest=torch.tensor([2, 0, 1]),
        training=torch.tensor([0.4, 0.5, 0.6, 0.7]) * scale,
        training_second=torch.tensor([0.5, 0.5, 0.6, 0.8]) * scale,
    )


def test_each_sample_stands_beside_its_nearest_training_image() -> None:
    samples, nearest = pictures(5), pictures(5)
    figure = pairs_figure(
        samples,
        nearest,
        [0.1, 0.2, 0.3, 0.4, 0.5],
        measure="cosine distance",
        names=[f"folder/{index}.png" for index in range(5)],
        copied=[True, False, False, False, False],
        columns=3,
        attribution="drawn by them",
    )
    shown = [axis.images[0].get_array() for axis in figure.axes if axis.images]
    assert len(shown) == 10
    np.testing.assert_array_equal(shown[6], samples[3].permute(1, 2, 0))
    np.testing.assert_array_equal(shown[7], nearest[3].permute(1, 2, 0))
    text = words(figure)
    assert text.count("COPY") == 1
    assert "0.100 COPY" in text
    assert "4.png" in text
    assert "cosine distance" in text
    assert "drawn by them" in text


def test_a_single_pair_is_drawn() -> None:
    figure = pairs_figure(pictures(1), pictures(1), [0.25], measure="pixels")
    assert "0.250" in words(figure)
    assert "COPY" not in words(figure)


def test_the_generator_to_use_is_marked_beside_the_nearest_pairs() -> None:
    rows = [
        {"iteration": 100 * i, "value": 50.0 - i, "noise": 1.0, "diversity": 0.9, "broken": 0.1,
         "copied": 0.2}
        for i in (1, 2, 3)
    ]  # fmt: skip
    numbers = {"generators": rows, "best": rows[1], "shown": rows[2], "measure": "KID x 1000"}
    figure = advice_figure(
        numbers, pictures(4), pictures(4), [0.1, 0.5, 0.7, 0.9], attribution="drawn by them"
    )
    text = words(figure)
    assert text.count("COPY") == 2
    assert "drawn by them" in text
    assert "Ring: the generator to use, of iteration 200" in text
    assert "iteration 300" in text
    rings = [line for axis in figure.axes for line in axis.lines if line.get_markersize() == 11]
    assert [line.get_markevery() for line in rings] == [[1]] * 4
    assert len([axis for axis in figure.axes if axis.images]) == 8


def test_samples_are_set_against_the_training_images_own_distances() -> None:
    figure = novelty_figure(Novelty(neighbours("pixels"), neighbours("features", 0.1)))
    text = words(figure)
    assert "1 of 3 samples flagged as copies" in text
    assert "to the nearest, pixels" in text
    assert "samples to training images" in text
    _, _, left, right = figure.axes
    for axis in (left, right):
        assert axis.lines[0].get_xdata()[0] == COPY_RATIO


def test_equal_images_alone_are_drawn() -> None:
    two, three = torch.zeros(2), torch.zeros(3)
    still = Neighbours("pixels", two, two, two.long(), three, three)
    assert "2 of 2 samples" in words(novelty_figure(Novelty(still, still)))


def test_targets_stand_over_reconstructions_over_errors() -> None:
    targets, made = pictures(2), pictures(2)
    figure = reconstruction_figure(
        targets,
        made,
        [0.25, 0.75],
        distance_name="VGG-16 distance (uncalibrated)",
        names=["a", "b"],
    )
    axes = figure.axes
    np.testing.assert_array_equal(axes[1].images[0].get_array(), targets[1].permute(1, 2, 0))
    np.testing.assert_array_equal(axes[3].images[0].get_array(), made[1].permute(1, 2, 0))
    error = (targets[1].float() - made[1].float()).abs().mean(dim=0)
    np.testing.assert_allclose(axes[5].images[0].get_array(), error)
    text = words(figure)
    assert "VGG-16 distance (uncalibrated), mean 0.500" in text
    assert "0.250" in text
    for word in ("target", "reconstruction", "error"):
        assert word in text


def test_of_many_targets_the_first_are_drawn() -> None:
    many = 450
    distances = [0.0] * SHOWN_TARGETS + [1.0] * (many - SHOWN_TARGETS)
    figure = reconstruction_figure(pictures(many), pictures(many), distances, distance_name="L1")
    assert len(figure.axes) == 3 * SHOWN_TARGETS + 1
    text = words(figure)
    assert f"mean {1 - SHOWN_TARGETS / many:.3f}" in text  # of all
    assert f"shown: the first {SHOWN_TARGETS} of 450" in text
    few = reconstruction_figure(pictures(3), pictures(3), [0.1] * 3, distance_name="L1")
    assert "shown" not in words(few)


def test_the_title_of_one_column_fits_and_errors_stand_below_their_images() -> None:
    name = "VGG-16 distance (uncalibrated)"
    title = "The samples nearest to a training image (1 of 1)"
    pair = pairs_figure(pictures(1), pictures(1), [0.5], measure="pixels", title=title)
    found = reconstruction_figure(pictures(1), pictures(1), [0.5], distance_name=name)
    for figure in (pair, found):
        figure.canvas.draw()
        heading = next(text for text in figure.texts if text.get_text() == figure.get_suptitle())
        extent = heading.get_window_extent()
        assert extent.x0 > 0
        assert extent.x1 < figure.bbox.width
    lefts = [axis.get_position().x0 for axis in found.axes[:3]]
    assert max(lefts) - min(lefts) < 0.01
