"""Decide claim 1 together: a table of finished runs that many students extend, seed by seed.

It is a CSV file with one row for each system and seed. The first run says what the table asks for;
every other has to be of the same pictures and settings. Lesson 11 reads it.
"""

import csv
import math
from pathlib import Path

from filelock import FileLock, Timeout

from slae_lib.ablation.plan import Ablation
from slae_lib.ablation.records import RECORD, load_record
from slae_lib.ablation.results import Trial
from slae_lib.ablation.systems import all_systems
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.files import atomic_write, check_writable
from slae_lib.support.sealed import reading
from slae_lib.training.presets import PRESETS
from slae_lib.training.run import RunInfo

ASKED = ("pictures", "preset", "images", "count")
"""What is the same in all rows: pictures, settings, images seen, images generated to measure."""

COLUMNS = ("data", *ASKED, "system", "seed", "fid", "kid", "diversity")

SECONDS = 30
"""How long to wait for somebody else who is writing the same table."""

Row = dict[str, str]


def submit(run: Path, table: Path) -> list[Row]:
    """Add a finished run of an ablation to a table; return all rows, the new one last.

    Args:
        run: folder of the run, such as ``runs/ablation-fluent-faces/slae-3``.
        table: CSV file; made if it is not there, and otherwise replaced whole or not at all.

    Raises:
        LabError: if the run is not finished or damaged, or the table cannot be read or written.
        UsageError: if the table asks for something else, or has this system and seed already.
    """
    row = row_of(run)
    check_writable(table)
    table.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(table.with_name(f".{table.name}.lock"), timeout=SECONDS):
            rows = read_table(table)
            _check(row, rows, run, table)
            write_table([*rows, row], table)
    except Timeout:
        raise LabError(f"{table} is being written by somebody else; try it again.") from None
    return [*rows, row]


def row_of(run: Path) -> Row:
    """Return the row of a finished run of an ablation.

    Raises:
        LabError: if it is not finished, damaged, has diverged, or has settings of its own.
    """
    info = RunInfo.load(run)
    if not (run / RECORD).is_file():
        raise LabError(
            f"{run} is no finished run of an ablation (it has no {RECORD}); `slae ablate` makes "
            "one, and the same command goes on with one that was stopped."
        )
    trial, count = load_record(run)
    try:
        last = trial.points[-1]
        numbers = {name: float(getattr(last, name)) for name in ("fid", "kid", "diversity")}
        preset = _preset(info, trial, count)
    except (IndexError, TypeError, ValueError) as error:
        raise LabError(
            f"{run / RECORD} is damaged ({error}); delete the folder {run}, and it is trained "
            "again."
        ) from None
    if not all(map(math.isfinite, numbers.values())):
        told = ", ".join(f"{name} {value}" for name, value in numbers.items())
        raise LabError(
            f"{run} was measured with {told}, so its training has diverged; say so beside the "
            "table, since a row needs numbers."
        )
    if preset is None:
        raise LabError(
            f"{run} has settings that no preset gives to {trial.system} with seed {trial.seed} and "
            f"{last.images} images; train it with `slae ablate`, and change no file in it."
        )
    return {
        "data": Path(info.data).name,
        "pictures": info.data_fingerprint[:16],
        "preset": preset,
        "images": str(last.images),
        "count": str(count),
        "system": trial.system,
        "seed": str(trial.seed),
        **{name: repr(value) for name, value in numbers.items()},
    }


def read_table(table: Path) -> list[Row]:
    """Return the rows of a table; none if there is no such file.

    Raises:
        LabError: if it is something else or damaged.
    """
    if not table.exists():
        return []
    mend = "mend it, or give the name of a new file"
    with reading(table, mend), table.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, strict=True)
        columns, rows = tuple(reader.fieldnames or ()), list(reader)
        if columns != COLUMNS:
            raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
        for number, row in enumerate(rows, start=1):
            if None in row or None in row.values():
                raise ValueError(f"row {number} has not {len(COLUMNS)} cells")
            int(row["seed"])
            if not math.isfinite(float(row["fid"])):
                raise ValueError(f"row {number} has the FID {row['fid']}")
    return rows


def write_table(rows: list[Row], table: Path) -> None:
    """Write a table whole, or leave what was there.

    Raises:
        LabError: if it cannot be written.
    """
    with (
        atomic_write(table) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _preset(info: RunInfo, trial: Trial, count: int) -> str | None:
    """Return the preset whose settings a run has; None if it has others."""
    images, points = trial.points[-1].images, len(trial.points)
    for preset in PRESETS if trial.system in all_systems() else ():
        ablation = Ablation(
            info.data, Path(), images=images, points=points, count=count, preset=preset
        )
        if ablation.configs(trial.system, trial.seed) == (info.model, info.train):
            return preset
    return None


def _check(row: Row, rows: list[Row], run: Path, table: Path) -> None:
    """Refuse a row that does not belong into a table."""
    for name in ASKED:
        if rows and row[name] != (asked := rows[0][name]):
            of = f" ({rows[0]['data']})" if name == "pictures" else ""
            raise UsageError(
                f"{run} has {name} {row[name]}, and {table} asks for {asked}{of}; train with the "
                "table's settings, or give the name of a new table."
            )
    there = {(old["system"], int(old["seed"])) for old in rows}
    if (row["system"], int(row["seed"])) in there:
        raise UsageError(
            f"{table} has {row['system']} with seed {row['seed']} already; train another seed."
        )
