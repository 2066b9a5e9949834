"""With which versions each lesson last passed: passed.json, and the same in notebooks/README.md."""

import datetime
import json
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import Any

from slae_lib.course.lessons import LESSONS

STORED = Path(__file__).with_name("passed.json")
LISTING = Path(__file__).parents[2] / "notebooks" / "README.md"
TOLD = re.compile(r"(?<=<!-- passed -->\n)[\s\S]*?(?=\n<!-- /passed -->)")
COLUMNS = {"date": "day", "python": "Python", "torch": "PyTorch", "torchvision": "torchvision"}


def stored() -> dict[str, dict[str, Any]]:
    """Return day, versions and seconds by the name of the lesson."""
    return dict(json.loads(STORED.read_text("utf-8")))


def record(name: str, seconds: list[float]) -> None:
    """Store that a lesson passed just now, and tell it in the listing."""
    versions = {package: metadata.version(package) for package in ("torch", "torchvision")}
    day = str(datetime.datetime.now(datetime.UTC).date())
    now = {"date": day, "python": platform.python_version(), **versions, "seconds": seconds}
    lessons = dict(sorted((stored() | {name: now}).items()))
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in lessons.items()]
    STORED.write_text("{\n  " + ",\n  ".join(lines) + "\n}\n", encoding="utf-8", newline="\n")
    text = TOLD.sub(lambda _: in_words(lessons), LISTING.read_text("utf-8"))
    LISTING.write_text(text, encoding="utf-8", newline="\n")


def in_words(lessons: dict[str, dict[str, Any]]) -> str:
    """Return one line if all lessons passed on one day with the same versions, or a table."""
    names = [lesson.name for lesson in LESSONS]
    rows = [[str(lessons.get(name, {}).get(key, "–")) for key in COLUMNS] for name in names]
    if all(row == rows[0] for row in rows) and lessons:
        day, python, torch, torchvision = rows[0]
        return (
            f"All passed on {day} with Python {python}, PyTorch {torch} and torchvision "
            f"{torchvision}."
        )
    told = [[f"lesson {name[:2]}", *row] for name, row in zip(names, rows, strict=True)]
    head = ["passed", *COLUMNS.values()]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *told])
