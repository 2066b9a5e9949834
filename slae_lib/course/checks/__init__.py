"""Exercises: checks that name the cause, hints in three steps, and the lab's own answers.

An exercise is a number such as "4.1" and stands in two files. `texts/lesson_04.toml` has its
words: the names that it answers under, what is said for each cause of a wrong answer, three hints
and the lab's own solution. `checks/lesson_04.py` has its logic: `exercise_1(answer, ...)`, which
raises `Refused(cause, ...)` and may return values for the sentence that says "Right".

A student is never stopped: a check that fails puts the lab's own under the exercise's names, says
so, and then raises. What was lent in that way is refused by the check itself.
"""

import importlib
import linecache
import os
import traceback
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch

from slae_lib.course.checks.base import Refused
from slae_lib.course.texts import as_html, as_plain, texts
from slae_lib.support.language import lang_attribute, said

__all__ = ["NotYet", "check", "hint", "judge", "open_exercises", "predict", "solution"]

_lent: dict[str, object] = {}  # name to the lab's own that stands there
_asked: Counter[str] = Counter()  # exercise to the hints that were given
_guesses: dict[str, str] = {}
_closed = False  # whether solutions are left out


@dataclass(frozen=True)
class Exercise:
    """The words of one exercise.

    Attributes:
        key: its number, such as ``"4.1"``.
        names: what it answers under, and what its check is given, in this order.
        right: what is said of a right answer.
        says: cause to sentence.
        hints: a nudge, the formula, the code.
        solution: the lab's own, as in the notebook.
    """

    key: str
    names: list[str]
    right: str
    says: dict[str, str]
    hints: list[str]
    solution: str

    def sentence(self, refused: Refused) -> str:
        """Return why an answer was refused, with the student's own values."""
        sentence = {**_general()["says"], **self.says}[refused.cause]
        return sentence.format(**{"key": self.key, **spoken(refused.values)})


def spoken(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a sentence with its words in the language that is spoken."""
    return {name: said(each) if isinstance(each, str) else each for name, each in values.items()}


class NotYet(AssertionError):
    """An exercise's answer is missing or wrong; the text says why, and what stands in its place.

    Args:
        key: of the exercise.
        text: says why.
        boxed: whether a box above says it already.
    """

    def __init__(self, key: str, text: str, *, boxed: bool = False) -> None:
        super().__init__(text)
        self.key = key
        self.boxed = boxed

    def _render_traceback_(self) -> list[str]:  # IPython shows this in place of a traceback
        return [_general()["short"].format(key=self.key) if self.boxed else str(self)]


class Open:
    """Stands under the names of an exercise until its cell has run."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, *_: object, **__: object) -> None:
        """Say which exercise is missing.

        Raises:
            NotYet: always.
        """
        raise NotYet(self.key, _general()["says"]["run_check"].format(key=self.key))

    def __getattr__(self, name: str) -> None:
        if name.startswith("_"):  # what IPython and Python ask of everything
            raise AttributeError(name)
        self()

    __getitem__ = __iter__ = __call__


def check(key: str, *answers: object) -> None:
    """Check the answer to an exercise, and say what is wrong with it, or that it is right.

    Args:
        key: of the exercise, such as ``"4.1"``.
        answers: what stands under its names.

    Raises:
        NotYet: if it is not right. The lab's own stands under the names of the exercise then.
    """
    asked = exercise(key)
    verdict = judge(key, *answers)
    if not isinstance(verdict, Refused):
        print(asked.right.format(**spoken(verdict)))
        predict(key)
        return
    why = asked.sentence(verdict)
    wrong = verdict.values.get("wrong", asked.names)
    then = [_lend(asked, wrong), _general()["stuck"].format(key=key)]
    _show_box(_general()["not_yet"].format(key=key), why, then)
    raise NotYet(key, as_plain("\n".join([why, *then])), boxed=True)


def judge(key: str, *answers: object) -> dict[str, Any] | Refused:
    """Return why an answer is refused, or the values to tell of a right one.

    The random numbers are left as they were.
    """
    number, _, place = key.partition(".")
    lesson = importlib.import_module(f"{__name__}.lesson_{int(number):02}")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        try:
            pairs = zip(exercise(key).names, answers, strict=True)
            lent = [name for name, answer in pairs if any(answer is v for v in _lent.values())]
            if lent:
                raise Refused("lent", wrong=lent)
            dots = [answer is ... or isinstance(answer, Open) for answer in answers]
            if any(dots) and not all(dots):
                names = [
                    name for name, is_open in zip(exercise(key).names, dots, strict=True) if is_open
                ]
                raise Refused("open_part", names=", ".join(names))
            if any(dots):
                raise Refused("open")
            return getattr(lesson, f"exercise_{place}")(*answers) or {}
        except Refused as refused:
            return refused
        except Exception as error:
            return _stopped(error)


def hint(key: str) -> None:
    """Show the next hint to an exercise: a nudge, the formula, the code.

    Args:
        key: of the exercise, such as ``"4.1"``.
    """
    hints = exercise(key).hints
    number = min(_asked[key], len(hints))
    _asked[key] += 1
    if _closed and number >= len(hints) - 1:
        _show_markdown(_general()["closed"].format(key=key))
    elif number == len(hints):
        _show_markdown(_general()["no_more_hints"].format(key=key))
    else:
        head = _general()["hint"].format(key=key, number=number + 1, count=len(hints))
        _show_markdown(f"{head}\n\n{hints[number].strip()}")


def solution(key: str) -> None:
    """Show the lab's own answer to an exercise.

    Args:
        key: of the exercise, such as ``"4.1"``.
    """
    if _closed:
        _show_markdown(_general()["closed"].format(key=key))
        return
    code = exercise(key).solution.strip()
    _show_markdown(f"{_general()['solution'].format(key=key)}\n\n```python\n{code}\n```")


def predict(key: str, *guesses: object) -> None:
    """Note what a student expects; the first prediction counts, whatever is typed later.

    Args:
        key: of the exercise or question that answers it.
        guesses: anything, or the three dots; without any, what was noted, if so, is shown again.
    """
    guess = ", ".join(map(str, guesses))
    if not guesses:
        if key in _guesses:
            print(_general()["predicted"].format(guess=_guesses[key]))
    elif any(each is ... for each in guesses):
        print(_general()["guess_open"])
    elif _guesses.setdefault(key, guess) == guess:
        print(_general()["guess_noted"].format(guess=guess))
    else:
        print(_general()["guess_stands"].format(guess=_guesses[key]))


def open_exercises(lesson: int, *, solutions: bool = True) -> None:
    """Put a sign under the names of a lesson's exercises, for cells that come before an answer.

    Args:
        lesson: its number.
        solutions: whether a student may ask for the code of the lab's own.
    """
    global _closed
    _closed = not solutions
    shell = _shell()
    for key in texts(f"lesson_{lesson:02}"):
        if key.partition(".")[2] and shell is not None:
            for name in exercise(key).names:
                shell.user_ns.setdefault(name, Open(key))
    if shell is not None:
        shell.set_custom_exc((NameError, TypeError, AttributeError), _explained)


def _explained(shell: Any, kind: Any, error: Any, trace: Any, tb_offset: int | None = None) -> None:
    """Say of a name that is not defined, or of dots that were used, what to do."""
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
    if isinstance(error, NameError):
        print(_general()["missing"].format(name=error.name))
    elif "ellipsis" in str(error):
        print(_general()["dots"])


def exercise(key: str) -> Exercise:
    """Return the words of an exercise.

    Raises:
        ValueError: if the course has no such exercise.
    """
    number = key.partition(".")[0]
    words = texts(f"lesson_{int(number):02}").get(key) if number.isdecimal() else None
    if words is None:
        raise ValueError(f'there is no exercise {key!r}; its number stands above it, as in "4.1".')
    return Exercise(key, **{"right": _general()["right"], "says": {}, **words})


def _general() -> dict[str, Any]:
    return texts("general")


def _shell() -> Any:
    from IPython.core.getipython import get_ipython

    return get_ipython()


def _lend(asked: Exercise, wrong: list[str]) -> str:
    """Put the lab's own under the wrong names of an exercise; return a sentence that says so."""
    shell = _shell()
    names: dict[str, Any] = {} if shell is None else shell.user_ns
    kept = {name: names[name] for name in asked.names if name in names and name not in wrong}
    try:
        exec(compile(asked.solution, f"<the lab's own {asked.key}>", "exec"), names)
    except Exception as error:  # what it builds on is missing
        return str(_general()["not_placed"].format(error=f"{type(error).__name__}: {error}"))
    names.update(kept)
    _lent.update({name: names[name] for name in wrong})
    listed = ", ".join(f"`{name}`" for name in wrong)
    return str(_general()["placed"].format(names=listed))


def _stopped(error: Exception) -> Refused:
    """Return what to say of an answer that raises, with the student's own line if it is known."""
    words = (str(error).strip().splitlines() or [""])[0]
    told = {"kind": type(error).__name__, "said": words if words.endswith(".") else f"{words}."}
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        line = linecache.getline(frame.filename, frame.lineno or 0).strip()
        if line and not os.path.exists(frame.filename):  # a cell is no file
            return Refused("stops_at", line=line, **told)
    return Refused("stops", **told)


def _show_box(head: str, why: str, then: list[str]) -> None:
    """Show a coloured box, with the same as plain text for where no HTML is shown."""
    style = "border-left: 0.4em solid #d55e00; background: #d55e0022; padding: 0.2em 1em"
    small = "".join(f"<p><small>{as_html(line)}</small></p>" for line in then)
    body = f"<p><strong>{as_html(head)}</strong> {as_html(why)}</p>{small}"
    _display(
        {"text/html": f'<div{lang_attribute()} style="{style}">{body}</div>'},
        as_plain("\n".join([f"{head} {why}", *then])),
    )


def _show_markdown(text: str) -> None:
    _display({"text/markdown": text}, text)


def _display(rich: dict[str, str], plain: str) -> None:
    from IPython.display import display

    if _shell() is None:
        print(plain)
    else:
        display({**rich, "text/plain": plain}, raw=True)  # type: ignore[no-untyped-call]
