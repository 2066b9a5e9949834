"""Measure how fast the lab is, part by part, alone or in turn with another revision of it.

Every work has a process of its own. With --against each side has one, on its own `slae_lib`, and
the rounds take turns: a b a b. Whatever else the computer does then meets both alike, so the ratio
of each pair is much steadier than the times. Prints a table; --json keeps every single time.
"""

import argparse
import contextlib
import itertools
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import facts
from sides import GitError, Side, Worker, other_side, this_side
from tables import HEADER, line, summary

WHATS = "iteration parts checkpoint sampling fid startup reading".split()
WITHOUT_MODEL = ("fid", "reading")
IMAGES = {64: 64, 256: 8, 1024: 2}
"""By the resolution: images drawn in a round."""
FID_IMAGES = 16
"""Their features take as long at any resolution: FID resizes them."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--what", type=_words, default=WHATS, help=f"of {','.join(WHATS)}; all if not given")
    add("--resolution", type=int, nargs="+", default=[64, 256, 1024])
    add("--model", nargs="+", choices=("fastgan", "slae"), default=["fastgan", "slae"])
    add("--reconstruction", choices=("l1", "lpips", "none"), default="l1")
    add("--precision", choices=("no", "bf16", "fp16"), default="no")
    add("--batch", type=int, help="images in an iteration; 8, and 2 from 512 px on")
    add(
        "--images",
        type=int,
        help="images for sampling (64, 8 and 2 by the resolution) and for fid (16)",
    )
    add("--pictures", type=int, nargs="+", default=[100], help="JPEGs for startup and reading")
    add("--rounds", type=int, default=10)
    add("--threads", type=int, default=0, help="of torch; its own choice if not given")
    add("--device", choices=("auto", "cpu"), default="auto")
    add(
        "--against-precision",
        choices=("no", "bf16", "fp16"),
        help="of the other revision; as --precision if not given",
    )
    add("--against", metavar="REVISION", help="another revision of this repository")
    add("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds has to be 1 or more")
    if (options.batch or 2) < 2:
        parser.error("--batch has to be 2 or more, since batch norm needs as many")
    return options


def _words(text: str) -> list[str]:
    words = text.split(",")
    unknown = [word for word in words if word not in WHATS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(WHATS)}")
    return words


def jobs(options: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what is to be measured, each as `worker.py` wants it."""
    for what, resolution in itertools.product(options.what, options.resolution):
        with_pictures = what in ("startup", "reading")
        models = [None] if what in WITHOUT_MODEL else options.model
        for pictures in options.pictures if with_pictures else [0]:
            for model in models:
                yield {
                    "what": what,
                    "model": model,
                    "resolution": resolution,
                    "batch": options.batch or (2 if resolution >= 512 else 8),
                    "images": options.images
                    or (FID_IMAGES if what == "fid" else IMAGES.get(resolution, 4)),
                    "pictures": pictures,
                    "folder": str(jpegs(folder, resolution, pictures)) if with_pictures else "",
                    "reconstruction": options.reconstruction,
                    "threads": options.threads,
                    "device": options.device,
                }


def jpegs(folder: Path, resolution: int, count: int) -> Path:
    """Return a folder of made JPEGs: smooth colours with a little grain, as large as photos."""
    import numpy as np
    from PIL import Image

    made = folder / f"{count} pictures of {resolution} px"
    if made.is_dir():
        return made
    made.mkdir()
    source = np.random.default_rng(0)
    side = (resolution, resolution)
    for number in range(count):
        colours = source.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(colours).resize(side, Image.Resampling.BICUBIC))
        grain = source.integers(-8, 9, (*side, 1))
        picture = np.clip(smooth.astype(np.int16) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(picture).save(made / f"{number:06d}.jpg", quality=90)
    return made


def measure(
    job: dict[str, Any], sides: list[Side], precisions: tuple[str, str], rounds: int
) -> list[dict[str, Any]]:
    """Return a row for each part of a work, or one with the reason why there is none."""
    about = {
        name: job[name]
        for name in ("what", "model", "resolution", "batch", "pictures")
        if job[name]
    }
    with contextlib.ExitStack() as stack:
        try:
            workers = []
            for side, precision in zip(sides, precisions, strict=False):
                workers.append(Worker(side, {**job, "precision": precision}))
                stack.callback(workers[-1].stop)
            skipped = [str(w.facts["skipped"]) for w in workers if "skipped" in w.facts]
            if skipped:
                return [{**about, "skipped": skipped[0]}]
            done = [[worker.round() for worker in workers] for _ in range(rounds)]
            peaks = [worker.end() for worker in workers]
        except RuntimeError as problem:
            return [{**about, "skipped": str(problem)}]
    names = list(dict.fromkeys(name for pair in done for seconds in pair for name in seconds))
    return [
        {**about, **summary(name, [worker.facts for worker in workers], done, peaks)}
        for name in names
    ]


def main() -> None:
    """Measure, print, and keep."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the worktree is removed then too
    with contextlib.ExitStack() as stack:
        sides = [this_side()]
        if options.against:
            try:
                sides.append(stack.enter_context(other_side(options.against)))
            except GitError as problem:
                sys.exit(f"--against {options.against}: {problem}.")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slae-speed-")))
        kept: dict[str, Any] = {
            "format": "slae-lab-speed-1",
            "command": facts.command(),
            "hardware": facts.hardware(),
            "versions": facts.versions(),
            "revision": sides[0].revision,
            "against": sides[1].revision if options.against else None,
            "settings": {
                name: getattr(options, name)
                for name in ("reconstruction", "precision", "against_precision", "rounds")
            },
            "rows": [],
        }
        _introduce(kept)
        for job in jobs(options, folder):
            precisions = options.precision, options.against_precision or options.precision
            rows = measure(job, sides, precisions, options.rounds)
            kept["rows"] += rows
            kept["hardware"]["load_at_the_end"] = facts.load()
            for row in rows:
                print(line(row), flush=True)
            if options.json:
                facts.save(options.json, kept)
    ratios = [row["ratio"] for row in kept["rows"] if row["what"] == "iteration" and "ratio" in row]
    if ratios:
        print(f"an iteration, median over the rows: {statistics.median(ratios):.3f} times as fast")


def _introduce(kept: dict[str, Any]) -> None:
    computer = kept["hardware"]
    print(f"{computer['processor']}, {computer['cores']} cores, load {computer['load']}")
    print(f"torch {kept['versions'].get('torch')}, Python {kept['versions']['python']}")
    print(f"{kept['settings']}\nrevision {kept['revision']}")
    if kept["against"]:
        print(f"against  {kept['against']}")
    print(HEADER, flush=True)


if __name__ == "__main__":
    main()
