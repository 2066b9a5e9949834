"""One look for all figures, whatever the user's matplotlib is set to, and any text in them.

Names of folders and people's data sets are drawn as they are: `$` and `_` are no mathematics, a
character that the usual font lacks is taken from another font, and one that no font has is escaped.
Words are those of the language that is spoken, if some font has its letters.
"""

import contextlib
import functools
import logging
from collections.abc import Callable, Iterator
from typing import IO, Any, ParamSpec

import matplotlib
from matplotlib.category import StrCategoryFormatter
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, fontManager, get_font
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, Formatter, FuncFormatter

from slae_lib.support.language import said

Arguments = ParamSpec("Arguments")
_NAMING = FixedFormatter, FuncFormatter, StrCategoryFormatter  # what writes words at ticks


@contextlib.contextmanager
def own_style() -> Iterator[None]:
    """Set matplotlib to its defaults for a while: no style, no ``matplotlibrc``, no LaTeX.

    Nor does it say that a font of another script has no regular weight.
    """
    log = logging.getLogger("matplotlib.font_manager")
    level = log.level
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            log.setLevel(level)


def in_own_style(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Let a function draw its figure in `own_style`, every text of it readable."""

    @functools.wraps(draw)
    def drawing(*args: Arguments.args, **options: Arguments.kwargs) -> Figure:
        with own_style():
            return readable(draw(*args, **options))

    return drawing


def save_figure(figure: Figure, file: Any | IO[bytes], **options: Any) -> None:
    """Write a figure as a PNG, in `own_style`; ``options`` go to `Figure.savefig`."""
    with own_style():
        figure.savefig(file, format="png", **options)


def readable(figure: Figure) -> Figure:
    """Give each text of a figure the fonts that it needs, and escape what no font has.

    None is read as mathematics but the numbers that matplotlib itself writes at the ticks.
    """
    named = {
        axis
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        if isinstance(axis.get_major_formatter(), _NAMING)
    }
    for axis in named:
        axis.set_major_formatter(_Said(axis.get_major_formatter()))
        axis.get_ticklabels()  # writes them, so that they get their fonts below
    numbers = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        if axis not in named
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        for label in (tick.label1, tick.label2)
    }
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_parse_math(text in numbers)
        text.set_text(spoken(text.get_text()))
        usual = _characters(findfont(text.get_fontproperties()))
        missing = {ord(letter) for letter in text.get_text()} - usual - {ord("\n")}
        if not missing:
            continue
        # Some fonts draw even what is no letter, such as a bell.
        found = {c: _font_with(c) if chr(c).isprintable() else None for c in missing}
        fonts = dict.fromkeys(font for font in found.values() if font)
        text.set_fontfamily([*text.get_fontfamily(), *fonts])
        text.set_text(
            "".join(
                letter if found.get(ord(letter), "usual") else escaped(letter)
                for letter in text.get_text()
            )
        )
    return figure


def spoken(phrase: str) -> str:
    """Return a phrase in the language that is spoken; in English where no font has its letters."""
    if (other := said(phrase)) == phrase:
        return phrase
    usual = _characters(findfont("DejaVu Sans"))
    letters = {ord(letter) for letter in other} - usual - {ord("\n")}
    return other if all(_font_with(letter) for letter in letters) else phrase


class _Said(FixedFormatter):
    """Names at the ticks, in the language that is spoken."""

    def __init__(self, names: Formatter) -> None:
        super().__init__([])
        self.names = names

    def __call__(self, value: float, position: int | None = None) -> str:
        return spoken(self.names(value, position))


def escaped(letter: str) -> str:
    r"""Return a character in ASCII: ``\u4e2d``, or ``\xff`` for a byte that was no text."""
    code = ord(letter)
    byte = 0xDC80 <= code <= 0xDCFF  # how Python keeps such bytes of file names
    return f"\\x{code - 0xDC00:02x}" if byte else letter.encode("unicode_escape").decode("ascii")


@functools.cache
def _font_with(code: int) -> str | None:
    """Return the name of an installed font that has a character."""
    for font in sorted(fontManager.ttflist, key=lambda font: (font.weight != 400, font.name)):
        drawn_in_lines = "Emoji" not in font.name and "Last Resort" not in font.name
        if drawn_in_lines and code in _characters(font.fname):
            return font.name
    return None


@functools.cache
def _characters(path: str) -> frozenset[int]:
    try:
        return frozenset(get_font(path).get_charmap())
    except (OSError, RuntimeError):  # a font that was removed, or is damaged
        return frozenset()
