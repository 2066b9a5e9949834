"""Table 1 of the paper, from the numbers of `slae_lib.cost`."""

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any

from slae_lib.cost import Counts, Measurement
from slae_lib.models import AnyConfig


@dataclass(frozen=True)
class Row:
    """One row of table 1."""

    model: str
    config: AnyConfig
    counts: Counts
    measurement: Measurement | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as a dictionary that JSON can hold."""
        return {
            "model": self.model,
            "resolution": self.config.resolution,
            **dataclasses.asdict(self.counts),
            **(dataclasses.asdict(self.measurement) if self.measurement else {}),
            "config": self.config.to_dict(),
        }


def format_table(rows: list[Row]) -> str:
    """Return the rows as a table in plain text."""
    lines = [["model", "px", "G params", "D params", "MACs/image"]]
    timed = any(row.measurement for row in rows)
    if timed:
        lines[0] += ["s/iteration", "s/image", "training", "sampling"]
    for row in rows:
        counts, measured = row.counts, row.measurement
        cells = [
            row.model,
            str(row.config.resolution),
            f"{counts.generator_parameters / 1e6:.2f} M",
            f"{counts.discriminator_parameters / 1e6:.2f} M",
            f"{counts.macs / 1e9:.2f} G",
        ]
        if measured is not None:
            cells += [
                f"{measured.iteration_seconds:.3f}",
                f"{measured.image_seconds:.4f}",
                _gibibytes(measured.training_bytes),
                _gibibytes(measured.sampling_bytes),
            ]
        lines.append(cells)
    columns = itertools.zip_longest(*lines, fillvalue="")
    widths = [max(map(len, column)) for column in columns]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=False))
        )
        for line in lines
    )


def _gibibytes(number: int | None) -> str:
    return "unknown" if number is None else f"{number / 2**30:.2f} GiB"
