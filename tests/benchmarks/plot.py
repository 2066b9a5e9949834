"""Draw what `speed.py --json` has kept: `python tests/benchmarks/plot.py speed.json speed.png`.

A bar for each part with its median time, and a mark at its floor. If two revisions took turns, a
second panel shows every pair of rounds as a dot, its median as a line, and 1 for equally fast.
Several files, of one computer and one other revision, are drawn into one picture.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from slae_lib.plotting.base import BLUE, GREEN, GREY, ORANGE, new_figure


def label(row: dict[str, Any]) -> str:
    """Return what a row is about in a few words."""
    words = [row["part"], row.get("model") or "", f"{row['resolution']} px"]
    if row.get("pictures"):
        words.append(f"{row['pictures']} pictures")
    words.append(row["how"])
    return ", ".join(filter(None, words))


def how(settings: dict[str, Any]) -> str:
    """Return what is special about a measurement: its distance, or two precisions."""
    words = [] if settings["reconstruction"] == "l1" else [settings["reconstruction"].upper()]
    precisions = settings["precision"], settings.get("against_precision") or settings["precision"]
    ours, theirs = (name.replace("no", "fp32") for name in precisions)
    words += [] if ours == theirs == "fp32" else [ours if ours == theirs else f"{ours} to {theirs}"]
    return ", ".join(words)


def draw(*measurements: dict[str, Any]) -> Figure:
    """Return the figure of measurements."""
    kept = measurements[0]
    rows = [
        row | {"how": how(one["settings"])}
        for one in measurements
        for row in one["rows"]
        if "skipped" not in row
    ]
    paired = any("ratio" in row for row in rows)
    figure = new_figure(12 if paired else 8, 1.6 + 0.24 * len(rows))
    panels = figure.subplots(1, 2 if paired else 1, sharey=True, squeeze=False)[0]
    heights = range(len(rows))
    left = panels[0]
    left.barh(heights, [row["median"] for row in rows], 0.5, color=BLUE, label="median time")
    marks = [(row["floor_seconds"], y) for y, row in enumerate(rows) if "floor_seconds" in row]
    if marks:
        left.plot(*zip(*marks, strict=True), "|", color=ORANGE, ms=11, mew=3, label="its floor")
    left.set_xscale("log")
    left.set_xlabel("seconds")
    left.set_yticks(heights, [label(row) for row in rows])
    left.invert_yaxis()
    left.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    if paired:
        right = panels[1]
        right.axvline(1, color=GREY, lw=1)
        for y, row in enumerate(rows):
            ratios = row.get("ratios", [])
            right.plot(ratios, [y] * len(ratios), ".", color=BLUE, alpha=0.5)
            right.plot([row["ratio"]] * 2, [y - 0.35, y + 0.35], color=GREEN, lw=3)
        right.set_xlabel(f"times as fast as {kept['against'][:7]}, pair by pair")
    computer = kept["hardware"]
    figure.suptitle(
        f"{computer['processor']}, {computer['cores']} cores, torch {kept['versions']['torch']}, "
        f"revision {kept['revision'][:7]}",
        fontsize=10,
    )
    return figure


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="+", help="what speed.py --json has written")
    parser.add_argument("picture", type=Path, help="file to write: .png, .svg or .pdf")
    options = parser.parse_args()
    figure = draw(*(json.loads(file.read_text(encoding="utf-8")) for file in options.data))
    figure.savefig(options.picture, dpi=130)


if __name__ == "__main__":
    main()
