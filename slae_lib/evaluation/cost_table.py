"""Table 1 of the paper, from the numbers of `slae_lib.evaluation.cost`."""

import dataclasses
import itertools
import statistics
from dataclasses import dataclass
from typing import Any

from slae_lib.evaluation.cost import Counts, Measurement, PairedTime
from slae_lib.training.families import AnyConfig


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


@dataclass(frozen=True)
class Pair:
    """The iterations of two models, compared in turn.

    Attributes:
        baseline: name of the model to compare with.
        model: name of the model that is compared.
        resolution: of both.
        times: what was measured.
    """

    baseline: str
    model: str
    resolution: int
    times: PairedTime

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as a dictionary that JSON can hold."""
        return dataclasses.asdict(self)


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
    return _aligned(lines)


def format_pairs(pairs: list[Pair]) -> str:
    """Return the comparisons as a table in plain text: median and middle half of the ratios."""
    lines = [["iteration of", "px", "s", "against", "s", "ratio", "middle half"]]
    for pair in pairs:
        ratios = pair.times.ratios
        quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
        lines.append(
            [
                pair.model,
                str(pair.resolution),
                f"{pair.times.seconds[1]:.3f}",
                pair.baseline,
                f"{pair.times.seconds[0]:.3f}",
                f"{pair.times.ratio:.3f}",
                f"{quartiles[0]:.3f} to {quartiles[2]:.3f}",
            ]
        )
    return _aligned(lines)


def _aligned(lines: list[list[str]]) -> str:
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
