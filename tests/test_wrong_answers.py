"""The checks of the exercises refuse what students get wrong, say why, and change nothing.

That the right answers pass is seen by nbval, and that untouched dots do not, in test_notebooks.
Where the checks stand in the package they are asked directly, and no notebook is run.
"""

import ast
import copy
import functools
import tomllib
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from nbformat import NotebookNode
from notebook_lint import (
    CONVERTED,
    HIDDEN,
    NOTEBOOKS,
    SOLUTION,
    grader,
    is_check,
    is_solution,
)

from slae_lib.course.checks import exercise, judge
from slae_lib.course.checks.base import Refused
from slae_lib.course.texts import texts
from slae_lib.support.device import pick_device

WRONG: dict[str, dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("wrong_answers.toml").read_text(encoding="utf-8")
)
LEAST = 40  # characters of a message that says what to do
DRAWS = (
    "its hidden tests draw random numbers, so the students' edition, which has none, goes on with "
    "others than this one; draw them inside torch.random.fork_rng()."
)

Names = dict[str, Any]


def notebook(lesson: str) -> list[NotebookNode]:
    """Return the code cells of a lesson, without the set-up."""
    (path,) = NOTEBOOKS.glob(f"{lesson}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code"][1:]


def answered(source: str, change: list[str]) -> str:
    """Return a solution's cell as the student leaves it."""
    if len(change) == 2:
        old, new = change
        assert old in source, f"the solution no longer holds {old!r}"
        return source.replace(old, new)
    start = source.index("\n", source.rindex(SOLUTION[0])) + 1
    end = source.rindex("\n", 0, source.rindex(SOLUTION[1])) + 1
    return source[:start] + change[0] + "\n" + source[end:]


def run(sources: list[str], names: Names) -> None:
    for source in sources:
        exec(compile(source, "cell", "exec"), names)


def apart(names: Names) -> Names:
    """Return the names with networks of their own: a forgotten hook must not reach the others."""
    return {
        name: copy.deepcopy(value) if isinstance(value, torch.nn.Module) else value
        for name, value in names.items()
    }


def refusal(sources: list[str], names: Names) -> str:
    """Run an answer and its check; return what is wrong with how it was refused, or nothing."""
    try:
        run(sources, apart(names))
    except AssertionError as refused:
        said = str(refused)
        if len(said) < LEAST:
            return f"is refused without a reason: {said!r}"
        if "three dots" in said.split(":")[0] and "still" in said:
            return f"is taken for no answer: {said!r}"
        return ""
    except Exception as error:
        return f"ends in {type(error).__name__}: {error}"
    return "passes"


def can_run(cell: NotebookNode) -> bool:
    """Whether a cell is plain Python and quick."""
    return "slow" not in cell.metadata.get("tags", []) and not cell.source.startswith("%%")


@pytest.mark.parametrize("lesson", sorted(set(WRONG) - CONVERTED))
@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler")  # one of the wrong answers
def test_checks_refuse_wrong_answers_and_leave_the_random_numbers(
    lesson: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(NOTEBOOKS)
    torch.manual_seed(0)
    names: Names = {
        "__name__": "__main__",
        "device": pick_device(),
        "show": lambda *_, **__: None,
        "display": lambda *_, **__: None,
    }
    cells = notebook(lesson)
    left = dict(WRONG[lesson])
    faults = []
    for position, cell in enumerate(cells):
        if is_solution(cell):
            exercise = grader(cell)["grade_id"]
            rest = cells[position + 1 :]
            check = next(index for index, other in enumerate(rest) if is_check(other))
            after = [other.source for other in rest[:check]]
            after.append(rest[check].source.split(HIDDEN[0])[0])
            for name, change in left.pop(exercise).items():
                state = torch.get_rng_state()
                fault = refusal([answered(cell.source, change), *after], names)
                torch.set_rng_state(state)
                if fault:
                    faults.append(f"{exercise}, {name!r} {fault}")
        if can_run(cell):
            told, _, hidden = cell.source.partition(HIDDEN[0])
            try:
                run([told], names)
                state = torch.get_rng_state()
                run([hidden], names)
            except NameError:  # it needs something of a slow cell
                continue
            if not torch.equal(torch.get_rng_state(), state):
                faults.append(f"{grader(cell)['grade_id']}: {DRAWS}")
        if not left and is_check(cell):
            break
    assert not left, f"There are no such exercises: {', '.join(left)}."
    assert not faults, "\n" + "\n".join(faults)


def test_every_exercise_has_wrong_answers() -> None:
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        lesson = path.stem[:2]
        if lesson not in CONVERTED:
            names = [grader(cell)["grade_id"] for cell in notebook(lesson) if is_solution(cell)]
            few = [name for name in names if len(WRONG.get(lesson, {}).get(name, {})) < 2]
            assert not few, f"{path.stem}: think of two wrong answers or more to {', '.join(few)}."


# --- lessons whose checks stand in the package --------------------------------------------------


def exercises(lesson: str) -> list[str]:
    return [key for key in texts(f"lesson_{lesson}") if key.partition(".")[2]]


@functools.cache
def given(lesson: str) -> dict[str, Names]:
    """What stands in the notebook above each exercise: imports, definitions, earlier answers.

    No other cell is run; what an exercise needs besides is the `given` of wrong_answers.toml.
    """
    names: Names = {"__name__": "__main__"}
    before: dict[str, Names] = {}
    keys = iter(exercises(lesson))
    for cell in notebook(lesson):
        if is_solution(cell):
            key = next(keys)
            exec(WRONG[lesson].get("given", {}).get(key, ""), names)
            before[key] = dict(names)
            run([exercise(key).solution], names)
        elif not is_check(cell):
            kinds = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef
            found = [node for node in ast.parse(cell.source).body if isinstance(node, kinds)]
            run([ast.unparse(ast.Module(found, []))], names)
    return before


def verdict(key: str, code: str, names: Names) -> Refused | None:
    """Run an answer, in the place of its cell, and its check."""
    names = dict(names)
    run([code], names)
    found = judge(key, *(names[name] for name in exercise(key).names))
    return found if isinstance(found, Refused) else None


CHECKED = [key for lesson in sorted(CONVERTED) for key in exercises(lesson)]


@pytest.mark.parametrize("key", CHECKED)
def test_a_check_names_the_cause_of_each_wrong_answer(key: str) -> None:
    number, _, place = key.partition(".")
    lesson, asked, faults = f"{int(number):02}", exercise(key), []
    names = given(lesson)[key]
    assert verdict(key, asked.solution, names) is None
    for cause, answers in WRONG[lesson][place].items():
        for name, change in answers.items():
            if len(change) == 2 and change[0] not in asked.solution:
                faults.append(f"{name!r}: the solution no longer holds {change[0]!r}")
                continue
            code = asked.solution.replace(*change) if len(change) == 2 else change[0]
            state = torch.get_rng_state()
            refused = verdict(key, code, names)
            if not torch.equal(torch.get_rng_state(), state):
                faults.append(f"{name!r}: its check changes the random numbers")
            if refused is None:
                faults.append(f"{name!r} passes")
            elif refused.cause != cause:
                said = asked.sentence(refused)
                faults.append(f"{name!r}: refused for {refused.cause} and not {cause}: {said}")
            elif len(said := asked.sentence(refused)) < LEAST:
                faults.append(f"{name!r} is refused without a reason: {said!r}")
    assert not faults, f"\n{key}: " + f"\n{key}: ".join(faults)


@pytest.mark.parametrize("key", CHECKED)
def test_every_sentence_of_a_check_has_a_wrong_answer(key: str) -> None:
    number, _, place = key.partition(".")
    wrong = WRONG[f"{int(number):02}"][place]
    unseen = set(exercise(key).says) - set(wrong)
    assert not unseen, f"{key}: think of a wrong answer that is refused for {sorted(unseen)}."
    assert sum(map(len, wrong.values())) >= 2
