"""The stage as a static page, in a real browser: nothing but its own folder can be reached.

Skipped where there is no Chrome or Chromium, or no npm that has fetched onnxruntime-web.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from browser_session import axe_findings, browser, controls, package, sync_api

from slae_lib.course.stored import demo_run
from slae_lib.explorer.page import RUNTIME, build_page
from slae_lib.explorer.scene import make_scene, view_of
from slae_lib.explorer.source import Source
from slae_lib.explorer.words import picture_label

# The pixels of a picture on the stage, as a flat list of bytes.
PIXELS = """name => {
    const canvas = document.querySelector(`.st-${name} .st-frame canvas`);
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return [...data].filter((_, i) => i % 4 < 3);
}"""


class Opened:
    """The page in a browser, and what has gone wrong in it."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address = page, address
        self.console: list[str] = []
        self.foreign: list[str] = []
        page.on("console", lambda it: it.type == "error" and self.console.append(it.text))
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.route("**/*", self.only_here)

    def only_here(self, route: Any) -> None:
        if route.request.url.startswith(self.address):
            return route.continue_()
        self.foreign.append(route.request.url)
        return route.abort()

    def open(self, hash: str = "") -> None:
        self.page.goto("about:blank")
        self.page.goto(self.address + hash)

    def settle(self) -> dict[str, Any]:
        """Wait until nothing is computed any more; return the view."""
        self.page.wait_for_function("window.stage?.scene && !window.stage.busy")
        return dict(self.page.evaluate("window.stage.view"))

    def agrees_with_pytorch(self) -> None:
        """Both pictures are PyTorch's of the view that the page says it shows, to 1 of 255."""
        view = {**self.settle(), "checkpoint": "finished"}
        source = Source(demo_run())
        scene = make_scene(view_of(source, **view), source)
        for name, image in (("before", scene.plain_image), ("after", scene.image)):
            found = np.array(self.page.evaluate(PIXELS, name)).reshape(64, 64, 3)
            difference = np.abs(found - image.permute(1, 2, 0).numpy().astype(int))
            assert difference.max() <= 1, name
            assert difference.mean() < 0.1, name
        changed = (scene.image.float() - scene.plain_image.float()).abs().mean().item()
        assert float(self.page.locator(".st-number strong").inner_text()) == pytest.approx(
            changed, abs=0.16
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runtime = package(RUNTIME)
    return build_page(tmp_path_factory.mktemp("page"), {"64": (demo_run(), "64 px")}, runtime)


@pytest.fixture(scope="module")
def opened(folder: Path) -> Iterator[Opened]:
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    server = subprocess.Popen(
        [*command, "-d", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline().split(" port ")[1].split()[0]
        with browser() as page:
            yield Opened(page, f"http://127.0.0.1:{port}/")
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture
def stage(opened: Opened) -> Opened:
    opened.open()
    opened.settle()
    return opened


def test_there_is_a_face_before_there_is_a_model(opened: Opened) -> None:
    held: list[Any] = []
    opened.page.route("**/generator.onnx", lambda route: held.append(route))
    opened.open()
    canvas = opened.page.locator(".st-after canvas").first
    background = canvas.evaluate("canvas => getComputedStyle(canvas).backgroundImage")
    assert "first.webp" in background
    while not held:  # the browser's requests come while the page is spoken to
        opened.page.wait_for_timeout(20)
    assert opened.page.evaluate("window.stage.scene") is None
    opened.page.unroute("**/generator.onnx")
    held[0].continue_()
    opened.agrees_with_pytorch()


@pytest.mark.parametrize("seed", [0, 12345, 2**31 - 1])
def test_a_seed_is_the_noise_that_pytorch_draws(stage: Opened, seed: int) -> None:
    field = stage.page.get_by_role("spinbutton", name="First noise (seed)")
    field.fill(str(seed))
    assert stage.settle()["seed"] == seed
    stage.agrees_with_pytorch()


def test_a_stroke_of_the_mouse_paints_the_places_below_it(stage: Opened) -> None:
    box = stage.page.locator(".st-grid").bounding_box()
    row = box["y"] + 0.6 * box["height"]
    stage.page.mouse.move(box["x"] + 0.1 * box["width"], row)
    stage.page.mouse.down()
    stage.page.mouse.move(box["x"] + 0.7 * box["width"], row)
    stage.page.mouse.up()
    painted = stage.settle()["painted"]
    expected: list[float | None] = [None] * 16
    expected[8:11] = [1, 1, 1]
    assert painted == {"4->16": expected}
    stage.agrees_with_pytorch()
    stage.page.get_by_role("status").filter(has_text="3 of 16 places").wait_for()
    stage.page.keyboard.press("Control+z")
    assert stage.settle()["painted"] == {}
    assert stage.page.locator(".st-number strong").inner_text() == "0.0"


def test_the_keys_paint_the_same(stage: Opened) -> None:
    stage.page.get_by_role("button", name="8 → 32").press("Enter")
    grid = stage.page.get_by_role("grid")
    sync_api.expect(grid).to_have_attribute(
        "aria-label", "Attention of link 8 → 32: 8 rows of 8 places"
    )
    stage.page.get_by_role("slider", name="Brush").press("Home")  # 0: do not look
    cells = grid.get_by_role("gridcell")
    cells.first.focus()
    for key in ("ArrowDown", "ArrowRight", "Space", "ArrowRight", "+", "Space", "Space"):
        stage.page.keyboard.press(key)
    stage.settle()
    focused = stage.page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused == "Row 2, column 3: 0.10, painted"
    map_ = stage.settle()["painted"]["8->32"]
    assert {at: value for at, value in enumerate(map_) if value is not None} == {9: 0, 10: 0.1}
    stage.agrees_with_pytorch()
    stage.page.keyboard.press("Delete")
    assert stage.settle()["painted"]["8->32"][10] is None


def test_a_gate_is_dragged_and_moved_by_keys(stage: Opened) -> None:
    bars = stage.page.locator(".st-bars")
    bars.scroll_into_view_if_needed()
    box = bars.bounding_box()
    x = box["x"] + box["width"] * 2.5 / 32
    stage.page.mouse.move(x, box["y"] + box["height"] * 0.5)
    stage.page.mouse.down()
    stage.page.mouse.move(x, box["y"] - 5)
    stage.page.mouse.up()
    assert stage.settle()["gates"] == {"4->16": {"2": 1}}
    stage.page.keyboard.press("ArrowRight")
    stage.page.keyboard.press("Home")
    assert stage.settle()["gates"] == {"4->16": {"2": 1, "3": 0}}
    stage.agrees_with_pytorch()


def test_a_drag_between_two_faces_mixes_them(stage: Opened) -> None:
    first = stage.page.get_by_role("option", name="smiling face with sunglasses")
    second = stage.page.get_by_role("option", name="1f608", exact=False)
    first.scroll_into_view_if_needed()
    boxes = [face.bounding_box() for face in (first, second)]
    spots = [(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in boxes]
    stage.page.mouse.move(*spots[0])
    stage.page.mouse.down()
    stage.page.mouse.move(*spots[1])
    stage.page.mouse.up()
    view = stage.settle()
    assert (view["picture"], view["second_picture"]) == ("1f60e.webp", "1f608.webp")
    assert view["picture_mix"] == 0.5
    stage.page.get_by_role("slider", name="Mix of noises").press("PageUp")
    assert 0 < stage.settle()["mix"] < 1
    stage.agrees_with_pytorch()


def test_a_card_asks_first_and_then_tells_what_pytorch_finds(stage: Opened) -> None:
    card = stage.page.locator(".st-card").first
    card.get_by_role("button", name="less than 2").click()
    result = card.locator(".st-result")
    sync_api.expect(result).to_contain_text("It moves by")
    view = stage.settle()
    assert view["painted"] == {"16->64": [0] * 256}
    source = Source(demo_run())
    scene = make_scene(view_of(source, **{**view, "checkpoint": "finished"}), source)
    moved = (scene.image.float() - scene.plain_image.float()).abs().mean().item()
    assert f"{moved:.1f} of 255" in result.inner_text()
    assert result.inner_text().startswith("As you said" if moved < 2 else "Not as you said")


def test_the_address_brings_the_view_back(stage: Opened) -> None:
    stage.page.get_by_role("button", name="Left half").click()
    view = stage.settle()
    stage.page.wait_for_function("location.hash.includes('painted')")
    said = json.loads(unquote(stage.page.evaluate("location.hash")[1:]))
    assert said == {"model": "64", "view": view}
    stage.page.reload()
    assert stage.settle() == view
    stage.agrees_with_pytorch()
    stage.open("#%7Bcut-off")
    assert stage.settle()["painted"] == {}


def test_every_control_has_a_name_and_axe_finds_nothing(stage: Opened) -> None:
    stage.page.get_by_role("button", name="All 1").click()
    stage.page.get_by_role("slider", name="Mix of faces").press("PageUp")
    stage.settle()
    found = controls(stage.page, "#stage")
    assert len(found) > 16 + 32 + 93
    assert [role for role, name in found if not name.strip()] == []
    assert len(set(found)) == len(found), "two controls of the same name"
    for scheme in ("light", "dark"):
        stage.page.emulate_media(color_scheme=scheme)
        assert axe_findings(stage.page, "#stage") == []
    stage.page.emulate_media(color_scheme="light")


def test_a_phone_shows_all_of_it(stage: Opened) -> None:
    stage.page.set_viewport_size({"width": 360, "height": 740})
    try:
        assert stage.page.evaluate("document.documentElement.scrollWidth") == 360
        box = stage.page.locator(".st-grid").bounding_box()
        assert box["width"] > 300
        assert box["y"] + box["height"] < 740, "the picture to paint on is seen at once"
        assert axe_findings(stage.page, "#stage") == []
    finally:
        stage.page.set_viewport_size({"width": 1280, "height": 1000})


def test_a_finger_paints(opened: Opened) -> None:
    phone = {"width": 360, "height": 740}
    context = opened.page.context.browser.new_context(viewport=phone, has_touch=True)
    page = context.new_page()
    page.goto(opened.address)
    page.wait_for_function("window.stage?.scene && !window.stage.busy")
    box = page.locator(".st-grid").bounding_box()
    page.touchscreen.tap(box["x"] + 0.6 * box["width"], box["y"] + 0.9 * box["height"])
    page.wait_for_function("window.stage.view.painted['4->16'] && !window.stage.busy")
    painted = page.evaluate("window.stage.view.painted['4->16']")
    assert [place for place, value in enumerate(painted) if value is not None] == [14]
    context.close()


def test_it_speaks_chinese_and_keeps_speaking_it(opened: Opened, tmp_path: Path) -> None:
    opened.open("?lang=zh")
    opened.settle()
    page = opened.page
    assert page.evaluate("document.documentElement.lang") == "zh"
    assert page.title() == "SLAE Lab：舞台"
    page.get_by_role("button", name="左半边").click()
    opened.settle()
    page.get_by_role("status").filter(has_text="连接 4 → 16 的 16 个位置中画了 16 个").wait_for()
    page.get_by_role("button", name="不到 2").click()
    sync_api.expect(page.locator(".st-result").first).to_contain_text("满量程 255")
    spoken = page.evaluate(
        """() => [...document.body.querySelectorAll("*")].flatMap(node => [
            ...["aria-label", "aria-valuetext", "title"].map(name => node.getAttribute(name)),
            ...[...node.childNodes].filter(it => it.nodeType === 3).map(it => it.data),
        ]).filter(Boolean)"""
    )
    names = {*Source(demo_run()).bank.names, *map(picture_label, Source(demo_run()).bank.names)}
    known = r"SLAE|SLE|Lab|Microsoft|Fluent|Emoji|MIT|Python|Ctrl|Shift|Enter|Delete|WebAssembly|px"
    rest = {
        text: re.sub(rf"\b({known})(?![a-z])|[0-9a-f]{{5}} [a-z -]+|[a-z -]+(?=；)", "", text)
        for text in spoken
        if text not in names
    }
    assert [text for text, other in rest.items() if re.search("[A-Za-z]{3}", other)] == []
    opened.open()  # and English again
    opened.settle()
    assert page.get_by_role("button", name="Left half").count() == 1


def test_nothing_went_wrong_and_nobody_else_was_asked(opened: Opened) -> None:
    assert opened.console == []
    assert opened.foreign == []


@pytest.mark.parametrize(
    ("file", "body", "sentence"),
    [
        ("generator.onnx", None, "64/generator.onnx did not arrive (404); load the page again."),
        ("generator.onnx", "no model", "The generator could not be opened"),
        ("about.json", None, "64/about.json did not arrive (404); load the page again."),
        (
            "about.json",
            '{"format": "slae-lab-stage-0"}',
            "was given slae-lab-stage-0: both have to",
        ),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    opened: Opened, file: str, body: str | None, sentence: str
) -> None:
    answer = {"status": 404} if body is None else {"body": body}
    opened.page.route(f"**/{file}", lambda route: route.fulfill(**answer))
    try:
        opened.open()
        sync_api.expect(opened.page.get_by_role("alert")).to_contain_text(sentence)
    finally:
        opened.page.unroute(f"**/{file}")
        opened.console.clear()
    opened.open()
    opened.agrees_with_pytorch()


def test_a_browser_without_webassembly_is_told(opened: Opened) -> None:
    context = opened.page.context.browser.new_context()
    page = context.new_page()
    page.add_init_script("delete window.WebAssembly")
    page.goto(opened.address)
    sync_api.expect(page.get_by_role("alert")).to_contain_text("This browser has no WebAssembly")
    context.close()
