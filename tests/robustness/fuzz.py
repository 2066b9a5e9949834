"""The long round: damaged files, odd command lines and killed trainings, as a table of counts.

``make fuzz`` runs it. A finding is printed with the command that repeats it:
``python tests/robustness/fuzz.py --only KIND --seed SEED`` tries its hundred inputs again, and
``--only kills --seed NUMBER`` its run. What the file for the table already says of kinds in which
nothing was found is kept and not tried again: delete it to begin anew.
"""

import argparse
import importlib.metadata
import json
import re
import shlex
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "benchmarks")]

import facts
from damage import ROUND
from good import digests, make
from kills import Chain, alone_run, chain
from kinds import KINDS
from lines import commands, lines_round
from rounds import Tried, files_round

COLUMNS = ("refused", "as before", "warned", "otherwise", "worked")
SHARE_OF_LINES = 0.25
KILLS = "kills"

Round = Callable[[int, int], Iterator[Tried]]
"""From a seed and a number of inputs to what came of them."""


def rounds(root: Path) -> dict[str, Round]:
    """Return what can be tried, by name."""

    def files(name: str) -> Round:
        return lambda seed, count: files_round(root, name, seed, count)

    def lines(name: str) -> Round:
        return lambda seed, count: lines_round(root, name, seed, count)

    found = {name: files(name) for name in KINDS}
    return found | {f"slae {name}".strip(): lines(name) for name in commands()}


class Table:
    """Counts by kind, and the different findings."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self.findings: dict[tuple[str, ...], dict[str, Any]] = {}
        self.kills = 0
        self.writes: Counter[str] = Counter()

    def take_over(self, earlier: dict[str, Any]) -> float:
        """Take the kinds without a finding from an earlier round; return how long that took."""
        for row in earlier["rows"]:
            if row["kind"] != "all" and not row["findings"]:
                self.counts[row["kind"]] = Counter({column: row[column] for column in COLUMNS})
        return float(earlier["seconds"])

    def add(self, tried: Tried) -> None:
        """Count an input; print a finding that is new."""
        outcome = tried.outcome
        self.counts.setdefault(tried.kind, Counter())[outcome.what] += 1
        if not outcome.is_finding:
            return
        key = (tried.kind, outcome.what, re.sub(r"0x\w+|\d+|'.*'", "", outcome.where))
        if key in self.findings:
            self.findings[key]["times"] += 1
            return
        again = shlex.join(["--only", tried.kind, "--seed", str(tried.seed)])
        self.findings[key] = {"kind": tried.kind, "what": outcome.what, "where": outcome.where,
                              "input": tried.text, "again": again, "times": 1}  # fmt: skip
        print(f"  {outcome.what}: {outcome.where}\n    {tried.text}\n    {again}", flush=True)

    def add_chain(self, found: Chain) -> None:
        """Count a run that was killed."""
        self.kills += len(found.writes)
        self.writes.update(found.writes)
        text = f"killed at {', '.join(found.writes)}"
        self.add(Tried(KILLS, found.number, text, found.outcome))

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each kind, and their sum."""
        found = []
        whole: Counter[str] = Counter()
        inputs = {kind: counts for kind, counts in self.counts.items() if kind != KILLS}
        for kind, counts in [*inputs.items(), ("all", whole)]:
            if counts is not whole:
                whole.update(counts)
            row = {"kind": kind, "inputs": counts.total()}
            row |= {column: counts[column] for column in COLUMNS}
            findings = counts.total() - sum(counts[column] for column in COLUMNS)
            found.append({**row, "findings": findings})
        return found

    def __str__(self) -> str:
        rows = self.rows()
        lines = ["  ".join([f"{'kind':<24}", *(f"{name:>9}" for name in [*rows[0]][1:])])]
        for kind, *numbers in (row.values() for row in rows):
            lines.append("  ".join([f"{kind:<24}", *(f"{number:>9}" for number in numbers)]))
        if (runs := self.counts.get(KILLS)) is None:
            return "\n".join(lines)
        lines.append(
            f"\n{self.kills} kills at {len(self.writes)} kinds of writes, in {runs.total()} runs: "
            f"{runs['as before']} of them ended bit for bit as the one that nobody killed, with no "
            "temporary file left."
        )
        return "\n".join(lines)


def arguments() -> argparse.Namespace:
    """Return what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=10_000, help="files and lines; at least")
    parser.add_argument("--kills", type=int, default=300, help="at least")
    parser.add_argument("--only", help="one kind of file, one command, or kills: one round of it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for the table")
    return parser.parse_args()


def run(root: Path, wanted: argparse.Namespace, table: Table) -> None:
    """Fill the table."""
    kinds = rounds(root)
    if wanted.only is not None and wanted.only not in {*kinds, KILLS}:
        raise SystemExit(f"--only is one of {', '.join(kinds)}, {KILLS}.")
    if wanted.only is None:
        of_lines = sum(name.startswith("slae") for name in kinds)
        for name, tries in kinds.items():
            if name in table.counts:
                continue
            is_line = name.startswith("slae")
            share = SHARE_OF_LINES if is_line else 1 - SHARE_OF_LINES
            left = -int(-wanted.inputs * share // (of_lines if is_line else len(kinds) - of_lines))
            print(f"{name}: {left}", flush=True)
            for seed in range(wanted.seed, wanted.seed + -(-left // ROUND)):
                for tried in tries(seed, min(left, ROUND)):
                    table.add(tried)
                left -= ROUND
    elif wanted.only != KILLS:
        for tried in kinds[wanted.only](wanted.seed, ROUND):
            table.add(tried)
        return
    number, most = wanted.seed, 1 if wanted.only else wanted.kills
    if most:
        expected, writes = alone_run(root)
        print(f"{KILLS}: {most}, of a run with {len(writes)} writes", flush=True)
    while table.kills < most:
        table.add_chain(chain(root, number, expected, writes))
        number += 1


def main() -> None:
    """Try everything, print the table, and keep it if asked to."""
    wanted, table, begun = arguments(), Table(), time.monotonic()
    if wanted.json is not None and wanted.json.exists():
        begun -= table.take_over(json.loads(wanted.json.read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        make(root)
        before = digests(root / "good")
        run(root, wanted, table)
        if digests(root / "good") != before:
            raise SystemExit("A file was changed in place, and not written anew: a finding, too.")
    seconds = time.monotonic() - begun
    print(f"\n{table}\n{len(table.findings)} different findings, {seconds:.0f} seconds.")
    if wanted.json is not None:
        values = {
            "command": shlex.join(["python", "tests/robustness/fuzz.py", *sys.argv[1:]]),
            "hardware": facts.hardware(),
            "versions": facts.versions() | {"hypothesis": importlib.metadata.version("hypothesis")},
            "seconds": round(seconds),
            "rows": table.rows(),
            "kills": {"kills": table.kills, "writes": dict(sorted(table.writes.items())),
                      **table.counts.get(KILLS, Counter())},
            "findings": list(table.findings.values()),
        }  # fmt: skip
        facts.save(wanted.json, values)
    sys.exit(bool(table.findings))


if __name__ == "__main__":
    main()
