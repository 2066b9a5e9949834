"""Lesson figures on the discriminator: what is written and drawn agrees with the network."""

import itertools

import numpy as np
import pytest
import torch
from matplotlib.patches import FancyBboxPatch, Rectangle

from slae_lib.config import ModelConfig
from slae_lib.course.figures.lesson_05 import (
    discriminator_diagram,
    parts_figure,
    receptive_fields_figure,
    spectra_figure,
)
from slae_lib.discriminator import Discriminator


@pytest.mark.parametrize("resolution", [64, 128, 256])
def test_the_diagram_shows_the_maps_of_the_network(resolution: int) -> None:
    config = ModelConfig(resolution=resolution, width=16)
    seen: list[tuple[int, int]] = []

    def note(module: torch.nn.Module, inputs: object, output: torch.Tensor) -> None:
        seen.append((output.shape[1], output.shape[-1]))

    discriminator = Discriminator(config)
    discriminator.stem.register_forward_hook(note)
    for block in discriminator.blocks.values():
        block.register_forward_hook(note)
    side = config.small_resolution
    with torch.no_grad():
        discriminator(torch.zeros(2, 3, resolution, resolution), torch.zeros(2, 3, side, side))

    (axis,) = discriminator_diagram(config).axes
    words = [text.get_text() for text in axis.texts]
    written = list(itertools.pairwise(words))
    for channels, size in seen:
        assert (f"{channels}", f"{size}x{size}") in written
    assert words.count("SLE") == len(config.discriminator_links)
    assert words.count("logits") == 2
    assert sum(isinstance(patch, FancyBboxPatch) for patch in axis.patches) == 3
    assert sum("decoder" in text for text in words) == 3


def test_the_diagram_ends_at_256_pixels() -> None:
    with pytest.raises(ValueError, match="up to 256 pixels"):
        discriminator_diagram(ModelConfig(resolution=512))


def test_singular_values_are_drawn_from_the_largest_on() -> None:
    figure = spectra_figure({"one": torch.tensor([1.0, 3.0, 2.0]), "two": torch.tensor([0.5])})
    (axis,) = figure.axes
    line = axis.get_lines()[0]
    np.testing.assert_array_equal(line.get_ydata(), [3.0, 2.0, 1.0])
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
    assert axis.get_lines()[-1].get_ydata() == [1, 1]  # where spectral norm ends


def test_influence_is_drawn_as_a_share_and_the_window_in_pixels() -> None:
    picture = torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8)
    field = torch.rand(32, 32) * 7
    figure = receptive_fields_figure(
        picture, {"first": field, "second": field}, {"first": (-5.0, 2.0, 20.0)}
    )
    first, second = figure.axes[:2]
    grey, drawn = first.images
    np.testing.assert_allclose(grey.get_array(), picture.float().mean(0))
    np.testing.assert_allclose(drawn.get_array(), field / field.max())
    (square,) = [patch for patch in first.patches if isinstance(patch, Rectangle)]
    assert square.get_xy() == (1.5, -5.5)  # left, top: pixel 0 begins at -0.5
    assert square.get_width() == square.get_height() == 20
    assert not second.patches
    assert first.get_xlim()[0] < -5.5  # what lies outside of the picture is seen too


def test_the_parts_stand_from_top_to_bottom_with_their_numbers() -> None:
    (axis,) = parts_figure({"stem": 432, "blocks": 6_116_672}).axes
    assert [bar.get_width() for bar in axis.patches] == [432, 6_116_672]
    assert [text.get_text() for text in axis.texts] == ["432", "6,116,672"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["stem", "blocks"]
    bottom, top = axis.get_ylim()
    assert bottom > top
