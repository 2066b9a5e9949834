"""What every measurement is stored with: the computer, the versions, and the file it goes to."""

import importlib.metadata
import json
import os
import platform
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "torchvision", "accelerate", "numpy", "pillow")


def hardware() -> dict[str, Any]:
    """Return the processor, its cores, the memory in GiB and how busy the computer is now."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        memory = 0
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "system": platform.system(),
        "load": load(),
    }


def load() -> float | None:
    """Return how many processes wanted to compute in the last minute; None on Windows."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Return the versions of Python and of what the measured work stands on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def command() -> str:
    """Return the command line; of a whole path, which is this computer's own, the last name."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    return shlex.join(["python", f"tests/benchmarks/{Path(sys.argv[0]).name}", *words])


def save(path: Path, values: dict[str, Any]) -> None:
    """Write JSON in one go, so that a sudden end leaves the file of before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(values, file, indent=1)
        file.write("\n")
    Path(name).chmod(0o644)
    Path(name).replace(path)
