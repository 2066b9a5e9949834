"""A folder with one good file of every kind, made by the lab itself, and how inputs are run in it.

``ROOT/good`` is never changed; ``ROOT/work`` is made anew from it for each input, always at the
same place, since the cache knows a folder of pictures by its path.
"""

import contextlib
import dataclasses
import hashlib
import importlib
import io
import os
import pkgutil
import random
import re
import shutil
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState
from click.testing import CliRunner
from forked import Outcome, alone, failure
from inception_doubles import TinyInception
from PIL import Image
from random_weights import save_random_vgg

import slae_lib
from slae_lib.ablation import Ablation
from slae_lib.ablation.records import save_record
from slae_lib.ablation.results import AblationResults, Point, Trial
from slae_lib.cli import main
from slae_lib.course import capstone
from slae_lib.datasets import DATA_SETS, MetadataBank, load_images
from slae_lib.datasets.fetch import record_file
from slae_lib.datasets.store import cached_file
from slae_lib.evaluation import fid
from slae_lib.evaluation.features import FeatureNetwork
from slae_lib.support.errors import LabError
from slae_lib.training.run import RunInfo, versions

TRAIN = (
    "train --preset cpu-smoke --data data --out run --noise-dim 8 --iterations 3 --batch-size 2 "
    "--samples 2 --log-every 1 --sample-every 1 --checkpoint-every 1 --keep-checkpoints 2"
)
FETCHED = "100-shot-panda"


class Refused(Exception):
    """A command has ended with exit code 1 or 2 and a sentence."""


class Means(FeatureNetwork):
    """Features that need no weights."""

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return images.float().mean(dim=(2, 3))


def features(data: str = "data") -> torch.Tensor:
    network = Means(torch.nn.Identity(), "none", "means", "means", "cpu", 8, False)
    return network.of_stored(load_images(data, 64))


def slae(*words: str) -> str:
    """Run a command in this process; return what it prints.

    Raises:
        Refused: if it says no in one sentence.
        Exception: whatever else it lets through.
    """
    # A process that trains twice is no fault of a command: each has one of its own.
    AcceleratorState._reset_state(True)
    result = CliRunner().invoke(main, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    if "Traceback (most recent call last)" in result.output:
        raise AssertionError(f"a traceback is printed: {result.output[-300:]}")
    if result.exit_code in (1, 2):
        _, error, sentence = result.output.rpartition("Error: ")
        if not error and not result.output.startswith("Usage: "):  # the help of a group
            raise AssertionError(f"exit code {result.exit_code} without a sentence: {sentence}")
        raise Refused(sentence)
    if result.exit_code:
        raise AssertionError(f"exit code {result.exit_code}: {result.output[-200:]}")
    if "Warning: " in result.output:
        warnings.warn(result.output, stacklevel=2)
    return result.output


def surroundings(root: Path) -> None:
    """Have everything that is read or written by default below ``root``; no network, no weights."""
    places = {"HOME": "home", "SLAE_CACHE": "work/cache", "TORCH_HOME": "torch", "TMPDIR": "tmp"}
    for name, place in places.items():
        os.environ[name] = str(root / place)
    for place in ("home", "tmp", "torch"):
        (root / place).mkdir(exist_ok=True)
    os.environ |= {"SLAE_OFFLINE": "1", "MPLCONFIGDIR": str(root / "home"), "MPLBACKEND": "Agg"}
    sys.dont_write_bytecode = True
    tempfile.tempdir = None
    torch.set_num_threads(1)
    fid.fid_inception = TinyInception
    DATA_SETS[FETCHED] = dataclasses.replace(DATA_SETS[FETCHED], images=3, sha256=None)


def import_all() -> None:
    """Import what the inputs will need, once and here, since each child would do it anew."""
    for module in pkgutil.walk_packages(slae_lib.__path__, "slae_lib."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    importlib.import_module("torch._dynamo")  # the first optimiser does


def make(root: Path) -> None:
    """Make ``root/good``.

    Raises:
        RuntimeError: if a good file cannot be made.
    """

    def work() -> Outcome:
        surroundings(root)
        (root / "work").mkdir()
        os.chdir(root / "work")
        with contextlib.redirect_stderr(io.StringIO()):
            _make_all()
        os.chdir(root)
        (root / "work").rename(root / "good")
        save_random_vgg(root / "weights")
        return Outcome("as before")

    import_all()
    if (outcome := alone(work)).is_finding:
        raise RuntimeError(f"the good files cannot be made: {outcome}")


def picture(number: int) -> Image.Image:
    pixels = random.Random(number).randbytes(64 * 64 * 3)
    return Image.frombytes("RGB", (64, 64), pixels).reduce(8).resize((64, 64))


def _make_all() -> None:
    Path("data").mkdir()
    for number, suffix in enumerate(("png", "png", "jpg", "webp", "bmp", "gif")):
        picture(number).save(Path("data") / f"{number}.{suffix}")
    images = load_images("data", 64)
    values = torch.rand(len(images), 512, generator=torch.Generator().manual_seed(0))
    made_of = (images.names, "relu5_3", 256, "none", images.name, images.fingerprint)
    MetadataBank(values, *made_of).save(cached_file(images))
    features()
    slae(*TRAIN.split())
    slae(*"invert data/0.png --run run --distance l1 --steps 1 --restarts 1 --out found".split())
    Path("found/latent.safetensors").rename("latent.safetensors")
    shutil.rmtree("found")
    folder = Path("ablation") / "slae-0"
    ablation = Ablation("data", folder.parent, ("slae",), images=8, points=2, count=2)
    points = (Point(8, 100.5, 0.25, 0.5), Point(16, 90.25, 0.125, 0.75))
    trials = [Trial("slae", seed, 1000, 1.5, points) for seed in range(3)]
    model, config = ablation.configs("slae", 0)
    folder.mkdir(parents=True)
    RunInfo(model, config, images.reference, images.fingerprint, versions()).save(folder)
    save_record(folder, dataclasses.replace(trials[0], points=_ends(points, config)), 2)
    facts = {"data": "data", "resolution": 64, "command": "none", "versions": versions()}
    AblationResults(facts, tuple(trials)).save(Path("results.json"))
    row = capstone.row_of(folder) | {"seed": "7"}
    capstone.write_table([row], Path("table.csv"))
    archive = DATA_SETS[FETCHED].folder.with_suffix(".zip")
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for number in range(3):
            packed.write(f"data/{number}.{'jpg' if number == 2 else 'png'}")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    record = f'{{"url": "none", "sha256": "{digest}", "first_fetched": "2024-01-01"}}'
    record_file(DATA_SETS[FETCHED]).write_text(record)
    Path("run/.lock").touch()


def _ends(points: tuple[Point, ...], config: Any) -> tuple[Point, ...]:
    seen = config.iterations * config.batch_size
    return (*points[:-1], dataclasses.replace(points[-1], images=seen))


def restore(root: Path) -> Path:
    """Make ``root/work`` anew and return it."""
    work = root / "work"
    if work.exists():
        for folder, _, files in os.walk(work):
            if "closed" in files:
                (Path(folder) / "closed").chmod(0o600)
        shutil.rmtree(work)
    # Large files are linked: whoever changes one makes a new one, as `intact` will tell.
    shutil.copytree(root / "good", work, copy_function=_link_or_copy)
    return work


def enter(root: Path) -> Path:
    """Make ``root/work`` anew and go there, in a child: the tests' own process stays where it is.

    From ``root``, since files are deleted by names that are relative to folders.
    """
    os.chdir(root)
    work = restore(root)
    os.chdir(work)
    return work


def _link_or_copy(source: str, goal: str) -> None:
    if source.endswith((".pt", ".safetensors")):
        os.link(source, goal)
    else:
        shutil.copy2(source, goal)


def digests(folder: Path) -> dict[str, str]:
    """Return the checksum of every file in a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def temporaries(folder: Path) -> list[str]:
    """Return the hidden files in a folder that are no locks: what writers have left behind."""
    hidden = (path for path in folder.rglob(".*") if path.is_file() and "lock" not in path.name)
    return [str(path.relative_to(folder)) for path in hidden]


def tried(work: Callable[[], Any]) -> tuple[Outcome | None, Any, list[str]]:
    """Try to read something: a finding or a refusal, or what was read; and what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value = work()
        except (LabError, Refused) as error:
            if not str(error).strip() or len(str(error)) > 200_000:
                return Outcome("traceback", f"no sentence: {str(error)[:200]!r}"), None, []
            return Outcome("refused"), None, []
        except Exception as error:
            return failure(error), None, []
    ours = [w for w in caught if w.category.__module__.startswith("slae_lib")]
    ours += [w for w in caught if w.category is UserWarning]
    return None, value, [str(warning.message) for warning in ours]


def digest(value: Any) -> tuple[str, bool]:
    """Return a checksum of whatever was read, and whether all numbers in it are some."""
    total, finite = hashlib.sha256(), True

    def walk(part: Any) -> Iterator[bytes]:
        nonlocal finite
        if isinstance(part, torch.Tensor):
            finite &= not part.is_floating_point() or bool(part.isfinite().all())
            yield f"{part.dtype}{tuple(part.shape)}".encode()
            yield part.detach().contiguous().cpu().reshape(-1).view(torch.uint8).numpy().tobytes()
        elif isinstance(part, dict):
            for key in sorted(part, key=repr):
                yield repr(key).encode()
                yield from walk(part[key])
        elif isinstance(part, list | tuple):
            yield f"{len(part)}".encode()
            for inner in part:
                yield from walk(inner)
        else:
            finite &= re.fullmatch("nan|-?inf", repr(part)) is None
            yield part if isinstance(part, bytes) else repr(part).encode()

    for piece in walk(value):
        total.update(piece)
    return total.hexdigest(), finite
