"""The checks of the exercises refuse what students get wrong, say why, and change nothing.

They are asked directly, and no notebook is run. That the right answers pass there is seen by
nbval, and that untouched dots do not, in test_notebooks.
"""

import ast
import functools
import tomllib
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from nbformat import NotebookNode
from notebook_lint import (
    NOTEBOOKS,
    is_check,
    is_solution,
)

from slae_lib.course.checks import exercise, judge
from slae_lib.course.checks.base import Refused
from slae_lib.course.checks.lesson_04_parts import SMALL
from slae_lib.course.texts import texts

WRONG: dict[str, dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("wrong_answers.toml").read_text(encoding="utf-8")
)
LEAST = 40  # characters of a message that says what to do
Names = dict[str, Any]


def notebook(lesson: str) -> list[NotebookNode]:
    """Return the code cells of a lesson, without the set-up."""
    (path,) = NOTEBOOKS.glob(f"{lesson}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code"][1:]


def run(sources: list[str], names: Names) -> None:
    for source in sources:
        exec(compile(source, "cell", "exec"), names)


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


CHECKED = [key for lesson in sorted(WRONG) for key in exercises(lesson)]


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


OTHER_WAYS = {
    "the channels counted from behind": ("4.1", "dim=1", "dim=-3"),
    "a layer for nearest alone": (
        "4.1",
        'Upsample(scale_factor=2, mode="nearest")',
        "UpsamplingNearest2d(scale_factor=2)",
    ),
    "a link at each end of the config's": ("4.6", "if name in network.links", "if size in low_of"),
    "evaluation mode once more": (
        "4.8",
        "    changed = first",
        "    network.eval()\n    changed = first",
    ),
    "a tensor of one number": ("4.8", ".mean().item()", ".mean()"),
}


@pytest.mark.parametrize(("key", "old", "new"), OTHER_WAYS.values(), ids=OTHER_WAYS)
def test_a_check_takes_the_right_answer_in_other_words(key: str, old: str, new: str) -> None:
    number, _, _ = key.partition(".")
    answer = exercise(key).solution
    assert old in answer
    assert verdict(key, answer.replace(old, new), given(f"{int(number):02}")[key]) is None


@pytest.mark.parametrize("asks", ["if name in network.links", "if size in low_of"])
def test_lesson_4_goes_on_with_each_way_to_ask_for_a_link(
    monkeypatch: pytest.MonkeyPatch, asks: str
) -> None:
    names = dict(given("04")["4.8"])
    run([exercise("4.6").solution.replace("if name in network.links", asks)], names)
    theirs = names["Generator"].grow.__globals__
    monkeypatch.setitem(theirs, "grow_maps", names["grow_maps"])
    (hidden,) = [cell.source for cell in notebook("04") if 'check("4.6"' in cell.source]
    (cut,) = [cell.source for cell in notebook("04") if "cut = copy" in cell.source]
    names["generator"], names["noise"] = names["Generator"](SMALL), torch.randn(1, 32)
    run([hidden.partition("\n")[2], cut, exercise("4.8").solution], names)
    assert judge("4.8", names["reach"], names["reaches"])["linked"] == 1
