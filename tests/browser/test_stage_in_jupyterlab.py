"""The stage and the monitor in a real JupyterLab and a real browser, with mouse and keys.

Skipped where there is no Chrome or Chromium; `tests/browser/install_browser.sh` installs one, and
``SLAE_TEST_BROWSER`` names one.
"""

import json
from collections.abc import Iterator

import numpy as np
import pytest
from browser_lab import lab
from browser_session import Session, axe_findings, browser, controls, sync_api, until
from browser_session import session as open_session
from explorer_run import make_run

CELLS = [
    "from slae_lib.explorer import Stage, TrainingMonitor\n"
    "from slae_lib.explorer.scene import View, make_scene, view_of",
    'stage = Stage("run", seed=3)\nstage',
    'other = Stage("run")\nother',
    'monitor = TrainingMonitor("run")\nmonitor',
    'Stage("nowhere")',
]
PIXELS = """canvas => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return [...data].filter((_, i) => i % 4 < 3);
}"""
STAGE, OTHER, MONITOR, NOWHERE = 1, 2, 3, 4


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with browser() as page, lab(tmp_path_factory.mktemp("lab")) as running:
        make_run(running.folder / "run")
        running.write("stage.ipynb", CELLS)
        with open_session(page, running, "stage.ipynb") as opened:
            for cell in (STAGE, OTHER):
                opened.output(cell).locator("[data-shown]").wait_for(timeout=60_000)
            yield opened


def view(session: Session, name: str = "stage") -> dict[str, object]:
    return dict(session.kernel.value(f"{name}.view"))


def agrees_with_pytorch(session: Session, cell: int = STAGE, name: str = "stage") -> None:
    """Both pictures on the page are exactly those that the kernel makes of its view."""
    session.page.wait_for_timeout(300)  # the view is told to the kernel a moment later
    scene = f"make_scene(view_of({name}.source, View(**{name}.view)), {name}.source)"
    for tile, image in (("before", "plain_image"), ("after", "image")):
        canvas = session.output(cell).locator(f".st-{tile} .st-frame canvas").first
        expected = session.kernel.value(f"{scene}.{image}.permute(1, 2, 0).flatten().tolist()")
        until(
            lambda canvas=canvas, expected=expected: canvas.evaluate(PIXELS) == expected,
            lambda canvas=canvas, expected=expected: int(
                np.abs(np.array(canvas.evaluate(PIXELS)) - expected).max()
            ),
        )


def test_a_stroke_of_the_mouse_makes_what_pytorch_makes(session: Session) -> None:
    stage = session.output(STAGE)
    session.page.wait_for_function("!document.querySelector('.st-first').hidden")
    stage.get_by_role("button", name="4 → 16").click()
    grid = stage.locator(".st-grid")
    grid.scroll_into_view_if_needed()
    box = grid.bounding_box()
    session.page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.6 * box["height"])
    session.page.mouse.down()
    session.page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.6 * box["height"])
    session.page.mouse.up()
    expected = [None] * 8 + [1, 1, 1] + [None] * 5
    until(lambda: view(session)["painted"] == {"4->16": expected}, lambda: view(session))
    agrees_with_pytorch(session)


def test_the_keys_do_the_same_and_the_notebooks_shortcuts_stay_out(session: Session) -> None:
    before = session.page.locator(".jp-Notebook .jp-Cell").count()
    stage = session.output(STAGE)
    stage.get_by_role("button", name="8 → 32").press("Enter")
    stage.get_by_role("gridcell").first.focus()
    for key in ("ArrowDown", "ArrowRight", "Space"):
        session.page.keyboard.press(key)
    for key in ("a", "b", "d", "d", "m", "r", "x", "y", "ArrowUp", "ArrowDown", "j", "k"):
        session.page.keyboard.press(key)  # JupyterLab's, which would add, cut or turn the cell
    focused = "document.activeElement.getAttribute('aria-label')"
    assert session.page.evaluate(focused).startswith("Row 2, column 2: 1.00, painted")
    assert session.page.locator(".jp-Notebook .jp-Cell").count() == before
    assert session.page.locator(".jp-Notebook .jp-CodeCell").count() == before
    until(lambda: "8->32" in view(session)["painted"], lambda: view(session))
    assert view(session)["painted"]["8->32"][9] == 1
    first = view(session)["picture"]
    face = stage.get_by_role("option", selected=True)
    face.focus()
    session.page.keyboard.press("ArrowRight")
    session.page.keyboard.press("Enter")
    until(lambda: view(session)["picture"] != first, lambda: view(session))
    session.page.keyboard.press("r")
    assert session.page.locator(".jp-Notebook .jp-CodeCell").count() == before
    agrees_with_pytorch(session)


def test_two_stages_do_not_disturb_each_other(session: Session) -> None:
    assert view(session, "other")["painted"] == {}
    assert view(session, "other")["seed"] == 0
    agrees_with_pytorch(session, OTHER, "other")


def test_a_view_that_python_sets_is_shown(session: Session) -> None:
    session.kernel.value("setattr(other, 'view', {**other.view, 'seed': 8, 'mix': 0.25})")
    field = session.output(OTHER).locator(".st-seed input").first
    sync_api.expect(field).to_have_value("8")
    agrees_with_pytorch(session, OTHER, "other")
    assert view(session, "other")["mix"] == 0.25


def test_the_training_is_walked_through(session: Session) -> None:
    stage = session.output(OTHER)
    time = stage.locator(".st-time input")
    time.press("Home")
    until(
        lambda: view(session, "other")["checkpoint"] == "iteration 2",
        lambda: view(session, "other"),
    )
    agrees_with_pytorch(session, OTHER, "other")


def test_every_control_has_a_name_and_axe_finds_nothing(session: Session) -> None:
    page = session.page
    page.evaluate("document.querySelectorAll('.slae-stage')[0].id = 'the-stage'")
    found = controls(page, "#the-stage")
    assert len(found) > 64 + 16 + 93
    assert [role for role, name in found if not name.strip()] == []
    assert len(set(found)) == len(found), "two controls of the same name"
    assert axe_findings(page, "#the-stage") == []


def test_a_run_that_is_not_there_is_one_sentence(session: Session) -> None:
    alert = session.output(NOWHERE).locator("[role=alert]")
    sync_api.expect(alert).to_have_text(
        "nowhere does not exist; name the folder of a run, or its generator.safetensors."
    )


def test_a_run_that_was_moved_is_said_and_the_stage_goes_on(session: Session) -> None:
    stage = session.output(OTHER)
    run = session.lab.folder / "run"
    away = run.rename(run.with_name("away"))
    alert = stage.locator(".st-message")
    try:
        stage.locator(".st-time input").press("End")
        sync_api.expect(alert).to_contain_text("is gone; choose another checkpoint")
    finally:
        away.rename(run)
    stage.locator(".st-seed input").first.fill("5")
    sync_api.expect(alert).to_be_hidden()
    agrees_with_pytorch(session, OTHER, "other")


def test_the_monitor_reads_the_folder_again(session: Session) -> None:
    controls = session.controls(MONITOR)
    assert len(controls) == 3
    assert all(name.strip() for _, name in controls)
    metrics = session.lab.folder / "run" / "metrics.csv"
    whole = metrics.read_text()
    try:
        metrics.write_text("".join(whole.splitlines(keepends=True)[:3]))
        session.press(MONITOR, "Refresh", "Enter")
        until(
            lambda: "Iteration 2 of 4 (not finished)" in session.words(MONITOR)[0],
            lambda: session.words(MONITOR),
        )
        metrics.write_text(whole)
        session.press(MONITOR, "Refresh every 5 seconds", "Space")
        until(
            lambda: session.words(MONITOR)[0] == "Iteration 4 of 4 (finished).",
            lambda: session.words(MONITOR),
        )
        assert session.words(MONITOR) == session.kernel.value("monitor.facts")
    finally:
        metrics.write_text(whole)


def test_no_error_is_written_to_the_console_and_nobody_else_was_asked(session: Session) -> None:
    assert session.console == []
    assert session.foreign == []


def test_a_closed_kernel_is_said_and_the_picture_stays(session: Session) -> None:
    (kernel,) = session.lab.request("/api/kernels")
    stage = session.output(STAGE)
    canvas = stage.locator(".st-after canvas").first
    before = canvas.evaluate(PIXELS)
    session.lab.request(f"/api/kernels/{kernel['id']}", "DELETE")
    stage.locator(".st-seed input").first.fill("77")
    sync_api.expect(stage.locator(".st-message")).to_contain_text(
        "run this cell again", timeout=15_000
    )
    assert json.dumps(canvas.evaluate(PIXELS)) == json.dumps(before)
