"""Measure how the start and the reading of pictures grow with their number.

For each number of made JPEGs: the first start with an empty cache, then some more, each in a new
process that does what a training without metadata does before its first step, networks aside.
The JPEGs are made once and stay in --folder; they lie in the computer's own cache when read.
"""

import argparse
import compileall
import itertools
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import facts
import numpy as np
from PIL import Image, ImageChops
from sides import this_side
from startup import peak_of


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--counts", type=int, nargs="+", default=[100, 10_000, 100_000])
    add("--resolution", type=int, default=256)
    add("--batch", type=int, default=8)
    add("--later", type=int, default=3, help="starts after the first")
    add("--seconds", type=float, default=5.0, help="for which each later start goes on reading")
    add("--limit", help="GB of decoded pictures in the cache (SLAE_CACHE_LIMIT)")
    add("--folder", type=Path, help="for the JPEGs; a temporary one if not given")
    add("--quiet", action="store_true", help="say in the file that nothing else was running")
    add("--json", type=Path, metavar="FILE")
    add("--start", help=argparse.SUPPRESS)  # a process that is measured
    return parser.parse_args()


def make(job: tuple[Path, int, int, int]) -> None:
    """Draw some JPEGs: smooth colours with grain, as large as photos; each is another one."""
    folder, resolution, first, last = job
    side = (resolution, resolution)
    source = np.random.default_rng(first)
    grain = source.normal(0, 5, (4, *side)).clip(0, 40).astype(np.uint8)
    grains = [Image.merge("RGB", [Image.fromarray(one)] * 3) for one in grain]
    for number in range(first, last):
        colours = Image.fromarray(source.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        smooth = colours.resize(side, Image.Resampling.BICUBIC)
        picture = ImageChops.subtract(smooth, grains[number % len(grains)])
        picture.save(folder / f"{number:06d}.jpg", quality=88)


def jpegs(home: Path, resolution: int, counts: list[int]) -> list[Path]:
    """Return a folder for each number, the smaller ones with links to files of the largest."""
    folders = [home / f"{count} of {resolution} px" for count in counts]
    for folder, count in sorted(zip(folders, counts, strict=True), key=lambda pair: -pair[1]):
        if folder.is_dir():
            continue
        unfinished = Path(tempfile.mkdtemp(prefix=".making-", dir=home))
        larger = [(n, f) for f, n in zip(folders, counts, strict=True) if n > count and f.is_dir()]
        if larger:
            for name in sorted(os.listdir(max(larger)[1]))[:count]:
                os.link(max(larger)[1] / name, unfinished / name)
        else:
            step = max(1, min(1000, count // 8))
            jobs = [
                (unfinished, resolution, first, min(first + step, count))
                for first in range(0, count, step)
            ]
            with multiprocessing.Pool() as pool:
                pool.map(make, jobs, chunksize=1)
        unfinished.rename(folder)
    return folders


def measured_start(options: argparse.Namespace) -> dict[str, Any]:
    """Start as a training does; return the seconds to the first batch, and what followed."""
    from slae_lib.config import ModelConfig
    from slae_lib.training.batches import image_batches
    from slae_lib.training.config import TrainConfig
    from slae_lib.training.loop import check_inputs
    from slae_lib.training.start import load_inputs

    began = float(options.start)
    config = TrainConfig(batch_size=options.batch, reconstruction="l1")
    model = ModelConfig(resolution=options.resolution, metadata=False)
    imported = time.time()
    model, images, bank = load_inputs(model, config, options.folder)
    check_inputs(model, config, images, bank)
    batches = image_batches(images, config)
    next(batches)
    ready = time.time()
    read = sum(
        len(pictures)
        for _, pictures in itertools.takewhile(
            lambda _: time.time() < ready + options.seconds, batches
        )
    )
    found = {
        "pictures": len(images),
        "from": "memory" if images.in_memory else "cache" if images.decoded else "files",
        "imports_seconds": round(imported - began, 3),
        "start_seconds": round(ready - began, 3),
        "images_per_second": round(read / (time.time() - ready), 1) if options.seconds else None,
        "peak_bytes": peak_of(),
        "workers": len(multiprocessing.active_children()),
        "workers_bytes": sum(map(_own_memory, multiprocessing.active_children())),
    }
    batches.close()
    return found


def _own_memory(process: multiprocessing.process.BaseProcess) -> int:
    """Return the bytes of a process that it shares with no other; 0 where not on Linux."""
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text("utf-8").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


def start(options: argparse.Namespace, folder: Path, cache: Path, seconds: float) -> dict[str, Any]:
    """Measure one start in a process of its own."""
    environment = os.environ | {"SLAE_CACHE": str(cache)}
    if options.limit is not None:
        environment["SLAE_CACHE_LIMIT"] = options.limit
    command = [sys.executable, __file__, "--folder", str(folder), "--seconds", str(seconds)]
    command += ["--resolution", str(options.resolution), "--batch", str(options.batch)]
    done = subprocess.run(
        [*command, "--start", str(time.time())], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure, print, and keep."""
    options = _options()
    if options.start:
        print(json.dumps(measured_start(options)))
        return
    side = this_side()
    compileall.compile_dir(str(Path(__file__).parents[2] / "slae_lib"), quiet=1)
    kept: dict[str, Any] = {
        "format": "slae-lab-growth-1",
        "command": facts.command(),
        "hardware": facts.hardware(),
        "versions": facts.versions(),
        "revision": side.revision,
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "quiet": options.quiet,
        "rows": [],
    }
    with tempfile.TemporaryDirectory(prefix="slae-growth-") as temporary:
        home = options.folder or Path(temporary)
        home.mkdir(parents=True, exist_ok=True)
        began = time.time()
        folders = jpegs(home, options.resolution, options.counts)
        print(f"{facts.load()} load; the JPEGs took {time.time() - began:.0f} s")
        print("pictures  start  from    seconds  of which imports  images/s  peak MB  workers MB")
        for folder in folders:
            size = sum(file.stat().st_size for file in os.scandir(folder))
            cache = Path(tempfile.mkdtemp(prefix="cache-", dir=home))
            try:
                for number in range(1 + options.later):
                    row = start(options, folder, cache, options.seconds if number else 0)
                    row |= {"start": number + 1, "jpeg_bytes": size, "load": facts.load()}
                    kept["rows"].append(row)
                    print(_line(row), flush=True)
            finally:
                shutil.rmtree(cache)
            kept["hardware"]["load_at_the_end"] = facts.load()
            if options.json:
                facts.save(options.json, kept)
    print(table(kept["rows"]))


def table(rows: list[dict[str, Any]]) -> str:
    """Return a line for each number of pictures: of the later starts the medians."""
    lines = ["pictures  from    first start  later start  images/s  peak MB  workers MB"]
    for pictures in sorted({row["pictures"] for row in rows}):
        first, *later = (row for row in rows if row["pictures"] == pictures)
        seconds = statistics.median(row["start_seconds"] for row in later or [first])
        rate = statistics.median(row["images_per_second"] or 0 for row in later or [first])
        peak = max(row["peak_bytes"] or 0 for row in later or [first])
        workers = max(row["workers_bytes"] for row in later or [first])
        lines.append(
            f"{pictures:8d}  {first['from']:6}  {first['start_seconds']:9.1f} s  {seconds:9.1f} s  "
            f"{rate:8.0f}  {peak / 1e6:7.0f}  {workers / 1e6:10.0f}"
        )
    return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    rate = "-" if row["images_per_second"] is None else f"{row['images_per_second']:.0f}"
    return (
        f"{row['pictures']:8d}  {row['start']:5d}  {row['from']:6}  {row['start_seconds']:7.2f}  "
        f"{row['imports_seconds']:16.2f}  {rate:>8}  {(row['peak_bytes'] or 0) / 1e6:7.0f}  "
        f"{row['workers_bytes'] / 1e6:10.0f}"
    )


if __name__ == "__main__":
    main()
