"""The course as a map: which lesson needs which."""

import re
import textwrap
import unicodedata
from collections import defaultdict
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from slae_lib.course.figures.diagram import arrow
from slae_lib.course.lessons import Lesson
from slae_lib.plotting.base import BLUE
from slae_lib.plotting.style import in_own_style
from slae_lib.support.language import said

_WIDTH, _HEIGHT = 0.84, 0.66  # of a box; columns are 1 apart
_SPREAD = 0.84  # between boxes in one column
_PALE = "#D6E8F4"


def wrapped(text: str, most: int) -> list[str]:
    """Return a text in lines of ``most`` letters, of which a Chinese one takes the room of two."""
    if text.isascii():
        return textwrap.wrap(text, most)
    lines = [""]
    for word in re.findall(r"[\x21-\x7e]+ ?|.", text):
        room = sum(
            1 + (unicodedata.east_asian_width(letter) in "WF") for letter in lines[-1] + word
        )
        lines = [*lines, word] if room > most + 1 else [*lines[:-1], lines[-1] + word]
    return [line.strip() for line in lines]


@in_own_style
def reading_order_figure(lessons: Sequence[Lesson], *, here: int | None = None) -> Figure:
    """Draw the lessons as boxes and their prerequisites as arrows, from left to right.

    Args:
        lessons: in reading order; ``prerequisites`` name earlier ones by number.
        here: number of the lesson to mark; what it builds upon is tinted.
    """
    places = _places(lessons)
    columns = max(x for x, _ in places.values()) + 1
    top = max(y for _, y in places.values())
    figure = Figure(figsize=(1.08 * columns + 0.1, 2.1 * top + 0.95))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(-0.5, columns - 0.5), ylim=(-top - 0.4, top + 0.4))
    axis.set_axis_off()
    before = _before(lessons, here)
    for lesson in lessons:
        x, y = places[lesson.number]
        for number in lesson.prerequisites:
            from_x, from_y = places[number]
            arrow(axis, (from_x + _WIDTH / 2, from_y), (x - _WIDTH / 2, y))
        is_here = lesson.number == here
        face = BLUE if is_here else _PALE if lesson.number in before else "white"
        axis.add_patch(
            FancyBboxPatch(
                (x - _WIDTH / 2 + 0.05, y - _HEIGHT / 2 + 0.05),
                _WIDTH - 0.1,
                _HEIGHT - 0.1,
                boxstyle="round,pad=0.05",
                facecolor=face,
                edgecolor=BLUE,
                linewidth=1.2,
            )
        )
        title = "\n".join(wrapped(said(lesson.title), 13))
        color = "white" if is_here else "black"
        axis.text(x, y + 0.2, f"{lesson.number:02}", ha="center", va="center", color=color,
                  fontsize=10.5)  # fmt: skip
        axis.text(x, y - 0.08, title, ha="center", va="center", color=color, fontsize=7.5,
                  linespacing=1.1)  # fmt: skip
    return figure


def _places(lessons: Sequence[Lesson]) -> dict[int, tuple[int, float]]:
    """Return (column, height) of each lesson: one column right of what it needs."""
    places: dict[int, tuple[int, float]] = {}
    columns: dict[int, list[Lesson]] = defaultdict(list)
    depth: dict[int, int] = {}
    for lesson in lessons:
        depth[lesson.number] = 1 + max((depth[n] for n in lesson.prerequisites), default=-1)
        columns[depth[lesson.number]].append(lesson)
    for column, members in sorted(columns.items()):

        def height(lesson: Lesson) -> float:
            above = [places[number][1] for number in lesson.prerequisites]
            return sum(above) / len(above) if above else 0.0

        wanted = {lesson.number: height(lesson) for lesson in members}
        crowded = len(set(wanted.values())) < len(wanted)
        members.sort(key=lambda lesson: (-wanted[lesson.number], lesson.number))
        for row, lesson in enumerate(members):
            spread = _SPREAD * ((len(members) - 1) / 2 - row)
            places[lesson.number] = column, spread if crowded else wanted[lesson.number]
    return places


def _before(lessons: Sequence[Lesson], here: int | None) -> set[int]:
    """Return the numbers of all lessons that ``here`` builds upon."""
    needs = {lesson.number: lesson.prerequisites for lesson in lessons}
    found: set[int] = set()
    new = set(needs.get(here, ())) if here is not None else set()
    while new:
        found |= new
        new = {number for old in new for number in needs[old]} - found
    return found
