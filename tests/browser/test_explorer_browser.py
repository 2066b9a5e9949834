"""The explorers in a real JupyterLab and a real browser, driven by the keyboard.

Skipped where there is no Chrome or Chromium; `tests/browser/install_browser.sh` installs one, and
``SLAE_TEST_BROWSER`` names one. ``SLAE_SCREENSHOTS`` names a folder for screenshots and measured
times.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_lab import lab
from browser_session import Session, browser, sync_api
from browser_session import session as open_session
from explorer_run import make_run

CELLS = [
    "from slae_lib.explorer import AttentionExplorer, MetadataExplorer, TrainingMonitor",
    'explorer = AttentionExplorer("run")\nexplorer',
    'bank_map = MetadataExplorer("run")\nbank_map',
    'monitor = TrainingMonitor("run")\nmonitor',
]
# The visible name of what has the focus.
FOCUSED = "document.activeElement.labels?.[0]?.textContent ?? document.activeElement.innerText"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with browser() as page, lab(tmp_path_factory.mktemp("lab")) as running:
        make_run(running.folder / "run")
        running.write("explorers.ipynb", CELLS)
        with open_session(page, running, "explorers.ipynb") as opened:
            pictures = page.locator(".jp-OutputArea-output img[width='922']")
            sync_api.expect(pictures).to_have_count(3, timeout=60_000)
            yield opened
            folder_given = os.environ.get("SLAE_SCREENSHOTS")
            if folder_given:
                Path(folder_given).mkdir(parents=True, exist_ok=True)
                times = {name: round(value) for name, value in opened.times.items()}
                (Path(folder_given) / "times.json").write_text(json.dumps(times, indent=2))


@pytest.mark.parametrize("cell", [1, 2, 3])
def test_every_control_has_a_name_and_every_picture_an_alternative(
    session: Session, cell: int
) -> None:
    if cell == 1:  # with all that it can show
        session.press(1, "List all pictures", "Space")
        session.press(1, "Show the code that makes this view", "Space")
        session.output(1).locator("ul[aria-label='Training pictures'] li").nth(90).wait_for()
    controls = session.controls(cell)
    assert len(controls) >= {1: 14, 2: 4, 3: 3}[cell]
    assert [role for role, name in controls if not name.strip()] == []
    assert len(set(controls)) == len(controls), "two controls of the same name"
    pictures = session.output(cell).locator("img")
    alts = [pictures.nth(at).get_attribute("alt") for at in range(min(20, pictures.count()))]
    assert all(alt is not None for alt in alts)
    assert len(alts[0] or session.alt(cell)) > 5
    if cell == 1:
        session.press(1, "List all pictures", "Space")
        session.press(1, "Show the code that makes this view", "Space")


def test_tab_reaches_every_control_in_the_order_of_the_page(session: Session) -> None:
    session.control(1, "Run").focus()
    reached = []
    for _ in range(16):
        reached.append(session.page.evaluate(FOCUSED).strip("\u200b "))
        session.page.keyboard.press("Tab")
    assert reached == [
        *("Run", "Checkpoint", "Seed", "Second seed", "Mix of seeds"),
        *("Metadata of", "Second picture", "Mix of pictures", "List all pictures"),
        *("Link", "Attention", "Colours", "Overlay", "File", "Save picture"),
        "Show the code that makes this view",
    ]


def test_a_new_seed_makes_another_picture_and_other_words(session: Session) -> None:
    before = session.source(1), session.words(1)
    session.page.evaluate("window.painted = null")
    session.press(1, "Seed", "ArrowUp")
    session.page.wait_for_function("window.painted !== null")
    session.times["update after a key, ms"] = session.page.evaluate("window.painted")
    session.agree(1, "explorer", "explorer.view.seed", 1)
    assert session.source(1) != before[0]
    assert session.words(1) != before[1]
    assert "Noise of seed 1" in session.words(1)[0]


def test_every_number_and_list_of_the_attention_explorer_is_moved_by_keys(
    session: Session,
) -> None:
    session.press(1, "Second seed", "ArrowUp")
    session.agree(1, "explorer", "explorer.view.second_seed", 2)
    session.press(1, "Mix of seeds", "ArrowUp", "ArrowUp", "ArrowUp")
    session.agree(1, "explorer", "explorer.view.mix", 0.3)
    assert "mixed with 30% of seed 2" in session.words(1)[0]
    session.press(1, "Mix of pictures", "ArrowUp")
    session.agree(1, "explorer", "explorer.view.picture_mix", 0.1)
    session.press(1, "Overlay", "ArrowUp")
    session.agree(1, "explorer", "explorer.view.overlay", 0.7)
    lists = {
        "Metadata of": ("picture", "1f601.webp"),
        "Second picture": ("second_picture", "2639-fe0f.webp"),
        "Link": ("link", "16->64"),
        "Colours": ("colors", "viridis"),
        "Checkpoint": ("checkpoint", "iteration 4"),
    }
    for name, (setting, value) in lists.items():
        before = session.source(1)
        session.choose(1, name, "ArrowUp" if name == "Second picture" else "ArrowDown")
        session.agree(1, "explorer", f"explorer.view.{setting}", value)
        if name != "Checkpoint":  # the newest checkpoint is the finished generator
            assert session.source(1) != before, name
    thumbnails = session.output(1).locator("img[width='56']")
    assert "1f601" in str(thumbnails.nth(0).get_attribute("alt"))


def test_attention_off_and_painted(session: Session) -> None:
    session.choose(1, "Link", "Home")
    session.agree(1, "explorer", "explorer.view.link", "4->16")
    for kind, sentence in (
        ("ones", "set to 1 everywhere"),
        ("mean", "set to its mean"),
        ("shuffled", "shuffled"),
        ("painted", "replaced by the painting"),
    ):
        session.choose(1, "Attention", "ArrowDown")
        session.agree(1, "explorer", "explorer.view.attention", kind)
        assert sentence in session.words(1)[3]
        if kind == "shuffled":
            session.shoot("attention-shuffled", 1)
    session.choose(1, "Shape", "ArrowDown")
    session.agree(1, "explorer", "explorer.view.painting.count('1')", 16)
    square = session.control(1, "row 2, column 3")
    assert square.is_checked()
    before = session.source(1)
    session.press(1, "row 2, column 3", "Space")
    session.agree(1, "explorer", "explorer.view.painting.split()[1][2]", "0")
    assert session.source(1) != before
    session.shoot("attention-painted", 1)


def test_held_keys_are_not_drawn_one_by_one(session: Session) -> None:
    seed = session.kernel.value("explorer.view.seed")
    drawn = session.kernel.value("explorer.updates.count")
    session.press(1, "Seed", *["ArrowUp"] * 30)
    session.agree(1, "explorer", "explorer.view.seed", seed + 30)
    assert session.kernel.value("explorer.updates.count") - drawn < 20


def test_code_can_be_read_and_makes_the_same_picture(session: Session) -> None:
    session.press(1, "Show the code that makes this view", "Space")
    area = session.control(1, "Code")
    area.wait_for()
    assert area.input_value() == session.kernel.value("explorer.code")
    made = "eval(explorer.code.splitlines()[-1])"  # its import is in the first cell
    assert session.kernel.value(f"{made}.facts") == session.words(1)
    assert session.kernel.value(
        f"{made}.bundle('')[0]['image/png'] == explorer.still.bundle('')[0]['image/png']"
    )
    session.press(1, "Show the code that makes this view", "Space")


def test_the_picture_is_saved_where_the_field_says(session: Session) -> None:
    field = session.control(1, "File")
    field.focus()
    session.page.keyboard.press("Control+a")
    session.page.keyboard.type("my view.png")
    session.page.keyboard.press("Tab")
    session.press(1, "Save picture", "Enter")
    session.output(1).get_by_text("Saved.").wait_for()
    assert (session.lab.folder / "my view.png").read_bytes()[:4] == b"\x89PNG"


def test_a_wrong_path_is_one_sentence_and_the_explorer_goes_on(session: Session) -> None:
    def open_run(path: str) -> None:
        session.control(1, "Run").focus()
        session.page.keyboard.press("Control+a")
        session.page.keyboard.type(path)
        session.page.keyboard.press("Enter")

    open_run("nowhere")
    alert = session.output(1).get_by_role("alert")
    alert.wait_for()
    assert alert.inner_text() == session.kernel.value("explorer.message")
    assert "nowhere does not exist" in alert.inner_text()
    session.shoot("wrong-path", 1)
    seed = session.kernel.value("explorer.view.seed")
    session.press(1, "Seed", "ArrowDown")
    session.agree(1, "explorer", "explorer.view.seed", seed - 1)
    open_run("run")
    sync_api.expect(alert).to_have_count(0)


def test_the_metadata_map_follows_its_controls(session: Session) -> None:
    session.shoot("metadata", 2)
    session.choose(2, "Picture", "ArrowDown")
    session.agree(2, "bank_map", "bank_map.controls['picture'].value", "1f601.webp")
    before = session.source(2)
    session.press(2, "Seed", "ArrowUp")
    session.agree(2, "bank_map", "bank_map.controls['seed'].value", 1)
    assert session.source(2) != before
    session.press(2, "Neighbours", "ArrowUp")
    session.agree(2, "bank_map", "bank_map.controls['neighbours'].value", 5)
    assert session.words(2)[1].count("(0.") == 5


def test_the_monitor_reads_the_folder_again(session: Session) -> None:
    session.shoot("monitor", 3)
    assert "Iteration 4 of 4 (finished)." in session.words(3)
    metrics = session.lab.folder / "run" / "metrics.csv"
    whole = metrics.read_text()
    try:
        metrics.write_text("".join(whole.splitlines(keepends=True)[:3]))
        session.press(3, "Refresh", "Enter")
        session.agree(3, "monitor", "monitor.progress.iteration", 2)
        assert "not finished" in session.words(3)[0]
        metrics.write_text(whole)
        session.press(3, "Refresh every 5 seconds", "Space")
        session.agree(3, "monitor", "monitor.progress.finished", True)
    finally:
        metrics.write_text(whole)


def test_first_paint(session: Session) -> None:
    """Run the cell of the explorer again, as the only one: the imports are done then."""
    cell = session.page.locator(".jp-Notebook .jp-Cell").nth(1)
    cell.locator(".cm-content").click()
    session.page.evaluate("window.painted = null")
    session.page.keyboard.press("Control+Enter")
    session.page.wait_for_function("window.painted !== null")
    session.times["first paint, ms"] = session.page.evaluate("window.painted")
    session.agree(1, "explorer", "explorer.view.seed", 0)
    session.shoot("attention", 1)
    session.page.keyboard.press("Escape")
    samples = []
    for _ in range(5):
        session.page.evaluate("window.painted = null")
        session.press(1, "Seed", "ArrowUp")
        session.page.wait_for_function("window.painted !== null")
        samples.append(session.page.evaluate("window.painted"))
    session.times["update, median of five, ms"] = sorted(samples)[2]
    session.times["kernel's part of an update, ms"] = session.kernel.value(
        "(__import__('timeit').timeit(explorer.updates.now, number=5) / 5 * 1000)"
    )
    print(session.times)


def test_nothing_is_written_to_the_console_as_an_error(session: Session) -> None:
    assert session.console == []


def test_the_picture_stays_when_the_kernel_is_closed(session: Session) -> None:
    (kernel,) = session.lab.request("/api/kernels")
    before = session.source(1)
    session.lab.request(f"/api/kernels/{kernel['id']}", "DELETE")
    session.press(1, "Seed", "ArrowUp")
    time.sleep(0.5)
    assert session.source(1) == before
    assert "the kernel has stopped: run this cell again" in session.output(1).inner_text()
