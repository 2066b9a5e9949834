"""Try settings on pictures: train with each, draw, and measure, at one thread a trial.

A trial is a line of options of `slae train`, with a seed. It is trained in a process of its own,
its processor time is kept, and 1,000 images of it are compared with all pictures: FID, KID,
diversity, and how many different pictures are the nearest to one of 64 images. What is done is in
the file at once, and is not done again when the program is started anew.

    python tests/benchmarks/sweep.py --data FOLDER --work WORK --json FILE settings.toml

The settings are a table of names: `gain-0.5 = "--metadata-gain 0.5"`.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import threading
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import facts

DRAWN = 1000
SHEET = 64


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("settings", type=Path, help="TOML: name = options of slae train")
    add("--data", required=True, help="a name or a folder, as for slae train")
    add("--preset", default="cpu-demo")
    add("--seeds", type=int, nargs="+", default=[0])
    add("--only", nargs="+", help="names of settings")
    add("--jobs", type=int, default=os.cpu_count() or 1, help="trials side by side")
    add("--work", type=Path, required=True, help="folder for the runs")
    add("--json", type=Path, required=True)
    add("--measure", type=Path, help=argparse.SUPPRESS)  # a run, in a process of its own
    return parser.parse_args()


def measure(run: Path, data: str) -> dict[str, Any]:
    """Return what the images of a finished run are worth."""
    import torch

    from slae_lib.datasets import load_images
    from slae_lib.evaluation import GeneratedImages, InceptionFeatures, compare_features
    from slae_lib.evaluation.novelty import neighbours_of_pixels
    from slae_lib.training.diversity import diversity
    from slae_lib.training.log import read_metrics

    images = GeneratedImages.from_file(run / "generator.safetensors", DRAWN, seed=1)
    real = load_images(data, images.resolution)
    network = InceptionFeatures(progress=False)
    result = compare_features(network.of_stored(real), network.of(images), resamples=20)
    sheet = images.batch(range(SHEET))
    near = neighbours_of_pixels(images.first(SHEET), real)
    last = read_metrics(run / "metrics.csv")[-1]
    floats = [pictures.float().flatten(1) for pictures in (sheet, real.batch(range(len(real))))]
    return {
        "fid": result.fid,
        "kid_1000": 1000 * result.kid.value,
        "diversity": diversity(*floats),
        "different_nearest": near.different,
        "copies": int((near.ratios < 0.6).sum()),
        "discriminator": last["discriminator"],
        "real_logits": last["real_logits"],
        "fake_logits": last["fake_logits"],
        "torch": torch.__version__,
    }


def command(options: argparse.Namespace, line: str, seed: int) -> list[str]:
    """Return the command that trains with one setting and one seed."""
    start = ["slae", "train", "--preset", options.preset, "--data", Path(options.data).name]
    return [*start, "--seed", str(seed), "--device", "cpu", *shlex.split(line)]


def trial(options: argparse.Namespace, name: str, line: str, seed: int) -> dict[str, Any]:
    """Train with one setting and one seed, and return what came out."""
    run = options.work / f"{name}-{seed}"
    told = command(options, line, seed)
    here = ["--data", options.data, "--out", str(run), "--overwrite"]  # the last --data counts
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    start = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "slae_lib", *told[1:], *here],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    row: dict[str, Any] = {
        "name": name,
        "seed": seed,
        "command": shlex.join(told),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "seconds": round(time.monotonic() - start, 1),
    }
    if process.returncode:
        return row | {"failed": errors.strip().splitlines()[-1:]}
    words = [sys.executable, __file__, *sys.argv[1:], "--measure", str(run)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return row | {"failed": done.stderr.strip().splitlines()[-1:]}
    return row | json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Do all trials that are not done yet."""
    options = _options()
    if options.measure:
        print(json.dumps(measure(options.measure, options.data)))
        return
    settings = tomllib.loads(options.settings.read_text("utf-8"))
    kept: dict[str, Any] = {
        "format": "slae-lab-sweep-1",
        "command": facts.command(),
        "hardware": facts.hardware(),
        "versions": facts.versions(),
        "data": Path(options.data).name,
        "images": DRAWN,
        "trials": [],
    }
    if options.json.is_file():
        kept["trials"] = json.loads(options.json.read_text("utf-8"))["trials"]
    done = {(row["name"], row["seed"], row["command"]) for row in kept["trials"]}
    lock = threading.Lock()

    def do(wanted: tuple[str, str, int]) -> None:
        row = trial(options, *wanted)
        with lock:
            kept["trials"].append(row)
            facts.save(options.json, kept)
        shown = {key: round(v, 2) for key, v in row.items() if isinstance(v, float | int)}
        print(wanted[0], shown, row.get("failed", ""), flush=True)

    todo = []
    for seed in options.seeds:
        for name, line in settings.items():
            whole = command(options, line, seed)
            chosen = not options.only or name in options.only
            if chosen and (name, seed, shlex.join(whole)) not in done:
                todo.append((name, line, seed))
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(do, todo))
    print(f"{len(kept['trials'])} trials, {len(todo)} of them now")


if __name__ == "__main__":
    main()
