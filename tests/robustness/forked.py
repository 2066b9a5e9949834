"""Try inputs in forked processes, so that a crash or a hang ends one input and not the round.

A child takes the inputs one after the other and tells what came of each through a pipe. When it
dies or is silent for too long, that is what came of the input it was at, and a new child goes on
with the next one. The parent imports torch and computes nothing with it, or no child could.
"""

import faulthandler
import gc
import json
import os
import re
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

MEMORY = 4 * 2**30
"""Bytes that a child may take beyond what its parent has: less than would harm the computer."""
AT_ONCE = 100
"""Inputs for one child, so that what it gathers stays small."""

FINDINGS = ("traceback", "crash", "hang", "silent", "outside", "left over")


class Outcome(NamedTuple):
    """What came of an input.

    Args:
        what: ``"refused"``, ``"as before"``, ``"warned"``, ``"otherwise"`` (it was read, and as
            something else), ``"worked"`` (long, as it was asked to) or one of `FINDINGS`.
        where: the place in the package and the end of the traceback.
    """

    what: str
    where: str = ""

    @property
    def is_finding(self) -> bool:
        return self.what in FINDINGS


def in_children(
    inputs: Sequence[Any],
    work: Callable[[Any], Outcome],
    seconds: Callable[[Any], float],
    prepare: Callable[[], None] = lambda: None,
) -> Iterator[Outcome]:
    """Yield what comes of every input, in order.

    Args:
        inputs: what to try.
        work: tries one, in a child.
        seconds: after which an input counts as hanging.
        prepare: called in every new child.
    """
    done = 0
    while done < len(inputs):
        some = inputs[done : done + AT_ONCE]
        with tempfile.TemporaryFile() as said:
            for outcome in _one_child(some, work, seconds, prepare, said):
                done += 1
                yield outcome


def alone(work: Callable[[], Outcome], seconds: float = 120.0) -> Outcome:
    """Return what comes of one piece of work, in a child of its own."""
    (outcome,) = in_children([None], lambda _: work(), lambda _: seconds)
    return outcome


def failure(error: BaseException) -> Outcome:
    """Return an error as a finding: where in the package, and the last line."""
    frames = list(traceback.extract_tb(error.__traceback__))
    own = [frame for frame in frames if "/slae_lib/" in frame.filename] or frames
    last = traceback.format_exception_only(error)[-1].strip()
    return Outcome("traceback", f"{_place(own[-1])}: {last[:300]}")


def _place(frame: traceback.FrameSummary) -> str:
    return f"{frame.filename.rpartition('/slae_lib/')[2]}:{frame.lineno} {frame.name}"


def _one_child(
    inputs: Sequence[Any],
    work: Callable[[Any], Outcome],
    seconds: Callable[[Any], float],
    prepare: Callable[[], None],
    said: IO[bytes],
) -> Iterator[Outcome]:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _run(inputs, work, seconds, prepare, said, writing)
    os.close(writing)
    waiting = b""
    try:
        for one in inputs:
            until = time.monotonic() + seconds(one)
            while b"\n" not in waiting:
                left = until - time.monotonic()
                if left <= 0 or not select.select([reading], [], [], left)[0]:
                    os.kill(child, signal.SIGUSR1)  # tell where you are
                    time.sleep(0.5)
                    yield Outcome("hang", _stack(said))
                    return
                told = os.read(reading, 1 << 16)
                if not told:
                    yield Outcome("crash", f"{_ended(child)}; {_stack(said)}")
                    child = 0
                    return
                waiting += told
            line, _, waiting = waiting.partition(b"\n")
            yield Outcome(*json.loads(line))
    finally:
        os.close(reading)
        if child:
            try:
                os.killpg(child, signal.SIGKILL)  # and whatever it has started
            except ProcessLookupError:
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _run(
    inputs: Sequence[Any],
    work: Callable[[Any], Outcome],
    seconds: Callable[[Any], float],
    prepare: Callable[[], None],
    said: IO[bytes],
    writing: int,
) -> None:
    """Be the child; never return."""
    try:
        os.setsid()
        gc.freeze()  # what the parent has made need not be looked through again and again
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        faulthandler.enable(said)
        # Not `dump_traceback_later`, whose thread reads the frames of one that runs on: it crashed
        # half of all busy processes in a trial.
        faulthandler.register(signal.SIGUSR1, file=said, all_threads=False)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _limit_memory()
        prepare()
        for one in inputs:
            with warnings.catch_warnings():
                try:
                    outcome = work(one)
                except BaseException as error:  # `SystemExit`, too
                    outcome = failure(error)
            os.write(writing, json.dumps(outcome).encode() + b"\n")
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(99)
    os._exit(0)


def _limit_memory() -> None:
    pages = Path("/proc/self/statm")
    if pages.exists():
        now = int(pages.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, now + MEMORY))


def _ended(child: int) -> str:
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def _stack(said: IO[bytes]) -> str:
    """Return where in the package a child was at last, as `faulthandler` has written it."""
    said.seek(0)
    text = said.read().decode(errors="replace")
    found = re.findall(r'File "[^"]*/slae_lib/([^"]*)", line (\d+) in (\S+)', text)
    first = re.search(r'File "([^"]*)", line (\d+) in (\S+)', text)
    inner = f"{Path(first[1]).name}:{first[2]} {first[3]}" if first else text[-200:].strip()
    return f"{found[0][0]}:{found[0][1]} {found[0][2]} ({inner})" if found else inner
