"""Results as a printed table and as JSON, with all that is needed to measure them again."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slae_lib.plotting.style import save_figure
from slae_lib.support.files import atomic_write
from slae_lib.support.sealed import write_json
from slae_lib.training.run import versions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMAT = "slae-lab-evaluation-1"


@dataclass
class Report:
    """What was measured, on what, and how.

    Attributes:
        command: as it was typed.
        facts: what was measured: files, data, fingerprints, seeds.
        results: numbers by the name of the measurement.
        rows: of the printed table: label and value.
        notes: what a reader has to know, as sentences.
        drawings: what to draw, by the end of its file's name; `draw` does it.
        pictures: files that were drawn.
    """

    command: str
    facts: dict[str, Any]
    results: dict[str, Any] = field(default_factory=dict)
    rows: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    drawings: dict[str, "Callable[[], Figure]"] = field(default_factory=dict)
    pictures: list[Path] = field(default_factory=list)

    def add(
        self, name: str, values: dict[str, Any], rows: Iterable[tuple[str, str]], note: str = ""
    ) -> None:
        """Add a measurement: its exact ``values``, its ``rows`` of the table, and a note if any."""
        self.results[name] = values
        self.rows += rows
        self.notes += [note] if note else []

    def add_missing(self, what: str, reason: str) -> None:
        """Say that something could not be measured, and why."""
        note = f"{what} was not measured: {reason}"
        self.add(what, {"not_measured": reason}, [(what, "not measured")], note)

    def table(self) -> str:
        """Return the results for reading."""
        width = max((len(label) for label, _ in self.rows), default=0)
        lines = [f"  {label:<{width}}  {value}" for label, value in self.rows]
        return "\n".join(lines + [f"\n{note}" for note in self.notes])

    def save(self, path: Path) -> None:
        """Write the report as JSON, atomically.

        Raises:
            LabError: if it cannot be written.
        """
        values = {
            "format": FORMAT,
            "command": self.command,
            "versions": versions(),
            **self.facts,
            **self.results,
            "notes": self.notes,
        }
        # JSON has no infinity: a result that is none must not make a file that is none.
        write_json(path, _finite(values))

    def draw(self, path: Path) -> None:
        """Draw the figures beside ``path``, the file of the report.

        Raises:
            LabError: if one cannot be written.
        """
        for name, drawing in self.drawings.items():
            picture = path.with_name(f"{path.stem}{name and '-'}{name}.png")
            with atomic_write(picture) as temporary:
                save_figure(drawing(), temporary, dpi=110)
            self.pictures.append(picture)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
