"""A notebook in JupyterLab in a browser, driven by the keyboard, beside the kernel behind it."""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from browser_lab import Kernel, Lab, find_browser

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CONTROLS = {"textbox", "spinbutton", "combobox", "checkbox", "button", "slider", "listbox",
            "radio", "switch", "searchbox"}  # fmt: skip
BADGE = '<svg xmlns="http://www.w3.org/2000/svg" width="117" height="20"/>'
# In the page: how long from a key to the picture that it made.
STOPWATCH = """
document.addEventListener('DOMContentLoaded', () => {
window.painted = null;
document.addEventListener('keydown', () => { window.pressed = performance.now(); }, true);
new MutationObserver(() => {
    for (const picture of document.querySelectorAll('.jp-OutputArea-output img')) {
        if (picture.src.length < 20000 || picture.src === window.seen?.get(picture)) continue;
        if (picture.dataset.seen) continue;
        picture.dataset.seen = 'yes';
        picture.decode().then(() => { window.painted = performance.now() - window.pressed; });
    }
}).observe(document.body, {subtree: true, childList: true, attributes: true});
});
"""


@dataclass
class Session:
    """A page with the notebook, and the kernel behind it."""

    page: Any
    lab: Lab
    kernel: Kernel = field(init=False)
    console: list[str] = field(default_factory=list)
    times: dict[str, float] = field(default_factory=dict)

    def output(self, cell: int) -> Any:
        """The output of a cell, counted from 0."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(cell).locator(".jp-OutputArea-output")

    def words(self, cell: int) -> list[str]:
        """The facts below the picture of a cell."""
        return self.output(cell).locator("ul[role=status] li").all_inner_texts()

    def alt(self, cell: int) -> str:
        """The alternative text of the large picture of a cell."""
        return str(self.output(cell).locator("img[width='922']").get_attribute("alt"))

    def source(self, cell: int) -> str:
        """The large picture of a cell itself."""
        return str(self.output(cell).locator("img[width='922']").get_attribute("src"))

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

    def choose(self, cell: int, name: str, *keys: str) -> None:
        """Open a list with the space bar, move in it and take what is found."""
        self.press(cell, name, "Space")
        for key in keys:
            self.page.keyboard.press(key)
        self.page.keyboard.press("Enter")

    def agree(self, cell: int, explorer: str, expression: str, value: Any) -> None:
        """Wait until the kernel has a value, and page and kernel say the same about it."""
        until(lambda: self.kernel.value(expression) == value, lambda: self.kernel.value(expression))
        until(
            lambda: self.words(cell) == self.kernel.value(f"{explorer}.facts"),
            lambda: (self.words(cell), self.kernel.value(f"{explorer}.facts")),
        )
        assert self.alt(cell) == self.kernel.value(f"{explorer}.alt")

    def accessible(self, cell: int) -> list[dict[str, Any]]:
        """What a screen reader is told about the output of a cell: role, name, ..."""
        devtools = self.page.context.new_cdp_session(self.page)
        devtools.send("DOM.enable")
        devtools.send("Accessibility.enable")
        root = devtools.send("DOM.getDocument")["root"]["nodeId"]
        cells = devtools.send(
            "DOM.querySelectorAll",
            {"nodeId": root, "selector": ".jp-Notebook .jp-Cell"},
        )["nodeIds"]
        output = devtools.send(
            "DOM.querySelector", {"nodeId": cells[cell], "selector": ".jp-OutputArea"}
        )["nodeId"]
        nodes = devtools.send("Accessibility.queryAXTree", {"nodeId": output})["nodes"]
        devtools.detach()
        return [node for node in nodes if not node.get("ignored")]

    def controls(self, cell: int) -> list[tuple[str, str]]:
        """Role and accessible name of every control in the output of a cell."""
        told = [
            (str(node["role"]["value"]), str(node.get("name", {}).get("value", "")))
            for node in self.accessible(cell)
        ]
        return [(role, name) for role, name in told if role in CONTROLS]

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
        page.add_init_script(STOPWATCH)
        page.route(
            "**/colab-badge.svg",  # the only thing from elsewhere, and there may be no network
            lambda route: route.fulfill(body=BADGE, content_type="image/svg+xml"),
        )
        yield page
        opened.close()


@contextmanager
def session(page: Any, lab: Lab, notebook: str, seconds: float = 60) -> Iterator[Session]:
    """Open a notebook, run all of it, and wait until that is done."""
    console: list[str] = []
    page.on("console", lambda message: message.type == "error" and console.append(message.text))
    page.on("pageerror", lambda error: console.append(str(error)))
    page.goto(lab.url(notebook))
    opened = Session(page, lab, console=console)
    opened.run_all(seconds)
    with lab.kernel() as kernel:
        opened.kernel = kernel
        yield opened
