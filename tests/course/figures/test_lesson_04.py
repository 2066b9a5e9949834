"""Figures of the generator: they say what the package builds."""

import math

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from slae_lib.config import ModelConfig
from slae_lib.course.figures.lesson_04 import (
    channels_at,
    generator_diagram,
    influence_figure,
    weights_figure,
)
from slae_lib.generator import Generator


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("resolution", [64, 256, 1024])
@pytest.mark.parametrize("skip", ["sle", "slae"])
def test_the_drawing_tells_the_generator_that_the_package_builds(resolution: int, skip) -> None:
    config = ModelConfig(resolution=resolution, width=8, skip=skip, metadata=False)
    generator = Generator(config)
    told = words(generator_diagram(config))
    sizes = [4, *(int(name) for name in generator.blocks)]
    for size in sizes:
        assert f"{size}x{size}" in told
        assert channels_at(config, size) == generator.channels(size)
    assert told.count("composite") == sum(len(block) == 9 for block in generator.blocks.values())
    assert told.count("plain") == sum(len(block) == 4 for block in generator.blocks.values())
    for name in generator.links:
        high = int(name.split("->")[1])
        line = f"{skip.upper()} {name.replace('->', '→')} · {generator.channels(high)} gates"
        assert line in told
    assert told.count("M") == (len(generator.links) if skip == "slae" else 0)
    assert any(text.startswith("small image") for text in told)
    assert any(text.startswith("image") for text in told)


def test_channels_are_those_of_the_map_they_stand_below() -> None:
    figure = generator_diagram(ModelConfig(resolution=256, metadata=False))
    places = {text.get_text(): text.get_position()[0] for text in figure.axes[0].texts}
    for size, channels in (("4x4", "1024"), ("16x16", "256"), ("256x256", "32")):
        assert places[size] == places[channels]


def test_metadata_is_drawn_where_the_config_has_it() -> None:
    assert "noise 256" in words(generator_diagram(ModelConfig(metadata=False)))
    assert "noise 256\n+ metadata 512" in words(generator_diagram(ModelConfig(metadata=True)))


def test_histograms_of_weights_share_one_axis_with_the_curve_asked_for() -> None:
    torch.manual_seed(0)
    figure = weights_figure({"right": 0.02 * torch.randn(64, 32), "wide": torch.rand(99) / 10})
    left, right = figure.axes
    assert left.get_xlim() == right.get_xlim()
    for axis in (left, right):
        curve = axis.lines[0]
        peak = float(np.max(curve.get_ydata()))
        assert peak == pytest.approx(1 / (0.02 * math.sqrt(2 * math.pi)), rel=1e-3)
    assert [axis.get_title() for axis in figure.axes] == ["right", "wide"]


def test_influence_is_logarithmic_and_nothing_is_not_a_little() -> None:
    influence = torch.zeros(1, 2, 2)
    influence[0] = torch.tensor([[10.0, 0.1], [1e-9, 0.0]])
    figure = influence_figure({"cut": influence}, [(1, 2)])
    drawn = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(np.ma.getdata(drawn)[0], [0, -2])
    assert np.ma.getdata(drawn)[1, 0] == -4  # less than the scale holds
    assert np.ma.getmaskarray(drawn).tolist() == [[False, False], [False, True]]
    assert figure.axes[0].get_title() == "place (1, 2)"
    assert figure.axes[0].get_ylabel() == "cut"
