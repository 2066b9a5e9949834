"""Figures look the same whatever the user's matplotlib is set to, and hold any text."""

import importlib
import io
import pkgutil
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text

import slae_lib
from slae_lib.plotting import history_figure, samples_figure
from slae_lib.plotting.style import escaped, readable, save_figure

ODD_NAMES = (
    "price_$10__$20",
    "$\\frac{1}$ of {it}",
    "猫の写真 五百",
    "smile \U0001f600 and \uf8ff",
    "bytes \udcff\udc80 that are no text",
    "a bell \x07, a tab \t",
)
BUILDERS = {"new_figure", "at_width", "readable"}  # which only make or change an empty one


def figure_functions() -> Iterator[Callable[..., Figure]]:
    for module in pkgutil.walk_packages(slae_lib.__path__, "slae_lib."):
        if module.name.endswith("__main__"):
            continue
        for name, function in vars(importlib.import_module(module.name)).items():
            draws = getattr(function, "__annotations__", {}).get("return") is Figure
            own = getattr(function, "__module__", None) == module.name
            if own and draws and not name.startswith("_") and name not in BUILDERS:
                yield function


def named(title: str) -> Figure:
    images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    return samples_figure(images, images, title=title, caption=title, attribution=title)


def png(figure: Figure) -> bytes:
    file = io.BytesIO()
    save_figure(figure, file, dpi=50, metadata={"Software": None})
    return file.getvalue()


def test_every_function_that_draws_draws_in_our_style() -> None:
    functions = list(figure_functions())
    assert len(functions) > 40
    assert [it.__qualname__ for it in functions if not hasattr(it, "__wrapped__")] == []


def test_a_figure_is_written_in_one_place() -> None:
    package = Path(slae_lib.__file__).parent
    writing = [path.name for path in package.rglob("*.py") if ".savefig(" in path.read_text()]
    assert writing == ["style.py"]


def test_the_users_style_changes_no_pixel() -> None:
    numbers = ("iteration", "discriminator", "generator", "real_logits", "fake_logits")
    row = dict.fromkeys((*numbers, "reconstruction", "penalty", "diversity", "broken"), 0.5)
    usual = png(named("A title")), png(history_figure([row, row], title="A title"))
    with plt.style.context("dark_background"):
        matplotlib.rcParams.update(
            {"text.usetex": True, "font.size": 30, "savefig.facecolor": "red", "axes.grid": True}
        )
        assert png(named("A title")) == usual[0]
        assert png(history_figure([row, row], title="A title")) == usual[1]
        assert matplotlib.rcParams["text.usetex"]  # the user's own stays as it was


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_is_drawn_without_a_word(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = named(name)
        assert len(png(figure)) > 1000
    texts = [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)]
    if name.isascii() and name.isprintable():
        assert name in texts
    assert not any(re.search(r"[\udc80-\udcff\x07]", text) for text in texts)


def test_what_no_font_has_is_escaped() -> None:
    assert [escaped(it) for it in ("\udcff", "\uf8ff", "\x07")] == ["\\xff", "\\uf8ff", "\\x07"]
    figure = Figure()
    figure.text(0, 0, "a\ue0f0b")  # of the private use area
    assert readable(figure).texts[0].get_text() == "a\\ue0f0b"


def test_powers_of_ten_at_an_axis_are_still_powers() -> None:
    figure = Figure()
    axis = figure.subplots()
    axis.set(xscale="log", xlim=(1, 1e6))
    readable(figure).draw_without_rendering()  # which writes the numbers
    labels = [it for it in figure.findobj(Text) if "mathdefault" in it.get_text()]  # type: ignore[attr-defined]
    assert labels
    assert all(label.get_parse_math() for label in labels)  # type: ignore[attr-defined]
