"""A JupyterLab of its own on loopback, and a real browser in front of it."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.blocking import BlockingKernelClient
from nbformat.v4 import new_code_cell, new_notebook

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
)
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # Otherwise an output that is scrolled away is not in the page.
    "notebook-extension/tracker": {"windowingMode": "none"},
}


def find_browser() -> str | None:
    """Return a Chrome or Chromium: ``$SLAE_TEST_BROWSER``, one on the PATH, or Playwright's own."""
    chosen = os.environ.get("SLAE_TEST_BROWSER")
    if chosen:
        return chosen
    for name in BROWSERS:
        found = shutil.which(name)
        if found:
            return found
    return _browser_of_playwright()


def _browser_of_playwright() -> str | None:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


@dataclass
class Lab:
    """A running JupyterLab.

    Attributes:
        folder: its root.
        runtime: where its kernels leave their addresses.
        address: such as ``http://127.0.0.1:8900``.
        token: to be let in.
    """

    folder: Path
    runtime: Path
    address: str
    token: str

    def write(self, name: str, cells: list[str]) -> None:
        """Write a notebook."""
        notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, self.folder / name)

    def url(self, name: str) -> str:
        """Return the address of a notebook, alone on the page."""
        return f"{self.address}/doc/tree/{name}?token={self.token}"

    def request(self, path: str, method: str = "GET") -> Any:
        """Ask the server's own interface; return what it answers."""
        request = urllib.request.Request(
            f"{self.address}{path}", method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    @contextmanager
    def kernel(self) -> Iterator["Kernel"]:
        """Give a line of its own to the newest kernel, beside the browser's."""
        (newest,) = self.request("/api/kernels")
        client = BlockingKernelClient(
            connection_file=str(self.runtime / f"kernel-{newest['id']}.json")
        )
        client.load_connection_file()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=20)
            yield Kernel(client)
        finally:
            client.stop_channels()


@dataclass
class Kernel:
    """What the kernel thinks."""

    client: BlockingKernelClient

    def value(self, expression: str) -> Any:
        """Return the value of an expression that JSON can hold."""
        wanted = f"__import__('json').dumps({expression})"
        reply = self.client.execute(
            "", silent=True, user_expressions={"it": wanted}, reply=True, timeout=20
        )
        answer = reply["content"]["user_expressions"]["it"]
        assert answer["status"] == "ok", answer
        return json.loads(eval(answer["data"]["text/plain"]))  # the repr of a string


@contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    """Start JupyterLab below ``folder``, with nothing of the user's settings, and end it."""
    places = {name: folder / name for name in ("config", "data", "runtime", "settings", "ipython")}
    root = folder / "notebooks"
    for place in (*places.values(), root):
        place.mkdir(parents=True)
    for name, content in SETTINGS.items():
        file = places["settings"] / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(places["config"]),
        "JUPYTER_DATA_DIR": str(places["data"]),
        "JUPYTER_RUNTIME_DIR": str(places["runtime"]),
        "JUPYTERLAB_SETTINGS_DIR": str(places["settings"]),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "IPYTHONDIR": str(places["ipython"]),
        "JUPYTER_TOKEN": token,  # not on the command line, where everybody could read it
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": root,
        "ServerApp.log_level": 30,
        "LabApp.extension_manager": "readonly",
    }
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [*command, *(f"--{name}={value}" for name, value in options.items())],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=root,
        )
        try:
            running = Lab(root, places["runtime"], f"http://127.0.0.1:{port}", token)
            _wait(running, server, folder / "server.log")
            yield running
        finally:
            _end(running, server)


def _wait(running: Lab, server: "subprocess.Popen[bytes]", log: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert server.poll() is None, f"JupyterLab ended by itself:\n{log.read_text()[-3000:]}"
        try:
            running.request("/api/status")
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"JupyterLab did not answer:\n{log.read_text()[-3000:]}")


def _end(running: Lab, server: "subprocess.Popen[bytes]") -> None:
    try:
        for kernel in running.request("/api/kernels"):
            running.request(f"/api/kernels/{kernel['id']}", "DELETE")
    except OSError:
        pass  # the server has gone already
    server.terminate()
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
