"""What the course says, apart from the code: one TOML file for each lesson, and `general.toml`.

`lesson_NN.toml` holds a table for each exercise, such as ``["4.1"]``, and ``[pictures]``, the
descriptions of the lesson's figures. A folder such as ``zh/`` holds the same in another language,
key by key, and in ``figures_*.toml`` phrases that are looked up by their English ones (see
`support.language`).
"""

import functools
import html
import re
import tomllib
from importlib import resources
from typing import Any

from slae_lib.support.language import language

_MARKED = re.compile(r"`([^`]+)`|(?<![\w*])\*(?=[^\s*])([^*`]*[^\s*`])\*(?![\w*])", re.ASCII)
"""Code between backticks, and emphasis between stars; a star within code is neither.

Stars stand free between letters of other scripts, which have no spaces: hence the ASCII."""


def texts(name: str) -> dict[str, Any]:
    """Return a file of texts, such as ``"lesson_04"`` or ``"general"``; empty if there is none.

    It is in the language that is spoken; what has no words in it is in English.
    """
    return texts_in(language(), name)


@functools.cache
def texts_in(into: str, name: str) -> dict[str, Any]:
    """Return a file of texts in a language, as `texts` does in the one that is spoken."""
    if into == "en":
        return stored_texts(name)
    return _merged(stored_texts(name), stored_texts(f"{into}/{name}"))


def stored_texts(place: str) -> dict[str, Any]:
    """Return a file of texts as it is stored, such as ``"zh/lesson_04"``."""
    file = resources.files(__name__) / f"{place}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _merged(english: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return english | {
        key: _merged(english.get(key, {}), value) if isinstance(value, dict) else value
        for key, value in other.items()
    }


def picture_text(key: str) -> str:
    """Return the description of a figure of a lesson.

    Args:
        key: lesson and name, such as ``"4.diagram"``.

    Raises:
        KeyError: if the lesson has no figure of this name.
    """
    lesson, name = key.split(".")
    described: str = texts(f"lesson_{int(lesson):02}")["pictures"][name]
    return described


def as_html(text: str) -> str:
    """Return a sentence with its `code` and its *emphasis* as HTML has them."""

    def tagged(found: re.Match[str]) -> str:
        return f"<code>{found[1]}</code>" if found[1] else f"<em>{found[2]}</em>"

    return _MARKED.sub(tagged, html.escape(text, quote=False))


def as_plain(text: str) -> str:
    """Return a sentence without the marks around its `code` and its *emphasis*."""
    return _MARKED.sub(lambda found: found[1] or found[2], text)
