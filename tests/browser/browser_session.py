"""A notebook in JupyterLab in a browser, driven by the keyboard, beside the kernel behind it."""

import os
import re
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from browser_lab import Kernel, Lab, find_browser

from slae_lib.explorer.page import Package, packed
from slae_lib.support.errors import LabError

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CONTROLS = {"textbox", "spinbutton", "combobox", "checkbox", "button", "slider", "listbox",
            "radio", "switch", "searchbox", "grid", "gridcell", "option", "meter"}  # fmt: skip
BADGE = '<svg xmlns="http://www.w3.org/2000/svg" width="117" height="20"/>'
ROOT = Path(__file__).parents[2]
AXE = Package(
    "axe-core",
    "4.14.1",
    "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
)


@dataclass
class Session:
    """A page with the notebook, and the kernel behind it."""

    page: Any
    lab: Lab
    kernel: Kernel = field(init=False)
    console: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def output(self, cell: int) -> Any:
        """The output of a cell, counted from 0."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(cell).locator(".jp-OutputArea-output")

    def words(self, cell: int) -> list[str]:
        """The facts below the picture of a cell."""
        return self.output(cell).locator("ul[role=status] li").all_inner_texts()

    def control(self, cell: int, name: str) -> Any:
        """The control with exactly this accessible name."""
        output = self.output(cell)
        button = output.get_by_role("button", name=name, exact=True)
        return output.get_by_label(name, exact=True).or_(button)

    def press(self, cell: int, name: str, *keys: str) -> None:
        """Put the focus on a control and press keys, as a person would."""
        control = self.control(cell, name)
        control.focus()
        for key in keys:
            control.press(key) if key == "Enter" else self.page.keyboard.press(key)

    def controls(self, cell: int) -> list[tuple[str, str]]:
        """Role and accessible name of every control in the output of a cell."""
        return controls(self.page, f".jp-Notebook .jp-Cell:nth-child({cell + 1}) .jp-OutputArea")

    def run_all(self, seconds: float = 60) -> None:
        """Run all cells, and wait until the kernel is idle again."""
        idle = self.page.get_by_text("| Idle").first
        idle.wait_for(timeout=60_000)
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        last = self.page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt").last
        numbers = re.compile(r"\[\d+\]:")
        sync_api.expect(last).to_have_text(numbers, timeout=1000 * seconds)
        idle.wait_for(timeout=60_000)

    def shoot(self, name: str, cell: int | None = None) -> None:
        """Take a screenshot, if a folder is given for it."""
        folder = os.environ.get("SLAE_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            what = self.page if cell is None else self.output(cell)
            what.screenshot(path=str(Path(folder) / f"{name}.png"))


def controls(page: Any, selector: str) -> list[tuple[str, str]]:
    """Role and name, as a screen reader is told them, of every control inside of something."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("DOM.enable")
    devtools.send("Accessibility.enable")
    root = devtools.send("DOM.getDocument")["root"]["nodeId"]
    found = devtools.send("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
    nodes = devtools.send("Accessibility.queryAXTree", {"nodeId": found})["nodes"]
    devtools.detach()
    told = [
        (str(node["role"]["value"]), str(node.get("name", {}).get("value", "")))
        for node in nodes
        if not node.get("ignored")
    ]
    return [(role, name) for role, name in told if role in CONTROLS]


def axe_findings(page: Any, selector: str) -> list[str]:
    """What axe-core has against the inside of something; the test is skipped without npm."""
    with tarfile.open(package(AXE)) as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script is not None
        page.evaluate(script.read().decode("utf-8"))
    found = page.evaluate("selector => axe.run(selector)", selector)["violations"]
    return [f"{it['id']}: {it['nodes'][0]['html'][:200]}" for it in found]


def package(wanted: Package) -> Path:
    """A packed package of npm, kept in ``build/npm``; the test is skipped where there is none."""
    try:
        return packed(wanted, ROOT / "build" / "npm")
    except LabError as problem:
        pytest.skip(str(problem))


def until(true: Callable[[], bool], found: Callable[[], Any], seconds: float = 15) -> None:
    """Wait until something is true; say what was found if it never is."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"still {found()!r} after {seconds} s"
        time.sleep(0.05)


@contextmanager
def browser(sharpness: float = 1) -> Iterator[Any]:
    """A page of a real browser; the test is skipped where there is none.

    Args:
        sharpness: pixels of a screenshot for one of the page.
    """
    browser_file = find_browser()
    if browser_file is None:
        pytest.skip("no Chrome or Chromium was found; tests/browser/install_browser.sh gets one")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=browser_file, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = opened.new_page(
            viewport={"width": 1280, "height": 1000}, device_scale_factor=sharpness
        )
        page.set_default_timeout(15_000)
        page.route(
            "**/colab-badge.svg",  # the only thing from elsewhere, and there may be no network
            lambda route: route.fulfill(body=BADGE, content_type="image/svg+xml"),
        )
        yield page
        opened.close()


@contextmanager
def session(page: Any, lab: Lab, notebook: str, seconds: float = 60) -> Iterator[Session]:
    """Open a notebook, run all of it, and wait until that is done; no other computer is asked."""
    console: list[str] = []
    foreign: list[str] = []

    def refuse(route: Any) -> None:
        foreign.append(route.request.url)
        route.abort()

    page.route(re.compile(r"https?://(?!127\.0\.0\.1[:/]|localhost[:/])"), refuse)
    page.on("console", lambda message: message.type == "error" and console.append(message.text))
    page.on("pageerror", lambda error: console.append(str(error)))
    page.goto(lab.url(notebook))
    opened = Session(page, lab, console=console, foreign=foreign)
    opened.run_all(seconds)
    with lab.kernel() as kernel:
        opened.kernel = kernel
        yield opened
