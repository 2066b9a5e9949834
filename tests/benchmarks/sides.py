"""The two sides of a comparison: this checkout and another revision, each in its own processes."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("worker.py")


class GitError(Exception):
    """Git could not give what was asked for; the message says why."""


@dataclass(frozen=True)
class Side:
    """A folder with a `slae_lib` in it, and what to call it."""

    folder: Path
    revision: str


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(CHECKOUT), *arguments], capture_output=True, text=True, check=True
        )
    except FileNotFoundError:
        raise GitError("git is not installed") from None
    except subprocess.CalledProcessError as error:
        raise GitError((error.stderr.strip().splitlines() or ["git has failed"])[-1]) from None
    return done.stdout.strip()


def this_side() -> Side:
    """Return this checkout, with whatever has been changed in it."""
    try:
        revision = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--", "slae_lib")
    except GitError:
        return Side(CHECKOUT, "unknown")
    return Side(CHECKOUT, f"{revision} with changes" if changed else revision)


@contextlib.contextmanager
def other_side(revision: str) -> Iterator[Side]:
    """Give a revision in a temporary worktree.

    Raises:
        GitError: if git does not know it or cannot make a worktree.
    """
    commit = _git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    with tempfile.TemporaryDirectory(prefix="slae-against-") as folder:
        tree = Path(folder, "tree")
        _git("worktree", "add", "--detach", str(tree), commit)
        try:
            yield Side(tree, commit)
        finally:
            _git("worktree", "remove", "--force", str(tree))


class Worker:
    """A process that measures one work on one side.

    Args:
        side: whose `slae_lib`.
        job: what `worker.py` is told.

    Raises:
        RuntimeError: if it fails; the message is its last line.
    """

    def __init__(self, side: Side, job: dict[str, Any]) -> None:
        path = [str(side.folder), os.environ.get("PYTHONPATH", "")]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `stop`)
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER), json.dumps({**job, "package": str(side.folder)})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path))},
        )
        self.facts = self._answer()

    def round(self) -> dict[str, float]:
        """Do the work once and return the seconds of its parts."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write("round\n")
            self._process.stdin.flush()
        return self._answer()["seconds"]

    def end(self) -> int | None:
        """End the process and return the most memory that it has used."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        peak = self._answer()["peak_bytes"]
        self._process.wait()
        return peak

    def stop(self) -> None:
        """End the process at once, if it is still there."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        raise RuntimeError(said[-1] if said else f"the process ended with {code}")
