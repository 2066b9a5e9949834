"""The slides in a browser: nothing is fetched, nothing is cut, and no solution is shown."""

import importlib
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from browser_session import ROOT, browser

from slae_lib.course.lessons import LESSONS

SHORT = LESSONS[2].name
SIZES = """() => Reveal.getSlides().map(slide => {
    const {h, v} = Reveal.getIndices(slide);
    Reveal.slide(h, v);
    const pictures = [...slide.querySelectorAll("img")];
    return {
        place: `${h}.${v}`,
        words: slide.innerText,
        cut: slide.scrollHeight > 720 || slide.scrollWidth > 1280,
        small: parseFloat(getComputedStyle(slide).fontSize) < 16,
        empty: !slide.innerText.trim() && !pictures.some(it => it.offsetHeight > 100 && it.alt),
    };
})"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The part of the book that the slides are and need."""
    if shutil.which("npm") is None:
        pytest.skip("npm, which brings KaTeX and reveal.js, is not installed")
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(ROOT / "notebooks" / "book")
        build = importlib.import_module("build")
        build.fetch_katex(ROOT / "build" / "npm", folder / "_static" / "katex")
        build.slides(folder)
    shutil.copy(ROOT / "data" / "fluent_faces" / "1f60a.webp", folder / "_static" / "face.webp")
    return folder


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(lesson.name, marks=[] if lesson.name == SHORT else pytest.mark.long)
        for lesson in LESSONS
    ],
)
def test_slides_are_whole_and_ask_for_nothing(name: str, site: Path) -> None:
    asked: list[str] = []
    console: list[str] = []
    with browser() as page:
        page.route(re.compile("^(?!file:|data:)"), lambda route: asked.append(route.request.url))
        page.on("console", lambda told: told.type == "error" and console.append(told.text))
        page.on("pageerror", lambda error: console.append(str(error)))
        page.goto((site / "slides" / f"{name}.html").as_uri())
        page.wait_for_function("Reveal.isReady()", timeout=60_000)
        slides: list[dict[str, Any]] = page.evaluate(SIZES)
        formulas = page.locator(".katex").count()
    assert console == []
    assert asked == []
    assert len(slides) >= 20
    for fault in ("cut", "small", "empty"):
        assert [slide["place"] for slide in slides if slide[fault]] == [], fault
    words = "\n".join(slide["words"] for slide in slides)
    work = r'^check\("|set_up\(|BEGIN SOLUTION|BEGIN HIDDEN|No prediction yet|\$\$'
    assert not re.search(work, words, re.MULTILINE)
    if name == SHORT:
        assert formulas > 5
        assert "maximum = features.amax" not in words
        assert "Exercise 2.1 · Pool over the channels" in words
