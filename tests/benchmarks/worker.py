"""One side of a measurement in a process of its own: `python worker.py JOB`, with a job in JSON.

The answers are lines of JSON on standard output: first what was made ready, then the seconds of
each round that a line on standard input asks for, and at the end the memory.
"""

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO

from startup import StartUp, peak_of


def main() -> None:
    """Do a job."""
    job: dict[str, Any] = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")  # what libraries print does not get there
    os.dup2(2, 1)

    import slae_lib

    found = Path(slae_lib.__file__).resolve().parents[1]
    if found != Path(job["package"]).resolve():
        raise SystemExit(f"slae_lib was found in {found} and not in {job['package']}")
    if job["threads"]:
        os.environ["OMP_NUM_THREADS"] = str(job["threads"])  # for the processes that it starts
    work, facts = _make(job)
    _say(answers, facts)
    if work is None:
        return
    for _ in sys.stdin:
        _say(answers, {"seconds": work.round()})
    _say(answers, {"peak_bytes": _peak(work)})


def _make(job: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the work, or None if it cannot be done here, and what to say about it."""
    if job["what"] == "startup":  # without torch, which is in the process that it starts
        work = StartUp(job)
        return work, {"images": None, "floors": {}}
    import torch
    from floor import rate
    from works import WORKS, Skipped

    if job["threads"]:
        torch.set_num_threads(job["threads"])
    torch.manual_seed(0)
    try:
        work = WORKS[job["what"]](job)
    except Skipped as reason:
        return None, {"skipped": str(reason)}
    floors = {}
    if work.heaviest is not None:
        a_second = rate(work.heaviest, work.device)
        floors = {
            name: {"macs": macs, "seconds": macs / a_second} for name, macs in work.needed.items()
        }
    place = "cpu" if work.device.type == "cpu" else torch.cuda.get_device_name()
    facts = {
        "images": work.images,
        "floors": floors,
        "device": place,
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
    }
    if work.heaviest is not None:
        shapes = work.heaviest.input, work.heaviest.weight
        facts["convolution"] = " * ".join("x".join(map(str, shape)) for shape in shapes)
        facts["macs_per_second"] = a_second
    return work, facts


def _peak(work: Any) -> int | None:
    if isinstance(work, StartUp):
        return work.peak_bytes
    import torch

    if work.device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return peak_of()


def _say(answers: TextIO, values: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        answers.write(json.dumps(values) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
