"""Notebook 12 in a real JupyterLab: run from top to bottom, then every control moved by keys."""

import shutil
from collections.abc import Iterator

import nbformat
import pytest
from browser_lab import lab
from browser_session import Session, browser
from browser_session import session as open_session
from notebook_lint import NOTEBOOKS

NAME = "12_attention_explorer.ipynb"
# The explorers by their names in the notebook, and their controls as the kernel lists them.
PARTS = {
    "explorer": "[*explorer.controls.moving, explorer.controls.all_pictures, "
    "explorer.controls.code_wanted]",
    "bank_map": "list(bank_map.controls.values())",
    "monitor": "list(monitor.controls.values())",
}
# Those that change the picture, wherever the others stand.
SEEN = {
    "explorer": {"Seed", "Mix of seeds", "Metadata of", "Link", "Overlay", "Attention", "Colours"},
    "bank_map": {"Picture", "Neighbours", "Seed"},
    "monitor": set(),
}
ERRORS = "[data-mime-type='application/vnd.jupyter.error'], [data-mime-type$='.stderr']"

each_explorer = pytest.mark.parametrize("explorer", PARTS)


@pytest.fixture(scope="module")
def cells() -> dict[str, int]:
    """In which cell each explorer is shown."""
    notebook = nbformat.read(NOTEBOOKS / NAME, as_version=4)
    return {
        explorer: place
        for explorer in PARTS
        for place, cell in enumerate(notebook.cells)
        if f"display({explorer}, " in cell.source
    }


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with browser() as page, lab(tmp_path_factory.mktemp("lab")) as running:
        shutil.copy(NOTEBOOKS / NAME, running.folder)
        with open_session(page, running, NAME, seconds=180) as opened:
            yield opened


def test_every_cell_runs(session: Session) -> None:
    assert session.page.locator(ERRORS).all_inner_texts() == []


@each_explorer
def test_every_control_has_a_name_of_its_own(
    session: Session, cells: dict[str, int], explorer: str
) -> None:
    controls = session.controls(cells[explorer])
    assert len(controls) >= {"explorer": 14, "bank_map": 4, "monitor": 3}[explorer]
    assert [role for role, name in controls if not name.strip()] == []
    assert len(set(controls)) == len(controls), "two controls of the same name"


@each_explorer
def test_every_control_is_moved_by_keys(
    session: Session, cells: dict[str, int], explorer: str
) -> None:
    cell, moved = cells[explorer], set()
    kinds = session.kernel.value(f"[type(part).__name__ for part in {PARTS[explorer]}]")
    for place, kind in enumerate(kinds):
        part = f"{PARTS[explorer]}[{place}]"
        name = session.kernel.value(f"{part}.description")
        before = session.source(cell)
        if kind == "Dropdown":
            index, count = session.kernel.value(f"({part}.index, len({part}.options))")
            if count == 1:  # the run that comes with the lab has one checkpoint
                continue
            step = 1 if index + 1 < count else -1
            session.choose(cell, name, "ArrowDown" if step > 0 else "ArrowUp")
            session.agree(cell, explorer, f"{part}.index", index + step)
        elif kind in ("BoundedIntText", "BoundedFloatText"):
            value, most, step = session.kernel.value(
                f"({part}.value, {part}.max, {part}.step or 1)"
            )
            step = step if value + step <= most else -step
            session.press(cell, name, "ArrowUp" if step > 0 else "ArrowDown")
            session.agree(cell, explorer, f"round({part}.value, 3)", round(value + step, 3))
        elif kind == "Button":
            count = session.kernel.value(f"{explorer}.updates.count")
            session.press(cell, name, "Enter")
            session.agree(cell, explorer, f"{explorer}.updates.count", count + 1)
        elif kind == "Checkbox" and explorer != "monitor":
            for wanted in (True, False):
                session.press(cell, name, "Space")
                session.agree(cell, explorer, f"{part}.value", wanted)
        else:
            continue
        moved.add(name)
        assert name not in SEEN[explorer] or session.source(cell) != before, name
    assert moved >= SEEN[explorer]
    session.shoot(f"notebook-12-{explorer}", cell)


def test_nothing_is_written_to_the_console_as_an_error(session: Session) -> None:
    assert session.console == []
