"""Exam questions whose numbers come from a teacher's seed and whose answers are computed.

`lesson_NN.py` holds the three questions of a lesson: each draws its numbers and has its answer
computed by the lab. Their words stand in `texts/exam_NN.toml`.
"""

import importlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slae_lib.course.exams.base import Question, Values
from slae_lib.course.lessons import LESSONS
from slae_lib.course.texts import texts
from slae_lib.support.errors import UsageError
from slae_lib.support.files import atomic_write


@dataclass(frozen=True)
class Asked:
    """A question with its numbers.

    Attributes:
        key: lesson and place, such as ``"2.1"``.
        text: in Markdown.
        answer: in Markdown.
    """

    key: str
    text: str
    answer: str


def drawn(seed: str, lesson: int, place: int) -> Values:
    """Return the numbers of a question and of its answer.

    Args:
        seed: any text; the same gives the same numbers, whatever else is asked.
        lesson: its number.
        place: of the question, 1 to 3.
    """
    module = importlib.import_module(f"slae_lib.course.exams.lesson_{lesson:02}")
    question: Question = module.QUESTIONS[place - 1]
    return question(random.Random(f"{seed} {lesson}.{place}"))


def asked(seed: str, lesson: int) -> list[Asked]:
    """Return the three questions of a lesson with their numbers; ``seed`` as for `drawn`."""
    said = []
    for place in (1, 2, 3):
        key = f"{lesson}.{place}"
        words = texts(f"exam_{lesson:02}")[key]
        named = words.get("words", {})  # what is an answer and no number, in this language
        values = {
            name: named.get(value, value) if isinstance(value, str) else value
            for name, value in drawn(seed, lesson, place).items()
        }
        text, answer = (words[part].strip().format(**values) for part in ("text", "answer"))
        said.append(Asked(key, text, answer))
    return said


def write_exam(seed: str, lessons: Sequence[int | str], out: Path) -> list[Path]:
    """Write a sheet of questions, three for each lesson, and beside it their answers.

    The sheet does not tell the seed, with which anybody could compute the answers.

    Args:
        seed: as for `drawn`.
        lessons: their numbers, also as text.
        out: the sheet, in Markdown; the answers get its name with ``-answers``.

    Returns:
        Both files.

    Raises:
        UsageError: if there is no such lesson, or a file is there already.
        LabError: if the files cannot be written.
    """
    known = {f"{number}": number for number in range(len(LESSONS))}
    known |= {f"{number:02}": number for number in range(len(LESSONS))}
    unknown = [it for it in lessons if str(it) not in known]
    if unknown or not lessons:
        named = f"There is no lesson {unknown[0]}" if unknown else "No lesson is named"
        raise UsageError(f"{named}; name some of 0 to {len(LESSONS) - 1}.")
    answers = out.with_name(f"{out.stem}-answers{out.suffix}")
    for path in (out, answers):
        if path.exists():
            raise UsageError(f"{path} is there already; name another file.")
    words = texts("exam")
    sheet, key = [words["sheet"]], [words["key"].format(seed=seed)]
    for number in dict.fromkeys(known[str(it)] for it in lessons):
        for part in (sheet, key):
            part.append(f"## {number:02} {LESSONS[number].title}")
        for question in asked(seed, number):
            sheet.append(f"**{question.key}** {question.text}")
            key.append(f"**{question.key}** {question.answer}")
    for path, parts in ((out, sheet), (answers, key)):
        with atomic_write(path) as file:
            file.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")
    return [out, answers]
