"""The students' edition graded by Otter, as Gradescope runs it: one zip for each lesson.

A solution cell names its test, and Otter puts that test right below it: above the notebook's own
check, which would put the lab's own in place of a wrong answer.
"""

import ast
import builtins
import json
import re
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from textwrap import indent
from typing import Any

from slae_lib.course import repository
from slae_lib.course.checks import NotYet, exercise, judge
from slae_lib.course.checks.base import Refused
from slae_lib.course.texts import as_plain

FOLDER = "autograders"
HIDDEN = re.compile(r"### BEGIN HIDDEN TESTS\n(.*?)### END HIDDEN TESTS", re.DOTALL)
TEST = """\
from otter.test_files import test_case

from slae_lib.course.autograders import grade as check

OK_FORMAT = False
name = "{key}"
points = {points}
all_or_nothing = True


@test_case(name="check")
def seen({names}):
    {check}


@test_case(name="hidden tests", hidden=True)
def hidden({used}):
{hidden}
"""


def grade(key: str, *answers: object) -> None:
    """Judge an answer as `check` does, but put nothing in its place.

    Args:
        key: of the exercise, such as ``"4.1"``.
        answers: what stands under its names.

    Raises:
        NotYet: if it is not right; the text says why.
    """
    verdict = judge(key, *answers)
    if isinstance(verdict, Refused):
        raise NotYet(key, as_plain(exercise(key).sentence(verdict)))


def write_autograders(notebooks: Path, edition: Path) -> None:
    """Write ``autograders/NAME.zip`` for each notebook; the solution cells then name their tests.

    Args:
        notebooks: folder of the lab's edition, with the hidden tests.
        edition: folder of the students' edition, which is changed.
    """
    import nbformat
    from otter.generate import main as generate

    (edition / FOLDER).mkdir()
    lab = f"slae-lib @ git+{repository()}@v{metadata.version('slae-lib')}"
    (edition / FOLDER / "requirements.txt").write_text(lab)
    # What the hidden tests say is shown when the teacher publishes the grades.
    (edition / FOLDER / "config.json").write_text(json.dumps({"show_hidden": True}))
    for path in sorted(edition.glob("*.ipynb")):
        tests = edition / FOLDER / path.stem
        tests.mkdir()
        named = {}  # the marks of a solution to its test
        cells = nbformat.read(notebooks / path.name, as_version=4).cells  # type: ignore[no-untyped-call]
        for solution, check in pairwise(cells):
            if check.metadata.get("nbgrader", {}).get("grade"):
                key, source = test_of(check)
                (tests / f"{key}.py").write_text(source, "utf-8")
                named[solution.metadata.nbgrader.grade_id] = key
        students = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        for cell in students.cells:
            mark = cell.metadata.get("nbgrader", {}).get("grade_id")
            if mark in named:
                cell.metadata["otter"] = {"tests": [named[mark]]}
        nbformat.write(students, path)  # type: ignore[no-untyped-call]
        generate(
            tests_dir=str(tests),
            output_path=str(tests.with_suffix(".zip")),
            config=str(edition / FOLDER / "config.json"),
            requirements=str(edition / FOLDER / "requirements.txt"),
            no_environment=True,
        )


def test_of(check: Any) -> tuple[str, str]:
    """Return the exercise of a check cell, and Otter's test of it.

    Otter fills in arguments from the student's notebook, by their names.
    """
    (hidden,) = HIDDEN.findall(check.source)
    line = check.source.partition("\n")[0]
    key = line.split('"')[1]
    used = {node.id for node in ast.walk(ast.parse(hidden)) if isinstance(node, ast.Name)}
    return key, TEST.format(
        key=key,
        points=check.metadata.nbgrader.points,
        names=", ".join(exercise(key).names),
        check=line,
        used=", ".join(sorted(used - set(dir(builtins)))),
        hidden=indent(hidden, "    "),
    )
