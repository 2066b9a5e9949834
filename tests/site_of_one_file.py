"""A real HTTP server on loopback that can misbehave, for the tests of downloads."""

import random
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = random.Random(0).randbytes(300_000)


class Site(ThreadingHTTPServer):
    """A server of one file; ``answers`` are its next misdeeds, afterwards it behaves well."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = CONTENT
        self.mark: str | None = '"version 1"'
        self.knows_ranges = True
        self.length: str | None = None  # what it says in place of the true one
        self.answers: deque[int | str] = deque()
        self.requests: list[dict[str, str]] = []
        self.asked, self.go_on = threading.Event(), threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/weights.bin"


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        site = self.server
        site.requests.append(dict(self.headers))
        answer = site.answers.popleft() if site.answers else "behave"
        if isinstance(answer, int):
            self.send_error(answer)
            return
        if answer == "hang up":
            return
        if answer.startswith(("http:", "file:")):
            self.send_response(302)
            self.send_header("Location", answer)
            self.end_headers()
            return
        body = self._start()
        if answer == "cut":
            self.wfile.write(body[: len(body) // 2])
        elif answer == "stall":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            site.asked.set()
            site.go_on.wait(60)
            self.wfile.write(body[len(body) // 2 :])
        else:
            self.wfile.write(body)

    def _start(self) -> bytes:
        site, total = self.server, len(self.server.content)
        start = 0
        same = self.headers.get("If-Range", site.mark) == site.mark
        if site.knows_ranges and same and "Range" in self.headers:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        if start >= total:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.end_headers()
            return b""
        body = site.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if site.mark:
            self.send_header("ETag", site.mark)
        self.send_header("Content-Length", site.length or str(len(body)))
        self.end_headers()
        return body

    def log_message(self, *_: object) -> None:
        pass
