"""What a finished trial leaves in its folder, and what earlier calls have left beside it."""

import dataclasses
import json
from pathlib import Path

from slae_lib.ablation.plan import Ablation
from slae_lib.ablation.results import Trial
from slae_lib.ablation.systems import all_systems
from slae_lib.datasets import ImageSet
from slae_lib.support.errors import LabError
from slae_lib.support.files import atomic_write, check_still_there
from slae_lib.support.sealed import check_count, read_json, reading
from slae_lib.training.run import RunInfo, versions

RECORD = "ablation.json"


def wanted_run(ablation: Ablation, system: str, seed: int, images: ImageSet) -> RunInfo:
    """Return what the run.json of a trial has to hold."""
    model, config = ablation.configs(system, seed)
    return RunInfo(
        model=model,
        train=config,
        data=images.reference,
        data_fingerprint=images.fingerprint,
        versions=versions(),
    )


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
    with atomic_write(run / RECORD) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


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
    for system, seed in _finished(ablation.folder):
        run = ablation.folder / f"{system}-{seed}"
        if (system, seed) in asked:
            continue
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


def _finished(folder: Path) -> list[tuple[str, int]]:
    """Return system and seed of every folder with a record, seed by seed."""
    found = []
    for record in folder.glob(f"*/{RECORD}"):
        system, _, seed = record.parent.name.rpartition("-")
        if system in all_systems() and seed.isdecimal():
            found.append((system, int(seed)))
    return sorted(found, key=lambda pair: (pair[1], list(all_systems()).index(pair[0])))
