"""Which device computes, and what to call it."""

import os

import torch

_TITLES = {"mps": "Apple GPU", "xpu": "Intel GPU"}


def pick_device(device: str = "auto") -> torch.device:
    """Return the accelerator if there is one and ``device`` is ``"auto"``, or else the CPU."""
    if device == "auto" and torch.accelerator.is_available():
        accelerator = torch.accelerator.current_accelerator()
        if accelerator is not None:
            return accelerator
    return torch.device("cpu")


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
