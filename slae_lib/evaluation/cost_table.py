"""Table 1 of the paper in plain text, from the numbers of `slae_lib.evaluation.cost`."""

import itertools
import statistics
from collections.abc import Sequence
from typing import Any


def format_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return a table of counts and, where they were measured, of times and peaks of memory.

    Args:
        rows: as ``slae cost --json`` writes them.
    """
    lines = [["model", "px", "G params", "D params", "MACs/image"]]
    if any("rounds" in row for row in rows):
        lines[0] += ["s/iteration", "s/image", "training", "sampling"]
    for row in rows:
        cells = [
            row["model"],
            str(row["resolution"]),
            f"{row['generator_parameters'] / 1e6:.2f} M",
            f"{row['discriminator_parameters'] / 1e6:.2f} M",
            f"{row['macs'] / 1e9:.2f} G",
        ]
        if "rounds" in row:
            cells += [
                f"{row['iteration_seconds']:.3f}",
                f"{row['image_seconds']:.4f}",
                _gibibytes(row["training_bytes"]),
                _gibibytes(row["sampling_bytes"]),
            ]
        lines.append(cells)
    return _aligned(lines)


def format_pairs(pairs: Sequence[dict[str, Any]]) -> str:
    """Return a table of comparisons: median and middle half of the ratios.

    Args:
        pairs: as ``slae cost --pairs --json`` writes them.
    """
    lines = [["iteration of", "px", "s", "against", "s", "ratio", "middle half"]]
    for pair in pairs:
        times = pair["times"]
        ratios = times["ratios"]
        low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [*ratios] * 3
        lines.append(
            [
                pair["model"],
                str(pair["resolution"]),
                f"{times['seconds'][1]:.3f}",
                pair["baseline"],
                f"{times['seconds'][0]:.3f}",
                f"{times['ratio']:.3f}",
                f"{low:.3f} to {high:.3f}",
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
