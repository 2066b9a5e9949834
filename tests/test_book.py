"""The book: a site without a dead link, which asks no other host and shows what notebooks store."""

import base64
import functools
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from browser_session import browser

from slae_lib.course.editions import write_notebooks
from slae_lib.course.lessons import LESSONS

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "notebooks" / "book"
sys.path.insert(0, str(BOOK.parent))
import translations  # noqa: E402

STAGE = "<!doctype html><html lang='en'><title>Stage</title><h1>Here one paints</h1></html>"


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The book, built once, with a stage that is only a heading."""
    if shutil.which("npm") is None:
        pytest.skip("npm, which brings KaTeX, is not installed")
    folder = tmp_path_factory.mktemp("book")
    (folder / "page").mkdir()
    (folder / "page" / "index.html").write_text(STAGE)
    write_notebooks(folder / "zh", language="zh")  # as they are before they are run
    (folder / "zh" / translations.STAMP).write_text(translations.made_from())
    done = build(folder / "book", "--page", folder / "page", "--chinese", folder / "zh")
    assert done.returncode == 0, done.stderr  # a warning is an error
    return folder / "book"


def build(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, BOOK / "build.py", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("stamp", [None, "of another text"])
def test_chinese_lessons_of_another_checkout_are_refused(tmp_path: Path, stamp: str | None) -> None:
    write_notebooks(tmp_path / "zh", language="zh")
    if stamp:
        (tmp_path / "zh" / translations.STAMP).write_text(stamp)
    done = build(tmp_path / "book", "--chinese", tmp_path / "zh")
    assert done.returncode == 1
    assert "run `make chinese` again" in done.stderr
    assert not (tmp_path / "book").exists()


class Page(HTMLParser):
    """What a page names, leads to, loads and shows."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.alts: list[str | None] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.names |= {name for name in (told.get("id"), told.get("name")) if name}
        if tag == "a" and told.get("href"):
            self.links.append(str(told["href"]))
        rel = str(told.get("rel"))
        loads = ("src", "data", "poster") if tag != "link" or rel in {"next", "prev"} else ("href",)
        self.loads += [str(told[name]) for name in loads if told.get(name)]
        if tag == "img" and "logo" not in str(told.get("class")):  # its name stands beside it
            self.alts.append(told.get("alt"))


@pytest.fixture(scope="session")
def pages(book: Path) -> dict[Path, Page]:
    paths = [path for path in sorted(book.rglob("*.html")) if "_static" not in path.parts]
    return {path: Page(path) for path in paths}


def test_every_link_and_anchor_leads_somewhere(book: Path, pages: dict[Path, Page]) -> None:
    dead = []
    for path, page in pages.items():
        for link in page.links + page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            wrong = not target.is_file() or not target.is_relative_to(book)
            if wrong or (parts.fragment and unquote(parts.fragment) not in pages[target].names):
                dead.append((path.relative_to(book).as_posix(), link))
    assert dead == []


def test_nothing_is_loaded_from_another_host(book: Path, pages: dict[Path, Page]) -> None:
    away = re.compile(r"(?:https?:)?//")
    loads = [(path.name, load) for path, page in pages.items() for load in page.loads]
    for style in book.rglob("*.css"):
        found = re.findall(r"url\(([^)]+)\)|@import\s+([^\s;]+)", style.read_text("utf-8"))
        urls = [(one or other).strip("'\"") for one, other in found]
        loads += [(style.name, url) for url in urls]
        own = [url.split("#")[0].split("?")[0] for url in urls if not url.startswith("data:")]
        assert [url for url in own if not (style.parent / url).is_file()] == []
    assert len(loads) > 100
    assert [(name, load) for name, load in loads if away.match(load)] == []


def test_every_figure_keeps_its_alternative_text(book: Path, pages: dict[Path, Page]) -> None:
    for lesson in LESSONS:
        notebook = nbformat.read(ROOT / "notebooks" / f"{lesson.name}.ipynb", 4)
        stored = [
            output.metadata["image/png"]["alt"]
            for cell in notebook.cells
            for output in cell.get("outputs", [])
            if "image/png" in output.get("data", {})
        ]
        assert pages[book / "lessons" / f"{lesson.name}.html"].alts == stored
    assert all(alt for page in pages.values() for alt in page.alts)


def test_every_entry_of_the_package_has_a_page(book: Path) -> None:
    entries = {path.stem for path in (ROOT / "slae_lib").iterdir() if path.suffix in ("", ".py")}
    found = {path.stem for path in (book / "api").glob("*.html")} - {"index"}
    assert found == {name for name in entries if not name.startswith("_")}


def test_solutions_are_folded_and_hidden_tests_left_out(book: Path) -> None:
    for lesson in LESSONS:
        path = ROOT / "notebooks" / f"{lesson.name}.ipynb"
        stored, page = path.read_text("utf-8"), (book / "lessons" / f"{lesson.name}.html")
        text = page.read_text("utf-8")
        assert not re.search("(BEGIN|END) (SOLUTION|HIDDEN TESTS)", text)
        cells = sum(
            "### BEGIN SOLUTION" in "".join(cell["source"]) for cell in json.loads(stored)["cells"]
        )
        assert text.count("A solution (try first)") == 2 * cells  # for open and for closed


def test_the_stage_stands_where_it_is_needed(book: Path) -> None:
    framed = {
        path.name[:5] for path in book.rglob("*.html") if "<iframe" in path.read_text("utf-8")
    }
    assert framed == {"02_sp", "03_sl", "12_at", "stage"}
    assert (book / "stage" / "index.html").read_text() == STAGE


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BOOK)


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize(
    ("link", "file", "led"),
    [
        ("README.md", "CONTRIBUTING.md", "index.md"),
        ("README.md#licence-and-sources", "CONTRIBUTING.md", "lab.md#licence-and-sources"),
        ("notebooks/README.md#for-teachers", "README.md", "teachers.md"),
        ("slae_lib/losses.py", "README.md", "api/losses.md"),
        ("slae_lib/training", "README.md", "api/training.md"),
        ("../data/README.md", "figures/README.md", "{github}/blob/main/data/README.md"),
        ("tests", "README.md", "{github}/tree/main/tests"),
        ("https://doi.org/1", "README.md", "https://doi.org/1"),
        ("#here", "README.md", "#here"),
    ],
)
def test_links_lead_into_the_book_or_to_the_repository(link: str, file: str, led: str) -> None:
    import build

    led = led.format(github=build.GITHUB)
    text = f"[a]({link})\n\n```\n[a]({link})\n```\n"
    assert build.relink(text, file, "page.md") == text.replace(link, led, 1)


@pytest.mark.usefixtures("parts")
def test_without_a_stage_a_sentence_says_so() -> None:
    import build

    notebook = nbformat.read(ROOT / "notebooks" / "02_spatial_attention.ipynb", 4)
    build.lesson_page(notebook, 70, "", build.NO_STAGE, build.PROMPTS)
    assert "built without it" in nbformat.writes(notebook)
    assert "widget-view" not in nbformat.writes(notebook)


@pytest.mark.usefixtures("parts")
def test_a_formula_that_cannot_be_set_is_told(book: Path) -> None:
    import formulas

    setter = formulas.Setter(book / "_static" / "katex" / "katex.min.js")
    found, wrong = setter.set(r"\sigma(x)", display=False)
    assert "<mi>σ</mi>" in found
    assert wrong == ""
    assert "Undefined control sequence" in setter.set(r"\sigmoid(x)", display=True)[1]
    setter.process.communicate()  # it ends when nothing more can come


@pytest.mark.usefixtures("parts")
def test_another_package_than_the_known_one_is_refused(tmp_path: Path) -> None:
    import formulas

    (tmp_path / "katex-0.19.1.tgz").write_bytes(base64.b64decode("AAAA"))
    with pytest.raises(SystemExit, match="katex-0.19.1.tgz is not the package that was meant"):
        formulas.fetch_katex(tmp_path, tmp_path / "katex")


@pytest.mark.usefixtures("parts")
def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    import build

    (tmp_path / "diary.txt").write_text("dear diary")
    with pytest.raises(SystemExit, match="is not this book"):
        build.build(tmp_path, tmp_path, tmp_path)
    assert (tmp_path / "diary.txt").exists()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def address(book: Path) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=book)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_book_in_a_browser_without_a_network(address: str) -> None:
    asked: list[str] = []
    console: list[str] = []
    with browser() as page:
        page.unroute("**/colab-badge.svg")
        page.route(
            lambda url: not url.startswith(address),
            lambda route: (asked.append(route.request.url), route.abort()),
        )
        page.on("console", lambda told: told.type == "error" and console.append(told.text))
        page.on("pageerror", lambda error: console.append(str(error)))

        page.goto(f"{address}/index.html")
        assert page.locator(".cards li").count() == 6
        assert page.locator("article img").first.evaluate("it => it.naturalWidth") > 1000
        page.get_by_role("link", name="02 · Spatial attention", exact=True).click()

        formula = page.locator(".katex-display").first
        assert formula.evaluate("it => it.getBoundingClientRect().height") > 20
        assert page.evaluate("document.fonts.check('16px KaTeX_Math')")
        figure = page.get_by_alt_text("Spatial attention as blocks.", exact=False)
        figure.scroll_into_view_if_needed()
        assert figure.evaluate("it => it.decode().then(() => it.naturalWidth)") > 500
        solution = page.get_by_text("maximum = features.amax", exact=False)
        assert not solution.is_visible()
        page.get_by_text("A solution (try first)").first.click()
        assert solution.is_visible()
        page.get_by_text("Try it here").click()
        stage = page.frame_locator("iframe[title='The attention stage']")
        stage.get_by_text("Here one paints").wait_for()

        third = page.get_by_role("heading", name="3 · Build it")
        third.evaluate("it => it.scrollIntoView({behavior: 'instant'})")
        # The same place in the other language. (A click of Playwright's would scroll first.)
        page.get_by_role("link", name="中文").evaluate("it => it.click()")
        third = page.get_by_role("heading", name="3 · 动手搭")
        page.wait_for_function("scrollY > 500")
        assert third.evaluate("it => it.getBoundingClientRect().top < innerHeight / 3")
        assert page.locator("html").get_attribute("lang") == "zh-CN"
        page.get_by_role("link", name="English").click()
        page.get_by_role("heading", name="3 · Build it").wait_for()

        page.goto(f"{address}/api/attention.html")
        assert page.locator("dt#slae_lib\\.attention\\.SpatialAttention").is_visible()

        background = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(background)
        page.get_by_role("button", name="Color mode").first.click()
        page.get_by_role("button", name="Dark", exact=True).first.click()
        assert page.locator("html").get_attribute("data-theme") == "dark"
        assert page.evaluate(background) != light

        page.goto(f"{address}/search.html?q=hinge")
        page.get_by_role("link", name="07 · Losses").last.wait_for()
        page.get_by_role("link", name="slae_lib.losses.discriminator_hinge").wait_for()
    assert console == []
    assert asked == []
