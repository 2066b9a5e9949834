"""How fast the stage is: first paint and updates on the static page and in JupyterLab, and sizes.

make page
python tests/benchmarks/stage.py --page build/page --json figures/results/stage.json
"""

import argparse
import functools
import http.server
import statistics
import sys
import tempfile
import threading
import zlib
from pathlib import Path
from typing import Any

from facts import command, hardware, load, save, versions

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "browser")]

from browser_lab import lab  # noqa: E402
from browser_session import browser, session  # noqa: E402

from slae_lib.course.stored import demo_run, stored_run  # noqa: E402

FORMAT = "slae-lab-stage-speed-1"
RUNS = {"64": demo_run, "128": lambda: stored_run("fluent-128")}
# One change after another, each begun when the one before is shown; milliseconds of each.
UPDATES = """async ([selector, kind, rounds]) => {
    const root = document.querySelectorAll('.slae-stage')[selector];
    const painted = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    const press = (node, key) =>
        node.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
    const times = [];
    for (let i = 0; i < rounds + 3; i++) {
        const before = root.dataset.shown;
        const begun = performance.now();
        if (kind === 'a stroke of the brush') {
            const cells = root.querySelectorAll('[role=gridcell]');
            if (i === 0) cells[0].focus();
            press(document.activeElement, i % 2 ? 'Delete' : ' ');
        } else {
            const seed = root.querySelector('.st-seed input');
            seed.value = 100 + i;
            seed.dispatchEvent(new Event('input'));
        }
        while (root.dataset.shown === before) await new Promise(done => setTimeout(done));
        const computed = performance.now() - begun;
        await painted();
        if (i >= 3) times.push([computed, Number(root.dataset.took)]);
    }
    return times;
}"""
KINDS = ("a stroke of the brush", "another noise")


def summary(times: list[list[float]]) -> dict[str, float]:
    """Median and slowest milliseconds from a change to its picture, and the engine's part."""
    whole, engine = zip(*times, strict=True)
    return {
        "median_ms": round(statistics.median(whole), 1),
        "slowest_ms": round(max(whole), 1),
        "engine_median_ms": round(statistics.median(engine), 1),
    }


def sizes(folder: Path) -> dict[str, dict[str, float]]:
    """Megabytes of the page's parts, as they lie there and as a server may pack them."""
    parts = {
        "page": [*folder.glob("*.*")],
        "runtime": [*folder.glob("ort/*")],
        **{f"model {name}": [folder / name / "generator.onnx"] for name in RUNS},
        **{
            f"faces and metadata {name}": [
                file for file in (folder / name).iterdir() if file.suffix != ".onnx"
            ]
            for name in RUNS
        },
    }
    return {
        name: {
            "mb": round(sum(file.stat().st_size for file in files) / 1e6, 3),
            "packed_mb": round(sum(len(zlib.compress(f.read_bytes(), 6)) for f in files) / 1e6, 3),
        }
        for name, files in parts.items()
    }


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def measure_page(folder: Path, rounds: int) -> dict[str, Any]:
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found: dict[str, Any] = {}
    with browser() as page:
        for name in RUNS:
            page.goto("about:blank")
            page.goto(f"http://127.0.0.1:{server.server_port}/#%7B%22model%22%3A%22{name}%22%7D")
            page.wait_for_function("window.stage?.scene")
            paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
            entry = {
                "first_paint_ms": round(page.evaluate(paint), 1),
                "stage_computed_ms": round(page.evaluate("performance.now()"), 1),
            }
            for kind in KINDS:
                entry[kind] = summary(page.evaluate(UPDATES, [0, kind, rounds]))
            found[name] = entry
    server.shutdown()
    return found


def measure_notebook(rounds: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    cells = ["from slae_lib.explorer import Stage"]
    cells += [f"Stage({str(run())!r}, seed=3, picture='1f622.webp')" for run in RUNS.values()]
    with tempfile.TemporaryDirectory() as folder, lab(Path(folder)) as running, browser() as page:
        running.write("stage.ipynb", cells)
        with session(page, running, "stage.ipynb") as opened:
            for index, name in enumerate(RUNS):
                opened.output(index + 1).locator("[data-shown]").wait_for()
                found[name] = {
                    kind: summary(page.evaluate(UPDATES, [index, kind, rounds])) for kind in KINDS
                }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, required=True, help="Folder that make page has built.")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    values = {
        "format": FORMAT,
        "command": command(),
        "hardware": hardware(),
        "versions": versions(),
        "sizes": sizes(options.page),
        "page": measure_page(options.page, options.rounds),
        "notebook": measure_notebook(options.rounds),
        "load_at_the_end": load(),
    }
    for place in ("page", "notebook"):
        for name, entry in values[place].items():
            for what, found in entry.items():
                print(f"{place:9} {name:>4} px  {what:22} {found}")
    for part, size in values["sizes"].items():
        print(f"{part:26} {size['mb']:7.2f} MB, packed {size['packed_mb']:.2f}")
    if options.json:
        save(options.json, values)


if __name__ == "__main__":
    main()
