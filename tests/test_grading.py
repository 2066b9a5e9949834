"""A class is graded by the real nbgrader, whatever its students hand in."""

import copy
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook, MissingEntry
from notebook_lint import NOTEBOOKS, is_check, is_solution

from slae_lib.course.checks import exercise
from slae_lib.course.marks import course_marks

ASSIGNMENT = "lab"


@dataclass
class Course:
    """A course of nbgrader's, with one assignment of one notebook.

    Attributes:
        folder: of the course.
        notebook: name of the assignment's notebook.
    """

    folder: Path
    notebook: str

    @classmethod
    def make(cls, folder: Path, notebook: NotebookNode, name: str) -> "Course":
        """Release an assignment, with the lab's own configuration."""
        course = cls(folder, name)
        source = folder / "source" / ASSIGNMENT / f"{name}.ipynb"
        source.parent.mkdir(parents=True)
        nbformat.write(notebook, source)
        shutil.copy(NOTEBOOKS / "nbgrader_config.py", folder)
        done = course.nbgrader("generate_assignment", ASSIGNMENT)
        assert done.returncode == 0, done.stderr
        return course

    def nbgrader(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        # nbgrader starts programs of its environment by their bare names.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        command = [sys.executable, "-m", "nbgrader", *arguments]
        environment = os.environ | {"PATH": path}
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, encoding="utf-8", env=environment
        )

    def released(self) -> NotebookNode:
        """The notebook that a student is given."""
        path = self.folder / "release" / ASSIGNMENT / f"{self.notebook}.ipynb"
        return nbformat.read(path, as_version=4)

    def hand_in(self, student: str, notebook: NotebookNode, name: str = "") -> None:
        path = self.folder / "submitted" / student / ASSIGNMENT / f"{name or self.notebook}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)

    def points(self, student: str) -> dict[str, tuple[float, bool]] | None:
        """What a student got for each check, and whether it waits for the teacher."""
        with Gradebook(f"sqlite:///{self.folder / 'gradebook.db'}") as book:
            try:
                graded = book.find_submission_notebook(self.notebook, ASSIGNMENT, student)
            except MissingEntry:
                return None
            return {grade.name: (grade.score, grade.needs_manual_grade) for grade in graded.grades}


def marked(source: str, grade_id: str, points: int = 0) -> NotebookNode:
    """A cell of an exercise: a check if it gives points, and otherwise a solution."""
    marks = {"schema_version": 3, "grade_id": grade_id, "locked": bool(points)}
    marks |= {"grade": True, "solution": False, "points": points} if points else {}
    marks = {"grade": False, "solution": True} | marks
    return new_code_cell(source, metadata={"nbgrader": marks})


def small_assignment() -> NotebookNode:
    """Two exercises, of 2 and of 3 points."""
    cells = [new_markdown_cell("# Two exercises")]
    for name, factor in (("double", 2), ("triple", 3)):
        answer = f"    ### BEGIN SOLUTION\n    return {factor} * number\n    ### END SOLUTION"
        hidden = f"### BEGIN HIDDEN TESTS\nassert {name}(-5) == {-5 * factor}\n### END HIDDEN TESTS"
        cells += [
            marked(f"def {name}(number):\n{answer}", name),
            marked(f"assert {name}(7) == {7 * factor}\n{hidden}", f"{name}-check", factor),
        ]
    return new_notebook(cells=cells)


def answered(notebook: NotebookNode, answers: list[str]) -> NotebookNode:
    solutions = [cell for cell in notebook.cells if is_solution(cell)]
    for cell, answer in zip(solutions, answers, strict=True):
        cell.source = answer
    return notebook


RIGHT = ["def double(number):\n    return 2 * number", "def triple(number):\n    return 3 * number"]
BOTH = {"double-check": (2, False), "triple-check": (3, False)}
NO_DOUBLE = BOTH | {"double-check": (0, False)}


def copied(cell: NotebookNode) -> NotebookNode:
    return NotebookNode(copy.deepcopy(cell) | {"id": "copied"})


def copied_solution(notebook: NotebookNode) -> None:
    notebook.cells.insert(2, copied(notebook.cells[1]))


def copied_check(notebook: NotebookNode) -> None:
    notebook.cells.append(copied(notebook.cells[2]))


def check_of_another_lesson(notebook: NotebookNode) -> None:
    notebook.cells.append(marked("assert True", "of-another-lesson", 9))


def cell_of_an_older_nbgrader(notebook: NotebookNode) -> None:
    marks = {"schema_version": 1, "grade": False, "solution": True, "locked": False}
    old = new_code_cell("old = 1", metadata={"nbgrader": marks | {"grade_id": "old"}})
    notebook.cells.append(old)


def damaged_marks(notebook: NotebookNode) -> None:
    notebook.cells.append(new_code_cell("1", metadata={"nbgrader": {"schema_version": 3}}))


def deleted_check(notebook: NotebookNode) -> None:
    del notebook.cells[2]


def deleted_last_check(notebook: NotebookNode) -> None:
    del notebook.cells[4]


def deleted_checks(notebook: NotebookNode) -> None:
    del notebook.cells[4], notebook.cells[2]


def deleted_check_of_a_wrong_answer(notebook: NotebookNode) -> None:
    notebook.cells[1].source = "def double(number):\n    return number + number + 1"
    del notebook.cells[2]


def deleted_exercise(notebook: NotebookNode) -> None:
    del notebook.cells[1:3]


def deleted_answer(notebook: NotebookNode) -> None:
    del notebook.cells[1]


def deleted_all(notebook: NotebookNode) -> None:
    del notebook.cells[1:]


def moved_check(notebook: NotebookNode) -> None:
    notebook.cells.append(notebook.cells.pop(2))


def changed_check(notebook: NotebookNode) -> None:
    notebook.cells[1].source = "double = None"
    notebook.cells[2].source = "pass"


def check_turned_into_text(notebook: NotebookNode) -> None:
    notebook.cells[2] = new_markdown_cell("assert", metadata=notebook.cells[2].metadata)


def endless_loop(notebook: NotebookNode) -> None:
    notebook.cells[1].source = "def double(number):\n    while True:\n        pass"


def kept_by_colab(notebook: NotebookNode) -> None:
    """What Colab writes into a notebook: cells lose their id, and gain metadata of its own."""
    notebook.nbformat_minor = 0
    notebook.metadata["colab"] = {"provenance": [], "toc_visible": True, "gpuType": "T4"}
    notebook.metadata["accelerator"] = "GPU"
    for place, cell in enumerate(notebook.cells):
        del cell["id"]
        cell.metadata |= {"id": f"aB3_{place}", "deletable": False}
        if cell.cell_type == "code":
            cell.metadata |= {
                "colab": {"base_uri": "https://localhost:8080/", "height": 35},
                "outputId": "0e4a",
                "executionInfo": {"status": "ok", "elapsed": 4, "user": {"userId": "1"}},
            }


HANDED_IN: list[tuple[Callable[[NotebookNode], None], dict[str, tuple[float, bool]]]] = [
    (copied_solution, BOTH),
    (copied_check, BOTH),
    (check_of_another_lesson, BOTH),
    (cell_of_an_older_nbgrader, BOTH),
    (damaged_marks, BOTH),
    (deleted_check, BOTH),
    (deleted_last_check, BOTH),
    (deleted_checks, BOTH),
    (deleted_check_of_a_wrong_answer, NO_DOUBLE),
    (deleted_exercise, NO_DOUBLE),
    (deleted_answer, NO_DOUBLE),
    (deleted_all, dict.fromkeys(BOTH, (0, False))),
    (moved_check, BOTH),
    (changed_check, NO_DOUBLE),
    (check_turned_into_text, BOTH),
    (endless_loop, NO_DOUBLE),
    (kept_by_colab, BOTH),
]


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Course, str]:
    """A class in which every student but the last does something else, and what nbgrader said."""
    course = Course.make(tmp_path_factory.mktemp("course"), small_assignment(), "two exercises")
    for change, _ in HANDED_IN:
        notebook = answered(course.released(), RIGHT)
        change(notebook)
        course.hand_in(change.__name__, notebook)
    course.hand_in("renames_it", answered(course.released(), RIGHT), "two exercises (1)")
    course.hand_in("zoe", answered(course.released(), RIGHT))  # the last in nbgrader's order
    return course, course.nbgrader("autograde", ASSIGNMENT, "--Execute.timeout=10").stderr


@pytest.mark.parametrize(
    ("change", "points"), HANDED_IN, ids=[change.__name__ for change, _ in HANDED_IN]
)
def test_what_a_student_does_costs_no_other_points(
    change: Callable[[NotebookNode], None],
    points: dict[str, tuple[float, bool]],
    graded: tuple[Course, str],
) -> None:
    course, said = graded
    assert course.points(change.__name__) == points, said


def test_whoever_comes_after_them_is_graded(graded: tuple[Course, str]) -> None:
    course, said = graded
    assert course.points("zoe") == BOTH, said


def test_a_renamed_notebook_is_not_graded_and_nbgrader_says_so(graded: tuple[Course, str]) -> None:
    _, said = graded
    assert "Skipping unknown notebook: " in said
    assert "two exercises (1).ipynb" in said
    assert "There was an error processing assignment 'lab' for student 'renames_it'" in said
    others = [change.__name__ for change, _ in HANDED_IN] + ["zoe"]
    assert not any(f"for student '{other}'" in said for other in others)


def test_everyone_who_was_graded_gets_feedback(graded: tuple[Course, str]) -> None:
    course, _ = graded
    done = course.nbgrader("generate_feedback", ASSIGNMENT)
    assert done.returncode == 0, done.stderr
    pages = {path.parts[-3] for path in course.folder.glob("feedback/*/lab/two exercises.html")}
    assert pages == {change.__name__ for change, _ in HANDED_IN} | {"zoe"}


def test_marks_are_those_of_the_gradebook_and_none_for_what_waits(
    graded: tuple[Course, str],
) -> None:
    course, _ = graded
    students = {student.login: student.marks for student in course_marks(course.folder).students}
    for login in [*(change.__name__ for change, _ in HANDED_IN), "zoe"]:
        points = [(mark.points, mark.state) for mark in students[login].values()]
        expected = (course.points(login) or {}).values()
        assert points == [(None, "waits") if waits else (score, "") for score, waits in expected]
    assert {mark.state for mark in students["renames_it"].values()} == {"missing"}


# --- a whole lesson -----------------------------------------------------------------------------

LESSON = "04_generator"
WRONG = {  # exercise: cause and name of a wrong answer in wrong_answers.toml
    "4.1": ("glu_dim", "the last dimension"),
    "4.3": ("layers", "no noise"),
    "4.4": ("channels", "not doubled"),
    "4.6": ("added", "added"),
    "4.7": ("no_tanh", "no tanh"),
}


@pytest.mark.long
def test_each_wrong_answer_to_a_lesson_loses_just_its_own_points(tmp_path: Path) -> None:
    """Lesson 04: full marks for the lab's own answers, none for none, and five in between."""
    lesson = nbformat.read(NOTEBOOKS / f"{LESSON}.ipynb", as_version=4)
    checks = [cell for cell in lesson.cells if is_check(cell)]
    full = {check.metadata.nbgrader.grade_id: check.metadata.nbgrader.points for check in checks}
    keys = [f"4.{number}" for number in range(1, len(checks) + 1)]
    right = {key: exercise(key).solution for key in keys}
    wrong = tomllib.loads(Path(__file__).with_name("wrong_answers.toml").read_text("utf-8"))["04"]
    course = Course.make(tmp_path, lesson, LESSON)
    course.hand_in("all", answered(course.released(), list(right.values())))
    course.hand_in("none", course.released())
    for key, (cause, name) in WRONG.items():
        change = wrong[key.removeprefix("4.")][cause][name]
        answers = right | {key: right[key].replace(*change)}
        assert answers != right
        course.hand_in(key, answered(course.released(), list(answers.values())))
    done = course.nbgrader("autograde", ASSIGNMENT)
    assert done.returncode == 0, done.stderr

    def points(student: str) -> dict[str, float]:
        return {name: score for name, (score, _) in (course.points(student) or {}).items()}

    assert points("all") == full
    assert points("none") == dict.fromkeys(full, 0)
    for key in WRONG:
        lost = list(full)[keys.index(key)]
        assert points(key) == full | {lost: 0}, key
