"""What is kept of picture folders saves the work and is never wrong, whatever happens to it."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from slae_lib.cli import main
from slae_lib.datasets import ImageSet, cache, folders, load_images, sets
from slae_lib.datasets.pictures import SkippedPicture, read_picture
from slae_lib.support.errors import UsageError


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no set in memory."""
    monkeypatch.setenv("SLAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sets, "MEMORY_LIMIT", 0)
    return tmp_path / "cache" / "pictures"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures of noise, one of them in a folder of its own, and a file that is none."""
    path = tmp_path / "noise"
    (path / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.jpg", "c.png", "d.jpg", "e.png", "sub/f.png")):
        draw(path / name, number)
    (path / "bad.png").write_text("no picture")
    return path


def draw(path: Path, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read from now on."""
    names: list[str] = []

    def counted(path: Path, resolution: int):
        names.append(path.name)
        return read_picture(path, resolution)

    monkeypatch.setattr(folders, "read_picture", counted)
    monkeypatch.setattr(sets, "read_picture", counted)
    return names


def load(folder: Path, resolution: int = 64) -> ImageSet:
    with pytest.warns(SkippedPicture, match=r"bad\.png: it is no JPEG"):
        return load_images(folder, resolution)


def assert_true(images: ImageSet, folder: Path) -> None:
    """Names, pixels and fingerprint are those of a set that was read without any cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLAE_CACHE", str(folder.parent / "another cache"))
        patch.setenv("SLAE_CACHE_LIMIT", "0")
        shutil.rmtree(folder.parent / "another cache", ignore_errors=True)
        fresh = load(folder, images.resolution)
        assert fresh.pixels is None
        assert (images.names, images.fingerprint) == (fresh.names, fresh.fingerprint)
        everything = range(len(fresh))
        assert torch.equal(images.batch(everything), fresh.batch(everything))


# What is saved


@pytest.mark.parametrize("in_memory", [False, True])
def test_the_second_start_reads_no_picture_and_says_the_same(
    folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    monkeypatch.setattr(sets, "MEMORY_LIMIT", 2**30 if in_memory else 0)
    first = load(folder)
    assert sorted(read) == ["a.png", "b.jpg", "bad.png", "c.png", "d.jpg", "e.png", "f.png"]
    read.clear()
    second = load(folder)  # the bad file is said again
    assert second.in_memory == in_memory
    assert torch.equal(second.batch(range(6)), first.batch(range(6)))
    assert read == []
    assert_true(second, folder)


def test_without_room_for_pixels_the_second_start_still_reads_none(
    folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLAE_CACHE_LIMIT", "0")
    first = load(folder)
    assert len(read) == 7
    read.clear()
    second = load(folder)
    assert (second.fingerprint, second.decoded, read) == (first.fingerprint, False, [])
    assert_true(second, folder)


def test_each_resolution_is_decoded_once(folder: Path, read: list[str]) -> None:
    load(folder, 64)
    load(folder, 128)
    read.clear()
    for resolution in (64, 128):
        assert_true(load(folder, resolution), folder)
    assert "a.png" in read  # by assert_true
    read.clear()
    load(folder, 64), load(folder, 128)
    assert read == []


# What changes


def change(folder: Path) -> None:
    draw(folder / "c.png", 77)


def add(folder: Path) -> None:
    draw(folder / "aa.png", 78)


def remove(folder: Path) -> None:
    (folder / "b.jpg").unlink()


def rename(folder: Path) -> None:
    (folder / "a.png").rename(folder / "z.png")


def damage(folder: Path) -> None:
    path = folder / "d.jpg"
    path.write_bytes(path.read_bytes()[:800])


def swap(folder: Path) -> None:
    """Two files take each other's names; their sizes and times go along."""
    (folder / "a.png").rename(folder / "x")
    (folder / "c.png").rename(folder / "a.png")
    (folder / "x").rename(folder / "c.png")


@pytest.mark.filterwarnings("ignore::slae_lib.datasets.pictures.SkippedPicture")
@pytest.mark.parametrize(
    ("what", "anew"),
    [
        (change, ["c.png"]),
        (add, ["aa.png"]),
        (remove, []),
        (rename, ["z.png"]),
        (damage, ["d.jpg"]),
        (swap, ["a.png", "c.png"]),
    ],
)
def test_a_change_is_noticed_and_only_what_changed_is_read(
    folder: Path, read: list[str], what, anew: list[str]
) -> None:
    before = load_images(folder, 64)
    read.clear()
    what(folder)
    after = load_images(folder, 64)
    assert sorted(read) == anew
    assert after.fingerprint != before.fingerprint
    assert_true(after, folder)
    read.clear()
    load_images(folder, 64)
    assert read == []


def test_a_running_training_never_gets_the_pictures_of_a_changed_folder(folder: Path) -> None:
    before = load(folder)
    third = before.batch([2])
    draw(folder / "aa.png", 78)
    load(folder)  # another process has written the pixels anew: row 2 is another picture now
    assert torch.equal(before.batch([2]), third)


@pytest.mark.filterwarnings("ignore::slae_lib.datasets.pictures.SkippedPicture")
@pytest.mark.parametrize("lasting", [False, True])
def test_a_file_that_can_be_read_again_comes_back(
    folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch, lasting: bool
) -> None:
    """After a change of its permissions, and after a fault that the system gives no sign of."""
    closed = {"on"}
    path_open, access = Path.open, os.access

    def guarded(self: Path, *args, **kwargs):
        if self.name == "b.jpg" and closed:
            raise PermissionError(13, "Permission denied")
        return path_open(self, *args, **kwargs)

    def may(path, mode):
        return access(path, mode) and not (lasting and closed and str(path).endswith("b.jpg"))

    if lasting:
        (folder / "b.jpg").chmod(0)
    monkeypatch.setattr(Path, "open", guarded)  # works for root too, unlike chmod
    monkeypatch.setattr(os, "access", may)
    for _ in range(2):
        with pytest.warns(SkippedPicture, match=r"b\.jpg: it cannot be read"):
            assert len(load_images(folder, 64)) == 5
        assert len(read) == 7 or read == (["b.jpg"] if not lasting else [])
        read.clear()
    closed.clear()
    (folder / "b.jpg").chmod(0o644)  # its size and time are the same as before
    assert_true(load(folder), folder)


# What happens to the cache


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    path.write_bytes(content)


@pytest.mark.parametrize("what", [cut, lengthen, empty, garble, Path.unlink])
@pytest.mark.parametrize("kind", ["json", "pixels"])
def test_a_damaged_cache_is_made_again(folder: Path, kept: Path, what, kind: str) -> None:
    load(folder)
    [path] = kept.glob(f"*.{kind}")
    what(path)
    assert_true(load(folder), folder)
    before = path.stat().st_mtime_ns
    os.utime(path, ns=(before, before - 10**9))
    assert_true(load(folder), folder)


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"stamps": 1, "digests": {"a": 1}, "reasons": []}', "null"]
)
def test_an_index_of_another_kind_is_made_again(folder: Path, kept: Path, content: str) -> None:
    load(folder)
    [path] = kept.glob("*.json")
    path.write_text(content)
    assert cache.all_kept() == []
    assert_true(load(folder), folder)


def test_pixels_that_vanish_during_a_training_are_decoded_instead(folder: Path) -> None:
    images = load(folder)
    assert images.pixels is not None
    assert cache.clear(folder) > 6 * 3 * 64 * 64
    assert not images.pixels.path.exists()
    assert_true(images, folder)


def test_a_cache_that_cannot_be_written_is_said_once_and_works(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SLAE_CACHE", str(tmp_path / "file"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        images = load_images(folder, 64)
    said = [str(warning.message) for warning in caught if warning.category is UserWarning]
    assert len(said) == 1
    assert said[0].startswith("The pictures will be decoded again next time: ")
    assert all(warning.filename == __file__ for warning in caught)
    assert_true(images, folder)


def test_a_disk_that_is_full_leaves_no_half_file(
    folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: cache.Pixels) -> bytes:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(cache.Pixels, "seal", full)
        with (
            pytest.warns(UserWarning, match="decoded again next time: .* the disk is full"),
            pytest.warns(SkippedPicture),
        ):
            images = load_images(folder, 64)
    assert [path.suffix for path in kept.iterdir()] == [".lock"]
    assert_true(images, folder)


def test_a_process_that_was_killed_leaves_nothing_for_long(folder: Path, kept: Path) -> None:
    program = """
import os, sys, time
from slae_lib.datasets import folders, load_images, sets
sets.MEMORY_LIMIT = 0
read = folders.read_picture
def slow(path, resolution):
    if path.name == "f.png":
        print("ready", flush=True)
        time.sleep(60)
    return read(path, resolution)
folders.read_picture = slow
load_images(sys.argv[1], 64)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.kill()
    assert [path for path in kept.iterdir() if path.name.startswith(".")]
    assert_true(load(folder), folder)
    assert sorted(path.suffix for path in kept.iterdir()) == [".json", ".lock", ".pixels"]


def test_two_processes_at_once_decode_once(folder: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    counter = spawn.Value("i", 0)
    children = [
        spawn.Process(target=_load_together, args=(folder, counter, os.environ["SLAE_CACHE"]))
        for _ in range(2)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
        assert child.exitcode == 0
    assert counter.value == 7


def _load_together(folder: Path, counter, place: str) -> None:
    def counted(path: Path, resolution: int):
        with counter.get_lock():
            counter.value += 1
        time.sleep(0.3)
        return read_picture(path, resolution)

    os.environ["SLAE_CACHE"] = place
    sets.MEMORY_LIMIT = 0
    folders.read_picture = counted  # type: ignore[attr-defined]
    with warnings.catch_warnings(action="ignore"):
        assert len(load_images(folder, 64).batch(range(6))) == 6


# How much is kept


SIZE = 6 * 3 * 64 * 64 + 32


@pytest.fixture
def others(folder: Path, tmp_path: Path) -> list[Path]:
    """The folder and two copies, used in this order."""
    places = [folder, tmp_path / "second", tmp_path / "third"]
    for number, place in enumerate(places):
        if place != folder:
            shutil.copytree(folder, place)
        pixels = load(place).pixels
        assert pixels is not None
        os.utime(pixels.path, (number, number))
    return places


def decoded(places: list[Path]) -> list[bool]:
    listed = cache.all_kept()
    return [any(kept[0] == place and kept[2] for kept in listed) for place in places]


def test_what_was_not_used_for_longest_goes_first(
    others: list[Path], kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = sum(path.stat().st_size for path in kept.glob("*.json"))
    monkeypatch.setenv("SLAE_CACHE_LIMIT", str((3 * SIZE + small + 100) / 1e9))
    assert decoded(others) == [True, True, True]
    load(others[0])  # is used now
    draw(others[2] / "more.png", 5)
    load(others[2])  # wants a file more for a moment
    assert decoded(others) == [True, False, True]
    assert sum(path.stat().st_size for path in kept.iterdir()) < 3 * SIZE + small + 100


def test_a_set_beyond_the_limit_deletes_nothing(
    others: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLAE_CACHE_LIMIT", str((SIZE - 100) / 1e9))
    shutil.copytree(others[0], tmp_path / "fourth")
    assert not load(tmp_path / "fourth").decoded
    assert decoded([*others, tmp_path / "fourth"]) == [True, True, True, False]
    monkeypatch.setenv("SLAE_CACHE_LIMIT", "1")  # a limit that was raised is noticed
    assert load(tmp_path / "fourth").decoded


@pytest.mark.parametrize("text", ["much", "nan", "inf", "20GB"])
def test_a_limit_that_is_no_number_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("SLAE_CACHE_LIMIT", text)
    with pytest.raises(UsageError, match=f"SLAE_CACHE_LIMIT is '{text}'; give a number of GB"):
        load_images(folder, 64)


def test_by_default_a_share_of_the_disk_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLAE_CACHE_LIMIT", raising=False)
    for free, most in ((8e9, 2e9), (100e9, 10e9)):
        usage = shutil._ntuple_diskusage(200e9, 100e9, free)  # type: ignore[attr-defined]
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        assert cache.limit() == most


# The commands


def run(*arguments: object) -> str:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_list_says_what_is_kept_of_which_folder(others: list[Path]) -> None:
    (others[1] / "a.png").unlink()
    shutil.rmtree(others[2])
    rows = [line.split() for line in run("data", "cache", "list").splitlines()[1:-2]]
    states = {(Path(" ".join(row[6:])).name, row[0]): (row[1], row[5]) for row in rows}
    assert states == {
        (place, kind): ("6", state)
        for place, state in (("noise", "current"), ("second", "stale"), ("third", "gone"))
        for kind in ("64", "index")
    }


def test_one_folder_or_all_can_be_cleared(others: list[Path], kept: Path) -> None:
    assert "MB deleted" in run("data", "cache", "clear", others[1])
    assert decoded(others) == [True, False, True]
    run("data", "cache", "clear", "--all")
    assert {path.suffix for path in kept.iterdir()} == {".lock"}
    assert all((place / "a.png").exists() for place in others)
    for wrong in ((), (others[0], "--all")):
        refused = CliRunner().invoke(main, ["data", "cache", "clear", *map(str, wrong)])
        assert refused.exit_code != 0
