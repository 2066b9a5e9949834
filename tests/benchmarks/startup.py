"""How long `slae train` takes on a folder until its first iteration is done and written down."""

import compileall
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PATIENCE = 1800.0
"""Seconds after which a start counts as failed."""


class StartUp:
    """A new process for each round; what a first start may leave in the cache helps the next.

    Everything is in it: Python's start, the imports, the pictures, the networks, one iteration.
    The package is compiled to byte code before, and the pictures lie in the computer's own cache.
    """

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.needed: dict[str, int] = {}
        self.heaviest = None
        self.images = job["pictures"]
        self.peak_bytes: int | None = None
        self.folder = tempfile.TemporaryDirectory()
        self.environment = os.environ | {"SLAE_CACHE": str(Path(self.folder.name, "cache"))}
        compileall.compile_dir(str(Path(job["package"], "slae_lib")), quiet=1)
        self.count = 0

    def round(self) -> dict[str, float]:
        run = Path(self.folder.name, f"run-{self.count}")
        self.count += 1
        start = time.perf_counter()
        with tempfile.TemporaryFile() as output:
            child = subprocess.Popen(
                self._command(run), stdout=output, stderr=output, env=self.environment
            )
            try:
                while not _has_a_line(run / "metrics.csv"):
                    if child.poll() is not None:
                        output.seek(0)
                        said = output.read().decode("utf-8", "replace").split("\n")
                        raise RuntimeError(" ".join(said[-3:]).strip() or "it ended at once")
                    if time.perf_counter() - start > PATIENCE:
                        raise RuntimeError(f"no iteration within {PATIENCE:.0f} s")
                    time.sleep(0.005)
                seconds = time.perf_counter() - start
                self.peak_bytes = max(self.peak_bytes or 0, peak_of(child.pid) or 0) or None
            finally:
                child.kill()
                child.wait()
        return {"first start" if self.count == 1 else "later start": seconds}

    def _command(self, run: Path) -> list[str]:
        job = self.job
        width = 8 if job["resolution"] == 64 else 64
        return [
            *(sys.executable, "-m", "slae_lib", "train", "--preset", "cpu-demo"),
            *("--data", job["folder"], "--out", str(run), "--no-metadata"),
            *("--skip", "sle" if job["model"] == "fastgan" else "slae"),
            *("--resolution", str(job["resolution"]), "--width", str(width)),
            *("--batch-size", str(job["batch"]), "--precision", job["precision"]),
            # Two, since the last iteration draws and saves before it writes its line.
            *("--iterations", "2", "--log-every", "1", "--samples", "2"),
            *("--sample-every", "0", "--checkpoint-every", "0"),
        ]


def peak_of(process: int | str = "self") -> int | None:
    """Return the most memory that a process has used so far in bytes; None where not on Linux."""
    status = Path("/proc", str(process), "status")
    if not status.exists():
        return None
    lines = status.read_text(encoding="utf-8", errors="replace").splitlines()
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")]
    return found[0] if found else None


def _has_a_line(metrics: Path) -> bool:
    try:
        return metrics.read_text(encoding="utf-8").count("\n") > 1
    except OSError:
        return False
