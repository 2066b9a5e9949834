"""Rows of a measurement: what is worked out from the times, and how it looks in a line."""

import statistics
from collections.abc import Sequence
from typing import Any

HEADER = (
    f"{'work':<25}{'model':<9}{'px':>5}{'images':>7}{'seconds':>10}{'middle half':>19}"
    f"{'images/s':>10}{'floor':>9}{'of it':>7}{'memory':>9}   times as fast (middle half)"
)


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """Return where the middle half of some numbers begins and ends."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def summary(
    name: str,
    sides: list[dict[str, Any]],
    rounds: list[list[dict[str, float]]],
    peaks: list[int | None],
) -> dict[str, Any]:
    """Return the row of one part.

    Args:
        name: of the part.
        sides: what each side said of itself; this revision first, then perhaps another.
        rounds: the seconds of all parts by name, for each side in each round.
        peaks: the most memory of each side in bytes.

    Returns:
        The row; ``ratio`` is (seconds of the other) / (seconds of this), so above 1 this revision
        is the faster one.
    """
    pairs = [[side[name] for side in pair] for pair in rounds if all(name in s for s in pair)]
    columns = [
        _column(name, *column)
        for column in zip(sides, zip(*pairs, strict=True), peaks, strict=True)
    ]
    row = {"part": name, **columns[0]}
    if len(columns) == 2:
        ratios = [other / own if own else float("nan") for own, other in pairs]
        row |= {
            "against": columns[1],
            "ratios": ratios,
            "ratio": statistics.median(ratios),
            "ratio_quartiles": quartiles(ratios),
        }
    return row


def _column(
    name: str, side: dict[str, Any], seconds: tuple[float, ...], peak: int | None
) -> dict[str, Any]:
    median = statistics.median(seconds)
    column = {
        "seconds": list(seconds),
        "median": median,
        "quartiles": quartiles(seconds),
        "images": side["images"],
        "peak_bytes": peak,
    }
    for fact in ("device", "threads", "convolution", "macs_per_second"):
        if fact in side:
            column[fact] = side[fact]
    floor = side["floors"].get(name)
    if floor:
        column |= {
            "macs": floor["macs"],
            "floor_seconds": floor["seconds"],
            "share_of_floor": floor["seconds"] / median,
        }
    return column


def line(row: dict[str, Any]) -> str:
    """Return a row of `summary` as a line below `HEADER`."""
    name = row.get("part", row["what"])
    if row.get("pictures"):
        name = f"{name}, {row['pictures']}"
    text = (
        f"{name:<25}{row.get('model') or '':<9}{row['resolution']:>5}{row.get('images') or '':>7}"
    )
    if "skipped" in row:
        return f"{text}  skipped: {row['skipped']}"
    low, high = row["quartiles"]
    text += f"{row['median']:>10.4f}{f'{low:.4f} to {high:.4f}':>19}"
    text += f"{row['images'] / row['median']:>10.1f}" if row["images"] else f"{'':>10}"
    if "floor_seconds" in row:
        text += f"{row['floor_seconds']:>9.4f}{row['share_of_floor']:>7.0%}"
    else:
        text += f"{'':>16}"
    text += f"{row['peak_bytes'] / 2**20:>5.0f} MiB" if row["peak_bytes"] else f"{'':>9}"
    if "ratio" in row:
        low, high = row["ratio_quartiles"]
        text += f"   {row['ratio']:.3f} ({low:.3f} to {high:.3f})"
    return text
