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
import re
import traceback
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from slae_lib.course.checks.base import Refused
from slae_lib.course.checks.boxes import shell, show_box, show_markdown
from slae_lib.course.checks.lent import is_lent, lend
from slae_lib.course.texts import as_plain, texts
from slae_lib.support.language import language, phrases, said

__all__ = ["NotYet", "check", "hint", "judge", "open_exercises", "predict", "solution"]

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
    """Return the values of a sentence, those that are words in the language that is spoken.

    Others may be names in code: so only what stands in its ``figures_checks.toml`` is a word.
    """
    known = phrases(language(), "checks").keys()
    return {
        name: said(each) if isinstance(each, str) and {*each.split(", ")} <= known else each
        for name, each in values.items()
    }


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
    show_box(_general()["not_yet"].format(key=key), why, then)
    raise NotYet(key, as_plain("\n".join([why, *then])), boxed=True)


def judge(key: str, *answers: object) -> dict[str, Any] | Refused:
    """Return why an answer is refused, or the values to tell of a right one.

    The random numbers are left as they were.
    """
    number, _, place = key.partition(".")
    lesson = importlib.import_module(f"{__name__}.lesson_{int(number):02}")
    asked, given = exercise(key), dict[str, object]()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        try:
            given = dict(zip(asked.names, answers, strict=True))
            if lent := [name for name, answer in given.items() if is_lent(answer)]:
                raise Refused("lent", wrong=lent, names=_listed(lent))
            dots = [name for name, it in given.items() if it is ... or isinstance(it, Open)]
            if dots:
                cause = "open" if len(dots) == len(given) else "open_part"
                raise Refused(cause, names=", ".join(dots))
            return getattr(lesson, f"exercise_{place}")(*answers) or {}
        except Refused as refused:
            return refused
        except Exception as error:
            return _stopped(error, asked, given)


def hint(key: str) -> None:
    """Show the next hint to an exercise: a nudge, the formula, the code.

    Args:
        key: of the exercise, such as ``"4.1"``.
    """
    hints = exercise(key).hints
    number = min(_asked[key], len(hints))
    _asked[key] += 1
    if _closed and number >= len(hints) - 1:
        show_markdown(_general()["closed"].format(key=key))
    elif number == len(hints):
        show_markdown(_general()["no_more_hints"].format(key=key))
    else:
        head = _general()["hint"].format(key=key, number=number + 1, count=len(hints))
        show_markdown(f"{head}\n\n{hints[number].strip()}")


def solution(key: str) -> None:
    """Show the lab's own answer to an exercise.

    Args:
        key: of the exercise, such as ``"4.1"``.
    """
    if _closed:
        show_markdown(_general()["closed"].format(key=key))
        return
    code = exercise(key).solution.strip()
    show_markdown(f"{_general()['solution'].format(key=key)}\n\n```python\n{code}\n```")


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
    notebook = shell()
    for key in texts(f"lesson_{lesson:02}"):
        if key.partition(".")[2] and notebook is not None:
            for name in exercise(key).names:
                notebook.user_ns.setdefault(name, Open(key))
    if notebook is not None:
        notebook.set_custom_exc((NameError, TypeError, AttributeError), _explained)


def _explained(ipython: Any, kind: Any, error: Any, trace: Any, tb_offset: Any = None) -> None:
    """Say of a name that is not defined, or of dots that were used, what to do."""
    ipython.showtraceback((kind, error, trace), tb_offset=tb_offset)
    if isinstance(error, NameError):
        print(_without_value(error))
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


def _lend(asked: Exercise, wrong: list[str]) -> str:
    """Put the lab's own under the wrong names of an exercise; return a sentence that says so."""
    notebook = shell()
    names: dict[str, Any] = {} if notebook is None else notebook.user_ns
    kept = {name: names[name] for name in asked.names if name in names and name not in wrong}
    try:
        exec(compile(asked.solution, f"<the lab's own {asked.key}>", "exec"), names)
    except Exception as error:  # what it builds on is missing
        return str(_general()["not_placed"].format(error=f"{type(error).__name__}: {error}"))
    names.update(kept)
    lend({name: names[name] for name in wrong})
    return str(_general()["placed"].format(names=_listed(wrong)))


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _stopped(error: Exception, asked: Exercise, given: dict[str, object]) -> Refused:
    """Return what to say of an answer that raises, with the student's own line if it is known."""
    for name, answer in given.items():
        is_made = isinstance(answer, nn.Module) and isinstance(error, TypeError | AttributeError)
        if is_made and re.search(rf"^(def|class) {name}\b", asked.solution, re.MULTILINE):
            return Refused("made", name=name, found=type(answer).__name__)
    words = (str(error).strip().splitlines() or [""])[0]
    words = words if words.endswith(".") else f"{words}."
    words = _without_value(error) if isinstance(error, NameError) else words
    told = {"kind": type(error).__name__, "said": words}
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        line = linecache.getline(frame.filename, frame.lineno or 0).strip()
        if line and not os.path.exists(frame.filename):  # a cell is no file
            return Refused("stops_at", line=line, **told)
    return Refused("stops", **told)


def _without_value(error: NameError) -> str:
    """Return what to do about a name that has no value, in the notebook or in a function."""
    name = re.sub(r".*?'(\w+)'.*", r"\1", str(error))  # Python keeps only the notebook's apart
    kind = "unbound" if isinstance(error, UnboundLocalError) else "missing"
    return str(_general()[kind].format(name=name))
