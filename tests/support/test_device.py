import platform
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from slae_lib.support import device
from slae_lib.support.device import fast_precision, hardware, in_words, pick_device

CPU = torch.device("cpu")


@pytest.fixture
def with_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch says that there is a GPU; nothing is computed on it."""
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")
    properties = SimpleNamespace(total_memory=15_843_721_216)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)


@pytest.fixture
def without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """No GPU works, though PyTorch was built for some."""
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))


def test_the_accelerator_is_taken_if_there_is_one(with_a_gpu: None) -> None:
    assert pick_device() == pick_device("auto") == torch.device("cuda")
    assert pick_device("cpu") == CPU


def test_without_an_accelerator_it_is_the_cpu(without_a_gpu: None) -> None:
    assert pick_device() == CPU


def test_a_device_has_a_name(with_a_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_words(torch.device("cuda")) == hardware(torch.device("cuda")) == "Tesla T4 (15 GiB)"
    assert in_words(torch.device("mps")) == hardware(torch.device("mps")) == "Apple GPU"
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert in_words(CPU) == "CPU (2 threads)"
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert hardware(CPU) == "4 CPU cores, 1 thread"


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((6, 1), "no"), ((7, 5), "fp16"), ((8, 0), "bf16"), ((9, 0), "bf16")],
)
def test_a_gpu_gets_the_precision_it_has_units_for(
    capability: tuple[int, int], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert fast_precision(torch.device("cuda")) == expected


def test_a_cpu_gets_bf16_if_it_has_instructions_for_it() -> None:
    tell = getattr(torch.cpu, "get_capabilities", None)
    if tell is None:
        pytest.skip("this PyTorch does not tell what the CPU can do")
    has = tell()
    fast = has.get("avx512_bf16", False) or has.get("amx_bf16", False)
    assert fast_precision(CPU) == ("bf16" if fast else "no")


SHORT_OF_MEMORY = """
import resource, torch
resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY,) * 2)  # not that of the tests
from slae_lib.support import device
from slae_lib.support.errors import LabError, in_words
device.memory = lambda: 2 * 10**9
device.prepare_process()
torch.zeros(10**8)
with in_words("this", lambda: "take less"):
    torch.empty(10**9)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or torch.accelerator.is_available(), reason="no such limit there"
)
def test_what_the_memory_cannot_hold_is_refused_before_the_system_kills() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY], capture_output=True, text=True, check=False
    )
    assert "LabError: There is not enough memory for this; take less." in done.stderr


def test_a_container_has_no_more_memory_than_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_MEMORY_LIMIT", tmp_path / "memory.max")
    whole = device.memory()
    for text, expected in (("max\n", whole), ("1048576\n", 2**20), (f"{2**62}\n", whole)):
        (tmp_path / "memory.max").write_text(text)
        assert device.memory() == expected


FAULTS = """
import resource, torch
from slae_lib.support.device import prepare_process
if {keep}: prepare_process()
torch.zeros(1)
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):  # where the blocks lie at last
    torch.empty(64 << 20, dtype=torch.uint8).fill_(1)
before = faults()
for _ in range(10):
    torch.empty(64 << 20, dtype=torch.uint8).fill_(1)
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_memory_that_was_given_back_is_not_taken_from_the_system_again() -> None:
    def pages(keep: bool) -> int:
        done = subprocess.run(
            [sys.executable, "-c", FAULTS.format(keep=keep)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return int(done.stdout)

    assert pages(keep=True) < 100  # of 160,000, or of 320 where pages are huge
    assert pages(keep=False) >= 10


@pytest.mark.parametrize(
    ("limit", "asked", "expected"),
    [
        ("150000 100000", {}, 2),
        ("max 100000", {}, 8),
        ("100000 100000", {"OMP_NUM_THREADS": "8"}, 8),
    ],
)
def test_no_more_threads_than_a_container_has_cores(
    limit: str,
    asked: dict[str, str],
    expected: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(limit + "\n")
    monkeypatch.setattr(device, "_CPU_LIMIT", file)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(device.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(device.ctypes, "CDLL", lambda _: None)  # leave this process its allocator
    before = torch.get_num_threads()
    torch.set_num_threads(8)
    try:
        device.prepare_process()
        assert torch.get_num_threads() == expected
    finally:
        torch.set_num_threads(before)
