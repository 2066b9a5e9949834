"""Ten minutes on a GPU in one command: checks, a table of speed, and a training on photographs.

    python tests/benchmarks/gpu_round.py --minutes 9 --photos FOLDER --out DIR
    python tests/benchmarks/gpu_round.py --join DIR

It needs no network and stops by itself in time. After each step, and each cell of the table, what
is known so far is in DIR/round.json; whatever cannot be measured has its reason there. --tiny does
all of it in half a minute, on a CPU too, and shows nothing but that it runs.

What comes back, in at most eight files below 16 MiB, 64 MiB together: round.json, metrics.csv (the
log), samples.png (the last grid), growth.jpg (a row from each of several grids) and the averaged
generator at half precision in four pieces or so; --join makes generator.safetensors of them, which
`slae sample` draws from. With metadata, put the bank beside it as metadata.safetensors.

What to carry to a computer without a network, below 60 MiB together:

* this repository, 12 MB without its history; nothing has to be installed;
* the photographs, not changed in any way if there is metadata (a bank knows their checksums);
  100 JPEGs of 256 px are 3 MB; and their bank (`slae metadata extract --data FOLDER --out FILE`),
  0.2 MB;
* Python 3.11 or later with torch 2.6 or later, torchvision, numpy, pillow, safetensors, accelerate,
  tqdm and filelock. Where they are missing also the wheels of platformdirs and pooch, 0.1 MB, and
  of what pooch needs: requests, urllib3, idna, certifi, charset-normalizer and packaging, 0.7 MB
  (`pip download --no-deps`, then `pip install --no-index --no-deps --target SITE *.whl` and
  PYTHONPATH=SITE). Nothing else that slae_lib can use is imported here;
* for --reconstruction vgg or lpips scipy, the wheel of lpips, 0.1 MB, and VGG-16 in the folder
  TORCH_HOME/hub/checkpoints under its own name, which `--pack-vgg vgg FILE` (or lpips) writes from
  the copy on this computer: convolutions alone, at half precision, 30 MB.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # for a checkout alone

import facts
import pieces

BEGIN = time.monotonic()
STEPS = ("checks", "speed", "training")
CHECK_MINUTES = 1.5
RESERVE = 30.0
"""Seconds that are kept for the end of the training: the checkpoint, the pieces, the grids."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--minutes", type=float, default=9.0, help="for everything")
    add("--speed-minutes", type=float, default=3.0, help="at most, for the table of speed")
    add("--photos", type=Path, metavar="FOLDER", help="pictures to train on; none, no training")
    add("--metadata", type=Path, metavar="FILE", help="their bank; without it SLAE has no metadata")
    add("--reconstruction", choices=("l1", "vgg", "lpips", "none"), default="l1")
    add("--batch", type=int, default=8, help="of the training")
    add("--steps", nargs="+", choices=STEPS, default=STEPS, help="do these alone")
    add("--device", choices=("auto", "cpu"), default="auto")
    add("--tiny", action="store_true", help="narrow networks at 64 px, a few iterations")
    add("--out", type=Path, metavar="DIR", help="folder for what comes back")
    add("--join", type=Path, metavar="DIR", help="put the generator's pieces together, no more")
    add("--pack-vgg", nargs=2, metavar=("KIND", "FILE"), help="vgg or lpips: write VGG-16 to carry")
    options = parser.parse_args()
    if not (options.out or options.join or options.pack_vgg):
        parser.error("give --out, or --join or --pack-vgg")
    return options


class Round:
    """What is known so far, and the time that is left.

    Args:
        options: of the command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        import torch

        self.options = options
        cuda = options.device == "auto" and torch.cuda.is_available()
        self.device = torch.device("cuda" if cuda else "cpu")
        self.known: dict[str, Any] = {
            "format": "slae-lab-gpu-round-1",
            "command": facts.command(),
            "hardware": facts.hardware(),
            "versions": facts.versions(),
            "threads": torch.get_num_threads(),
            "seconds": {},
        }
        if cuda:
            seen = torch.cuda.get_device_properties(0)
            self.known["hardware"]["gpu"] = {
                "name": seen.name,
                "memory_gib": round(seen.total_memory / 2**30, 1),
                "multiprocessors": seen.multi_processor_count,
                "capability": f"{seen.major}.{seen.minor}",
            }
            self.known["versions"]["cuda"] = torch.version.cuda
            self.known["versions"]["cudnn"] = torch.backends.cudnn.version()

    @property
    def left(self) -> float:
        """Seconds that are left of all."""
        return self.options.minutes * 60 - (time.monotonic() - BEGIN)

    def save(self) -> None:
        """Write down what is known."""
        facts.save(self.options.out / "round.json", self.known)

    def checks(self) -> None:
        """Do the checks, one after the other, until their time is over."""
        from gpu_checks import CHECKS, run
        from gpu_setting import Setting

        setting = Setting.of(self.device, self.options.tiny)
        end = time.monotonic() + min(CHECK_MINUTES * 60, self.left / 3)
        self.known["checks"] = []
        for name in CHECKS:
            if time.monotonic() > end:
                found = {"check": name, "outcome": "skipped", "reason": "no time"}
            else:
                found = run(name, setting)
            self.known["checks"].append(found)
            self.save()
            say(f"{found['outcome']:<8} {name}{found['reason'] and ': '}{found['reason']}")

    def speed(self) -> None:
        """Fill the table, cell by cell, until its time is over."""
        from dataclasses import asdict

        from gpu_speed import COMPILED, NO_TIME, Iterations, cells, in_a_process, measure

        budget = min(self.options.speed_minutes * 60, self.left / 2)
        end = time.monotonic() + budget
        self.known["speed"] = []
        say(f"{'model':<10}{'px':>5}{'batch':>6} {'mode':<15}{'seconds':>12}{'floor':>8}{'MiB':>8}")
        for cell in cells(self.options.tiny):
            left = end - time.monotonic()
            if left < 1:
                row = {**asdict(cell), "reason": NO_TIME}
            elif cell.mode in COMPILED:
                Iterations.forget()
                limit = min(left, budget / 3)
                row = in_a_process(cell, self.device, self.options.tiny, limit)
            else:
                row = measure(cell, self.device, self.options.tiny)
            self.known["speed"].append(row)
            self.save()
            say(_line(row))
        Iterations.forget()

    def training(self) -> None:
        """Train for as long as there is time."""
        from gpu_training import train_until

        options = self.options
        if options.photos is None:
            self.known["training"] = {"reason": "no --photos"}
            return
        reserve = min(RESERVE, options.minutes * 6)
        if self.left < 2 * reserve:
            self.known["training"] = {"reason": "no time"}
            return
        deadline = time.monotonic() + self.left - reserve
        how = options.photos, options.metadata, options.reconstruction, options.batch
        try:
            done = train_until(deadline, *how, self.device, options.tiny, options.out)
        except (Exception, KeyboardInterrupt) as problem:  # the time may be over while it loads
            done = {"reason": f"{type(problem).__name__}: {problem}"}
        self.known["training"] = done
        shown = {name: done[name] for name in ("reason", "iterations", "seconds") if name in done}
        say(f"training: {shown}")


def _line(row: dict[str, Any]) -> str:
    text = f"{row['model']:<10}{row['resolution']:>5}{row['batch']:>6} {row['mode']:<15}"
    if "seconds" not in row:
        return f"{text}{row['reason']}"
    memory = f"{row['peak_bytes'] / 2**20:8.0f}" if row["peak_bytes"] else f"{'':>8}"
    return f"{text}{row['seconds']:>12.4f}{row['share_of_floor']:>8.0%}{memory}"


def say(text: str) -> None:
    """Print at once, for a log that may be cut off."""
    print(text, flush=True)


def pack_vgg(kind: str, target: Path) -> None:
    """Write the convolutions of VGG-16 at half precision."""
    import torch

    from slae_lib.support.pretrained import VGG16, VGG16_TORCHVISION

    state = (VGG16_TORCHVISION if kind == "lpips" else VGG16).load()
    kept = {name: value.half() for name, value in state.items() if name.startswith("features.")}
    torch.save(kept, target)
    say(f"{target}: {target.stat().st_size / 2**20:.1f} MiB")


def main() -> None:
    """Do the steps."""
    options = _options()
    if options.join:
        try:
            known = json.loads((options.join / "round.json").read_text(encoding="utf-8"))
            say(str(pieces.join(options.join, known["training"]["generator"])))
        except (pieces.PiecesError, OSError, ValueError, KeyError) as problem:
            sys.exit(f"The generator in {options.join} cannot be put together: {problem}.")
        return
    if options.pack_vgg:
        pack_vgg(options.pack_vgg[0], Path(options.pack_vgg[1]))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    all_of_it = Round(options)
    say(f"{all_of_it.known['hardware']}\n{all_of_it.known['versions']}")
    for step in STEPS:
        if step in options.steps:
            say(f"\n{step}, {all_of_it.left:.0f} s left")
            start = time.monotonic()
            getattr(all_of_it, step)()
            all_of_it.known["seconds"][step] = round(time.monotonic() - start, 1)
            all_of_it.save()
    all_of_it.known["seconds"]["all"] = round(time.monotonic() - BEGIN, 1)
    all_of_it.save()
    say(f"\n{all_of_it.known['seconds']}")


if __name__ == "__main__":
    main()
