"""The marks of a graded nbgrader course as a table that a learning platform imports."""

import csv
import importlib.util
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.files import atomic_write

CONFIG = "nbgrader_config.py"
_NUMBER = re.compile(r'check\("([0-9]+\.[0-9]+)"')


@dataclass(frozen=True)
class Mark:
    """What a student has for an exercise.

    Attributes:
        points: 0 to the exercise's points, or more with extra credit; None if there are none yet.
        state: ``""``, or why there are no points: ``"missing"`` (not handed in), ``"not graded"``
            (handed in, and not graded since then), ``"waits"`` (for the teacher's look).
        late: whether it was handed in after the day that nbgrader has been told.
    """

    points: float | None
    state: str = ""
    late: bool = False


@dataclass
class Student:
    """A student with all marks.

    Attributes:
        login: nbgrader's name of the student, that of the folder in ``submitted``.
        first, last, email: as nbgrader has been told; they may be empty.
        number: the platform's own number of the student (nbgrader's ``lms_user_id``).
        marks: by exercise; one for each exercise of the course.
    """

    login: str
    first: str = ""
    last: str = ""
    email: str = ""
    number: str = ""
    marks: dict[str, Mark] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``Last, First``, or the login where nbgrader knows no name."""
        return ", ".join(part for part in (self.last, self.first) if part) or self.login

    def remarks(self) -> dict[str, list[str]]:
        """Return the exercises that are late or have no points, by state."""
        marks = self.marks.items()
        found = {"late": [name for name, mark in marks if mark.late]}
        for state in ("missing", "not graded", "waits"):
            found[state] = [name for name, mark in marks if mark.state == state]
        return {state: names for state, names in found.items() if names}


@dataclass
class Marks:
    """All marks of a course.

    Attributes:
        exercises: name of each exercise, ``assignment / notebook / exercise``, to its points. The
            exercise is nbgrader's name of its cell, behind the number that its check has, if any.
        students: in the order of their logins.
    """

    exercises: dict[str, float]
    students: list[Student]


def course_marks(folder: Path) -> Marks:
    """Read the marks of an nbgrader course from its gradebook.

    Points are those of the check, or the teacher's own where the teacher gave some. nbgrader
    gives 0 to what a student has not handed in; here it is missing.

    Args:
        folder: of the course, with ``gradebook.db``, or a configuration that says where that is.

    Raises:
        UsageError: if there is no gradebook.
        LabError: if nbgrader is not installed, or cannot read its configuration or its gradebook.
    """
    if importlib.util.find_spec("nbgrader") is None:
        raise LabError("nbgrader, which keeps the marks, is not installed; pip install nbgrader.")
    from nbgrader.api import Gradebook
    from sqlalchemy.exc import SQLAlchemyError

    course = _course(folder)
    kept = course.db_url.removeprefix("sqlite:///")
    if kept != course.db_url and not Path(kept).is_file():  # nbgrader would make an empty one
        raise UsageError(
            f"{folder} has no gradebook ({kept}); name the folder in which nbgrader graded."
        )
    try:
        with Gradebook(course.db_url, course.course_id) as book:
            return _read(book, course)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
        raise LabError(
            f"{kept} cannot be read as a gradebook ({reason}); name the folder in which nbgrader "
            "graded, or run `nbgrader db upgrade` there."
        ) from error


def _course(folder: Path) -> Any:
    """Return nbgrader's directory of a course, as its configuration has it."""
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config
    from traitlets.config.loader import PyFileConfigLoader

    config = Config()
    config.CourseDirectory.root = str(folder.absolute())
    if (folder / CONFIG).is_file():
        try:
            config.merge(PyFileConfigLoader(CONFIG, path=str(folder)).load_config())
        except Exception as error:  # of whatever kind: the file is a program of the teacher's
            raise LabError(
                f"{folder / CONFIG} cannot be read ({type(error).__name__}: {error}); mend it."
            ) from error
    return CourseDirectory(config=config)


def _read(book: Any, course: Any) -> Marks:
    exercises: dict[str, float] = {}
    students = {
        one.id: Student(
            one.id,
            one.first_name or "",
            one.last_name or "",
            one.email or "",
            one.lms_user_id or "",
        )
        for one in book.students
    }
    for assignment in sorted(book.assignments, key=lambda it: it.name):
        submissions = {it.student.id: it for it in book.assignment_submissions(assignment.name)}
        for notebook in assignment.notebooks:
            where = " / ".join(dict.fromkeys((assignment.name, notebook.name)))
            cells = {cell.name: cell for cell in notebook.grade_cells}
            number = {cell.name: _NUMBER.match(cell.source or "") for cell in notebook.source_cells}
            names = {
                name: f"{where} / {found[1] + ' ' if (found := number.get(name)) else ''}"
                f"{name.removesuffix('-check')}"
                for name in cells
            }
            exercises |= {names[name]: cell.max_score for name, cell in cells.items()}
            for login, student in students.items():
                marks = dict(_marks(course, submissions.get(login), login, notebook))
                nothing = marks.get("", Mark(None, "missing"))
                student.marks |= {names[name]: marks.get(name, nothing) for name in cells}
    return Marks(exercises, [students[login] for login in sorted(students)])


def _marks(course: Any, submission: Any, login: str, notebook: Any) -> Iterator[tuple[str, Mark]]:
    """Yield the marks of a student's notebook by cell; one for ``""`` stands for all cells."""
    assignment = notebook.assignment.name

    def folder(step: str) -> str:
        path: str = course.format_path(step, login, assignment)
        return path

    name = f"{notebook.name}.ipynb"
    submitted = folder(course.submitted_directory)
    if submission is None or not (Path(folder(course.autograded_directory)) / name).is_file():
        here = (Path(submitted) / name).is_file()
        yield "", Mark(None, "not graded" if here else "missing")
        return
    handed_in = course.get_existing_timestamp(submitted)
    if handed_in is not None and handed_in != submission.timestamp:
        yield "", Mark(None, "not graded")
        return
    late = submission.total_seconds_late > 0
    for own in submission.notebooks:
        for grade in own.grades if own.name == notebook.name else ():
            if grade.needs_manual_grade:
                yield grade.name, Mark(None, "waits", late)
            else:
                yield grade.name, Mark(float(grade.score), late=late)


def _number(points: float | None, nothing: str) -> str:
    return nothing if points is None else f"{points:g}"


def _canvas(marks: Marks) -> Iterator[list[str]]:
    """Rows as Canvas exports and imports its gradebook; an empty cell is no grade."""
    yield ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *marks.exercises]
    yield ["    Points Possible", *[""] * 4, *(f"{it:g}" for it in marks.exercises.values())]
    for one in marks.students:
        points = [_number(mark.points, "") for mark in one.marks.values()]
        yield [one.name, one.number, "", one.login, "", *points]


def _moodle(marks: Marks) -> Iterator[list[str]]:
    """Rows as Moodle exports and imports grades; a hyphen is no grade."""
    known = ["First name", "Last name", "Username", "ID number", "Email address"]
    yield [*known, *marks.exercises, "Remarks"]
    for one in marks.students:
        points = [_number(mark.points, "-") for mark in one.marks.values()]
        who = [one.first, one.last, one.login, one.number, one.email]
        yield [*who, *points, _in_words(one)]


def _plain(marks: Marks) -> Iterator[list[str]]:
    """Rows to be read: the word where there are no points, and a last column with what is late."""
    yield ["Student", "Login", *marks.exercises, "Remarks"]
    for one in marks.students:
        points = [_number(mark.points, mark.state) for mark in one.marks.values()]
        yield [one.name, one.login, *points, _in_words(one)]


FORMATS: dict[str, Callable[[Marks], Iterator[list[str]]]] = {
    "plain": _plain,
    "canvas": _canvas,
    "moodle": _moodle,
}
"""Name of a platform to the rows of its table."""


def _in_words(student: Student) -> str:
    return "; ".join(f"{state}: {', '.join(names)}" for state, names in student.remarks().items())


def write_marks(folder: Path, out: Path, layout: str = "plain") -> list[str]:
    """Write the marks of a course as CSV (UTF-8, commas), a column for each exercise.

    Args:
        folder: of the nbgrader course.
        out: the file.
        layout: one of `FORMATS`.

    Returns:
        A line for every student with something late or without points.

    Raises:
        UsageError: as for `course_marks`.
        LabError: as for `course_marks`, or if the file cannot be written.
    """
    marks = course_marks(folder)
    with atomic_write(out) as path, path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(FORMATS[layout](marks))
    return [f"{one.login}: {words}" for one in marks.students if (words := _in_words(one))]
