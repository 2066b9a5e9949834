"""A map to paint: one check box for each square, and shapes to begin with."""

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from slae_lib.explorer.controls import control
from slae_lib.explorer.scene import Painting, in_rows
from slae_lib.explorer.updates import Quiet

OWN = "own painting"
HIGH = "where its own map is high"
_SQUARE, _CELL = "21px", "27px"  # narrow, so that the name is there and not seen


def _inside(row: int, column: int, side: int) -> bool:
    return all(side // 4 <= at < side - side // 4 for at in (row, column))


SHAPES: dict[str, Callable[[int, int, int], bool]] = {
    "everything": lambda row, column, side: True,
    "nothing": lambda row, column, side: False,
    "upper half": lambda row, column, side: row < side // 2,
    "lower half": lambda row, column, side: row >= side // 2,
    "left half": lambda row, column, side: column < side // 2,
    "right half": lambda row, column, side: column >= side // 2,
    "middle": _inside,
    "rim": lambda row, column, side: not _inside(row, column, side),
}
"""Name to whether a square of a painting with ``side`` rows and columns is open."""


def shape(name: str, side: int) -> Painting:
    """Return a shape of `SHAPES` as a painting of ``side`` rows and columns."""
    return in_rows([SHAPES[name](*divmod(at, side), side) for at in range(side * side)], side)


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
        self._changed = changed
        self._squares: dict[int, list[Any]] = {}
        self._quiet = Quiet()
        self.side = 0
        self.shapes = control(
            widgets.Dropdown,
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
        return in_rows([square.value for square in self._squares[self.side]], self.side)

    def fill(self, painting: Painting) -> None:
        """Put a painting into the squares, as many as it has, and tell nobody."""
        self.side = len(painting.split())
        if self.side not in self._squares:
            self._squares[self.side] = self._make(self.side)
        squares = self._squares[self.side]
        with self._quiet():
            for square, cell in zip(squares, painting.replace(" ", ""), strict=True):
                square.value = cell == "1"
        self.grid.layout.grid_template_columns = f"repeat({self.side}, {_CELL})"
        self.grid.children = squares

    def name_shape(self, name: str) -> None:
        """Show the name of a shape in the list, and tell nobody."""
        with self._quiet():
            self.shapes.value = name

    def _make(self, side: int) -> list[Any]:
        layout = widgets.Layout(
            width=_SQUARE, height="24px", overflow="hidden", margin="0", padding="0 0 0 2px"
        )
        squares = []
        for at in range(side * side):
            name = f"row {at // side + 1}, column {at % side + 1}"
            square = control(
                widgets.Checkbox,
                name,
                f"Attention of {name}",
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
