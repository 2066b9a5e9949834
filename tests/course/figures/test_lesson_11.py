"""Lesson figures on ablation and cost: the right numbers and words in the right places."""

import math

import numpy as np
import pytest
from matplotlib.axes import Axes

from slae_lib.ablation.results import AblationResults, Point, Trial
from slae_lib.ablation.systems import SYSTEMS
from slae_lib.course.figures.lesson_11 import (
    costs_figure,
    curves_figure,
    ratios_figure,
    seeds_figure,
    shares_figure,
    shrink_figure,
    systems_figure,
    verdicts_figure,
)
from slae_lib.evaluation.cost import Counts


def words(axis: Axes) -> list[str]:
    return [text.get_text() for text in axis.texts]


def test_all_systems_are_in_the_square_and_each_side_turns_one_switch() -> None:
    (axis,) = systems_figure().axes
    found = [text.replace("\n", " ") for text in words(axis)]
    for system in SYSTEMS.values():
        assert system.title in found
    assert (found.count("metadata on"), found.count("attention on")) == (2, 2)


def test_every_seed_has_a_thin_curve_and_every_system_a_thick_one() -> None:
    fids = {0: (300.0, 200.0), 1: (280.0, 220.0)}
    trials = []
    for system in ("fastgan", "slae"):
        for seed, (first, last) in fids.items():
            points = Point(8, first, 0.3, 0.9), Point(16, last, 0.2, 0.9)
            trials.append(Trial(system, seed, 1, 1.0, points))
    figure = curves_figure(AblationResults({}, tuple(trials)))
    (axis,) = figure.axes
    assert [line.get_linewidth() for line in axis.lines] == 2 * [0.7, 0.7, 1.8]
    assert axis.lines[1].get_xydata().tolist() == [[8, 280], [16, 220]]
    assert axis.lines[2].get_xydata().tolist() == [[8, 290], [16, 210]]
    assert [text.get_text() for text in axis.get_legend().texts] == ["FastGAN", "FastGAN + SLAE"]


def test_a_seed_that_is_missing_leaves_a_gap() -> None:
    values = {"A": {0: 10.0, 1: 20.0}, "A + b": {1: 30.0}}
    (axis,) = seeds_figure(values, measure="FID").axes
    np.testing.assert_array_equal(axis.lines[0].get_ydata(), [10, np.nan])
    np.testing.assert_array_equal(axis.lines[1].get_ydata(), [20, 30])
    assert [list(axis.lines[i].get_ydata()) for i in (2, 3)] == [[15, 15], [30, 30]]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["A", "A\n+ b"]
    assert axis.get_ylabel() == "FID"


def test_verdicts_are_written_beside_their_intervals() -> None:
    found = {
        "clear": ({0: -4.0, 1: -6.0, 2: -5.0}, (-7.5, -2.5), "yes"),
        "open": ({0: -12.0, 1: 1.0, 2: -7.0}, (-22.0, 10.0), "not decided"),
        "one seed": ({0: 3.0}, (-math.inf, math.inf), "not decided"),
    }
    (axis,) = verdicts_figure(found, measure="FID").axes
    assert words(axis) == ["yes", "not decided", "not decided"]
    assert axis.get_xlabel() == "difference of FID (left of 0: better)"
    bars = [list(line.get_xdata()) for line in axis.lines if line.get_linewidth() == 3]
    assert [bar for bar in bars if bar] == [[-7.5, -2.5], [-22.0, 10.0]]
    dots = [list(line.get_xdata()) for line in axis.lines if line.get_marker() == "o"]
    assert dots[:3] == [[-4.0, -6.0, -5.0], [-12.0, 1.0, -7.0], [3.0]]
    means = [list(line.get_xdata()) for line in axis.lines if line.get_marker() == "D"]
    assert means[:3] == [[-5.0], [-6.0], [3.0]]


def test_every_choice_of_seeds_has_its_dot_beside_the_plan() -> None:
    found = {2: [300.0, 90.0], 3: [70.0]}
    figure = shrink_figure(found, {2: 250.0, 3: 80.0, 10: 20.0}, difference=17.4)
    (axis,) = figure.axes
    plan, twos, threes, seen = axis.lines
    assert plan.get_xydata().tolist() == [[2, 250.0], [3, 80.0], [10, 20.0]]
    assert twos.get_xydata().tolist() == [[2, 300.0], [2, 90.0]]
    assert threes.get_xydata().tolist() == [[3, 70.0]]
    assert set(seen.get_ydata()) == {17.4}
    told = [text.get_text() for text in figure.legends[0].texts]
    assert told == ["if they scatter as these", "real seeds", "the difference seen, 17"]


def test_shares_fill_the_panel_from_0_to_1() -> None:
    panels = {
        "sign": {"right": [0.5, 1.0], "wrong": [0.5, 0.0]},
        "interval": {"right": [0.1, 0.9], "not decided": [0.8, 0.1], "wrong": [0.1, 0.0]},
    }
    figure = shares_figure([0, 4], panels, xlabel="d / s")
    left, right = figure.axes
    assert (left.get_title(), right.get_title()) == ("sign", "interval")
    assert [len(axis.collections) for axis in (left, right)] == [2, 3]
    for axis in (left, right):
        tops = [area.get_paths()[0].vertices[:, 1].max() for area in axis.collections]
        assert max(tops) == pytest.approx(1)
    told = [text.get_text() for text in figure.legends[0].texts]
    assert told == ["right", "wrong", "not decided"]  # each once
    hatches = {area.get_label(): area.get_hatch() for area in right.collections}
    assert hatches["wrong"]  # not told by colour alone


def test_costs_are_stacked_and_summed() -> None:
    rows = {"small": Counts(3_000_000, 1_000_000, 2_500_000_000)}
    left, right = costs_figure(rows).axes
    generator, discriminator = left.patches
    assert (generator.get_x(), generator.get_width()) == (0, 3)
    assert (discriminator.get_x(), discriminator.get_width()) == (3, 1)
    assert (words(left), words(right)) == ([" 4.0"], [" 2.5"])


def test_ratios_stand_round_by_round_with_their_median() -> None:
    figure = ratios_figure([1.0, 1.5, 1.2], names=("A", "B"))
    (axis,) = figure.axes
    equal, median, rounds = axis.lines
    assert list(equal.get_ydata()) == [1, 1]
    assert list(median.get_ydata()) == [1.2, 1.2]
    assert rounds.get_xydata().tolist() == [[1, 1.0], [2, 1.5], [3, 1.2]]
    told = [text.get_text() for text in figure.legends[0].texts]
    assert told == ["equally long", "median 1.20", "a round"]
    assert axis.get_ylabel() == "time of B\n/ time of A"
