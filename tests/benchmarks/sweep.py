"""Try settings on pictures: train with each, draw, and measure, at one thread a trial.

A trial is a line of options of `slae train`, with a seed. It is trained in a process of its own,
its processor time is kept, and 1,000 images of it are compared with all pictures: FID, KID, broken
share, diversity, how many different pictures are the nearest to one of 64 images, and how many of
these are copies, in pixels. What is done is in the file at once, and is not done again when the
program is started anew.

    python tests/benchmarks/sweep.py --work WORK --json FILE settings.toml

The settings are a table of names: `flip = "--flip"`.
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

SHEET = 64


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("settings", type=Path, help="TOML: name = options of slae train")
    add("--data", default="fluent-faces", help="a name or a folder, as for slae train")
    add("--preset", default="cpu-demo")
    add("--seeds", type=int, nargs="+", default=[0])
    add("--only", nargs="+", help="names of settings")
    add("--jobs", type=int, default=os.cpu_count() or 1, help="trials side by side")
    add("--work", type=Path, required=True, help="folder for the runs")
    add("--json", type=Path, required=True)
    add("--images", type=int, default=1000, help="drawn for each trial")
    add("--measure", type=Path, help=argparse.SUPPRESS)  # a run, in a process of its own
    return parser.parse_args()


def measure(run: Path, data: str, count: int) -> dict[str, Any]:
    """Return what the images of a finished run are worth."""
    from slae_lib.datasets import load_images
    from slae_lib.evaluation import GeneratedImages, InceptionFeatures, compare_features
    from slae_lib.evaluation.novelty import COPY_RATIO, neighbours_of_pixels
    from slae_lib.support.images import to_float
    from slae_lib.support.pretrained import MissingWeightsError
    from slae_lib.training.diversity import broken, diversity
    from slae_lib.training.log import read_metrics

    images = GeneratedImages.from_file(run / "generator.safetensors", count, seed=1)
    real = load_images(data, images.resolution)
    fid = kid = None
    try:
        network = InceptionFeatures(progress=False)
        result = compare_features(network.of_stored(real), network.of(images), resamples=20)
        fid, kid = result.fid, 1000 * result.kid.mean
    except MissingWeightsError:
        pass  # all else can be measured
    drawn, known = (to_float(some.batch(range(len(some)))) for some in (images, real))
    near = neighbours_of_pixels(drawn[:SHEET] / 2 + 0.5, known / 2 + 0.5)
    last = read_metrics(run / "metrics.csv")[-1]
    return {
        "fid": fid,
        "kid_1000": kid,
        "broken": broken(drawn, known),
        "diversity": diversity(drawn[:SHEET], known),
        "different_nearest": near.different,
        "copies": int((near.ratios < COPY_RATIO).sum()),
        "discriminator": last["discriminator"],
        "real_logits": last["real_logits"],
        "fake_logits": last["fake_logits"],
    }


def command(options: argparse.Namespace, line: str, seed: int) -> list[str]:
    """Return the command that trains with one setting and one seed."""
    start = ["slae", "train", "--preset", options.preset, "--data", Path(options.data).name]
    return [*start, "--seed", str(seed), *shlex.split(line)]


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
        print(json.dumps(measure(options.measure, options.data, options.images)))
        return
    settings = tomllib.loads(options.settings.read_text("utf-8"))
    kept: dict[str, Any] = {
        "format": "slae-lab-sweep-1",
        "command": facts.command(),
        "hardware": facts.hardware(),
        "versions": facts.versions(),
        "data": Path(options.data).name,
        "images": options.images,
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
