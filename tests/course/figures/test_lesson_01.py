"""Lesson figures on few-shot data: the right pixels, words and lines in the right places."""

import numpy as np
import pytest
import torch

from slae_lib.course.figures.lesson_01 import (
    drift_figure,
    folder_figure,
    logits_figure,
    sheet_figure,
    untidy_folder,
)


def test_a_sheet_has_one_dot_for_each_pixel_and_names_the_authors() -> None:
    images = torch.randint(0, 256, (10, 3, 16, 16), dtype=torch.uint8)
    figure = sheet_figure(images, columns=4, attribution="drawn by them")
    (axis,) = figure.axes
    drawn = np.asarray(axis.images[0].get_array())
    assert drawn.shape == (3 * 18, 4 * 18, 3)  # a white rim of one pixel around each
    np.testing.assert_array_equal(drawn[1:17, 19:35], images[1].permute(1, 2, 0))
    assert axis.get_window_extent().width * 110 / figure.dpi == pytest.approx(4 * 18)
    assert axis.get_window_extent().height * 110 / figure.dpi == pytest.approx(3 * 18)
    assert [text.get_text() for text in figure.texts] == ["drawn by them"]
    assert sheet_figure(images, columns=4).texts == []


def test_each_file_stands_above_its_picture_and_a_lost_one_is_said_to_be_lost() -> None:
    wide = torch.randint(0, 256, (4, 8, 24), dtype=torch.uint8)
    square = torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8)
    figure = folder_figure({"wide.png": wide, "page.jpg": None}, {"wide.png": square})
    above, lost, below, skipped = figure.axes
    np.testing.assert_array_equal(above.images[0].get_array(), wide.permute(1, 2, 0))
    np.testing.assert_array_equal(below.images[0].get_array(), square.permute(1, 2, 0))
    assert [above.get_title(), lost.get_title()] == ["wide.png", "page.jpg"]
    assert [above.get_ylabel(), below.get_ylabel()] == ["file", "picture\nin the set"]
    assert not lost.images
    assert not skipped.images
    assert skipped.texts[0].get_text() == "skipped"


def test_runs_are_drawn_on_one_scale_with_a_line_for_each_column() -> None:
    calm = {"step": [0, 10], "training": [0.0, 1.0], "unseen": [0.0, 0.5]}
    wild = {"step": [0, 10], "training": [0.0, 9.0], "unseen": [0.0, -4.0]}
    figure = drift_figure({"wild": wild, "calm": calm})
    left, right = figure.axes
    assert [axis.get_title() for axis in (left, right)] == ["wild", "calm"]
    assert left.get_ylim() == right.get_ylim()
    lines = {line.get_label(): list(line.get_ydata()) for line in right.get_lines()}
    assert lines["training"] == [0.0, 1.0]
    assert lines["unseen"] == [0.0, 0.5]
    styles = {(line.get_color(), line.get_linestyle()) for line in right.get_lines()[:2]}
    assert len(styles) == 2
    legend = right.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["training", "unseen"]


@pytest.mark.parametrize("names", ["training", "step a b c d e"])
def test_a_run_without_steps_or_with_too_many_lines_is_refused(names: str) -> None:
    with pytest.raises(ValueError, match="a run needs the column 'step'"):
        drift_figure({"run": {name: [1.0] for name in names.split()}})


def test_logits_are_drawn_as_their_means_at_their_steps() -> None:
    logits = torch.tensor([[0.0, 2.0], [4.0, 6.0], [1.0, 1.0]])  # (3 moments, 2 pictures)
    (axis,) = logits_figure({"a run": {"faces": logits}}, every=20).axes
    (line,) = [line for line in axis.get_lines() if line.get_label() == "faces"]
    assert list(line.get_xdata()) == [0, 20, 40]
    assert list(line.get_ydata()) == [1.0, 5.0, 1.0]


def test_an_untidy_folder_holds_what_it_says_and_goes_away() -> None:
    faces = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    with untidy_folder(faces) as (folder, files):
        assert sorted(files) == sorted(path.name for path in folder.iterdir())
    assert not folder.exists()
    shapes = {name: None if file is None else tuple(file.shape) for name, file in files.items()}
    assert shapes["wide.png"] == (4, 32, 96)
    assert shapes["small-grey.bmp"] == (4, 24, 24)
    assert shapes["page.jpg"] is None
    wide = files["wide.png"]
    assert wide is not None
    torch.testing.assert_close(wide[:3, :, 32:64], faces[1])
