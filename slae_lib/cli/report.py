"""Results as a printed table and as JSON, with all that is needed to measure them again."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slae_lib.evaluation.backtracking import Backtracking
from slae_lib.evaluation.fid import FidResult
from slae_lib.evaluation.intervals import FEWEST, Interval
from slae_lib.evaluation.kid import KidResult
from slae_lib.evaluation.novelty import CRITERION, Neighbours, Novelty
from slae_lib.support.files import atomic_write
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

    def add_fid(self, result: FidResult) -> None:
        """Add FID with its interval, and KID beside it."""
        interval = _told(result.interval, result.generated)
        self.results["fid"] = {
            "fid": result.fid,
            "interval_95": interval,
            "interval_covers": "which images were generated, or are on the --fake side",
            "real_images": result.real,
            "generated_images": result.generated,
        }
        self.rows.append(("images", f"{result.real} real, {result.generated} generated"))
        self.rows.append(("FID", f"{result.fid:.3f}{_in_words(interval, 3)}"))
        if result.note:
            self.notes.append(result.note)
        self.add_kid(result.kid)

    def add_kid(self, result: KidResult) -> None:
        """Add KID."""
        self.results["kid"] = {
            "kid": result.mean,
            "deviation": None if result.whole else result.deviation,
            "subsets": result.subsets,
            "subset_size": result.subset_size,
        }
        spread = f"deviation {1000 * result.deviation:.3f} over {result.subsets} subsets of"
        if result.whole:
            spread = "no deviation: the only subset is the whole set of"
        value = f"{1000 * result.mean:.3f}   {spread} {result.subset_size}"
        self.rows.append(("KID x 1000", value))

    def add_novelty(self, result: Novelty, names: tuple[str, ...], side: int) -> None:
        """Add novelty.

        Args:
            result: of N samples.
            names: of the training images.
            side: at which VGG-16 saw the images.
        """
        copied = result.copied
        self.results["novelty"] = {
            "samples": len(copied),
            "copied": int(copied.sum()),
            "copied_samples": copied.nonzero().flatten().tolist(),
            "expected_without_copying": result.expected,
            "criterion": CRITERION,
            "vgg16_side": side,
            "pixels": _neighbours(result.pixels, names),
            "features": _neighbours(result.features, names),
        }
        share = f"{float(copied.float().mean()):.0%}"
        self.rows.append(
            (
                "flagged as copied",
                f"{int(copied.sum())} of {len(copied)} samples ({share}; {result.expected:.0%} "
                "expected without copying)",
            )
        )
        for found in (result.features, result.pixels):
            own = float(found.training.median())
            self.rows.append(
                (
                    found.measure.split(" ")[0] + " distance",
                    f"median {float(found.distances.median()):.4f}   among training images "
                    f"{own:.4f}",
                )
            )
            self.rows.append(
                ("", f"{found.different} different nearest of {len(names)} training images")
            )
        self.notes.append(CRITERION)

    def add_backtracking(
        self, result: Backtracking, data: str, names: list[str], known: int | None
    ) -> None:
        """Add latent back-tracking.

        Args:
            result: of N images.
            data: where the images are from.
            names: of the images.
            known: how many of them are training images; None if nobody knows.
        """
        interval = _told(result.interval, len(names))
        start = float(result.start.mean())
        self.results["backtracking"] = {
            "distance": result.distance_name,
            "mean": result.mean,
            "interval_95": interval,
            "mean_at_random_start": start,
            "data": data,
            "training_images_among_them": known,
            "restarts": result.restarts,
            **asdict(result.search),
            "noise_length": result.noise_length,
            "images": dict(zip(names, _rounded(result.distances.tolist()), strict=True)),
        }
        self.rows += [
            ("reconstructed", f"{len(names)} images of {data}"),
            (result.distance_name, f"{result.mean:.4f}{_in_words(interval, 4)}"),
            ("  at a random start", f"{start:.4f}"),
        ]
        if known:
            self.notes.append(
                f"{known} of the {len(names)} reconstructed images are training images, and those "
                "measure memory; give images that were held back with --images."
            )

    def add_missing(self, what: str, reason: str) -> None:
        """Say that something could not be measured, and why."""
        self.results[what] = {"not_measured": reason}
        self.rows.append((what, "not measured"))
        self.notes.append(f"{what} was not measured: {reason}")

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
        with atomic_write(path) as temporary:
            # JSON has no infinity: a result that is none must not make a file that is none.
            text = json.dumps(_finite(values), indent=2, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")

    def draw(self, path: Path) -> None:
        """Draw the figures beside ``path``, the file of the report.

        Raises:
            LabError: if one cannot be written.
        """
        for name, drawing in self.drawings.items():
            picture = path.with_name(f"{path.stem}-{name}.png")
            with atomic_write(picture) as temporary:
                drawing().savefig(temporary, format="png", dpi=110)
            self.pictures.append(picture)


def _told(interval: Interval, count: int) -> list[float] | None:
    return list(interval) if count >= FEWEST else None


def _in_words(interval: list[float] | None, digits: int) -> str:
    if interval is None:
        return ""
    low, high = interval
    return f"   95 % interval {low:.{digits}f} to {high:.{digits}f}"


def _neighbours(found: Neighbours, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "measure": found.measure,
        "median": float(found.distances.median()),
        "median_among_training": float(found.training.median()),
        "median_ratio": float(found.ratios.median()),
        "different_nearest": found.different,
        "nearest": [names[index] for index in found.nearest.tolist()],
        "distances": _rounded(found.distances.tolist()),
        "ratios": _rounded(found.ratios.tolist()),
    }


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 6) for value in values]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
