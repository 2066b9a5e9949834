"""Figures of the stage and the monitor: the right arrays and words in the right places."""

import numpy as np
import torch
from matplotlib.figure import Figure

from slae_lib.explorer.figures.pages import grid_for, metadata_figure, monitor_figure
from slae_lib.explorer.figures.view import view_figure

ROW = {
    "discriminator": 1.5,
    "reconstruction": 0.4,
    "penalty": None,
    "generator": 0.1,
    "diversity": None,
    "broken": None,
}


def words(figure: Figure) -> str:
    figure.canvas.draw()
    return "\n".join(text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text")))


def pictures(count: int, side: int = 8) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8)


def arrays(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for axis in figure.axes for image in axis.images]


def holds(figure: Figure, array: torch.Tensor) -> bool:
    return any(
        found.shape == tuple(array.shape) and np.allclose(found, array) for found in arrays(figure)
    )


def test_a_plain_view_shows_image_map_and_gates() -> None:
    image, attention, gates = pictures(1, 64)[0], torch.rand(8, 8), torch.rand(32)
    figure = view_figure(image, gates, link="8->32", attention=attention)
    assert holds(figure, image.permute(1, 2, 0))
    assert holds(figure, attention)
    page, bars = figure.axes
    (drawn,) = [picture for picture in page.images if picture.get_array().shape == (8, 8)]
    (base,) = [picture for picture in page.images if picture.get_array().shape == (64, 64)]
    assert drawn.get_extent() == base.get_extent()
    assert drawn.get_clim() == (float(attention.min()), float(attention.max()))
    outline = bars.collections[0].get_paths()[0].vertices[:, 1]
    assert np.isclose(outline.max(), gates.max())
    text = words(figure)
    assert "Attention of link 8 → 32" in text
    assert f"{float(attention.min()):.2f}" in text
    assert "Plain image" not in text


def test_a_changed_view_shows_the_plain_image_and_the_difference() -> None:
    image, plain = pictures(2, 16)
    gates, plain_gates = torch.rand(2, 5)
    figure = view_figure(
        image, gates, link="4->16", attention=torch.ones(4, 4),
        plain_image=plain, plain_gates=plain_gates,
    )  # fmt: skip
    assert holds(figure, plain.permute(1, 2, 0))
    assert holds(figure, (image.float() - plain.float()).abs().mean(0))
    (difference,) = [drawn for drawn in figure.axes[0].images if drawn.get_cmap().name == "cividis"]
    assert difference.get_clim() == (0, 64)  # the same for every view
    dots = figure.axes[1].lines[0]
    order = plain_gates.argsort(descending=True)
    np.testing.assert_allclose(dots.get_ydata(), gates[order])
    assert "plain" in words(figure)


def test_a_view_without_attention_has_image_and_gates() -> None:
    figure = view_figure(pictures(1)[0], torch.rand(5), link="4->16")
    assert len(arrays(figure)) == 1
    assert "Attention" not in words(figure)


def test_all_parts_of_a_view_stay_on_the_page() -> None:
    figure = view_figure(
        pictures(1)[0], torch.rand(512), link="32->512", attention=torch.rand(32, 32),
        plain_image=pictures(1)[0], plain_gates=torch.rand(512),
    )  # fmt: skip
    figure.canvas.draw()
    for text in figure.findobj(lambda artist: hasattr(artist, "get_text")):
        if text.get_text() and text.get_visible():
            box = text.get_window_extent()
            assert figure.bbox.x0 <= box.x0, text
            assert box.x1 <= figure.bbox.x1, text


def test_the_map_marks_the_picked_picture_and_its_neighbours() -> None:
    places = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.5, 0.5]])
    thumbnails = [pictures(1)[0], None, pictures(1)[0]]
    figure = metadata_figure(places, thumbnails, 0, {2: 0.875}, name="a picture")
    assert holds(figure, thumbnails[0].permute(1, 2, 0))
    text = words(figure)
    assert "a picture" in text
    assert "0.88" in text or "0.87" in text
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    assert len(lines) == 1  # from the picked picture to its neighbour
    (dot,) = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert len(dot.get_xdata()) == 1


def test_a_grid_has_room_for_all() -> None:
    for count in (2, 7, 95, 400):
        columns, rows = grid_for(count)
        assert columns * rows >= count


def test_the_monitor_grows_with_what_there_is() -> None:
    rows = [ROW | {"iteration": index} for index in (1, 2)]
    bare = monitor_figure(rows, title="begun")
    assert len(bare.axes) == 2
    rows[1] |= {"diversity": 0.5, "broken": 0.25}
    full = monitor_figure(
        rows,
        title="later",
        samples=pictures(16),
        samples_title="Samples at 2",
        attention={"4->16": torch.rand(2, 1, 4, 4)},
        attention_images=pictures(2),
        attention_title="Attention at 2",
    )
    losses, diversity = full.axes[:2]
    assert list(losses.lines[0].get_ydata()) == [1.5, 1.5]
    assert list(diversity.lines[0].get_xdata()) == [2]
    assert list(diversity.lines[1].get_ydata()) == [0.25]
    text = words(full)
    assert "Samples at 2" in text
    assert "Attention at 2" in text
    assert "penalty" not in text
