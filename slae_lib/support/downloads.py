"""Download one file, so that a cut, a second process or a full disk leaves nothing broken behind.

What has arrived so far lies in ``NAME.part`` beside the goal and is continued by the next try, in
this run or in a later one. The goal itself appears only when it is whole and its checksum is right.
"""

import contextlib
import errno
import hashlib
import http.client
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib import error, parse, request

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from slae_lib.support.errors import LabError

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
    if job.path.exists():
        return job.path
    if is_offline():
        raise job.failure("SLAE_OFFLINE is set")
    try:
        job.path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(job.path):
            if not job.path.exists():  # another process may have brought it meanwhile
                job.run()
    except OSError as problem:
        if problem.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
            job.discard()  # a half file must not be what keeps the disk full
            raise job.failure(f"the disk of {job.path.parent} is full") from problem
        raise job.failure(
            f"{job.path.parent} cannot be written to ({problem.strerror or problem})"
        ) from problem
    return job.path


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    lock = FileLock(path.with_name(path.name + ".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _log.warning("Waiting for another process that is downloading %s.", path.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@dataclass
class _Download:
    url: str
    path: Path
    sha256: str | None
    size_limit: int | None
    progress: bool

    @property
    def part(self) -> Path:
        """What has arrived so far."""
        return self.path.with_name(self.path.name + ".part")

    @property
    def tag(self) -> Path:
        """The server's mark (ETag or date) of the version that ``part`` is a piece of."""
        return self.path.with_name(self.path.name + ".part.tag")

    def failure(self, reason: str) -> DownloadError:
        return DownloadError(self.url, self.path, reason)

    def discard(self) -> None:
        for file in (self.part, self.tag):
            with contextlib.suppress(OSError):
                file.unlink()

    def run(self) -> None:
        if self.sha256 is None and not self.tag.exists():
            self.discard()  # nothing could tell whether an old piece still fits
        left_over = self.part.exists()
        self._receive_patiently()
        if left_over and not self._is_right():
            # The piece of an earlier run may belong to another version of the file.
            self.discard()
            self._receive_patiently()
        if not self._is_right():
            size, digest = self.part.stat().st_size, self._digest()
            self.discard()
            raise self.failure(
                f"what arrived ({size:,} bytes) has the SHA-256 checksum {digest[:16]}... instead "
                f"of {self.sha256}"
            )
        os.replace(self.part, self.path)
        self.discard()

    def _digest(self) -> str:
        with self.part.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _is_right(self) -> bool:
        return self.sha256 is None or self._digest().startswith(self.sha256.lower())

    def _receive_patiently(self) -> None:
        failures = 0
        while True:
            before = self._size()
            try:
                return self._receive()
            except _Cut as problem:
                if self._size() - before >= 16 * CHUNK:
                    failures = 0  # slow but getting on
                if failures == len(WAITS):
                    raise self.failure(f"{problem}, {failures + 1} times in a row") from problem
                time.sleep(WAITS[failures])
                failures += 1

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _receive(self) -> None:
        """Ask once for what is missing, and append it to ``part``."""
        response = self._ask(self._size())
        if response is None:
            return
        with response:
            have = self._size()
            length = response.headers.get("Content-Length")
            total = have + int(length) if length else None
            self._check_room(total, have)
            with (
                self.part.open("ab") as file,
                tqdm(
                    desc=self.path.name,
                    total=total,
                    initial=have,
                    unit="B",
                    unit_scale=True,
                    unit_divisor=1024,
                    disable=not self.progress,
                ) as bar,
            ):
                while chunk := self._read(response):
                    have += len(chunk)
                    self._check_limit(have)
                    file.write(chunk)
                    bar.update(len(chunk))
        if total is not None and have < total:
            raise _Cut(f"the connection was cut after {have:,} of {total:,} bytes")

    def _ask(self, have: int) -> http.client.HTTPResponse | None:
        """Return the answer that continues ``part``, or None if ``part`` is whole already."""
        headers = {"User-Agent": "slae-lib", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if self.tag.exists():
                # "The rest, if it is still the same file; all of it otherwise."
                headers["If-Range"] = self.tag.read_text(encoding="utf-8")
        try:
            response = request.urlopen(request.Request(self.url, headers=headers), timeout=SILENCE)
        except error.HTTPError as answer:
            if answer.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
                if answer.headers.get("Content-Range") == f"bytes */{have}":
                    return None
                self.discard()
                raise _Cut("the server holds another version of the file") from answer
            words = f"the server answered {answer.code} {answer.reason}"
            if answer.code >= 500 or answer.code in (408, 429):
                raise _Cut(words) from answer
            raise self.failure(words) from answer
        except error.URLError as problem:
            if isinstance(problem.reason, ConnectionResetError):
                raise _Cut("the connection was cut") from problem
            cause = getattr(problem.reason, "strerror", None) or problem.reason
            host = parse.urlsplit(self.url).netloc
            raise self.failure(f"no connection to {host} ({cause})") from problem
        except (OSError, http.client.HTTPException) as problem:
            raise _Cut(f"the server gave no answer ({problem})") from problem
        start = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            self.discard()  # the server sends the file from its beginning
            self._remember_version(response)
        elif not start or int(start[1]) != have:
            response.close()
            self.discard()
            raise _Cut("the server sent another part of the file than the missing one")
        return response

    def _remember_version(self, response: http.client.HTTPResponse) -> None:
        mark = response.headers.get("ETag") or ""
        if not mark or mark.startswith("W/"):  # a weak mark is not good enough to continue on
            mark = response.headers.get("Last-Modified") or ""
        if mark:
            self.tag.write_text(mark, encoding="utf-8")

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        # Apart from `file.write`, so that a cut connection and a full disk are told apart.
        try:
            return response.read(CHUNK)
        except (OSError, http.client.HTTPException) as problem:
            raise _Cut(f"the connection was cut ({problem})") from problem

    def _check_room(self, total: int | None, have: int) -> None:
        if total is None:
            return
        self._check_limit(total)
        free = shutil.disk_usage(self.path.parent).free
        if free < total - have:
            raise self.failure(
                f"the disk of {self.path.parent} has {free / 1e6:,.0f} MB free, and "
                f"{(total - have) / 1e6:,.0f} MB are needed"
            )

    def _check_limit(self, size: int) -> None:
        if self.size_limit is not None and size > self.size_limit:
            self.discard()
            raise self.failure(f"it is larger than the {self.size_limit:,} bytes expected at most")
