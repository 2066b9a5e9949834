"""What a run has measured and drawn so far: ``metrics.csv`` and ``samples/``."""

import csv
import warnings
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from slae_lib.support.errors import beside_the_weights
from slae_lib.support.files import atomic_write, writing
from slae_lib.support.images import grid_cells, image_grid, resized
from slae_lib.support.sealed import check_count, check_measure, reading

METRICS = tuple(
    "iteration images seconds images_per_second discriminator generator reconstruction penalty "
    "real_logits fake_logits diversity broken".split()
)

NOTHING_MEASURED = (",".join(METRICS) + "\n").encode()  # what ``metrics.csv`` begins with

CELL_LIMIT = 256  # px; a grid of 64 images at 1024 would be 8192 px wide


class MetricsFile:
    """``metrics.csv``, written line by line.

    Args:
        path: the file; lines after ``iteration`` are dropped, so that a resumed run does not
            tell the same iterations twice.
        iteration: the iteration from which the run goes on.
    """

    def __init__(self, path: Path, iteration: int = 0) -> None:
        self.path = path
        kept = [row for row in read_metrics(path) if row["iteration"] <= iteration]
        with (
            beside_the_weights(str(path)),
            atomic_write(path) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, METRICS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(kept)

    def write(self, row: dict[str, float | None]) -> None:
        """Append a line.

        Raises:
            LabError: if it cannot be written.
        """
        with writing(self.path), self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, METRICS, lineterminator="\n").writerow(row)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the lines of ``metrics.csv`` as numbers (None where a cell is empty).

    A last line that a sudden end cut off is left out. What an older run did not measure is None.

    Warns:
        UserWarning: if the file cannot be read, or lines of it are damaged; they are left out.
    """
    if not path.exists():
        return []
    rows: list[dict[str, Any]] = []
    damaged = 0
    with (
        beside_the_weights(str(path), "read"),
        reading(path, "delete it"),
        path.open(newline="", encoding="utf-8", errors="replace") as file,
    ):
        lines, cut = csv.DictReader(line.replace("\0", "?") for line in file), False
        if "iteration" not in (lines.fieldnames or METRICS):
            raise ValueError("its first line names no columns of this lab")
        for line in lines:
            damaged += cut
            numbers = _numbers(line)
            cut = numbers is None
            if numbers is not None:
                rows.append(numbers)
    if damaged:
        warnings.warn(f"Damaged lines of {path} are left out: {damaged}.", stacklevel=2)
    return rows


def _numbers(line: dict[Any, Any]) -> dict[str, Any] | None:
    try:
        if None in line or None in line.values():
            return None
        given = {name: float(line[name]) for name in METRICS if line.get(name)}
        numbers = {name: check_measure(value, name) for name, value in given.items()}
        whole = {name: check_count(int(line[name]), name) for name in ("iteration", "images")}
    except (ValueError, KeyError):
        return None
    return dict.fromkeys(METRICS) | numbers | whole


def save_samples(run: Path, iteration: int, samples: Tensor) -> None:
    """Write a sample grid, images above 256 px reduced to 256.

    Args:
        run: the run's folder.
        iteration: finished iterations, the file's name.
        samples: uint8 (N, 3, R, R).
    """
    if samples.shape[-1] > CELL_LIMIT:
        reduced = resized(samples.float(), CELL_LIMIT)
        samples = reduced.round().clamp(0, 255).to(torch.uint8)
    path = run / "samples" / f"{iteration:07d}.png"
    with atomic_write(path) as temporary:
        image_grid(samples).save(temporary, format="PNG")


def load_samples(run: Path, count: int) -> dict[int, Tensor]:
    """Return the sample grids of a run: iteration to uint8 (N, 3, R, R), in order.

    Warns:
        UserWarning: for each that cannot be read.
    """
    grids = {}
    for path in sorted((run / "samples").glob("*.png")):
        with (
            beside_the_weights(str(path), "read"),
            reading(path, "delete it"),
            Image.open(path) as sheet,
        ):
            grids[int(path.stem)] = grid_cells(sheet, count)
    return grids
