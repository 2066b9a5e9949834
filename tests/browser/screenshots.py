"""Take screenshots of the explorers over a run, as they stand in JupyterLab.

    python tests/browser/screenshots.py runs/demo FOLDER

leaves ``explorer_attention.png``, ``explorer_metadata.png`` and ``explorer_monitor.png`` there.
"""

import sys
import tempfile
from pathlib import Path

from browser_lab import find_browser, lab
from playwright.sync_api import expect, sync_playwright


def main(run: Path, folder: Path) -> None:
    cells = [
        "from slae_lib.explorer import AttentionExplorer, MetadataExplorer, TrainingMonitor\n"
        'explorer = AttentionExplorer("run")\n'
        'explorer.controls.link.value = "8->32"\n'
        'explorer.controls.attention.value = "painted"\n'
        'explorer.controls.paint.shapes.value = "upper half"\n'
        "explorer",
        'MetadataExplorer("run")',
        'TrainingMonitor("run")',
    ]
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as temporary,
        lab(Path(temporary)) as running,
        sync_playwright() as playwright,
    ):
        (running.folder / "run").symlink_to(run.resolve(), target_is_directory=True)
        running.write("explorers.ipynb", cells)
        browser = playwright.chromium.launch(
            executable_path=find_browser(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 1000}, device_scale_factor=1.5)
        page.goto(running.url("explorers.ipynb"))
        page.get_by_text("| Idle").first.wait_for(timeout=60_000)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        outputs = page.locator(".jp-OutputArea-output")
        expect(outputs.locator("img[width='922']")).to_have_count(3, timeout=60_000)
        page.get_by_text("| Idle").first.wait_for(timeout=60_000)
        for cell, name in enumerate(("attention", "metadata", "monitor")):
            outputs.nth(cell).screenshot(path=str(folder / f"explorer_{name}.png"))
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
