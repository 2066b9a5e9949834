"""What a finished trial leaves in its folder, and what earlier calls have left beside it."""

import dataclasses
from pathlib import Path

from slae_lib.ablation.plan import Ablation
from slae_lib.ablation.results import Trial
from slae_lib.ablation.systems import all_systems
from slae_lib.datasets import ImageSet
from slae_lib.support.errors import LabError
from slae_lib.support.files import check_still_there
from slae_lib.support.sealed import check_count, read_json, reading, write_json
from slae_lib.training.run import RunInfo

RECORD = "ablation.json"


def wanted_run(ablation: Ablation, system: str, seed: int, images: ImageSet) -> RunInfo:
    """Return what the run.json of a trial has to hold."""
    return RunInfo.of(*ablation.configs(system, seed), images)


def is_run(run: Path, wanted: RunInfo) -> bool:
    """Return whether a folder holds that run, by whatever versions, wherever its pictures are.

    Raises:
        LabError: if the folder holds no run.
    """
    found = RunInfo.load(run)
    return dataclasses.replace(found, versions=wanted.versions, data=wanted.data) == wanted


def save_record(run: Path, trial: Trial, count: int) -> None:
    """Keep a trial that was measured with ``count`` generated images."""
    values = {"count": count, **dataclasses.asdict(trial)}
    check_still_there(run)
    write_json(run / RECORD, values)


def load_record(run: Path) -> tuple[Trial, int]:
    """Return the trial and the number of generated images that it was measured with.

    Raises:
        LabError: if the record cannot be read or is damaged.
    """
    path = run / RECORD
    with reading(path, f"delete the folder {run}, and it is trained again"):
        values = read_json(path, finite=False)  # a training may have diverged
        count = check_count(values.pop("count"), "count")
        return Trial.from_dict(values), count


def earlier_trials(ablation: Ablation, images: ImageSet) -> tuple[list[Trial], list[str]]:
    """Return the finished trials in the folder that this call does not ask for.

    Returns:
        Those with the same settings, and the names of the folders with other ones.
    """
    trials: list[Trial] = []
    others: list[str] = []
    asked = {(system, seed) for system in ablation.systems for seed in ablation.seeds}
    found = []
    for record in ablation.folder.glob(f"*/{RECORD}"):
        system, _, number = record.parent.name.rpartition("-")
        if system in all_systems() and number.isdecimal() and (system, int(number)) not in asked:
            found.append((int(number), list(all_systems()).index(system), system))
    for seed, _, system in sorted(found):
        run = ablation.folder / f"{system}-{seed}"
        try:
            trial, count = load_record(run)
            same = is_run(run, wanted_run(ablation, system, seed, images))
        except LabError:
            same = False  # damaged: nobody asked for it, so it must not stop what was asked for
        if same and count == ablation.count:
            trials.append(trial)
        else:
            others.append(run.name)
    return trials, others
