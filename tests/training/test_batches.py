"""Who reads the pictures changes nothing about which come when; and who reads them always ends."""

import dataclasses
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from slae_lib.datasets import ImageSet, load_images, sets
from slae_lib.support.errors import LabError
from slae_lib.training.batches import image_batches
from slae_lib.training.config import TrainConfig

CONFIG = TrainConfig(batch_size=3, seed=5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "noise"
    path.mkdir()
    for number in range(7):
        noise = np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path / f"{number}.png")
    return path


@pytest.fixture
def places(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, ImageSet]:
    """The same set in the memory, decoded in the cache, and in its files alone."""
    monkeypatch.setenv("SLAE_CACHE", str(tmp_path / "cache"))
    memory = load_images(folder, 64)
    monkeypatch.setattr(sets, "MEMORY_LIMIT", 0)
    cache = load_images(folder, 64)
    files = dataclasses.replace(cache, pixels=None)
    assert (memory.in_memory, cache.in_memory, cache.decoded, files.decoded) == (
        *(True, False, True),
        False,
    )
    return {"memory": memory, "cache": cache, "files": files}


@pytest.fixture(autouse=True)
def nobody_is_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


def some(images: ImageSet, count: int = 12, **options: int) -> list[tuple[list[int], torch.Tensor]]:
    batches = image_batches(images, CONFIG, **options)
    found = [(indices.tolist(), batch) for indices, batch in itertools.islice(batches, count)]
    batches.close()
    return found


@pytest.mark.parametrize("options", [{}, {"start": 5}, {"rank": 1, "processes": 2, "start": 3}])
def test_batches_are_the_same_wherever_the_pictures_are(
    places: dict[str, ImageSet], options: dict[str, int]
) -> None:
    wanted = some(places["memory"], **options)
    for place in ("cache", "files"):
        for (indices, batch), (true_indices, true) in zip(
            some(places[place], **options), wanted, strict=True
        ):
            assert indices == true_indices
            assert batch.dtype == torch.uint8
            assert torch.equal(batch, true)


def test_a_resumed_run_goes_on_where_it_was(places: dict[str, ImageSet]) -> None:
    whole = some(places["files"], 12)
    resumed = some(places["files"], 5, start=7)
    assert [indices for indices, _ in resumed] == [indices for indices, _ in whole[7:]]
    for (_, batch), (_, true) in zip(resumed, whole[7:], strict=True):
        assert torch.equal(batch, true)


def test_reading_takes_nothing_from_the_randomness_of_the_run(places: dict[str, ImageSet]) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    some(places["files"], 3)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_workers_end_with_the_batches(places: dict[str, ImageSet]) -> None:
    batches = image_batches(places["files"], CONFIG)
    next(batches)
    assert multiprocessing.active_children()
    batches.close()
    assert multiprocessing.active_children() == []
    batches = image_batches(places["files"], CONFIG)
    next(batches)
    del batches
    assert multiprocessing.active_children() == []


def test_the_workers_outlive_ctrl_c(places: dict[str, ImageSet]) -> None:
    """It reaches all processes of a group, and the training finishes its iteration first."""
    batches = image_batches(places["files"], CONFIG)
    next(batches)
    workers = multiprocessing.active_children()
    for worker in workers:
        os.kill(worker.pid or 0, signal.SIGINT)
    for _ in range(6):
        next(batches)
    assert multiprocessing.active_children() == workers
    batches.close()


def test_workers_that_are_told_to_end_send_whole_batches(places: dict[str, ImageSet]) -> None:
    wanted = some(places["memory"], 12)
    batches = image_batches(places["files"], CONFIG)
    found = [next(batches)[1]]
    time.sleep(0.5)  # the pipe is full now
    for worker in multiprocessing.active_children():
        worker.terminate()
    with pytest.warns(UserWarning, match="processes that read pictures have ended"):
        found += [batch for _, batch in itertools.islice(batches, 11)]
    for batch, (_, true) in zip(found, wanted, strict=True):
        assert torch.equal(batch, true)


def test_a_program_that_forgets_to_close_them_ends(folder: Path) -> None:
    program = """
import sys
from slae_lib.datasets import load_images, sets
from slae_lib.training.batches import image_batches
from slae_lib.training.config import TrainConfig
sets.MEMORY_LIMIT = 0
batches = image_batches(load_images(sys.argv[1], 64), TrainConfig(batch_size=7))
print(len(next(batches)[1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        capture_output=True,
        text=True,
        env=os.environ | {"SLAE_CACHE_LIMIT": "0"},
        timeout=100,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "7\n", "")


def test_without_its_workers_a_training_reads_on(
    places: dict[str, ImageSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = some(places["memory"], 8)
    training, decode = os.getpid(), ImageSet.decode

    def slow(self: ImageSet, index: int) -> torch.Tensor:
        time.sleep(0.2 if os.getpid() != training else 0)
        return decode(self, index)

    monkeypatch.setattr(ImageSet, "decode", slow)
    batches = image_batches(places["files"], CONFIG)
    found = [next(batches)[1]]
    for worker in multiprocessing.active_children():  # as a system does that is out of memory
        threading.Timer(0.3, worker.kill).start()
    with pytest.warns(UserWarning, match="processes that read pictures have ended"):
        found += [batch for _, batch in itertools.islice(batches, 7)]
    for batch, (_, true) in zip(found, wanted, strict=True):
        assert torch.equal(batch, true)


def test_a_file_that_vanishes_is_named_in_one_sentence(
    places: dict[str, ImageSet], folder: Path
) -> None:
    batches = image_batches(places["files"], CONFIG)
    next(batches)
    (folder / "4.png").unlink()
    with pytest.raises(LabError, match=r"^\S+4\.png was usable and no longer is: .*put it back\.$"):
        list(itertools.islice(batches, 40))


def test_spawned_workers_read_the_same(
    places: dict[str, ImageSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows and macOS, where a worker starts with nothing."""
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)
    try:
        found = some(places["files"], 2)
    finally:
        multiprocessing.set_start_method(before, force=True)
    for (_, batch), (_, true) in zip(found, some(places["memory"], 2), strict=True):
        assert torch.equal(batch, true)
