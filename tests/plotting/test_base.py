"""What all figures share: sizes, and the line that names the makers of the pictures."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from slae_lib.plotting.base import at_width, credit, new_figure


def test_a_narrower_figure_keeps_its_shape() -> None:
    figure = at_width(Figure(figsize=(12, 6)), 8)
    assert figure.get_size_inches().tolist() == [8, 4]


def test_the_makers_stand_at_the_foot_in_lines_that_fit() -> None:
    makers = "All pictures were drawn by people who let others use them, under a licence."
    for inches, in_one_line in ((10, True), (3, False)):
        figure = new_figure(inches, 2)
        credit(figure, makers)
        assert figure.get_supxlabel().split() == makers.split()
        assert ("\n" not in figure.get_supxlabel()) == in_one_line
        line = next(text for text in figure.texts if text.get_text() == figure.get_supxlabel())
        assert line.get_window_extent(FigureCanvasAgg(figure).get_renderer()).width < 100 * inches


def test_without_makers_there_is_no_line() -> None:
    figure = new_figure(3, 2)
    credit(figure, None)
    assert figure.get_supxlabel() == ""
