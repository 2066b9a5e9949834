"""The numbers of an ablation as a file, and what can be concluded from them."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from typing import Any, Literal

from scipy import stats

from slae_lib.ablation.systems import all_systems
from slae_lib.evaluation.intervals import CONFIDENCE, Interval
from slae_lib.support.errors import LabError
from slae_lib.support.sealed import check_count, check_measure, read_json, reading, write_json

FORMAT = "slae-lab-ablation-1"

Measure = Literal["fid", "kid", "diversity"]


@dataclass(frozen=True)
class Point:
    """What was measured after so many images.

    Attributes:
        images: real images seen in training, with repetition.
        fid: Frechet inception distance.
        kid: kernel inception distance.
        diversity: mean pairwise distance of the samples over that of the real images, in pixels.
    """

    images: int
    fid: float
    kid: float
    diversity: float


@dataclass(frozen=True)
class Trial:
    """One training run of the ablation.

    Attributes:
        system: a key of `all_systems`.
        seed: of the run.
        parameters: of the generator.
        seconds: of the training alone.
        points: in order of images seen.
    """

    system: str
    seed: int
    parameters: int
    seconds: float
    points: tuple[Point, ...]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Trial":
        """Make a trial from what `dataclasses.asdict` gave.

        Raises:
            ValueError, TypeError or KeyError: if it is something else.
        """
        points = tuple(Point(**point) for point in values["points"])
        trial = cls(**{**values, "points": points})
        if not (points and isinstance(trial.system, str)):
            raise ValueError("a trial is no trial")
        for number in [trial.seconds, *(number for point in points for number in astuple(point))]:
            check_measure(number, "a measure")
        for count in (trial.seed, trial.parameters, *(point.images for point in points)):
            check_count(count, "seed, parameters or images")
        return trial


@dataclass(frozen=True)
class AblationResults:
    """All trials, and where the numbers come from.

    Attributes:
        facts: command, data, settings, hardware and versions.
        trials: one for each system and seed that is finished.
    """

    facts: dict[str, Any]
    trials: tuple[Trial, ...] = field(default=())

    def save(self, path: Path) -> None:
        """Write everything as JSON, atomically.

        Raises:
            LabError: if it cannot be written.
        """
        trials = [asdict(trial) for trial in self.trials]
        write_json(path, {"format": FORMAT, **self.facts, "trials": trials})

    @classmethod
    def load(cls, path: Path) -> "AblationResults":
        """Read what `save` wrote.

        Raises:
            LabError: if the file is missing, damaged or something else.
        """
        missing = f"{path} does not exist; `slae ablate` writes such a file."
        with reading(path, "write it anew with `slae ablate`", missing):
            values = read_json(path, finite=False)
            if values.pop("format") != FORMAT:
                raise ValueError("another format")
            trials = tuple(Trial.from_dict(trial) for trial in values.pop("trials"))
        return cls(values, trials)

    @property
    def systems(self) -> list[str]:
        """Systems with a finished trial, in the order of `all_systems`."""
        found = {trial.system for trial in self.trials}
        return [name for name in all_systems() if name in found]

    def of(self, system: str) -> dict[int, Trial]:
        """Return the trials of a system by seed."""
        trials = sorted(self.trials, key=lambda trial: trial.seed)
        return {trial.seed: trial for trial in trials if trial.system == system}

    def final(self, system: str, measure: Measure) -> dict[int, float]:
        """Return a measure at the end of training, by seed."""
        return {seed: getattr(trial.points[-1], measure) for seed, trial in self.of(system).items()}


@dataclass(frozen=True)
class Comparison:
    """Two systems, compared seed by seed.

    Attributes:
        difference: mean over the seeds of (system - baseline).
        interval: of that mean, Student's t, 95 %; infinite with one seed.
        differences: by seed.
    """

    difference: float
    interval: Interval
    differences: dict[int, float]

    @property
    def verdict(self) -> str:
        """What the interval allows to say about a measure of which less is better."""
        if self.interval.high < 0:
            return "better"
        if self.interval.low > 0:
            return "worse"
        return "not decided"


def compare(
    results: AblationResults, system: str, baseline: str, measure: Measure = "fid"
) -> Comparison:
    """Compare two systems at the end of training, over the seeds that both have.

    The same seed means the same order of images and the same noise for the measurement, so that
    part of the chance cancels out.

    Raises:
        LabError: if they have no seed in common.
    """
    ours, theirs = results.final(system, measure), results.final(baseline, measure)
    differences = {seed: ours[seed] - theirs[seed] for seed in ours if seed in theirs}
    if not differences:
        raise LabError(
            f"{system} and {baseline} have no seed in common; train both with the same --seeds."
        )
    values = list(differences.values())
    mean = statistics.fmean(values)
    return Comparison(mean, t_interval(values), differences)


def t_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Return Student's interval of the mean of a few values; infinite for one value."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Interval(-math.inf, math.inf)
    error = statistics.stdev(values) / math.sqrt(len(values))
    reach = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * error
    return Interval(mean - reach, mean + reach)


def final_table(results: AblationResults, baseline: str = "fastgan") -> str:
    """Return the final numbers as a table in Markdown.

    Mean and deviation over the seeds; the last columns compare FID and KID x 1000 with the
    baseline's seed by seed. Times are left out: runs of an ablation may share a computer (see
    `slae_lib.evaluation.cost`).
    """
    lines = [
        "| system | seeds | parameters | FID | KID x 1000 | diversity | "
        f"FID against {all_systems()[baseline].title} | KID x 1000 against it |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for system in results.systems:
        trials = results.of(system)
        cells = [
            all_systems()[system].title,
            str(len(trials)),
            f"{next(iter(trials.values())).parameters / 1e6:.2f} M",
            _spread(results.final(system, "fid").values(), 1),
            _spread([1000 * value for value in results.final(system, "kid").values()], 1),
            _spread(results.final(system, "diversity").values(), 2),
            _against(results, system, baseline, "fid", 1),
            _against(results, system, baseline, "kid", 1000),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _against(
    results: AblationResults, system: str, baseline: str, measure: Measure, scale: float
) -> str:
    if system == baseline or not results.of(baseline).keys() & results.of(system).keys():
        return "-"
    found = compare(results, system, baseline, measure)
    mean = f"{scale * found.difference:+.1f}"
    if len(found.differences) < 2:
        return f"{mean} (one seed)"
    low, high = (scale * end for end in found.interval)
    return f"{mean} [{low:+.1f}, {high:+.1f}]: {found.verdict}"


def _spread(values: Any, digits: int) -> str:
    values = list(values)
    mean = f"{statistics.fmean(values):.{digits}f}"
    if len(values) < 2:
        return mean
    return f"{mean} ± {statistics.stdev(values):.{digits}f}"
