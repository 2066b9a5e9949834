from types import SimpleNamespace

import pytest
import torch

from slae_lib.support.device import hardware, in_words, pick_device

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
