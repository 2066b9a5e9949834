"""Otter grades a lesson as Gradescope does: the student's answer, and never the lab's own."""

import contextlib
import json
import re
import shutil
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode
from notebook_lint import NOTEBOOKS, is_check, is_solution
from otter.api import grade_submission
from otter.run import AutograderConfig

from slae_lib.course.autograders import write_autograders
from slae_lib.course.checks import exercise
from slae_lib.course.editions import CONFIG, students_edition
from slae_lib.course.lessons import LESSONS
from slae_lib.course.texts import as_plain

WRONG: dict[str, dict[str, Any]] = tomllib.loads(
    Path(__file__).parents[1].joinpath("wrong_answers.toml").read_text("utf-8")
)
SHORT = LESSONS[3]


class Assignment:
    """A lesson, its students' edition and its autograder."""

    def __init__(self, folder: Path, lesson: NotebookNode, name: str) -> None:
        self.folder, self.name, self.number = folder, name, int(name[:2])
        checks = [cell.metadata.nbgrader for cell in lesson.cells if is_check(cell)]
        self.points = {f"{self.number}.{n}": it.points for n, it in enumerate(checks, start=1)}
        self.solutions = [exercise(key).solution for key in self.points]
        (folder / "lab").mkdir()
        shutil.copy(NOTEBOOKS / CONFIG, folder / "lab")
        nbformat.write(lesson, folder / "lab" / f"{name}.ipynb")
        self.edition = students_edition(folder / "lab", folder)
        write_autograders(folder / "lab", self.edition)

    def graded(
        self, answers: list[str], change: Callable[[NotebookNode], object] = lambda _: None
    ) -> tuple[dict[str, float], str]:
        """The points for each exercise, and what the student sees."""
        notebook = nbformat.read(self.edition / f"{self.name}.ipynb", as_version=4)
        solutions = [cell for cell in notebook.cells if is_solution(cell)]
        for cell, answer in zip(solutions, answers, strict=bool(answers)):
            cell.source = answer
        change(notebook)
        nbformat.write(notebook, self.folder / f"{self.name}.ipynb")
        with contextlib.chdir(self.folder):
            zipped = str(self.edition / "autograders" / f"{self.name}.zip")
            results = grade_submission(f"{self.name}.ipynb", zipped, quiet=True)
        with zipfile.ZipFile(zipped) as opened:
            config = AutograderConfig(json.loads(opened.read("otter_config.json")))
        seen, *tests = results.to_gradescope_dict(config)["tests"]
        assert seen["visibility"] == "visible"
        assert {test["visibility"] for test in tests} == {"after_published"}
        return {test["name"]: test["score"] for test in tests}, seen["output"]

    def wrong(self) -> tuple[list[str], list[str]]:
        """A wrong answer to each exercise, and a pattern of the sentence that it gets."""
        answers, sentences = [], []
        for key, solution in zip(self.points, self.solutions, strict=True):
            asked, said = exercise(key), WRONG[f"{self.number:02}"][key.partition(".")[2]]
            cause = next(cause for cause in said if cause in asked.says)
            change = next(iter(said[cause].values()))
            answers.append(solution.replace(*change) if len(change) == 2 else change[0])
            fixed = re.split(r"\{.*?\}", as_plain(asked.says[cause]))  # around the own values
            sentences.append(".*".join(map(re.escape, fixed)))
        return answers, sentences


def without_figures(lesson: NotebookNode) -> NotebookNode:
    """A lesson up to its last exercise, without what only draws or compares."""
    cells = [cell for cell in lesson.cells if cell.cell_type == "code"]
    end = max(place for place, cell in enumerate(cells) if is_check(cell)) + 1
    lesson.cells = [cell for cell in cells[:end] if "show(" not in cell.source or cell is cells[0]]
    return lesson


def without_marks(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        cell.metadata = {}


def test_each_answer_is_judged_as_the_student_gave_it(tmp_path: Path) -> None:
    lesson = nbformat.read(NOTEBOOKS / f"{SHORT.name}.ipynb", as_version=4)
    course = Assignment(tmp_path, without_figures(lesson), SHORT.name)
    points, seen = course.graded(course.solutions)
    assert points == course.points, seen

    points, seen = course.graded([])
    assert points == dict.fromkeys(course.points, 0)
    assert seen.count("The three dots are still there.") == len(points)

    answers, sentences = course.wrong()  # five, and the last one is right
    points, seen = course.graded([*answers[:5], course.solutions[5]])
    assert points == dict.fromkeys(course.points, 0) | {"3.6": course.points["3.6"]}
    assert [said for said in sentences[:5] if not re.search(said, seen, re.DOTALL)] == []


@pytest.mark.long
@pytest.mark.parametrize("name", [lesson.name for lesson in LESSONS])
def test_a_whole_lesson(name: str, tmp_path: Path) -> None:
    course = Assignment(tmp_path, nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4), name)
    nothing = dict.fromkeys(course.points, 0)
    points, seen = course.graded(course.solutions)
    assert points == course.points, seen
    assert course.graded([])[0] == nothing
    answers, sentences = course.wrong()
    points, seen = course.graded(answers)
    assert points == nothing, seen
    assert [said for said in sentences if not re.search(said, seen, re.DOTALL)] == []

    # Without marks Otter grades at the end, when the lab's own stands in place of wrong answers.
    points, seen = course.graded([answers[0], *course.solutions[1:]], without_marks)
    assert points == course.points | {next(iter(points)): 0}, seen
