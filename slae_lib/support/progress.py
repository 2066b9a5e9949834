"""Progress bars of `tqdm`, as a terminal, a notebook and a log file want them."""

import shutil
import sys
from typing import Any

from tqdm.auto import tqdm

LOG_SECONDS = 30
"""In a log file every update stays, so they come seldom, each in a line of its own."""


class _Lines:
    """A log file in which a bar begins a new line where a terminal would write over the old."""

    def write(self, text: str) -> None:
        sys.stderr.write(text.replace("\r", "\n"))

    def flush(self) -> None:
        sys.stderr.flush()


def in_a_file() -> bool:
    """Return whether what is written stays, since it goes neither to a terminal nor a notebook."""
    return not sys.stderr.isatty() and "ipykernel" not in sys.modules


def progress_bar(*args: Any, **options: Any) -> Any:
    """Return a bar of `tqdm`, with its arguments."""
    if in_a_file():
        options = {"mininterval": LOG_SECONDS, "file": _Lines(), **options}
    return tqdm(*args, **options)


def fitting(facts: dict[str, str]) -> dict[str, str]:
    """Return the first of ``facts`` that fit behind a bar, which itself wants half of a line."""
    if in_a_file() or "ipykernel" in sys.modules:
        return facts
    room = shutil.get_terminal_size().columns - 60
    shown: dict[str, str] = {}
    for name, value in facts.items():
        room -= len(f", {name}={value}")
        if room < 0:
            break
        shown[name] = value
    return shown
