"""Checks, hints and solutions as a student meets them, in a real kernel where it matters."""

import copy
import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from slae_lib.course import checks
from slae_lib.course.checks import (
    NotYet,
    boxes,
    check,
    exercise,
    hint,
    judge,
    lent,
    predict,
    solution,
)
from slae_lib.course.checks.base import Refused
from slae_lib.course.texts import picture_text, texts

WRONG_SIGN = "def generator_hinge(fake):\n    return fake.mean()"
IMPORTS = "from slae_lib.course import check, hint, predict, set_up, solution"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that has just started."""
    monkeypatch.setattr(lent, "_lent", {})
    monkeypatch.setattr(checks, "_asked", checks.Counter())
    monkeypatch.setattr(checks, "_guesses", {})
    monkeypatch.setattr(checks, "_closed", False)


def test_a_wrong_answer_is_refused_with_its_own_value() -> None:
    with pytest.raises(NotYet, match=r"-0\.125 is the mean of the logits") as refused:
        check("7.3", lambda fake: fake.mean())
    assert 'Stuck? Run hint("7.3") in a new cell' in str(refused.value)
    assert refused.value._render_traceback_() == ["Exercise 7.3: not yet. The box above says why."]


def test_a_right_answer_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    predict("7.3", ...)
    predict("7.3", 1)
    predict("7.3", 2)
    check("7.3", lambda fake: -fake.mean())
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("No prediction yet")
    assert out[1].startswith("Noted: 1.")
    assert out[2] == "Your first prediction counts: 1."
    assert out[3].startswith("Right")
    assert out[4] == "You had predicted: 1."


def test_a_prediction_is_shown_again_beside_its_result(capsys: pytest.CaptureFixture[str]) -> None:
    predict("7.slope")  # nothing was predicted
    assert capsys.readouterr().out == ""
    predict("7.slope", (0, 0))
    predict("7.slope")
    assert capsys.readouterr().out.splitlines()[1:] == ["You had predicted: (0, 0)."]


def test_a_prediction_of_two_numbers_needs_no_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    predict("8.one_face", 0, ...)
    predict("8.one_face", 0, 0.5)
    predict("8.one_face")
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("No prediction yet")
    assert out[1:] == ["Noted: 0, 0.5. Now look.", "You had predicted: 0, 0.5."]


@pytest.mark.parametrize(
    ("text", "rich", "plain"),
    [
        (
            "the *sum*, not *a mean*.",
            "the <em>sum</em>, not <em>a mean</em>.",
            "the sum, not a mean.",
        ),
        (
            "say `a * b`, `*c*` <",
            "say <code>a * b</code>, <code>*c*</code> &lt;",
            "say a * b, *c* <",
        ),
        ("2 * 3 * 4, a*b*c, **d, *e", "2 * 3 * 4, a*b*c, **d, *e", "2 * 3 * 4, a*b*c, **d, *e"),
    ],
)
def test_marks_of_markdown_are_drawn_in_a_box_and_left_out_of_plain_text(
    monkeypatch: pytest.MonkeyPatch, text: str, rich: str, plain: str
) -> None:
    shown: list[tuple[dict[str, str], str]] = []
    monkeypatch.setattr(boxes, "_display", lambda *both: shown.append(both))
    boxes.show_box("Exercise 7.3: not yet.", text, [text])
    ((box, words),) = shown
    assert f"<p><strong>Exercise 7.3: not yet.</strong> {rich}</p>" in box["text/html"]
    assert f"<p><small>{rich}</small></p>" in box["text/html"]
    assert words == f"Exercise 7.3: not yet. {plain}\n{plain}"


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (..., "open"),
        (checks.Open("7.3"), "open"),
        (lambda fake: ..., "open"),
        (lambda fake: None, "nothing"),
        (3, "no_function"),
        (lambda: 0, "stops"),
        (lambda fake: fake.nothing, "stops"),
    ],
)
def test_what_is_no_answer_is_told(answer: object, cause: str) -> None:
    refused = judge("7.3", answer)
    assert isinstance(refused, Refused)
    assert refused.cause.removesuffix("_at") == cause
    assert len(exercise("7.3").sentence(refused)) > 40


def test_an_unknown_exercise_is_told() -> None:
    for key in ("4.77", "77.1", "four"):
        with pytest.raises(ValueError, match="there is no exercise"):
            check(key, 1)


def test_a_name_without_an_answer_says_what_to_do() -> None:
    with pytest.raises(NotYet, match="Exercise 7.3 has no answer yet"):
        checks.Open("7.3")(1)


def test_hints_come_one_by_one_and_then_the_solution(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ("Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3", "the last hint"):
        hint("7.3")
        assert words in capsys.readouterr().out
    solution("7.3")
    assert "loss = -fake.mean()" in capsys.readouterr().out


def test_an_edition_may_leave_the_code_out(capsys: pytest.CaptureFixture[str]) -> None:
    checks.open_exercises(7, solutions=False)
    for _ in range(4):
        hint("7.3")
    solution("7.3")
    out = capsys.readouterr().out
    assert "Hint 2 of 3" in out
    assert "Hint 3" not in out
    assert "```" not in out
    assert "as your teacher has decided" in out


def test_every_lesson_with_checks_has_all_its_words() -> None:
    for file in sorted(Path(checks.__file__).parent.glob("lesson_*.py")):
        asked = [key for key in texts(file.stem) if key.partition(".")[2]]
        module = importlib.import_module(f"{checks.__name__}.{file.stem}")
        logic = [name for name in vars(module) if re.fullmatch(r"exercise_\d", name)]
        if asked:  # else it is a part of a lesson's
            assert len(asked) == len(logic)
        for key in asked:
            assert exercise(key).names
            assert len(exercise(key).hints) == 3
    assert picture_text("4.diagram").startswith("The generator")


# --- in a kernel ----------------------------------------------------------------------------------


def ran(*sources: str) -> NotebookNode:
    """Run cells in a kernel, those with a check tagged as in the course."""
    cells = [new_code_cell(source) for source in (IMPORTS, *sources)]
    for cell in cells:
        if cell.source.startswith("check("):
            cell.metadata["tags"] = ["raises-exception"]
    notebook = new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return notebook


def test_a_failed_check_shows_a_box_and_lends_the_labs_own() -> None:
    notebook = ran(
        'open_now = set_up("07_losses", version="0.1.0")\nimport torch',
        WRONG_SIGN,
        'check("7.3", generator_hinge)',
        "print(generator_hinge(torch.ones(2)).item())",
        'check("7.3", generator_hinge)',
        WRONG_SIGN.replace("return ", "return -"),
        'check("7.3", generator_hinge)',
        'check("7.2", discriminator_hinge)',
    )
    failed, goes_on, lent, _, right, unanswered = notebook.cells[3:]
    box, error = failed.outputs
    assert "<strong>Exercise 7.3: not yet.</strong> -0.125 is the mean" in box.data["text/html"]
    assert (
        "In its place there is now the lab's own <code>generator_hinge</code>"
        in box.data["text/html"]
    )
    assert "In its place there is now the lab's own generator_hinge" in box.data["text/plain"]
    assert error.ename == "NotYet"
    assert error.evalue.startswith("-0.125 is the mean")
    assert error.traceback == ["Exercise 7.3: not yet. The box above says why."]
    assert goes_on.outputs[0].text == "-1.0\n"
    assert "stands the lab's own" in lent.outputs[-1].evalue  # and earns nothing
    assert right.outputs[0].text.startswith("Right")
    assert unanswered.outputs[-1].evalue.startswith("The three dots are still there")


def test_a_right_part_of_an_answer_stays() -> None:
    right, _, _ = checks.exercise("10.2").solution.partition("seems = {}")
    notebook = ran(
        'open_now = set_up("10_evaluation", version="0.1.0")\n'
        "from slae_lib.course.checks.lesson_10_truth import faces_features, orders\n"
        "from slae_lib.evaluation import frechet_distance\n"
        'features, ORDERS = {"faces": faces_features()}, orders()',
        f"{right}mine = same_set_distance\nseems = {{5: ..., 10: ..., 20: ..., 46: ...}}",
        'check("10.2", same_set_distance, seems)',
        "print(same_set_distance is mine, round(seems[46]))",
        'check("10.2", same_set_distance, seems)',
        "print(same_set_distance is mine)",
        "for count in seems:\n    seems[count] = float(str(seems[count]))",
        'check("10.2", same_set_distance, seems)',
    )
    failed, stays, again, still, _, measured = notebook.cells[3:]
    assert "the lab's own seems," in failed.outputs[0].data["text/plain"]
    assert stays.outputs[0].text == "True 74\n"
    assert "Under seems stands the lab's own" in again.outputs[0].data["text/plain"]
    assert "the lab's own seems," in again.outputs[0].data["text/plain"]
    assert still.outputs[0].text == "True\n"
    assert measured.outputs[0].text.startswith("Right")


def test_a_lent_table_is_the_students_once_all_its_values_are() -> None:
    table = {"pixels": {"copy": 0.5, "moved": 0.25}}
    lent.lend({"caught": table, "share": 0.5})
    for kind, value in list(table["pixels"].items()):
        assert lent.is_lent(table)
        table["pixels"][kind] = float(str(value))  # the same number, measured anew
    assert not lent.is_lent(table)


def test_the_numbers_are_replaced_where_the_function_is_right() -> None:
    names: dict[str, Any] = {"cut": None, "whole": None, "first": None}
    exec(exercise("4.8").solution.partition("reaches = {")[0], names)
    cases = ["corner, no links", "(1, 1), no links", "corner, with links"]
    refused = judge("4.8", names["reach"], dict.fromkeys(cases, ...))
    assert isinstance(refused, Refused)
    assert (refused.cause, refused.values["wrong"]) == ("unmeasured", ["reaches"])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return helper(fake)", "The name helper is not there. If you have not mistyped it,"),
        ("if fake is None: loss = 0\n    return loss", "loss has no value yet where it is used."),
    ],
)
def test_a_name_without_a_value_is_told_with_what_to_do(body: str, words: str) -> None:
    names: dict[str, Any] = {}
    exec(f"def generator_hinge(fake):\n    {body}", names)
    refused = judge("7.3", names["generator_hinge"])
    assert isinstance(refused, Refused)
    assert words in exercise("7.3").sentence(refused)


def test_code_in_a_sentence_stays_as_it_is_in_another_language(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLAE_LANGUAGE", "zh")
    refused = judge("4.7", lambda network, maps: network.to_image(maps))
    assert isinstance(refused, Refused)
    assert "network.to_image" in exercise("4.7").sentence(refused)
    refused = judge("7.3", lambda fake: helper(fake))  # type: ignore[name-defined]  # noqa: F821
    assert isinstance(refused, Refused)
    assert exercise("7.3").sentence(refused).endswith("运行一遍。")


def test_a_search_may_copy_the_generator_first() -> None:
    def keep_better(best: Any, images: Any, far: Any, made: Any) -> None:
        better = far.detach() < best
        best[better], images[better] = far.detach()[better], made.detach()[better]

    names: dict[str, Any] = {"torch": torch, "copy": copy, "keep_better": keep_better}
    copies = "generator = copy.deepcopy(generator).eval().requires_grad_(False)\n    noise = noise"
    exec(checks.exercise("10.7").solution.replace("noise = noise", copies, 1), names)
    assert checks.judge("10.7", names["back_track"]) == {}


def test_nbval_sees_a_failure_behind_the_tag(tmp_path: Path) -> None:
    right = ran(WRONG_SIGN.replace("return ", "return -"), 'check("7.3", generator_hinge)')
    wrong = nbformat.from_dict(right)
    path = tmp_path / "stored.ipynb"
    codes = []
    for source in (right.cells[1].source, WRONG_SIGN):
        wrong.cells[1].source = source
        nbformat.write(wrong, path)
        command = [sys.executable, "-m", "pytest", "-q", "--nbval", "--nbval-current-env"]
        command += ["-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(tmp_path)]
        done = subprocess.run([*command, str(path)], capture_output=True, text=True, cwd=tmp_path)
        codes.append(done.returncode)
    assert codes == [0, 1], done.stdout


def test_what_has_not_been_run_yet_is_told_in_a_sentence() -> None:
    notebook = new_notebook(
        cells=[
            new_code_cell(source)
            for source in (
                f'{IMPORTS}\nopen_now = set_up("07_losses", version="0.1.0")',
                "generator_hinge(1)",
                "sum(generator_hinge)",
                "generator_hinge[0]",
                "generator_hinge.items()",
                "prnt(1)",
                "generator_hinge",
            )
        ]
    )
    NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True).execute()
    _, *opened, mistyped, looked_at = notebook.cells
    for cell in opened:
        (error,) = cell.outputs
        assert error.ename == "NotYet"
        assert "Exercise 7.3 has no answer yet" in "\n".join(error.traceback)
    error, words = mistyped.outputs
    assert error.ename == "NameError"
    assert words.text.startswith("The name prnt is not there.")
    assert looked_at.outputs[0].output_type == "execute_result"


def test_a_verdict_of_lesson_8_may_be_a_tensor() -> None:
    def beyond_luck(hinges: dict[int, list[float]], one: int, other: int) -> torch.Tensor:
        a, b = torch.tensor(hinges[one]), torch.tensor(hinges[other])
        luck = torch.maximum((a[0] - a[1]).abs(), (b[0] - b[1]).abs())
        return (a.mean() - b.mean()).abs() > luck

    assert judge("8.8", beyond_luck) == {}
