"""Data sets from a real server on loopback that misbehaves, and archives that attack."""

import dataclasses
import hashlib
import io
import json
import random
import stat
import sys
import tarfile
import threading
import warnings
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image
from site_of_one_file import Site

from slae_lib.cli import LabGroup
from slae_lib.cli.data import data_fetch
from slae_lib.datasets import DATA_SETS, load_images
from slae_lib.datasets import fetch as fetch_module
from slae_lib.datasets.archives import HostileArchive, Limits, extract_pictures
from slae_lib.datasets.fetch import UnexpectedCount, fetch
from slae_lib.support import downloads
from slae_lib.support.downloads import DownloadError
from slae_lib.support.errors import LabError, UsageError

NAME = "100-shot-panda"


def png(seed: int = 0, side: int = 16) -> bytes:
    buffer = io.BytesIO()
    pixels = random.Random(seed).randbytes(side * side * 3)
    Image.frombytes("RGB", (side, side), pixels).save(buffer, "PNG")
    return buffer.getvalue()


Entry = tuple[str | zipfile.ZipInfo, bytes]


def packed(*entries: Entry, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about names that are there twice
        for name, content in entries:
            archive.writestr(name, content)
    return buffer.getvalue()


def good_zip(first: int = 0) -> bytes:
    return packed(
        ("panda/", b""),
        ("panda/readme.txt", b"Pictures of pandas."),
        ("panda/.DS_Store", b"\0"),
        ("__MACOSX/panda/._0.png", b"\0"),
        *((f"panda/images/{index}.png", png(first + index)) for index in range(3)),
    )


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SLAE_OFFLINE", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(downloads, "WAITS", (0.0,) * 4)
    return tmp_path / "cache" / "datasets"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with Site() as server:
        server.content = good_zip()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        register(monkeypatch, url=server.url)
        yield server
        server.shutdown()
        thread.join()


def register(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    changed = dataclasses.replace(DATA_SETS[NAME], images=3, **changes)
    monkeypatch.setitem(DATA_SETS, NAME, changed)


def silent(name: str = NAME) -> Path:
    return fetch(name, announce=lambda _: None, progress=False)


def remains(cache: Path) -> set[str]:
    """What lies in the cache, apart from locks."""
    return {path.name for path in cache.iterdir() if path.suffix != ".lock"}


def pictures(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_set_arrives_and_can_be_loaded(site: Site, cache: Path) -> None:
    folder = silent()
    assert folder == DATA_SETS[NAME].folder == cache / NAME
    assert pictures(folder) == ["0.png", "1.png", "2.png"]
    assert (folder / "1.png").read_bytes() == png(1)
    assert remains(cache) == {NAME, f"{NAME}.json"}
    assert len(load_images(NAME, 64)) == 3


def test_the_licence_is_said_before_the_download(site: Site) -> None:
    said = []

    def announce(line: str) -> None:
        assert not site.requests
        said.append(line)

    fetch(NAME, announce=announce, progress=False)
    (line,) = said
    assert f"Licence: {DATA_SETS[NAME].licence}" in line
    assert DATA_SETS[NAME].source in line


def test_a_set_that_is_there_is_left_as_it_is(site: Site) -> None:
    folder = silent()
    (folder / "2.png").unlink()
    assert silent() == folder
    assert pictures(folder) == ["0.png", "1.png"]
    assert len(site.requests) == 1


def test_another_number_of_pictures_than_published_is_said(site: Site) -> None:
    site.content = packed(("0.png", png()), ("1.png", png(1)))
    with pytest.warns(UnexpectedCount, match="has 2 pictures, and its publisher names 3"):
        silent()


def test_a_cut_connection_is_continued(site: Site) -> None:
    site.answers.append("cut")
    assert len(pictures(silent())) == 3
    assert site.requests[1]["Range"] == f"bytes={len(site.content) // 2}-"


def test_a_server_that_recovers_is_asked_again(site: Site) -> None:
    site.answers.extend([503, 503])
    assert len(pictures(silent())) == 3


@pytest.mark.parametrize(("answer", "words"), [(404, "404 Not Found"), (503, "503 Service")])
def test_a_server_that_has_nothing_leaves_nothing(
    site: Site, cache: Path, answer: int, words: str
) -> None:
    site.answers.extend([answer] * 5)
    with pytest.raises(DownloadError, match=words):
        silent()
    assert remains(cache) == set()


def test_an_archive_saved_by_hand_is_used(site: Site, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / f"{NAME}.zip").write_bytes(good_zip())
    assert len(pictures(silent())) == 3
    assert not site.requests


def test_a_published_checksum_is_checked(
    site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = hashlib.sha256(site.content).hexdigest()
    register(monkeypatch, url=site.url, sha256="ab" * 32)
    with pytest.raises(DownloadError, match="instead of abab"):
        silent()
    assert remains(cache) == set()
    (cache / f"{NAME}.zip").write_bytes(good_zip())  # by hand, and wrong as well
    with pytest.raises(LabError, match="instead of abab"):
        silent()
    assert remains(cache) == set()
    register(monkeypatch, url=site.url, sha256=right)
    assert len(pictures(silent())) == 3


def test_another_file_than_the_first_is_refused(site: Site, cache: Path) -> None:
    folder = silent()
    record = json.loads((cache / f"{NAME}.json").read_text())
    assert record["sha256"] == hashlib.sha256(site.content).hexdigest()
    assert record["bytes"] == len(site.content)
    assert record["pictures"] == 3

    def forget() -> None:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()

    forget()
    silent()  # the same file is welcome again
    forget()
    first, site.content = site.content, good_zip(first=10)
    with pytest.raises(LabError, match="another file today") as caught:
        silent()
    for part in (site.url, str(cache / f"{NAME}.json"), record["sha256"][:16]):
        assert part in str(caught.value)
    assert remains(cache) == {f"{NAME}.json"}
    site.content = first
    silent()
    forget()
    (cache / f"{NAME}.json").unlink()  # the mend that the sentence names
    site.content = good_zip(first=10)
    assert (silent() / "0.png").read_bytes() == png(10)


def test_a_damaged_record_is_named(site: Site, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / f"{NAME}.json").write_text("{")
    with pytest.raises(
        LabError, match=r"json is damaged or was not written by this lab .*; delete it"
    ):
        silent()
    (cache / f"{NAME}.json").unlink()
    silent()


def test_what_a_killed_process_left_is_cleared_away(site: Site, cache: Path) -> None:
    (cache / NAME).mkdir(parents=True)  # empty
    (cache / f".{NAME}.unpacking" / "old").mkdir(parents=True)
    assert pictures(silent()) == ["0.png", "1.png", "2.png"]
    assert remains(cache) == {NAME, f"{NAME}.json"}


def test_of_two_at_once_one_downloads_and_both_have_the_set(site: Site) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(silent, [NAME, NAME])
    assert first == second
    assert len(site.requests) == 1


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3  # Unix
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def encrypted() -> bytes:
    content = bytearray(packed(("a.png", png())))
    content[6] |= 1  # the flags in the local header and in the central directory
    content[content.index(b"PK\1\2") + 8] |= 1
    return bytes(content)


def understated() -> bytes:
    """A picture of 5,000 bytes that the table of contents gives 10."""
    content = bytearray(packed(("a.png", bytes(5000)), compression=zipfile.ZIP_STORED))
    start = content.index(b"PK\1\2")
    content[start + 24 : start + 28] = (10).to_bytes(4, "little")
    return bytes(content)


def damaged() -> bytes:
    content = bytearray(packed(("a.png", png()), compression=zipfile.ZIP_STORED))
    content[60] ^= 0xFF
    return bytes(content)


GOOD: Entry = ("good.png", png())
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "zip slip": (lambda: packed(GOOD, ("../evil.png", png())), "leads out"),
    "deep zip slip": (lambda: packed(GOOD, ("a/../../evil.png", png())), "leads out"),
    "zip slip for Windows": (lambda: packed(GOOD, ("..\\evil.png", png())), "leads out"),
    "absolute": (lambda: packed(GOOD, ("/evil.png", png())), "absolute"),
    "drive": (lambda: packed(GOOD, ("C:/evil.png", png())), "absolute"),
    "share": (lambda: packed(GOOD, ("\\\\host\\evil.png", png())), "absolute"),
    "stream": (lambda: packed(GOOD, ("a.png:b.png", png())), "not every system"),
    "line end": (lambda: packed(GOOD, ("a\nb.png", png())), "not every system"),
    "nameless": (lambda: packed(GOOD, (zipfile.ZipInfo(""), b"")), "has no name"),
    "link": (lambda: packed(GOOD, (link("link.png"), b"/etc/passwd")), "link or a device"),
    "link to a folder": (
        lambda: packed(GOOD, (link("out"), b"/tmp"), ("out/evil.png", png())),
        "link or a device",
    ),
    "bomb": (lambda: packed(("a.png", bytes(20 * 2**20))), "100 times, like a bomb"),
    "bomb beside": (lambda: packed(GOOD, ("bomb.bin", bytes(20 * 2**20))), "like a bomb"),
    "twice": (lambda: packed(GOOD, GOOD), "there twice"),
    "twice by case": (lambda: packed(GOOD, ("GOOD.PNG", png())), "there twice"),
    "twice by accent": (
        lambda: packed(("\u00e9.png", png()), ("e\u0301.png", png())),
        "there twice",
    ),
    "twice by dot": (lambda: packed(GOOD, ("./good.png", png())), "there twice"),
    "file and folder": (lambda: packed(GOOD, ("good.png/a.png", png())), "lies in a file"),
    "understated": (understated, "no sound zip"),
    "damaged": (damaged, "no sound zip"),
    "encrypted": (encrypted, "encrypted"),
    "unusual": (lambda: packed(GOOD, compression=zipfile.ZIP_LZMA), "unusual way"),
    "no pictures": (lambda: packed(("a.exe", b"MZ"), ("b.zip", good_zip())), "no pictures"),
    "empty": (packed, "no pictures"),
    "not a zip": (lambda: b"<html>Log in to this hotel's network.</html>", "no sound zip"),
    "half a zip": (lambda: good_zip()[:-40], "no sound zip"),
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_archive_leaves_nothing(
    site: Site, cache: Path, tmp_path: Path, attack: str
) -> None:
    make, words = HOSTILE[attack]
    site.content = make()
    with pytest.raises(HostileArchive, match=words) as caught:
        silent()
    assert str(caught.value).startswith(f"{NAME}.zip is refused: ")
    assert str(caught.value).count("\n") == 0
    assert remains(cache) == set()
    assert [path.name for path in tmp_path.rglob("*evil*")] == []
    site.content = good_zip()  # the publisher has mended it
    assert len(pictures(silent())) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="no devices")
def test_a_device_is_no_archive(tmp_path: Path) -> None:
    """Its end would be looked for until the memory is full."""
    for thing in (Path("/dev/zero"), tmp_path):
        with pytest.raises(LabError, match="is a folder or a device and no file; get the pictures"):
            extract_pictures(thing, tmp_path / "set")


def test_what_is_no_file_in_the_place_of_an_archive_is_not_read(site: Site, cache: Path) -> None:
    (cache / f"{NAME}.zip").mkdir(parents=True)
    with pytest.raises(LabError, match=f"is a folder or a device and no file; put {NAME}.zip in"):
        silent()


@pytest.mark.parametrize(
    ("limits", "words"),
    [(Limits(files=6), "more than 6 entries"), (Limits(bytes=1000), "more than 1,000 bytes")],
)
def test_limits_of_an_archive(tmp_path: Path, limits: Limits, words: str) -> None:
    archive = tmp_path / "set.zip"
    archive.write_bytes(good_zip())
    with pytest.raises(HostileArchive, match=words):
        extract_pictures(archive, tmp_path / "set", limits)
    assert not (tmp_path / "set").exists()


def test_an_archive_that_is_too_large_is_not_even_downloaded(
    site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_module, "LARGEST_ARCHIVE", 1000)
    with pytest.raises(DownloadError, match="larger than the 1,000 bytes"):
        silent()
    assert remains(cache) == set()


def test_a_disk_too_small_is_noticed_before_unpacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1000

    archive = tmp_path / "set.zip"
    archive.write_bytes(good_zip())
    monkeypatch.setattr("slae_lib.datasets.archives.shutil.disk_usage", lambda _: Usage)
    with pytest.raises(LabError, match="make room"):
        extract_pictures(archive, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_shared_folders_are_dropped_and_others_kept(tmp_path: Path) -> None:
    archive = tmp_path / "set.zip"
    archive.write_bytes(packed(("top/a/1.png", png()), ("top/b/1.JPG", png())))
    assert extract_pictures(archive, tmp_path / "set") == 2
    assert pictures(tmp_path / "set") == ["a/1.png", "b/1.JPG"]


def test_a_folder_that_cannot_be_made_is_named(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SLAE_CACHE", str(tmp_path / "file"))
    with pytest.raises(LabError, match="could not be written") as caught:
        silent()
    assert str(tmp_path / "file") in str(caught.value)


def test_sets_that_are_not_downloaded_say_where_they_are() -> None:
    with pytest.raises(UsageError, match="comes with this package"):
        silent("fluent-faces")
    with pytest.raises(UsageError, match="by hand: .* Google Drive; put its pictures into") as it:
        silent("fastgan-shells")
    assert str(DATA_SETS["fastgan-shells"].folder) in str(it.value)
    with pytest.raises(UsageError, match=r"did you mean 100-shot-panda\?"):
        silent("100-shot-pandas")


def test_a_set_brought_by_hand_is_found() -> None:
    folder = DATA_SETS["fastgan-shells"].folder
    folder.mkdir(parents=True)
    (folder / "shell.png").write_bytes(png())
    assert silent("fastgan-shells") == folder


# Oxford flowers, through torchvision.


@pytest.fixture
def flowers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server of three flowers in the publisher's files."""
    savemat = pytest.importorskip("scipy.io").savemat
    from torchvision.datasets import Flowers102

    served = tmp_path / "served"
    served.mkdir()
    with tarfile.open(served / "102flowers.tgz", "w:gz") as archive:
        for index in (1, 2, 3):
            info = tarfile.TarInfo(f"jpg/image_{index:05d}.jpg")
            info.size = len(png(index))
            archive.addfile(info, io.BytesIO(png(index)))
    savemat(served / "imagelabels.mat", {"labels": [[1, 1, 2]]})
    savemat(served / "setid.mat", {"trnid": [[1, 2]], "valid": [[3]], "tstid": [[3]]})
    files = {
        kind: (name, hashlib.md5((served / name).read_bytes()).hexdigest())
        for kind, (name, _) in Flowers102._file_dict.items()
    }
    monkeypatch.setattr(Flowers102, "_file_dict", files)
    name = "oxford-flowers"
    monkeypatch.setitem(DATA_SETS, name, dataclasses.replace(DATA_SETS[name], images=3))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=served)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(Flowers102, "_download_url_prefix", address)
        yield served
        server.shutdown()
        thread.join()


def test_flowers_come_through_torchvision(flowers: Path, cache: Path) -> None:
    folder = silent("oxford-flowers")
    assert pictures(folder) == [f"image_{index:05d}.jpg" for index in (1, 2, 3)]
    assert remains(cache) == {"oxford-flowers"}
    assert len(load_images("oxford-flowers", 64)) == 3


def test_flowers_that_do_not_arrive_are_tried_again(flowers: Path, cache: Path) -> None:
    labels = flowers / "imagelabels.mat"
    content = labels.read_bytes()
    for spoil in (labels.unlink, lambda: labels.write_bytes(b"wrong")):
        spoil()
        with pytest.raises(LabError, match="could not be downloaded through torchvision"):
            silent("oxford-flowers")
        assert not (cache / "oxford-flowers").exists()
    labels.write_bytes(content)
    assert len(pictures(silent("oxford-flowers"))) == 3


def test_offline_no_flowers_are_asked_for(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("SLAE_OFFLINE", "1")
    with pytest.raises(LabError, match="SLAE_OFFLINE is set"):
        silent("oxford-flowers")
    with pytest.raises(LabError, match="SLAE_OFFLINE is set"):
        silent(NAME)


# The command.


def test_the_command_says_licence_folder_and_next_step(site: Site, cache: Path) -> None:
    group = LabGroup(commands={"fetch": data_fetch})
    result = CliRunner().invoke(group, ["fetch", NAME])
    assert result.exit_code == 0, result.output
    first, *_, folder, following = result.stdout.splitlines()
    assert "Licence: " in first
    assert folder == f"{cache / NAME}: 3 pictures"
    assert following.endswith(f"slae train --data {NAME}")


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [("fastgan-art", 2, "by hand"), ("nothing", 2, "no data set"), (NAME, 1, "404 Not Found")],
)
def test_the_command_refuses_in_one_sentence(site: Site, name: str, code: int, words: str) -> None:
    site.answers.append(404)
    result = CliRunner().invoke(LabGroup(commands={"fetch": data_fetch}), ["fetch", name])
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.output
