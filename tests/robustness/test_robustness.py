"""A short round over every kind of file, every command and some kills; `make fuzz` is the long one.

The seeds are fixed, so that this fails for a change of the lab and not by chance.
"""

import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("processes are forked here", allow_module_level=True)

import good
import kinds
from damage import CHANGES, Bytes, change
from forked import Outcome, in_children
from kills import alone_run, chain
from kinds import KINDS, Kind
from lines import commands, lines_round
from rounds import files_round

FILES, LINES = 4, 1
"""Inputs of each kind and of each command."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("robustness")
    good.make(folder)
    return folder


@pytest.mark.parametrize("name", KINDS)
def test_damaged_files_are_refused_or_read_as_before(root: Path, name: str) -> None:
    found = list(files_round(root, name, 0, FILES, short=True))
    assert [tried for tried in found if tried.outcome.is_finding] == []
    assert len(found) == FILES


@pytest.mark.parametrize("name", commands())
def test_odd_command_lines_do_or_say_what_is_wrong(root: Path, name: str) -> None:
    found = list(lines_round(root, name, 0, LINES))
    assert [tried for tried in found if tried.outcome.is_finding] == []
    assert len(found) == LINES


def test_a_killed_run_ends_as_one_that_nobody_killed(root: Path) -> None:
    expected, writes = alone_run(root)
    assert len(writes) > 100
    found = chain(root, 1, expected, writes, kills=1)
    assert found.writes
    assert found.outcome == Outcome("as before", expected)


def test_no_good_file_was_changed(root: Path) -> None:
    for name, kind in KINDS.items():
        (path,) = (root / "good").glob(kind.file)
        assert path.is_file(), name
    assert good.temporaries(root / "good") == []


def behave(how: str) -> Outcome:
    if how == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "hang":
        time.sleep(60)
    if how == "leave":
        raise SystemExit(3)
    return Outcome(how)


def test_a_crash_and_a_hang_are_laid_to_their_own_input() -> None:
    inputs = ["one", "die", "two", "hang", "leave", "three"]
    found = list(in_children(inputs, behave, lambda how: 2.0 if how == "hang" else 30.0))
    assert [it.what for it in found] == ["one", "crash", "two", "hang", "traceback", "three"]
    assert "SIGSEGV" in found[1].where
    assert "behave" in found[3].where
    assert "SystemExit: 3" in found[4].where


def read_first_byte() -> bytes:
    return Path("data/0.png").read_bytes()[:1]


def read_like_a_c_program() -> str:
    return Path("data/0.png").read_bytes().decode("ascii")


@pytest.mark.parametrize(
    ("reader", "expected"), [(read_first_byte, "silent"), (read_like_a_c_program, "traceback")]
)
def test_a_careless_reader_is_found_out(
    root: Path, monkeypatch: pytest.MonkeyPatch, reader: kinds.Reader, expected: str
) -> None:
    monkeypatch.setitem(KINDS, "careless", Kind("data/0.png", (reader,)))
    damage = Bytes("all chance", "anywhere", 5)
    known, _ = good.digest(b"\x89")

    def work(_: None) -> Outcome:
        return kinds.attempt(root, "careless", reader, damage, known)

    (outcome,) = in_children([None], work, lambda _: 30.0, lambda: good.surroundings(root))
    assert outcome.what == expected


def test_every_way_of_damage_changes_the_bytes() -> None:
    data = bytes(range(1, 256)) * 40
    same = Counter(
        how
        for how in CHANGES
        for seed in range(20)
        if change(data, Bytes(how, "anywhere", seed)) == data
    )
    assert not same
