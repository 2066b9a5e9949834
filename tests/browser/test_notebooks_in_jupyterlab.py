"""Every notebook as it is stored, opened in a real JupyterLab and looked through to its end.

``SLAE_SCREENSHOTS`` names a folder for pictures of all that a reader sees.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from browser_lab import Lab, lab
from browser_session import browser, sync_api
from nbformat.v4 import new_code_cell, new_notebook, new_output
from notebook_lint import NOTEBOOKS

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
# What is wider than its place is cut off, or has to be scrolled aside. Code may not be either.
TOO_WIDE = """() => {
    const parts = '.jp-RenderedMarkdown, .jp-RenderedText, .jp-RenderedImage, .jp-RenderedHTML, '
        + '.jp-RenderedHTMLCommon table, .cm-scroller';
    return [...document.querySelectorAll('.jp-Notebook')].flatMap(
        notebook => [...notebook.querySelectorAll(parts)]
    ).filter(part => part.scrollWidth > part.clientWidth + 1 && part.clientWidth > 0).map(
        part => `${part.className}: ${part.innerText.slice(0, 60)}`
    );
}"""
BROKEN = """() => [...document.querySelectorAll('.jp-Notebook img')].filter(
    image => !image.complete || image.naturalWidth === 0
).map(image => image.src.slice(0, 80))"""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Lab]]:
    with browser() as page, lab(tmp_path_factory.mktemp("lab")) as running:
        for path in PATHS:
            shutil.copy(path, running.folder)
        yield page, running


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_reader_sees_all_of_it(opened: tuple[Any, Lab], path: Path) -> None:
    page, running = opened
    notebook = nbformat.read(path, as_version=4)
    console: list[str] = []
    note = lambda message: message.type == "error" and console.append(message.text)  # noqa: E731
    page.on("console", note)
    page.goto(running.url(path.name))
    cells = page.locator(".jp-Notebook .jp-Cell")
    sync_api.expect(cells).to_have_count(len(notebook.cells), timeout=30_000)
    page.get_by_text("| Idle").first.wait_for(timeout=60_000)
    pictures = sum(
        "image/png" in output.get("data", {})
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )
    images = page.locator(".jp-Notebook .jp-RenderedImage img")
    sync_api.expect(images).to_have_count(pictures)
    shoot(page, path.stem)
    assert page.evaluate(BROKEN) == []
    assert page.evaluate(TOO_WIDE) == []
    page.remove_listener("console", note)
    assert console == []


def test_what_is_cut_off_or_broken_is_found(opened: tuple[Any, Lab]) -> None:
    page, running = opened
    outputs = [
        new_output("display_data", {"image/png": "AAAA", "text/plain": "no picture at all"}),
        new_output(
            "display_data",
            {"text/html": f"<table><tr>{'<td>a_wide_cell</td>' * 60}</tr></table>"},
        ),
    ]
    wide = f"# {'a_long_comment_' * 20}"
    cells = [new_code_cell(wide), new_code_cell("1", outputs=outputs, execution_count=1)]
    nbformat.write(new_notebook(cells=cells), running.folder / "ugly.ipynb")
    page.goto(running.url("ugly.ipynb"))
    page.get_by_text("a_wide_cell").first.wait_for(timeout=30_000)
    sync_api.expect(page.locator(".cm-scroller")).to_have_count(2)
    found = page.evaluate(TOO_WIDE)
    assert any("a_long_comment" in part for part in found), found
    assert any("a_wide_cell" in part for part in found), found
    assert page.evaluate(BROKEN) == ["data:image/png;base64,AAAA"]


def shoot(page: Any, name: str) -> None:
    """Take screenshots down to the end, if a folder is given for them."""
    given = os.environ.get("SLAE_SCREENSHOTS")
    if not given:
        return
    folder = Path(given)
    folder.mkdir(parents=True, exist_ok=True)
    scroller = page.locator(".jp-WindowedPanel-outer").first
    height = scroller.evaluate("it => it.scrollHeight")
    step = scroller.evaluate("it => it.clientHeight") - 40
    for number, top in enumerate(range(0, height, step)):
        scroller.evaluate("(it, top) => it.scrollTo(0, top)", top)
        page.wait_for_timeout(150)
        scroller.screenshot(path=str(folder / f"{name}_{number:02}.png"))
