"""Take screenshots of the explorers over a run, as they stand in JupyterLab.

    python tests/browser/screenshots.py runs/demo FOLDER

leaves ``explorer_attention.png``, ``explorer_metadata.png`` and ``explorer_monitor.png`` there.
"""

import sys
import tempfile
from pathlib import Path

from browser_lab import lab
from browser_session import browser, session

CELLS = [
    "from slae_lib.explorer import AttentionExplorer, MetadataExplorer, TrainingMonitor\n"
    'explorer = AttentionExplorer("run")\n'
    'explorer.controls.link.value = "8->32"\n'
    'explorer.controls.attention.value = "painted"\n'
    'explorer.controls.paint.shapes.value = "upper half"\n'
    "explorer",
    'MetadataExplorer("run")',
    'TrainingMonitor("run")',
]


def main(run: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as temporary,
        lab(Path(temporary)) as running,
        browser(sharpness=1.5) as page,
    ):
        (running.folder / "run").symlink_to(run.resolve(), target_is_directory=True)
        running.write("explorers.ipynb", CELLS)
        with session(page, running, "explorers.ipynb") as opened:
            for cell, name in enumerate(("attention", "metadata", "monitor")):
                opened.output(cell).locator("img[width='922']").wait_for()
                opened.output(cell).screenshot(path=str(folder / f"explorer_{name}.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
