"""Which device computes, how, and what to call it."""

import contextlib
import ctypes
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Literal

import psutil  # type: ignore[import-untyped]
import torch

_CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")
_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")
_TITLES = {"mps": "Apple GPU", "xpu": "Intel GPU"}


def pick_device(device: str = "auto") -> torch.device:
    """Return the accelerator if there is one and ``device`` is ``"auto"``, or else the CPU."""
    if device == "auto" and torch.accelerator.is_available():
        accelerator = torch.accelerator.current_accelerator()
        if accelerator is not None:
            return accelerator
    return torch.device("cpu")


def fast_precision(device: torch.device) -> Literal["no", "fp16", "bf16"]:
    """Return the mixed precision that ``device`` computes faster than float32, or "no".

    bf16 before fp16, which needs its losses scaled: NVIDIA has it since Ampere, and a CPU with
    instructions for it (AVX-512 BF16, AMX). Others only imitate it.
    """
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return "bf16" if major >= 8 else "fp16" if major == 7 else "no"
    if device.type == "cpu":
        flags = Path("/proc/cpuinfo")  # not there: no Linux
        text = flags.read_text() if flags.is_file() else ""
        return "bf16" if {"avx512_bf16", "amx_bf16"} & set(text.split()) else "no"
    return "no"


def full_precision(device: torch.device) -> AbstractContextManager[None]:
    """Return a block in which ``device`` computes float32 in float32, in mixed precision too."""
    if device.type == "meta":  # where operations are only counted, and no precision is mixed
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def prepare_process() -> None:
    """Let this process compute on a CPU as fast as it may; long work calls it when it begins.

    No more threads than a container (Docker, Kubernetes, a university's JupyterHub) gives cores to,
    since PyTorch counts those of the whole computer, unless OMP_NUM_THREADS says how many.

    And memory that tensors give back is kept for the next ones (Linux). Each feature map of more
    than 32 MB, dozens in an iteration at 256 px, is otherwise taken from the system anew, which
    first fills it with zeros: up to a fifth of the time. The process then holds what it once
    needed until it ends. (The allocators jemalloc and tcmalloc do it too, but they have to be there
    before the process starts.)

    And what the memory cannot hold is refused (Linux, without an accelerator): the system itself
    would promise it, and kill the process later.
    """
    cores = _granted_cores()
    if "OMP_NUM_THREADS" not in os.environ and cores < torch.get_num_threads():
        torch.set_num_threads(cores)
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(-4, 0)  # M_MMAP_MAX: no map of its own for a large block
            mallopt(-1, -1)  # M_TRIM_THRESHOLD: the end of the heap is never given back
        import resource  # Windows has none

        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        used = psutil.Process().memory_info()
        # What was asked for and never touched counts in the limit and takes no memory. All of the
        # memory and not what is free now: other programs may end before this one needs it.
        limit = used.data - used.rss + memory()
        if soft == resource.RLIM_INFINITY and not torch.accelerator.is_available():
            resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def memory() -> int:
    """Return the bytes of this computer's memory, swap included, or of its container's."""
    total: int = psutil.virtual_memory().total + psutil.swap_memory().total
    with contextlib.suppress(OSError, ValueError):  # no such file, or "max": no limit
        total = min(total, int(_MEMORY_LIMIT.read_text()))
    return total


def _granted_cores() -> int:
    """Return how many cores the control group of this process may use at a time, rounded up."""
    try:
        quota, period = _CPU_LIMIT.read_text().split()
        return -(-int(quota) // int(period))
    except (OSError, ValueError):  # no such file, or "max": no limit
        return os.cpu_count() or 1


def in_words(device: torch.device) -> str:
    """Say what a device is, such as ``CPU (2 threads)`` or ``Tesla T4 (15 GiB)``."""
    if device.type == "cpu":
        return f"CPU ({_threads()})"
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory / 2**30
        return f"{torch.cuda.get_device_name(device)} ({memory:.0f} GiB)"
    return _TITLES.get(device.type, device.type)


def hardware(device: torch.device) -> str:
    """Say on what a result was computed, to be stored with it."""
    if device.type == "cpu":
        return f"{os.cpu_count()} CPU cores, {_threads()}"
    return in_words(device)


def _threads() -> str:
    threads = torch.get_num_threads()
    return f"{threads} thread{'s' if threads > 1 else ''}"
