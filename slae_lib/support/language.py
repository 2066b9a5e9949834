"""The language in which the course speaks: English, or another that has words for it.

English stands in the code. The others are tables of phrases in ``course/texts/LANGUAGE/``, which
are looked up where a phrase is shown: in figures, on the stage, in what a check says. So no code
has to know of them, and what has no phrase is shown in English. (`gettext` would do the same with
a call around each phrase of the code; whole texts of the course are keyed, not looked up.)
"""

import contextlib
import functools
import os
import re
import tomllib
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "course" / "texts"
PLACE = re.compile(r"\{(\d)\}")
MARK = ".slae-language"
"""A file of this name beside notebooks says which language they are in."""


def language() -> str:
    """Return ``SLAE_LANGUAGE`` of the environment, or what the notebooks' folder says, or "en"."""
    told = os.environ.get("SLAE_LANGUAGE", "")
    if not told:
        with contextlib.suppress(OSError):  # there is none, or it cannot be read
            told = Path(MARK).read_text("utf-8", errors="replace").strip()
    return told if told in languages() else "en"


@functools.cache
def languages() -> tuple[str, ...]:
    """Return all languages but English."""
    return tuple(sorted(file.parent.name for file in FOLDER.glob("*/general.toml")))


def lang_attribute() -> str:
    """Return the attribute that tells a screen reader how to read an HTML element, if any."""
    return "" if language() == "en" else f' lang="{language()}"'


@functools.cache
def phrases(into: str, part: str = "*") -> dict[str, str]:
    """Return phrases of a language: English to its own; a number in braces is a place.

    Args:
        into: the language.
        part: what follows ``figures_`` in the file's name; all files when not given.
    """
    found: dict[str, str] = {}
    for file in sorted((FOLDER / into).glob(f"figures_{part}.toml")):
        found |= tomllib.loads(file.read_text(encoding="utf-8"))
    return found


def said(phrase: str, into: str | None = None) -> str:
    """Return a phrase in the language that is spoken, or as it is where there is none for it.

    Args:
        phrase: in English, such as ``"iteration 1,500"``; ``"iteration {0}"`` is looked up, too,
            and what stood in its place is put into the other language's phrase, after it has been
            looked up itself. A list such as ``"{0}, {1}"`` is one if all its parts are known.
        into: the language; the one that is spoken when not given.
    """
    into = into or language()
    return phrase if into == "en" else _said(phrase, into)


@functools.cache
def _said(phrase: str, into: str) -> str:
    if phrase in phrases(into):
        return phrases(into)[phrase]
    for pattern, other, is_list in _patterns(into):
        if (match := pattern.fullmatch(phrase)) is None:
            continue
        parts = {name[1:]: _said(part, into) for name, part in match.groupdict().items()}
        if not (is_list and any(match[f"_{place}"] == part for place, part in parts.items())):
            return "".join(
                parts.get(p, p) if i % 2 else p for i, p in enumerate(PLACE.split(other))
            )
    return phrase


@functools.cache
def _patterns(into: str) -> list[tuple[re.Pattern[str], str, bool]]:
    """Return the phrases with places: lists first, and of the others those that say most."""
    found = []
    for key, other in phrases(into).items():
        parts = PLACE.split(key)
        if len(parts) > 1:
            fixed = "".join(parts[::2])
            ready = [f"(?P<_{p}>.+?)" if i % 2 else re.escape(p) for i, p in enumerate(parts)]
            is_list = not any(map(str.isalpha, fixed))
            pattern = re.compile("".join(ready), re.DOTALL)
            found.append((pattern, other, is_list, len(fixed)))
    found.sort(key=lambda row: (not row[2], -row[3]))
    return [row[:3] for row in found]
