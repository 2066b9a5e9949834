"""Downloads from a real server on loopback that misbehaves on purpose."""

import hashlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from site_of_one_file import CONTENT, Site

from slae_lib.support import downloads
from slae_lib.support.downloads import DownloadError, download
from slae_lib.support.errors import LabError

HALF = len(CONTENT) // 2
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(downloads, "WAITS", (0.0,) * 4)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("SLAE_OFFLINE", raising=False)
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.go_on.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def goal(tmp_path: Path) -> Path:
    return tmp_path / "new" / "folder" / "weights.bin"


def remains(goal: Path) -> set[str]:
    """What lies beside the goal, apart from the lock."""
    return {path.name for path in goal.parent.iterdir()} - {goal.name + ".lock"}


def child(site: Site, goal: Path) -> "subprocess.Popen[str]":
    code = (
        "import sys; from slae_lib.support.downloads import download; "
        "download(sys.argv[1], sys.argv[2], sha256=sys.argv[3], progress=False)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, site.url, str(goal), SHA256],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_a_file_arrives_whole_and_alone(site: Site, goal: Path) -> None:
    assert download(site.url, goal, sha256=SHA256) == goal
    assert goal.read_bytes() == CONTENT
    assert remains(goal) == {goal.name}


def test_the_beginning_of_a_checksum_is_enough(site: Site, goal: Path) -> None:
    download(site.url, goal, sha256=SHA256[:8].upper())
    assert goal.read_bytes() == CONTENT


def test_a_file_that_is_there_is_left_as_it_is(site: Site, goal: Path) -> None:
    goal.parent.mkdir(parents=True)
    goal.write_bytes(b"mine")
    download(site.url, goal, sha256=SHA256)
    assert goal.read_bytes() == b"mine"
    assert not site.requests


def test_offline_means_that_nobody_is_asked(
    site: Site, goal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLAE_OFFLINE", "1")
    with pytest.raises(DownloadError) as caught:
        download(site.url, goal)
    assert not site.requests
    assert not goal.parent.exists()
    for part in ("SLAE_OFFLINE", site.url, str(goal)):
        assert part in str(caught.value)


def test_a_server_that_recovers_is_asked_again(site: Site, goal: Path) -> None:
    site.answers.extend([503, 429, 500])
    download(site.url, goal, sha256=SHA256)
    assert goal.read_bytes() == CONTENT
    assert len(site.requests) == 4


def test_a_server_that_does_not_recover_is_given_up(site: Site, goal: Path) -> None:
    site.answers.extend([503] * 99)
    with pytest.raises(DownloadError, match="503") as caught:
        download(site.url, goal)
    assert len(site.requests) == 5
    assert isinstance(caught.value, LabError)
    assert not goal.exists()


def test_a_missing_page_is_asked_for_once(site: Site, goal: Path) -> None:
    site.answers.append(404)
    with pytest.raises(DownloadError, match="404 Not Found") as caught:
        download(site.url, goal)
    assert len(site.requests) == 1
    assert site.url in str(caught.value)
    assert str(goal) in str(caught.value)


def test_a_server_that_hangs_up_before_it_answers_is_asked_again(site: Site, goal: Path) -> None:
    site.answers.extend(["hang up", "hang up"])
    download(site.url, goal, sha256=SHA256)
    assert goal.read_bytes() == CONTENT
    site.answers.extend(["hang up"] * 99)
    with pytest.raises(DownloadError, match=r"the connection was cut \(.*\), 5 times in a row"):
        download(site.url, goal.with_name("other.bin"))


def test_after_a_cut_only_the_rest_is_asked_for(site: Site, goal: Path) -> None:
    site.answers.append("cut")
    download(site.url, goal, sha256=SHA256)
    assert goal.read_bytes() == CONTENT
    assert site.requests[1]["Range"] == f"bytes={HALF}-"
    assert remains(goal) == {goal.name}


def test_a_connection_that_is_always_cut_ends_in_a_sentence(site: Site, goal: Path) -> None:
    site.answers.extend(["cut"] * 99)
    with pytest.raises(DownloadError, match=r"was cut after .* of 300,000 bytes, 5 times"):
        download(site.url, goal, sha256=SHA256)
    site.answers.clear()
    download(site.url, goal, sha256=SHA256)  # what had arrived is kept for the next run
    assert "Range" in site.requests[-1]
    assert goal.read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_starts_again(site: Site, goal: Path) -> None:
    site.knows_ranges = False
    site.answers.append("cut")
    download(site.url, goal, sha256=SHA256)
    assert goal.read_bytes() == CONTENT


def test_a_killed_process_leaves_a_piece_that_the_next_one_continues(
    site: Site, goal: Path
) -> None:
    site.answers.append("stall")
    with child(site, goal) as killed:
        assert site.asked.wait(60)
        part = goal.with_name(goal.name + ".part")
        while not part.exists() or part.stat().st_size < 2 * downloads.CHUNK:
            assert killed.poll() is None
        killed.kill()
    assert remains(goal) == {part.name}
    site.go_on.set()
    download(site.url, goal, sha256=SHA256)
    assert goal.read_bytes() == CONTENT
    assert int(site.requests[1]["Range"].strip("bytes=-")) >= 2 * downloads.CHUNK


def test_of_two_processes_one_downloads_and_both_have_the_file(site: Site, goal: Path) -> None:
    site.answers.append("stall")
    with child(site, goal) as first:
        assert site.asked.wait(60)
        with child(site, goal) as second:
            assert second.stderr is not None
            assert "Waiting for another process" in second.stderr.readline()
            site.go_on.set()
    assert first.returncode == second.returncode == 0
    assert len(site.requests) == 1
    assert goal.read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing(site: Site, goal: Path) -> None:
    site.content = b"<html>Please log in to this hotel's network.</html>"
    with pytest.raises(DownloadError, match=f"instead of {SHA256}"):
        download(site.url, goal, sha256=SHA256)
    assert remains(goal) == set()


def test_an_old_piece_of_something_else_does_not_spoil_the_file(site: Site, goal: Path) -> None:
    goal.parent.mkdir(parents=True)
    goal.with_name(goal.name + ".part").write_bytes(b"x" * 1000)
    download(site.url, goal, sha256=SHA256)
    assert goal.read_bytes() == CONTENT


@pytest.mark.parametrize("mark", ['"version 1"', None])
def test_without_a_checksum_pieces_of_two_versions_are_never_joined(
    site: Site, goal: Path, mark: str | None
) -> None:
    site.mark = mark
    site.answers.extend(["cut", 404])
    with pytest.raises(DownloadError):
        download(site.url, goal)
    site.content, site.mark = CONTENT[::-1], mark and '"version 2"'
    download(site.url, goal)
    assert goal.read_bytes() == CONTENT[::-1]


def test_without_a_checksum_a_piece_is_continued_while_its_mark_is_known(
    site: Site, goal: Path
) -> None:
    site.answers.append("cut")
    download(site.url, goal)
    assert site.requests[-1]["Range"] == f"bytes={HALF}-"
    assert site.requests[-1]["If-Range"] == site.mark
    assert goal.read_bytes() == CONTENT


def test_without_a_checksum_a_later_run_trusts_no_mark(site: Site, goal: Path) -> None:
    site.answers.extend(["cut", 404])
    with pytest.raises(DownloadError):
        download(site.url, goal)
    site.content = CONTENT[::-1]  # another version under the same mark
    download(site.url, goal)
    assert goal.read_bytes() == CONTENT[::-1]


def test_a_mark_that_cannot_be_sent_back_is_forgotten(site: Site, goal: Path) -> None:
    site.mark = '"version\x85 1"'
    site.answers.append("cut")
    download(site.url, goal, sha256=SHA256)
    assert "If-Range" not in site.requests[-1]
    assert goal.read_bytes() == CONTENT


def test_a_mark_of_an_older_lab_that_is_no_text_is_no_hindrance(site: Site, goal: Path) -> None:
    goal.parent.mkdir(parents=True)
    goal.with_name(goal.name + ".part").write_bytes(CONTENT[:HALF])
    goal.with_name(goal.name + ".part.tag").write_bytes(b"\xff\xfe\n\0")
    download(site.url, goal, sha256=SHA256)
    assert goal.read_bytes() == CONTENT


@pytest.mark.parametrize("length", ["many", "9" * 5000])
def test_a_length_that_is_no_number_is_no_length(site: Site, goal: Path, length: str) -> None:
    site.length = length
    download(site.url, goal, sha256=SHA256)
    assert goal.read_bytes() == CONTENT


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/weights.bin", "weights"])
def test_what_is_no_address_of_the_web_is_said_at_once(
    goal: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setattr(downloads.time, "sleep", lambda _: pytest.fail("it was tried again"))
    with pytest.raises(DownloadError, match="cannot be asked for"):
        download(url, goal)
    assert remains(goal) == set()


def test_nobody_is_sent_on_from_https_to_http(
    site: Site, goal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class WithoutTls(requests.adapters.HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> Any:
            request.url = str(request.url).replace("https:", "http:")
            return super().send(request, *args, **options)

    monkeypatch.setattr(requests.sessions, "HTTPAdapter", WithoutTls)
    download(site.url.replace("http:", "https:"), goal)
    site.answers.append(site.url)
    with pytest.raises(DownloadError, match=f"cannot be asked for .*{site.url}"):
        download(site.url.replace("http:", "https:"), goal.with_name("other.bin"))
    site.answers.append(site.url)
    download(site.url, goal.with_name("third.bin"))  # http may send on to http
    assert len(site.requests) == 4


def test_a_piece_that_is_whole_already_is_used(site: Site, goal: Path) -> None:
    goal.parent.mkdir(parents=True)
    goal.with_name(goal.name + ".part").write_bytes(CONTENT)
    download(site.url, goal, sha256=SHA256)
    assert goal.read_bytes() == CONTENT


def test_a_piece_longer_than_the_file_is_thrown_away(site: Site, goal: Path) -> None:
    goal.parent.mkdir(parents=True)
    goal.with_name(goal.name + ".part").write_bytes(CONTENT + b"more")
    download(site.url, goal, sha256=SHA256)
    assert goal.read_bytes() == CONTENT


def test_more_bytes_than_expected_are_refused(site: Site, goal: Path) -> None:
    with pytest.raises(DownloadError, match="larger than the 1,000 bytes"):
        download(site.url, goal, size_limit=1000)
    assert remains(goal) == set()


def test_a_disk_too_small_is_noticed_before_the_first_byte(
    site: Site, goal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: Usage)
    with pytest.raises(DownloadError, match="0 MB free, and 0 MB are needed"):
        download(site.url, goal)
    assert not goal.exists()


def test_a_disk_that_fills_up_is_left_with_what_it_had(
    site: Site, goal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloads.os, "replace", full)
    with pytest.raises(DownloadError, match=r"the disk of .* is full"):
        download(site.url, goal)
    assert remains(goal) == set()


def test_a_folder_that_cannot_be_made_is_named(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    goal = tmp_path / "file" / "weights.bin"
    with pytest.raises(DownloadError, match="cannot be written to") as caught:
        download(site.url, goal)
    assert str(goal.parent) in str(caught.value)
    assert not site.requests


def test_nobody_at_the_address_is_said_at_once(
    goal: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "WAITS", ())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(DownloadError, match=f"no connection to {address}"):
            download(f"http://{address}/weights.bin", goal)


@pytest.mark.parametrize("progress", [True, False])
def test_the_progress_bar_names_the_file(
    site: Site, goal: Path, progress: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    download(site.url, goal, progress=progress)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.split("\r")[-1].startswith("weights.bin: 100%") if progress else err == ""


def test_a_proxy_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://someone:secret@127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DownloadError, match=r"the proxy 127\.0\.0\.1:9") as failure:
        download("http://example.org/weights.pth", tmp_path / "weights.pth")
    assert "secret" not in str(failure.value)
