"""The folder of a training run: what was asked for, what was measured, what it looked like.

run.json               configuration, data and versions
metrics.csv            a line of losses every `log_every` iterations
samples/0001000.png    grids of the averaged generator, always of the same noise
checkpoints/           the newest checkpoints
metadata.safetensors   the metadata of the training images, for sampling
generator.safetensors  the averaged generator, when training is finished
"""

import contextlib
import csv
import json
import math
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
from PIL import Image
from torch import Tensor

from slae_lib.checkpoint import list_checkpoints
from slae_lib.config import TrainConfig
from slae_lib.errors import LabError, UsageError
from slae_lib.files import atomic_write, write_error
from slae_lib.models import AnyConfig, model_from_dict, model_to_dict, train_from_dict

LOCK = ".lock"  # the file in a run's folder that a training holds

METRICS = (
    "iteration",
    "images",
    "seconds",
    "images_per_second",
    "discriminator",
    "generator",
    "reconstruction",
    "penalty",
    "real_logits",
    "fake_logits",
    "diversity",
)


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

    model: AnyConfig
    train: TrainConfig
    data: str
    data_fingerprint: str
    versions: dict[str, str] = field(default_factory=dict)

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
        with atomic_write(run / "run.json") as temporary:
            temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, run: Path) -> "RunInfo":
        """Read ``run.json`` of the folder ``run``.

        Raises:
            LabError: if there is none, or it was not written by this lab.
        """
        path = run / "run.json"
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if values.get("format") != "slae-lab-run-1":
                raise ValueError("another format")
            model = model_from_dict(values["model"])
            return cls(
                model=model,
                train=train_from_dict(values["train"], model),
                data=values["data"],
                data_fingerprint=values["data_fingerprint"],
                versions=values["versions"],
            )
        except (FileNotFoundError, NotADirectoryError):
            raise LabError(
                f"{run} is not the folder of a run (it has no run.json); "
                f"`slae train --out {shlex.quote(str(run))}` makes one."
            ) from None
        except OSError as error:
            raise LabError(f"{path} cannot be read: {error.strerror}.") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LabError(
                f"{path} was not written by this lab or is damaged ({error}); start a new run."
            ) from None


def check_folder(run: Path, overwrite: bool) -> None:
    """Refuse a folder that a new run cannot have; change nothing.

    Raises:
        UsageError: if there is a run or anything else already, and ``overwrite`` is off or it
            is no run.
        LabError: if the folder cannot be read.
    """
    if run.is_file():
        raise UsageError(f"{run} is a file; give --out the name of a new folder.")
    try:
        empty = not run.is_dir() or all(path.name == LOCK for path in run.iterdir())
    except OSError as error:
        raise write_error(run, error) from error
    if empty:
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


def prepare_folder(run: Path, overwrite: bool) -> None:
    """Make ``run`` an empty folder for a new run.

    Whoever may meet another training there calls it inside `alone`, whose lock stays.

    Raises:
        UsageError: as `check_folder`.
        LabError: if the folder cannot be made or emptied.
    """
    check_folder(run, overwrite)
    try:
        run.mkdir(parents=True, exist_ok=True)
        for path in run.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()
    except OSError as error:
        raise write_error(run, error) from error


def newest_checkpoint(run: Path) -> Path:
    """Return the newest checkpoint of a run.

    Raises:
        LabError: if it has none.
    """
    paths = list_checkpoints(run / "checkpoints")
    if not paths:
        raise LabError(
            f"{run} has no checkpoint to resume from; if it is a run that was stopped before its "
            f"first one, start again with --overwrite --out {shlex.quote(str(run))}."
        )
    return paths[-1]


@contextlib.contextmanager
def alone(run: Path) -> Iterator[None]:
    """Hold the folder of a run, so that no other training writes into it meanwhile.

    Raises:
        LabError: if another process holds it.
    """
    path = run / LOCK
    lock = FileLock(path)
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(run, error) from error
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
        yield
    finally:
        if lock.is_locked:
            with contextlib.suppress(OSError):  # Windows keeps a file that is open
                path.unlink()
            lock.release()


class MetricsFile:
    """``metrics.csv``, written line by line.

    Args:
        path: the file; lines after ``iteration`` are dropped, so that a resumed run does not
            tell the same iterations twice.
        iteration: the iteration from which the run goes on.
    """

    def __init__(self, path: Path, iteration: int = 0) -> None:
        self.path = path
        kept = [row for row in read_metrics(path) if row["iteration"] <= iteration]
        with (
            atomic_write(path) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, METRICS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(kept)

    def write(self, row: dict[str, float | None]) -> None:
        """Append a line.

        Raises:
            LabError: if it cannot be written.
        """
        try:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, METRICS, lineterminator="\n").writerow(row)
        except OSError as error:
            raise write_error(self.path, error) from error


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the lines of ``metrics.csv`` as numbers (None where a cell is empty).

    A last line that a sudden end cut off is left out.
    """
    if not path.is_file():
        return []
    rows = []
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if None in line.values():
                break
            try:
                numbers = {name: float(line[name]) if line[name] else None for name in METRICS}
                whole = {name: int(line[name]) for name in ("iteration", "images")}
            except (ValueError, KeyError):
                break
            rows.append(numbers | whole)
    return rows


CELL_LIMIT = 256  # px; a grid of 64 images at 1024 would be 8192 px wide


def image_grid(images: Tensor, columns: int | None = None) -> Image.Image:
    """Return images side by side, with white lines of 2 px between them.

    Args:
        images: uint8 (N, 3, R, R).
        columns: images in a row; a square grid when not given.
    """
    count = len(images)
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    side = images.shape[-1] + 2
    sheet = torch.full((3, rows * side - 2, columns * side - 2), 255, dtype=torch.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        top, left = row * side, column * side
        sheet[:, top : top + side - 2, left : left + side - 2] = image
    return Image.fromarray(sheet.permute(1, 2, 0).numpy())


def grid_cells(sheet: Image.Image, count: int) -> Tensor:
    """Return the images of a square `image_grid`: uint8 (N, 3, R, R)."""
    columns = math.ceil(math.sqrt(count))
    side = (sheet.width + 2) // columns
    pixels = torch.frombuffer(bytearray(sheet.convert("RGB").tobytes()), dtype=torch.uint8)
    pixels = pixels.reshape(sheet.height, sheet.width, 3).permute(2, 0, 1)
    cells = []
    for index in range(count):
        row, column = divmod(index, columns)
        top, left = row * side, column * side
        cells.append(pixels[:, top : top + side - 2, left : left + side - 2])
    return torch.stack(cells)


def save_samples(run: Path, iteration: int, samples: Tensor) -> None:
    """Write a sample grid, images above 256 px reduced to 256.

    Args:
        run: the run's folder.
        iteration: finished iterations, the file's name.
        samples: uint8 (N, 3, R, R).
    """
    if samples.shape[-1] > CELL_LIMIT:
        samples = (
            torch.nn.functional.interpolate(
                samples.float(), size=CELL_LIMIT, mode="bilinear", antialias=True
            )
            .round()
            .clamp(0, 255)
            .to(torch.uint8)
        )
    path = run / "samples" / f"{iteration:07d}.png"
    with atomic_write(path) as temporary:
        image_grid(samples).save(temporary, format="PNG")


def load_samples(run: Path, count: int) -> dict[int, Tensor]:
    """Return the sample grids of a run: iteration to uint8 (N, 3, R, R), in order."""
    grids = {}
    for path in sorted((run / "samples").glob("*.png")):
        with Image.open(path) as sheet:
            grids[int(path.stem)] = grid_cells(sheet, count)
    return grids
