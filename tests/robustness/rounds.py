"""Rounds of damaged files: a hundred of a kind, the same ones for the same seed."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from damage import THINGS, Bytes, Damage, bytes_of, examples, typed
from forked import Outcome, in_children
from good import surroundings
from hypothesis import strategies as st
from kinds import KINDS, SLOW, attempt

SECONDS, SECONDS_OF_THINGS = 30.0, 12.0
"""After which an input hangs; reading a pipe or a device always does, unless it is refused."""
QUICK = 4
"""How often quick readers are called for one call of a slow one."""


class Tried(NamedTuple):
    """An input and what came of it."""

    kind: str
    seed: int
    text: str
    outcome: Outcome


def files_round(
    root: Path, name: str, seed: int, count: int, short: bool = False
) -> Iterator[Tried]:
    """Try damaged files of a kind.

    Args:
        root: of the good files.
        name: of the kind.
        seed: of the damages.
        count: how many of the round.
        short: without the slow readers, where there are others.

    Raises:
        RuntimeError: if somebody cannot read the good ones.
    """
    kind = KINDS[name]
    damages: st.SearchStrategy[Damage] = bytes_of
    if kind.forms:
        damages = bytes_of | typed(len(kind.forms))
    numbers = range(len(kind.readers))
    quick = [number for number in numbers if kind.readers[number] not in SLOW]
    readers = st.sampled_from([*([] if short and quick else numbers), *quick * QUICK])
    drawn = examples(st.tuples(damages, readers), count, name, seed)
    expected = _expected(root, name, sorted({number for _, number in drawn}))

    def work(one: tuple[Damage, int]) -> Outcome:
        damage, number = one
        return attempt(root, name, kind.readers[number], damage, expected[number])

    def patience(one: tuple[Damage, int]) -> float:
        is_thing = isinstance(one[0], Bytes) and one[0].how in THINGS
        return SECONDS_OF_THINGS if is_thing else SECONDS

    outcomes = in_children(drawn, work, patience, lambda: surroundings(root))
    for (damage, number), outcome in zip(drawn, outcomes, strict=True):
        yield Tried(name, seed, f"{kind.readers[number].__name__}: {damage}", outcome)


def _expected(root: Path, name: str, numbers: list[int]) -> dict[int, str]:
    """Return the checksum of what readers of a kind take out of good files."""

    def work(number: int) -> Outcome:
        return attempt(root, name, KINDS[name].readers[number], None, "")

    found = list(in_children(numbers, work, lambda _: 2 * SECONDS, lambda: surroundings(root)))
    if faults := [outcome for outcome in found if outcome.what != "as before"]:
        raise RuntimeError(f"a good {name} is not read: {faults}")
    return dict(zip(numbers, (outcome.where for outcome in found), strict=True))
