"""What the exam questions share: how they draw their numbers, and how tables are printed."""

import random
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

Values = dict[str, Any]
"""The numbers of a question and of its answer, by the names that stand in braces in its words."""

Question = Callable[[random.Random], Values]
"""Draws the numbers of one question and computes its answer."""


def integers(draw: random.Random, count: int, low: int = -4, high: int = 4) -> list[float]:
    """Return ``count`` different whole numbers from ``low`` to ``high``, in no order."""
    return [float(number) for number in draw.sample(range(low, high + 1), count)]


def row(numbers: Sequence[float], form: str = "g") -> str:
    """Return numbers in a line, such as ``1, -2, 0.5``."""
    return ", ".join(format(float(number), f"z{form}") for number in numbers)  # z: no minus zero


def grid(matrix: Tensor, form: str = "g") -> str:
    """Return a matrix (h, w) as lines of numbers below each other, for a code block."""
    cells = [[format(float(number), f"z{form}") for number in line] for line in matrix.tolist()]
    width = max(len(cell) for line in cells for cell in line)
    return "\n".join("  ".join(cell.rjust(width) for cell in line) for line in cells)
