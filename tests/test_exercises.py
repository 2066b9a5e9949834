"""Exercises: nobody gets stuck, and the rules for them can be broken."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import exercise_lint
import nbformat
import pytest
from nbclient import NotebookClient
from notebook_lint import NOTEBOOKS, SOLUTION, Subject, faults, is_check, is_solution

LESSONS = sorted(NOTEBOOKS.glob("*.ipynb"))
REGION = re.compile(rf"^ *{SOLUTION[0]}\n[\s\S]*?{SOLUTION[1]}$", re.MULTILINE)
SINGLES = [
    (path, place)
    for path in LESSONS
    for place in range(sum(map(is_solution, nbformat.read(path, as_version=4).cells)))
]


@pytest.mark.long
@pytest.mark.parametrize(
    ("path", "place"), SINGLES, ids=[f"{path.stem[:2]}.{place + 1}" for path, place in SINGLES]
)
def test_one_unsolved_exercise_stops_nothing_else(path: Path, place: int) -> None:
    """That a lesson without any answer goes on is seen in test_notebooks."""
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if is_solution(cell)]
    cells[place].source = REGION.sub("# YOUR CODE HERE", cells[place].source)
    folder = {"metadata": {"path": str(NOTEBOOKS)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=folder).execute()
    failed = [
        cell
        for cell in notebook.cells
        if any(output.output_type == "error" for output in cell.get("outputs", []))
    ]
    (check,) = [cell for cell in notebook.cells if is_check(cell)][place : place + 1]
    assert failed == [check]
    assert check.outputs[-1].ename == "NotYet"


def test_an_edition_without_solutions_says_so_in_its_set_up(tmp_path: Path) -> None:
    source = tmp_path / "source" / "lab"
    source.mkdir(parents=True)
    shutil.copy(NOTEBOOKS / "nbgrader_config.py", tmp_path)
    shutil.copy(LESSONS[0], source)
    folder = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", "lab"]
    told = os.environ | {"PATH": folder, "SOLUTIONS": "no"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=told)
    assert done.returncode == 0, done.stderr
    released = nbformat.read(tmp_path / "release" / "lab" / LESSONS[0].name, as_version=4)
    (set_up,) = [c for c in released.cells if "set-up" in c.metadata.get("tags", [])]
    assert set_up.source.endswith(", solutions=False)")
    compile(set_up.source.replace("%pip", "#"), "cell", "exec")


# --- the rules, and each way to break them ------------------------------------------------------


def first_check(subject: Subject) -> nbformat.NotebookNode:
    return next(cell for cell in subject.notebook.cells if is_check(cell))


def changes(old: str, new: str) -> Callable[[Subject], None]:
    def breaker(subject: Subject) -> None:
        cell = first_check(subject)
        assert old in cell.source
        cell.source = cell.source.replace(old, new)

    return breaker


def long_cell(subject: Subject) -> None:
    subject.notebook.cells[1].source += "\n#" * 20


def long_cells(subject: Subject) -> None:
    for _, cell in subject.cells("code"):
        cell.source = "\n" * 9 + cell.source


def tag_elsewhere(subject: Subject) -> None:
    subject.notebook.cells[1].metadata["tags"] = ["set-up", "raises-exception"]


def no_tag(subject: Subject) -> None:
    first_check(subject).metadata["tags"] = []


def no_output(subject: Subject) -> None:
    first_check(subject).outputs = []


def no_first_exercise(subject: Subject) -> None:
    subject.notebook.cells.remove(first_check(subject))


def hidden_name_bound_anew(subject: Subject) -> None:
    check = first_check(subject)
    check.source = check.source.replace("### BEGIN HIDDEN TESTS\n", "### BEGIN HIDDEN TESTS\nlow\n")
    subject.notebook.cells[-1] = nbformat.v4.new_code_cell("low = 1")


def other_solution(subject: Subject) -> None:
    cell = next(cell for cell in subject.notebook.cells if is_solution(cell))
    cell.source += "\n# more"


def no_minutes(subject: Subject) -> None:
    for _, cell in subject.cells("markdown"):
        cell.source = cell.source.replace(" minutes · ", " · ")


def no_pictures(subject: Subject) -> None:
    for _, cell in subject.cells("code"):
        cell.source = cell.source.replace("show(", "print(")


def no_guess_shown(subject: Subject) -> None:
    for _, cell in subject.cells("code"):
        cell.source = cell.source.replace('\npredict("', '\nprint("')


BREAKERS: list[tuple[str, str, Callable[[Subject], None]]] = [
    ("has_short_cells", "lines, and 20 may be", long_cell),
    ("has_short_cells", "lines in the median", long_cells),
    ("asserts_nothing_in_sight", "it asserts", changes("check(", "assert True\ncheck(")),
    ("checks_in_one_line", "write the check in one line", changes("check(", "print()\ncheck(")),
    ("checks_in_one_line", "should be given up_block", changes("up_block)", "print)")),
    ("checks_in_one_line", "only a check may have", tag_elsewhere),
    ("checks_in_one_line", "give the check the tag", no_tag),
    ("checks_in_one_line", "its stored output says nothing", no_output),
    ("checks_in_one_line", "number them in order", no_first_exercise),
    ("tests_in_secret_what_stays", "read low, which a later", hidden_name_bound_anew),
    ("has_the_labs_own_in_the_package", "differ", other_solution),
    ("tells_difficulty_and_minutes", "**Difficulty 1 of 3", no_minutes),
    ("describes_its_pictures_in_the_texts", '"4.diagram" is not both', no_pictures),
    ("shows_its_predictions_beside_the_results", "show it beside the result", no_guess_shown),
]


@pytest.mark.parametrize(
    ("rule", "said", "breaker"), BREAKERS, ids=[f"{rule}: {said}" for rule, said, _ in BREAKERS]
)
def test_the_lint_finds(rule: str, said: str, breaker: Callable[[Subject], None]) -> None:
    subject = Subject.read(NOTEBOOKS / "04_generator.ipynb")
    (found,) = [check for check in exercise_lint.RULES if check.__name__ == rule]
    assert faults(subject, [found]) == []
    breaker(subject)
    sentences = faults(subject, [found])
    assert any(said in sentence for sentence in sentences), sentences


def test_every_rule_was_seen_to_fail() -> None:
    assert {rule.__name__ for rule in exercise_lint.RULES} == {rule for rule, _, _ in BREAKERS}
