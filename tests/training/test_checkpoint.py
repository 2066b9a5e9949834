"""Checkpoints: atomic, harmless to load, clear about what is wrong with them."""

import copy
import errno
import itertools
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from slae_lib.config import ModelConfig
from slae_lib.generator import Generator
from slae_lib.support.errors import LabError
from slae_lib.support.files import atomic_write
from slae_lib.training.checkpoint import (
    checkpoint_path,
    generator_facts,
    keep_generator,
    keep_newest,
    list_checkpoints,
    load_checkpoint,
    load_generator,
    load_into,
    save_checkpoint,
    save_generator,
)

SMALL = ModelConfig(resolution=64, width=8, noise_dim=16, metadata=False)
STATE = {"iteration": 3, "seconds": 0.5, "weights": torch.arange(1000.0)}


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "step.pt"
    save_checkpoint(path, STATE)
    state = load_checkpoint(path)
    assert state["iteration"] == 3
    assert torch.equal(state["weights"], STATE["weights"])
    assert list(path.parent.iterdir()) == [path]


def test_kept_generators_are_thinned_out_evenly(tmp_path: Path) -> None:
    generator = Generator(SMALL)
    before = copy.deepcopy(generator.state_dict())
    keep_generator(tmp_path, 10, generator, {}, limit=0)
    (one,) = tmp_path.iterdir()
    limit = int(5.5 * one.stat().st_size)
    for iteration in range(20, 180, 10):
        keep_generator(tmp_path, iteration, generator, {"iteration": str(iteration)}, limit)
    kept = [int(path.stem) for path in sorted(tmp_path.iterdir())]
    assert len(kept) == 5
    assert (kept[0], kept[-1]) == (10, 170)
    assert max(b - a for a, b in itertools.pairwise(kept)) <= 80
    after = generator.state_dict()  # trained on as if nothing had been
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_an_error_while_writing_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail() -> None:
        with atomic_write(path) as temporary:
            temporary.write_text("half of the n")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(LabError, match=r"file could not be written: the disk is full .*intact"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are a thing of POSIX")
@pytest.mark.parametrize("kind", ["checkpoint", "generator"])
def test_a_write_that_the_system_stops_keeps_the_old_file(tmp_path: Path, kind: str) -> None:
    # A real process whose files may not grow beyond 64 KiB: the write fails in the middle, as it
    # does on a full disk, inside torch's or safetensors' own writer.
    path = tmp_path / "file.bin"
    path.write_text("old")
    save = {
        "checkpoint": "save_checkpoint(path, {'weights': torch.rand(1_000_000)})",
        "generator": "save_generator(path, Generator(ModelConfig(64, width=8, metadata=False)))",
    }[kind]
    program = f"""
import resource, signal, sys, torch
from pathlib import Path
from slae_lib.training.checkpoint import save_checkpoint, save_generator
from slae_lib.config import ModelConfig
from slae_lib.support.errors import LabError
from slae_lib.support.files import atomic_write
from slae_lib.generator import Generator
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
path = Path(sys.argv[1])
try:
    {save}
except LabError as error:
    print("LabError:", error)
"""
    result = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )
    assert "LabError:" in result.stdout, result.stdout + result.stderr
    assert "file.bin could not be written" in result.stdout
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is a thing of Linux")
def test_a_full_disk_is_called_full(tmp_path: Path) -> None:
    def fill() -> None:
        with atomic_write(tmp_path / "file"), Path("/dev/full").open("wb", buffering=0) as disk:
            disk.write(b"one byte too many")

    with pytest.raises(LabError, match="the disk is full"):
        fill()
    assert list(tmp_path.iterdir()) == []


class Trap:
    def __reduce__(self) -> tuple:
        return (os.system, ("echo pwned",))


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "pickle"])
def test_damaged_and_hostile_checkpoints_are_named(
    tmp_path: Path, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "step-0000005.pt"
    save_checkpoint(path, STATE)
    whole = path.read_bytes()
    content = {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "text": b"not a checkpoint",
        "pickle": pickle.dumps(Trap()),
    }[damage]
    path.write_bytes(content)
    with pytest.raises(LabError, match=r"step-0000005\.pt is damaged or was not written by this"):
        load_checkpoint(path)
    assert "pwned" not in capfd.readouterr().out


def test_a_foreign_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"state_dict": {}}, path)
    with pytest.raises(LabError, match=r"model\.pt is not a checkpoint of this lab"):
        load_checkpoint(path)
    with pytest.raises(LabError, match="does not exist"):
        load_checkpoint(tmp_path / "none.pt")


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for iteration in (1, 20, 300, 4000):
        save_checkpoint(checkpoint_path(tmp_path, iteration), {})
    keep_newest(tmp_path, 2)
    assert [path.name for path in list_checkpoints(tmp_path)] == [
        "step-0000300.pt",
        "step-0004000.pt",
    ]


def test_weights_of_another_configuration_are_named(tmp_path: Path) -> None:
    state = Generator(ModelConfig(resolution=64, width=16, metadata=False)).state_dict()
    with pytest.raises(LabError, match=r"x\.pt holds a generator of another configuration"):
        load_into(Generator(SMALL), state, tmp_path / "x.pt", "generator")


def test_a_generator_file_makes_the_same_images(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = Generator(SMALL)
    noise = torch.randn(3, 16)
    generator(noise)
    generator.eval()
    with torch.no_grad():
        expected = generator(noise).image
    path = tmp_path / "generator.safetensors"
    save_generator(path, generator, {"data": "fluent-faces"})
    loaded = load_generator(path)
    torch.testing.assert_close(loaded(noise).image, expected, atol=1e-5, rtol=1e-4)
    assert loaded.config == SMALL
    assert not loaded.training
    assert generator_facts(path)["data"] == "fluent-faces"


@pytest.mark.parametrize("content", [b"", b"nonsense" * 10])
def test_a_damaged_generator_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "generator.safetensors"
    path.write_bytes(content)
    with pytest.raises(LabError, match=r"generator\.safetensors is damaged"):
        load_generator(path)
    with pytest.raises(LabError, match=r"generator\.safetensors is damaged"):
        generator_facts(path)
    with pytest.raises(LabError, match="does not exist"):
        load_generator(tmp_path / "none.safetensors")


def test_a_generator_file_that_may_not_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "generator.safetensors"
    save_generator(path, Generator(SMALL))

    def forbidden(self: Path, *_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", forbidden)
    for read in (load_generator, generator_facts):
        with pytest.raises(LabError, match=r"cannot be read \(Permission denied\); change its"):
            read(path)
