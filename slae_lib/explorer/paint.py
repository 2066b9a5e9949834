"""A map to paint: one check box for each square, and shapes to begin with."""

from collections.abc import Callable
from typing import Any

from slae_lib.explorer.controls import control, find_ipywidgets
from slae_lib.explorer.scene import Painting
from slae_lib.explorer.updates import Quiet

OWN = "own painting"
HIGH = "where its own map is high"
_SQUARE, _CELL = "21px", "27px"  # narrow, so that the name is there and not seen


def shape(name: str, side: int) -> Painting:
    """Return a named shape as a painting of ``side`` rows and columns.

    Raises:
        KeyError: for a shape that does not exist.
    """
    inside = range(side // 4, side - side // 4)
    is_open: dict[str, Callable[[int, int], bool]] = {
        "everything": lambda row, column: True,
        "nothing": lambda row, column: False,
        "upper half": lambda row, column: row < side // 2,
        "lower half": lambda row, column: row >= side // 2,
        "left half": lambda row, column: column < side // 2,
        "right half": lambda row, column: column >= side // 2,
        "middle": lambda row, column: row in inside and column in inside,
        "rim": lambda row, column: not (row in inside and column in inside),
    }
    chosen = is_open[name]
    return tuple(tuple(chosen(row, column) for column in range(side)) for row in range(side))


SHAPES = ("everything", "nothing", "upper half", "lower half", "left half", "right half",
          "middle", "rim")  # fmt: skip


class PaintGrid:
    """Check boxes in rows and columns; a checked one lets the link look there.

    The boxes are made when they are first shown, for they are many.

    Args:
        changed: called when the painting has changed.

    Attributes:
        shapes: the list of shapes; `HIGH` is for the owner to fill in.
        box: the whole, to be shown or hidden.
    """

    def __init__(self, changed: Callable[[Any], None]) -> None:
        widgets = find_ipywidgets()
        assert widgets is not None
        self._changed = changed
        self._squares: dict[int, list[Any]] = {}
        self._quiet = Quiet()
        self.side = 0
        self.shapes = control(
            "Dropdown",
            "Shape",
            "A painting to begin with; then open and close single squares below",
            options=[HIGH, *SHAPES, OWN],
        )
        self.shapes.observe(self._shape_chosen, "value")
        self.grid = widgets.GridBox()
        self.box = widgets.VBox(
            [
                widgets.HTML("<b>Paint</b>"),
                self.shapes,
                widgets.HTML("<small>Checked: attention 1. Not checked: 0.</small>"),
                self.grid,
            ],
            layout={"flex": "1 1 15em", "min_width": "15em", "display": "none"},
        )

    @property
    def painting(self) -> Painting:
        """What is painted now."""
        values = [square.value for square in self._squares.get(self.side, [])]
        return tuple(
            tuple(values[row * self.side : (row + 1) * self.side]) for row in range(self.side)
        )

    def fill(self, painting: Painting) -> None:
        """Put a painting into the squares, as many as it has, and tell nobody."""
        self.side = len(painting)
        if self.side not in self._squares:
            self._squares[self.side] = self._make(self.side)
        squares = self._squares[self.side]
        with self._quiet():
            for square, value in zip(squares, sum(painting, ()), strict=True):
                square.value = value
        self.grid.layout.grid_template_columns = f"repeat({self.side}, {_CELL})"
        self.grid.children = squares

    def show(self) -> None:
        """Show the squares."""
        self.box.layout.display = None

    def hide(self) -> None:
        """Take the squares away."""
        self.box.layout.display = "none"

    def name_shape(self, name: str) -> None:
        """Show the name of a shape in the list, and tell nobody."""
        with self._quiet():
            self.shapes.value = name

    def _make(self, side: int) -> list[Any]:
        widgets = find_ipywidgets()
        assert widgets is not None
        layout = widgets.Layout(
            width=_SQUARE, height="24px", overflow="hidden", margin="0", padding="0 0 0 2px"
        )
        squares = []
        for row in range(side):
            for column in range(side):
                square = control(
                    "Checkbox",
                    f"row {row + 1}, column {column + 1}",
                    f"Attention of row {row + 1}, column {column + 1}",
                    indent=False,
                    layout=layout,
                    style={},
                )
                square.observe(self._square_changed, "value")
                squares.append(square)
        return squares

    def _square_changed(self, change: Any) -> None:
        if not self._quiet.now:
            self.name_shape(OWN)
            self._changed(change)

    def _shape_chosen(self, change: Any) -> None:
        if self._quiet.now:
            return
        if change["new"] in SHAPES and self.side:
            self.fill(shape(change["new"], self.side))
        self._changed(change)
