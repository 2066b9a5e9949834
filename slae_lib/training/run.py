"""The folder of a training run: what was asked for, what was measured, what it looked like.

run.json               configuration, data and versions
metrics.csv            a line of losses every `log_every` iterations
samples/0001000.png    grids of the averaged generator, always of the same noise
generators/            the averaged generator at each grid, in half precision, to look back
checkpoints/           the newest checkpoints
metadata.safetensors   the metadata of the training images, for sampling
generator.safetensors  the averaged generator, when training is finished
"""

import contextlib
import platform
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, SoftFileLock, Timeout

from slae_lib.datasets import ImageSet
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.files import meant_for, writing
from slae_lib.support.sealed import read_json, reading, write_json
from slae_lib.training.checkpoint import list_checkpoints
from slae_lib.training.families import family_of, model_from_dict, model_to_dict
from slae_lib.training.log import NOTHING_MEASURED

LOCK = ".lock"  # the file in a run's folder that a training holds
STARTED = {"run.json", "metrics.csv"}  # what a run writes before its first iterations
OWN = STARTED | {"generator.safetensors", "metadata.safetensors"}
DRAWN = {"samples.png", "attention.png", "history.png", "progress.png"}
FOLDERS = ("checkpoints", "generators", "samples")


def versions() -> dict[str, str]:
    """Return the versions that a run depends on: of the lab, Python and PyTorch."""
    return {
        "slae-lib": version("slae-lib"),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }


@dataclass(frozen=True)
class RunInfo:
    """What ``run.json`` holds.

    Attributes:
        model: the networks.
        train: the run.
        data: name of a data set, or the absolute path of a folder.
        data_fingerprint: of the pictures that were used.
        versions: of the lab, Python and PyTorch that started the run.
    """

    model: Any  # of a family's configuration of networks
    train: Any  # and of its configuration of a run
    data: str
    data_fingerprint: str
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, model: Any, train: Any, images: ImageSet) -> "RunInfo":
        """Return what a run that starts now has to say."""
        return cls(model, train, images.reference, images.fingerprint, versions())

    def save(self, run: Path) -> None:
        """Write ``run.json`` into the folder ``run``.

        Raises:
            LabError: if the folder cannot be written.
        """
        values = {
            "format": "slae-lab-run-1",
            "model": model_to_dict(self.model),
            "train": self.train.to_dict(),
            "data": self.data,
            "data_fingerprint": self.data_fingerprint,
            "versions": self.versions,
        }
        write_json(run / "run.json", values)

    @classmethod
    def load(cls, run: Path) -> "RunInfo":
        """Read ``run.json`` of the folder ``run``.

        Raises:
            LabError: if there is none, or it was not written by this lab.
        """
        missing = (
            f"{run} is not the folder of a run (it has no run.json); "
            f"`slae train --out {shlex.quote(str(run))}` makes one."
        )
        with reading(run / "run.json", "start a new run", missing):
            values = read_json(run / "run.json")
            if values.get("format") != "slae-lab-run-1":
                raise ValueError("another format")
            model = model_from_dict(values["model"])
            data, fingerprint, versions = (
                values[name] for name in ("data", "data_fingerprint", "versions")
            )
            if not all(isinstance(one, str) for one in (data, fingerprint, *versions.values())):
                raise ValueError("data or versions are no text")
            train = family_of(model).train.from_dict(values["train"])
            return cls(model, train, data, fingerprint, versions)


def check_folder(run: Path, overwrite: bool) -> None:
    """Refuse a folder that a new run cannot have; change nothing.

    Raises:
        UsageError: if there is a run or anything else already, and ``overwrite`` is off or it
            is no run.
        LabError: if the folder cannot be read.
    """
    if run.is_file():
        raise UsageError(f"{run} is a file; give --out the name of a folder.")
    with writing(run):
        empty = not run.is_dir() or all(path.name == LOCK for path in run.iterdir())
    if empty or made_nothing(run):
        return
    if not (run / "run.json").is_file():
        raise UsageError(
            f"{run} has files in it and is not the folder of a run; give --out another name."
        )
    if not overwrite:
        raise UsageError(
            f"{run} already holds a run; go on with it by --resume {shlex.quote(str(run))}, "
            "replace it by --overwrite, or give --out another name."
        )


def made_nothing(run: Path) -> bool:
    """Return whether a folder holds no more than what a run writes before its first iterations.

    So is left what was stopped there, such as for want of memory; another run may have the folder.
    Files of other programs are never taken for it, whatever their names.
    """
    try:
        found = {path.name for path in run.iterdir() if meant_for(path) not in OWN} - {LOCK}
        if "run.json" in found:
            RunInfo.load(run)
        if "metrics.csv" in found and (run / "metrics.csv").read_bytes() != NOTHING_MEASURED:
            return False
        return found <= STARTED
    except (OSError, LabError):
        return False


def prepare_folder(run: Path, overwrite: bool) -> None:
    """Make ``run`` an empty folder for a new run.

    Whoever may meet another training there calls it inside `locked`, whose lock stays.

    Raises:
        UsageError: as `check_folder`.
        LabError: if the folder cannot be made or emptied.
    """
    check_folder(run, overwrite)
    with writing(run):
        run.mkdir(parents=True, exist_ok=True)
        # What makes it a run goes last: stopped half-way, this can be done again.
        for path in sorted(run.iterdir(), key=lambda path: path.name == "run.json"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()


def newest_checkpoint(run: Path) -> Path:
    """Return the newest checkpoint of a run.

    Raises:
        LabError: if it has none.
    """
    paths = list_checkpoints(run / "checkpoints")
    if not paths:
        again = "" if run.is_dir() and made_nothing(run) else "--overwrite "
        raise LabError(
            f"{run} has no checkpoint to resume from; if it is a run that was stopped before its "
            f"first one, start again with {again}--out {shlex.quote(str(run))}."
        )
    return paths[-1]


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the folder of a run, so that no other training writes into it meanwhile.

    What killed trainings have left in it is deleted. A new folder that stays empty is, too.

    Raises:
        LabError: if another process holds it.
    """
    path = run / LOCK
    lock = FileLock(path)
    is_new = not run.exists()
    with writing(run):
        run.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        # On a drive without locks filelock falls back to the mere file, which outlives a training
        # that was killed: no reason to keep its owner from going on.
        if not isinstance(lock, SoftFileLock):
            raise LabError(
                f"Another process is training in {run}; wait for it, or give --out another name."
            ) from None
    except (OSError, NotImplementedError):
        pass  # some network drives know no locks; the training matters more
    try:
        if lock.is_locked:
            _sweep(run)
        yield
    finally:
        if lock.is_locked:
            with contextlib.suppress(OSError):  # Windows keeps a file that is open
                path.unlink()
            lock.release()
        if is_new:
            with contextlib.suppress(OSError):  # there is something in it
                run.rmdir()


def _sweep(run: Path) -> None:
    """Delete the temporary files of killed trainings; those of other commands may be in use."""
    for path in (path for folder in ("", *FOLDERS) for path in (run / folder).glob(".*")):
        if (meant := meant_for(path)) and (path.parent != run or meant in OWN | DRAWN):
            with contextlib.suppress(OSError):
                path.unlink()


def generator_file(run: Path) -> Path:
    """Return the generator of a run's folder, or ``run`` itself if it is a file.

    Raises:
        LabError: if there is none.
    """
    file = run / "generator.safetensors" if run.is_dir() else run
    if not file.is_file():
        hint = "train it to its end" if (run / "run.json").is_file() else "check the name"
        raise LabError(
            f"{file} does not exist, so there is no generator to measure; {hint}, or give --run "
            "a finished run's folder or a generator.safetensors."
        )
    return file


def folder_of(file: Path) -> Path:
    """Return the folder of the run that a generator's file belongs to, finished or kept."""
    return file.parent.parent if file.parent.name == "generators" else file.parent
