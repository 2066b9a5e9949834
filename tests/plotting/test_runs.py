"""Figures: the right pixels and words in the right places."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from slae_lib.plotting import (
    attention_figure,
    history_figure,
    progress_figure,
    samples_figure,
)


def words(figure: Figure) -> str:
    figure.canvas.draw()
    return "\n".join(text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text")))


def pictures(count: int, side: int = 8) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8)


def test_samples_stand_beside_real_images() -> None:
    samples, real = pictures(4), pictures(7)
    figure = samples_figure(
        samples, real, title="after 5", real_title="7 real ones", attribution="drawn by them"
    )
    left, right = (axis.images[0].get_array() for axis in figure.axes)
    assert left.shape == right.shape == (20, 20, 3)
    np.testing.assert_array_equal(left[11:19, 1:9], samples[2].permute(1, 2, 0))
    np.testing.assert_array_equal(right[1:9, 11:19], real[1].permute(1, 2, 0))
    assert "after 5" in words(figure)
    assert "7 real ones" in words(figure)
    assert "drawn by them" in words(figure)


def test_each_link_has_a_row_of_maps_with_its_range() -> None:
    maps = {"4->16": torch.rand(3, 1, 4, 4), "8->32": torch.rand(3, 1, 8, 8)}
    figure = attention_figure(pictures(3, 32), maps, title="where it looks")
    text = words(figure)
    assert "link 4 → 16\nmap 4x4" in text
    assert "link 8 → 32\nmap 8x8" in text
    assert f"{float(maps['4->16'].max()):.2f}" in text
    drawn = [axis.images for axis in figure.axes if len(axis.images) == 2]
    assert len(drawn) == 6
    np.testing.assert_array_equal(drawn[1][1].get_array(), maps["4->16"][1, 0])
    assert tuple(drawn[0][1].get_extent()) == (-0.5, 31.5, 31.5, -0.5)  # stretched over the image


ROW = {
    "discriminator": 1.5,
    "reconstruction": 0.4,
    "penalty": None,
    "generator": 0.1,
    "real_logits": 0.3,
    "fake_logits": -0.2,
    "diversity": None,
    "broken": None,
}


def test_history_draws_every_column() -> None:
    rows = [ROW | {"iteration": i, "diversity": 0.8 if i % 2 else None} for i in range(1, 6)]
    figure = history_figure(rows, title="a run")
    losses, logits, diversity = figure.axes
    assert [list(line.get_ydata()) for line in losses.lines[:3]] == [
        [1.5] * 5,
        [0.4] * 5,
        [0.1] * 5,
    ]
    assert len(logits.lines) == 3
    assert list(diversity.lines[0].get_xdata()) == [1, 3, 5]
    broken = history_figure([row | {"broken": 0.1} for row in rows], title="a run").axes[2]
    assert list(broken.lines[1].get_ydata()) == [0.1] * 3
    assert list(losses.lines[3].get_ydata()) == [2, 2]
    assert "adversarial, if it were blind" in words(figure)


def test_history_without_diversity_is_drawn() -> None:
    row = dict.fromkeys(
        ("discriminator", "penalty", "generator", "real_logits", "fake_logits"), 1.0
    )
    row |= {"iteration": 1, "reconstruction": None, "diversity": None}
    figure = history_figure([row], title="x", blind=1.4)
    assert len(figure.axes) == 3
    assert "discriminator: penalty" in words(figure)
    assert "reconstruction" not in words(figure)


@pytest.mark.parametrize("column", ["discriminator", "reconstruction", "penalty", "generator"])
def test_every_loss_stays_below_the_legend(column: str) -> None:
    # A run has a reconstruction or a penalty, never both.
    row = ROW | ({"reconstruction": None} if column == "penalty" else {})
    rows = [row | {"iteration": i, column: 4.5 - i} for i in range(3)]
    rows.append(row | {"iteration": 3, column: float("inf")})  # has no place on any axis
    losses = history_figure(rows, title="x").axes[0]
    losses.figure.canvas.draw()
    legend = losses.get_legend().get_window_extent().transformed(losses.transData.inverted())
    assert legend.y0 > 4.5
    assert losses.get_ylim()[1] < 9


def test_a_collapse_and_a_high_diversity_are_drawn_whole() -> None:
    rows = [ROW | {"iteration": i, "diversity": value} for i, value in enumerate((0.0, 2.1, 0.0))]
    diversity = history_figure(rows, title="x").axes[2]
    assert list(diversity.lines[0].get_ydata()) == [0.0, 2.1, 0.0]
    assert diversity.get_ylim()[1] > 2.5
    few = [row | {"diversity": 1.1} for row in rows]
    assert history_figure(few, title="x").axes[2].get_ylim() == pytest.approx((0, 1.6))


def test_a_single_diversity_stands_on_the_axis_of_the_run() -> None:
    rows = [ROW | {"iteration": i, "diversity": 0.9 if i == 60 else None} for i in (20, 40, 60)]
    assert history_figure(rows, title="x").axes[2].get_xlim() == pytest.approx((0, 63))


def test_progress_of_one_grid_cuts_off_no_words() -> None:
    title = "The same noise while the generator learns"  # as `slae train` writes it
    figure = progress_figure({60: pictures(9)}, title=title)
    figure.canvas.draw()
    told = (figure.get_suptitle(), figure.get_supxlabel())
    lines = [text for text in figure.texts if text.get_text() in told]
    assert len(lines) == 2
    for line in lines:
        box = line.get_window_extent()
        assert box.x0 > 0
        assert box.x1 < figure.bbox.width


def test_progress_shows_the_same_noise_in_a_row_and_always_the_end() -> None:
    grids = {10 * step: pictures(9) for step in range(1, 26)}
    figure = progress_figure(grids, title="growing", rows=2, columns=5)
    titles = [axis.get_title() for axis in figure.axes[:5]]
    assert titles == ["10", "70", "130", "190", "250"]
    np.testing.assert_array_equal(
        figure.axes[5 + 4].images[0].get_array(), grids[250][1].permute(1, 2, 0)
    )
