"""Download one file, so that a cut, a second process or a full disk leaves nothing broken behind.

`requests` speaks HTTP, `tqdm` draws the bar and `filelock` makes a second process wait. Half a file
is ours, since `pooch` would begin 553 MB anew after every cut: what has arrived lies in
``NAME.part`` beside the goal, and the next try asks for the rest of it, provided that the server's
mark is the same; a later run does so only if a checksum will tell whether the pieces fit. So are
the retries, the limits and the one sentence that says what failed and how to get it by hand.
"""

import contextlib
import errno
import logging
import os
import shutil
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pooch  # type: ignore[import-untyped]
import requests
from filelock import FileLock, Timeout
from requests import codes
from tqdm.auto import tqdm
from urllib3.exceptions import MaxRetryError

from slae_lib.support.errors import LabError
from slae_lib.support.progress import LOG_SECONDS, in_a_file

WAITS = (1.0, 2.0, 4.0, 8.0)  # seconds before the second, third, ... try
SILENCE = 20.0  # seconds without a byte after which a connection counts as cut
CHUNK = 1 << 16  # bytes

_log = logging.getLogger(__name__)


class DownloadError(LabError):
    """A file could not be downloaded; ``reason`` is the cause alone, in words."""

    def __init__(self, url: str, path: Path, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"Cannot download {url}: {reason}; you can also get it by hand and save it as {path}."
        )


class _Cut(Exception):
    """A failure that may pass: worth another try."""


def is_offline() -> bool:
    """Return whether the environment variable ``SLAE_OFFLINE`` forbids every download."""
    return os.environ.get("SLAE_OFFLINE", "0").lower() not in ("", "0", "no", "false")


def shortage(folder: Path, needed: int) -> str | None:
    """Return, in words, that the disk of ``folder`` has no room for ``needed`` bytes, or None."""
    free = shutil.disk_usage(folder).free
    if needed <= free:
        return None
    return (
        f"the disk of {folder} has {free / 1e6:,.0f} MB free, and {needed / 1e6:,.0f} MB are needed"
    )


def download(
    url: str,
    path: str | Path,
    *,
    sha256: str | None = None,
    size_limit: int | None = None,
    progress: bool = True,
) -> Path:
    """Bring the file at ``url`` to ``path``; a file that is there already is left as it is.

    Cuts, time-outs and answers like 503 are tried again, a few times. If two processes ask for
    the same file, one downloads it and the other waits.

    Args:
        url: an http or https address.
        path: where the file will be; missing folders are made.
        sha256: the checksum in hexadecimal digits, or how it begins; not checked if None.
        size_limit: the most bytes to accept.
        progress: show a progress bar.

    Returns:
        ``path``.

    Raises:
        DownloadError: one sentence that names the address, the reason and the path. With
            ``SLAE_OFFLINE=1`` in the environment it comes at once and the network is not touched.
    """
    job = _Download(url, Path(path), sha256, size_limit, progress)
    folder = job.path.parent
    if job.path.exists():
        return job.path
    if is_offline():
        raise job.failure("SLAE_OFFLINE is set")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(job.path):
            if not job.path.exists():  # another process may have brought it meanwhile
                job.run()
    except OSError as problem:
        if problem.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
            job.discard()  # a half file must not be what keeps the disk full
            raise job.failure(f"the disk of {folder} is full") from problem
        raise job.failure(
            f"{folder} cannot be written to ({problem.strerror or problem})"
        ) from problem
    return job.path


def _locked(path: Path) -> AbstractContextManager[object]:
    lock = FileLock(path.with_name(path.name + ".lock"))
    with contextlib.suppress(Timeout):
        return lock.acquire(timeout=0)
    _log.warning("Waiting for another process that is downloading %s.", path.name)
    return lock.acquire()


@dataclass
class _Download:
    url: str
    path: Path
    sha256: str | None
    size_limit: int | None
    progress: bool
    mark: str = ""  # the server's, of the version that ``part`` is a piece of

    @property
    def part(self) -> Path:
        return self.path.with_name(self.path.name + ".part")

    @property
    def size(self) -> int:  # what has arrived so far
        return self.part.stat().st_size if self.part.exists() else 0

    def failure(self, reason: str) -> DownloadError:
        return DownloadError(self.url, self.path, reason)

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            self.part.unlink()

    def run(self) -> None:
        if self.sha256 is None:
            self.discard()  # nothing could tell whether an old piece still fits
        old_piece = self.size > 0
        self._receive_patiently()
        size, digest = self.size, pooch.file_hash(self.part)
        if digest.startswith((self.sha256 or "").lower()):
            os.replace(self.part, self.path)
            return
        self.discard()
        if old_piece:
            return self.run()  # the piece may have belonged to another version of the file
        raise self.failure(
            f"what arrived ({size:,} bytes) has the SHA-256 checksum {digest[:16]}... instead "
            f"of {self.sha256}"
        )

    def _receive_patiently(self) -> None:
        failures = 0
        while True:
            before = self.size
            try:
                return self._receive()
            except _Cut as problem:
                if self.size - before >= 16 * CHUNK:
                    failures = 0  # slow but getting on
                if failures == len(WAITS):
                    raise self.failure(f"{problem}, {failures + 1} times in a row") from problem
                time.sleep(WAITS[failures])
                failures += 1

    def _receive(self) -> None:
        """Ask once for what is missing, and append it to ``part``."""
        have = self.size
        headers = {"User-Agent": "slae-lib", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if self.mark:
                # "The rest, if it is still the same file; all of it otherwise."
                headers["If-Range"] = self.mark
        try:
            with requests.Session() as session:
                if urlsplit(self.url).scheme == "https":
                    # A server that sends us on to there lets anybody on the way change the file.
                    del session.adapters["http://"]
                session.headers.update(headers)
                with session.get(self.url, stream=True, timeout=SILENCE) as answer:
                    if self._has_more(answer, have):
                        self._append(answer)
        except requests.RequestException as problem:
            if isinstance(problem, ValueError):  # so `requests` calls what no other try mends
                raise self.failure(f"it cannot be asked for ({problem})") from problem
            # Without any connection there is nothing to wait for; what broke off may come back.
            if any(isinstance(part, MaxRetryError) for part in problem.args):
                goal = urlsplit(self.url).netloc
                if isinstance(problem, requests.exceptions.ProxyError):
                    known = requests.utils.get_environ_proxies(self.url)
                    proxy = urlsplit(requests.utils.select_proxy(self.url, known) or "")
                    goal = f"the proxy {proxy.hostname}:{proxy.port}, which the environment names"
                raise self.failure(f"no connection to {goal} ({_heart(problem)})") from problem
            raise _Cut(f"the connection was cut ({_heart(problem)})") from problem

    def _has_more(self, answer: requests.Response, have: int) -> bool:
        """Return whether ``answer`` has bytes for ``part``, which is emptied if it must be."""
        status, span = answer.status_code, answer.headers.get("Content-Range", "")
        if status == codes.partial_content and span.startswith(f"bytes {have}-"):
            return True
        if status == codes.ok:  # the server sends the file from its beginning
            self.discard()
            mark = answer.headers.get("ETag", "W/")
            if mark.startswith("W/"):  # a weak mark is not good enough to continue on
                mark = answer.headers.get("Last-Modified", "")
            self.mark = mark if mark.isprintable() else ""  # or it could not be sent back
            return True
        if status in (codes.partial_content, codes.requested_range_not_satisfiable) and have:
            if span == f"bytes */{have}":
                return False  # all of it is here
            self.discard()
            raise _Cut("the server holds another version of the file")
        words = f"the server answered {status} {answer.reason}"
        raise _Cut(words) if status >= 500 or status in (408, 429) else self.failure(words)

    def _append(self, answer: requests.Response) -> None:
        have, length = self.size, answer.raw.length_remaining  # None where it is no number
        total = have + length if length else None
        self._check_limit(total or have)
        if words := shortage(self.path.parent, total - have if total else 0):
            raise self.failure(words)
        answer.raw.enforce_content_length = False  # or what arrived just before a cut is lost
        look = {"desc": self.path.name, "initial": have, "disable": not self.progress}
        look |= {"mininterval": LOG_SECONDS} if in_a_file() else {}
        with (
            self.part.open("ab") as file,
            tqdm.wrapattr(file, "write", total, **look) as goal,
        ):
            for chunk in answer.iter_content(CHUNK):
                have += len(chunk)
                self._check_limit(have)
                goal.write(chunk)
        if total and have < total:
            raise _Cut(f"the connection was cut after {have:,} of {total:,} bytes")

    def _check_limit(self, size: int) -> None:
        if self.size_limit is not None and size > self.size_limit:
            self.discard()
            raise self.failure(f"it is larger than the {self.size_limit:,} bytes expected at most")


def _heart(problem: object) -> str:
    """Return what the system said; requests and urllib3 wrap it several times."""
    while isinstance(problem, Exception) and problem.args:
        problem = getattr(problem, "reason", None) or problem.args[-1]
    return str(problem).rpartition(": ")[2].strip()
