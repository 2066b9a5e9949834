"""Kill a training at each of its writes, go on with it, and hold the end against one left alone.

A write is whatever changes the run's folder: a file that is opened, flushed to the disk, renamed,
deleted or given its mode, a folder that is made. A process dies before one of them, or in the
middle of the bytes that follow an opened file: the system ends it when the file has grown so far,
which also stops writers that are not written in Python. A run is killed several times, in the
training and while it goes on, and then left to finish. Its figures are written and not drawn.
"""

import contextlib
import os
import random
import re
import resource
import signal
import sys
from pathlib import Path
from typing import Any, NamedTuple

from forked import Outcome, in_children
from good import Refused, digest, restore, slae, surroundings, temporaries
from matplotlib.figure import Figure
from readers import result_of

from slae_lib.plotting import style

RUN = "killed"
TRAIN = (
    f"train --preset cpu-smoke --data data --out {RUN} --noise-dim 8 --iterations 12 --samples 2 "
    "--batch-size 2 --log-every 3 --sample-every 3 --checkpoint-every 3 --keep-checkpoints 2"
).split()
CHANGING = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
IN_A_CHAIN = 4
"""Kills of one run, before it may finish."""
STEP = 41
"""From the write that one chain begins with to that of the next, around all of them."""


class Kill(NamedTuple):
    """Where a process dies.

    Args:
        at: number of the write before which it dies.
        within: bytes that a file opened at that write may still grow by, in place of that; None
            for none.
    """

    at: int
    within: int | None


class Chain(NamedTuple):
    """One run that was killed several times.

    Args:
        number: says where it was.
        writes: at which it was, as text: ``"os.rename run/metrics.csv"``.
        outcome: of its end.
    """

    number: int
    writes: tuple[str, ...]
    outcome: Outcome


def watch(log: Path, kill: Kill | None) -> None:
    """Count the writes into the run's folder from now on, and die at one of them."""
    folder = str(Path(RUN).absolute())
    seen = 0
    dying = False

    def meet(event: str, path: Any) -> None:
        nonlocal seen, dying
        path = os.path.abspath(os.fsdecode(path))
        if not path.startswith(folder):
            return
        seen += 1
        if kill is None:
            _tell(log, event, path[len(folder) + 1 :])
        elif dying or seen == kill.at:
            if not dying:
                _tell(log, event, path[len(folder) + 1 :])
            if dying or event != "open" or kill.within is None:
                os.kill(os.getpid(), signal.SIGKILL)
            dying = True
            size = os.path.getsize(path) if os.path.exists(path) else 0
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + kill.within,) * 2)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes):
            _, mode, flags = arguments
            if set(mode or "") & set("wax+") or (flags or 0) & WRITING:
                meet(event, arguments[0])
        elif event in CHANGING and isinstance(arguments[0], str | bytes | os.PathLike):
            meet(event, arguments[0])

    flush = os.fsync

    def fsync(file: int) -> None:
        meet("os.fsync", f"{folder}/")
        flush(file)

    os.fsync = fsync
    sys.addaudithook(hook)
    quiet = os.open(os.devnull, os.O_WRONLY)  # a progress bar must not meet the limit of a file
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)


def _tell(log: Path, event: str, path: str) -> None:
    with log.open("a") as file:
        file.write(f"{event} {re.sub('[0-9]{7}|[.][a-z0-9_]{8}$', '*', path)}\n")


def go_on() -> None:
    """Train as somebody would who has found the folder as it is now.

    Raises:
        Refused: if nothing that the command itself proposes helps.
    """
    run = Path(RUN)
    if (run / "run.json").is_file() and list((run / "checkpoints").glob("step-*.pt")):
        try:
            slae("train", "--resume", RUN)
        except Refused as answer:
            if "has already done" not in str(answer):
                raise
        return
    try:
        slae(*TRAIN)
    except Refused:
        slae(*TRAIN, "--overwrite")


def finished() -> str:
    """Return two checksums of a finished run: of its result, and of what one looks back at."""
    run = Path(RUN)
    kept = [path for path in sorted(run.rglob("*")) if path.is_file() and path.name[0] != "."]
    inside = [path.read_bytes() for path in kept if path.parent.name in ("samples", "generators")]
    looked_back_at = [inside, [str(path) for path in kept]]
    return f"{digest(result_of(run))[0]} {digest(looked_back_at)[0]}"


def _stage(root: Path, kill: Kill | None, log: Path | None) -> Outcome:
    """Train in a child; what comes of it is ``"killed"`` if that is what was wanted."""

    def work(_: Any) -> Outcome:
        os.chdir(root / "work")
        style.own_style = contextlib.nullcontext
        Figure.savefig = lambda _, file, **__: Path(file).write_bytes(bytes(50_000))
        if log is not None:
            watch(log, kill)
        go_on()
        return Outcome("as before", finished())

    (outcome,) = in_children([None], work, lambda _: 120.0, lambda: surroundings(root))
    if outcome.what == "crash" and re.match("ended by SIG(KILL|XFSZ)", outcome.where) and kill:
        return Outcome("killed")
    return outcome


def alone_run(root: Path) -> tuple[str, list[str]]:
    """Return what an undisturbed run ends with, and all its writes.

    Raises:
        RuntimeError: if it does not finish.
    """
    restore(root)
    log = root / "writes"
    outcome = _stage(root, None, log)
    if outcome.what != "as before":
        raise RuntimeError(f"a run that nobody kills does not finish: {outcome}")
    writes = log.read_text().splitlines()
    log.unlink()
    return outcome.where, writes


def chain(
    root: Path, number: int, expected: str, writes: list[str], kills: int = IN_A_CHAIN
) -> Chain:
    """Kill one run several times, and let it finish.

    The first kills of the numbers from 0 on go through all writes; the later ones, of the
    processes that go on with a run, through those of its first half.

    Args:
        root: of the good files.
        number: of the chain.
        expected: what an undisturbed run ends with.
        writes: all of an undisturbed run.
        kills: how many.
    """
    chance = random.Random(number)
    restore(root)
    log = root / "writes"
    log.write_text("")
    for turn in range(kills):
        at = number * STEP % len(writes) if turn == 0 else chance.randrange(len(writes) // 2)
        within = chance.choice((None, 0, 1, 100, 10_000, 1_000_000))
        outcome = _stage(root, Kill(1 + at, within), log)
        if outcome.what != "killed":
            break
    if outcome.what in ("killed", "as before"):
        outcome = _stage(root, None, None)
    if outcome.what == "as before":
        same = [a == b for a, b in zip(outcome.where.split(), expected.split(), strict=True)]
        if not same[0]:
            outcome = Outcome("silent", "metrics, last checkpoint or generator are others")
        elif not same[1]:
            outcome = Outcome(
                "silent", "grids or generators are missing or others, or files are left"
            )
        elif left := temporaries(root / "work"):
            outcome = Outcome("left over", ", ".join(left))
    return Chain(number, tuple(log.read_text().splitlines()), outcome)
