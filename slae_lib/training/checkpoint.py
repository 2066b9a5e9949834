"""Files of a run: checkpoints that survive anything, and the finished generator."""

import json
import math
import shlex
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from slae_lib.config import NetworkConfig
from slae_lib.datasets.bank import Scale
from slae_lib.generator import Generator
from slae_lib.support.errors import LabError
from slae_lib.support.files import atomic_write
from slae_lib.support.sealed import (
    check_count,
    check_like,
    load_tensors,
    reading,
    save_tensors,
    understanding,
)
from slae_lib.support.spectral_norm import fold_spectral_norm, refresh_spectral_norm
from slae_lib.training.families import make_generator, model_from_dict, model_to_dict

CHECKPOINT_FORMAT = "slae-lab-checkpoint-1"
GENERATOR_FORMAT = "slae-lab-generator-1"
CHECKPOINT_MEND = "delete it and resume again, then the checkpoint before it is used"
_AGAIN = "train or download it again"
_HEADER = "slae_lab"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write ``state``, tensors and plain Python values, as one checkpoint, atomically.

    Raises:
        LabError: if it could not be written; an earlier file of that name is then intact.
    """
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save({"format": CHECKPOINT_FORMAT, **state}, file)
        except RuntimeError as error:
            # torch's archive writer reports a failed write as a RuntimeError; the cause, an OSError
            # that knows about the full disk, is behind it.
            cause = error.__context__ or error.__cause__
            if isinstance(cause, OSError):
                raise cause from error
            file.flush()  # raises the OSError that torch has hidden
            raise


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU; nothing in it can run code.

    Its bytes are those that were written, and it counts iterations and seconds. All else in it is
    for whoever loads it into something to compare.

    Raises:
        LabError: if the file is missing, damaged or no checkpoint of this lab.
    """
    missing = f"{path} does not exist; name the folder of a run."
    with reading(path, CHECKPOINT_MEND, missing):
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():  # compares checksums, which torch does not
                raise ValueError(f"{damaged} is not what was written")
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or state.get("format") != CHECKPOINT_FORMAT:
            raise LabError(
                f"{path} is not a checkpoint of this lab ({CHECKPOINT_FORMAT}); "
                "move it out of the run's folder."
            )
        check_count(state["iteration"], "iteration")
        if not 0 <= float(state["seconds"] + 0) < math.inf:
            raise ValueError("seconds is no time")
    return state


def load_averaged_generator(path: Path) -> Generator:
    """Return the averaged generator that a checkpoint holds, on the CPU, ready to sample from.

    Raises:
        LabError: as `load_checkpoint`.
    """
    return averaged_generator(load_checkpoint(path), path)


def averaged_generator(state: dict[str, Any], path: Path) -> Generator:
    """Return the averaged generator of a checkpoint that was read from ``path``.

    Raises:
        LabError: if its weights do not fit its own config.
    """
    with understanding(path, CHECKPOINT_MEND):
        prefix = "module."  # of `torch.optim.swa_utils.AveragedModel`
        weights = {
            name.removeprefix(prefix): value
            for name, value in state["average"].items()
            if name.startswith(prefix)
        }
        generator = _generator_of(model_from_dict(state["model"]), weights, path, folded=False)
    refresh_spectral_norm(generator)
    fold_spectral_norm(generator)
    _check_fits(generator.state_dict(), generator, path, "generator")  # numbers may be too large
    return generator.eval().requires_grad_(False)


def _generator_of(
    config: NetworkConfig, weights: dict[str, Tensor], path: Path, folded: bool
) -> Generator:
    """Return the generator with these weights, if they fit."""
    fold = fold_spectral_norm if folded else nn.Module.requires_grad_
    with torch.device("meta"):  # shapes alone: a config that lies would take all memory
        _check_fits(weights, fold(make_generator(config)), path, "generator")
    generator = make_generator(config)
    fold(generator).load_state_dict(weights)
    return generator


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints in ``folder``, oldest first."""
    return sorted(folder.glob("step-*.pt"))


def checkpoint_path(folder: Path, iteration: int) -> Path:
    """Return the name of the checkpoint of an iteration."""
    return folder / f"step-{iteration:07d}.pt"


def keep_newest(folder: Path, count: int) -> None:
    """Delete all but the newest ``count`` checkpoints in ``folder``."""
    for path in list_checkpoints(folder)[:-count]:
        path.unlink(missing_ok=True)


def load_into(module: nn.Module, state: dict[str, Tensor], path: Path, what: str) -> None:
    """Load ``state`` into ``module``.

    Raises:
        LabError: if names or shapes differ, that is, if it belongs to another configuration, or
            its numbers are not finite.
    """
    _check_fits(state, module, path, what)
    module.load_state_dict(state)


def _check_fits(state: Any, module: nn.Module, path: Path, what: str) -> None:
    wanted = module.state_dict()
    try:
        if odd := sorted(map(str, wanted.keys() ^ dict(state).keys())):
            raise ValueError(f"{odd[0]} is {'missing' if odd[0] in wanted else 'unknown'}")
        for name, tensor in wanted.items():
            check_like(state[name], tensor, name, half=True)
    except (TypeError, ValueError) as problem:
        raise LabError(
            f"{path} holds a {what} of another configuration, or a damaged one "
            f"({str(problem)[:160]}); use the configuration that it was saved with."
        ) from None


def save_generator(
    path: Path,
    generator: Generator,
    facts: dict[str, str] | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a generator for sampling as one safetensors file with its configuration inside.

    The spectral norms are folded into the weights, in place: train no further with ``generator``.

    Args:
        path: file to write, ``*.safetensors``.
        generator: the averaged generator.
        facts: further strings for the header, such as iteration and attribution.
        dtype: of the stored numbers; half precision makes half the file, and hardly another image.
    """
    fold_spectral_norm(generator)
    tensors = {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in generator.state_dict().items()
    }
    if not all(value.isfinite().all() for value in tensors.values()):
        raise LabError(f"{path} was not written: some weights are no numbers in {dtype}.")
    config = json.dumps(model_to_dict(generator.config))
    header = {"format": GENERATOR_FORMAT, "config": config, **(facts or {})}
    save_tensors(path, tensors, _HEADER, header)


def keep_generator(
    folder: Path, iteration: int, generator: Generator, facts: dict[str, str], limit: int
) -> None:
    """Add the averaged generator as it is now to those that a run keeps for looking back.

    Args:
        folder: of the kept ones.
        iteration: finished iterations, the file's name.
        generator: the averaged generator, which is left as it is.
        facts: as for `save_generator`.
        limit: bytes that all together may take; those whose neighbours are nearest go first.
    """
    with torch.random.fork_rng(devices=[]):  # the training draws on as if nothing had been
        twin = make_generator(generator.config)  # folding a deep copy would spoil the original
    twin.load_state_dict(generator.state_dict())
    path = folder / f"{iteration:07d}.safetensors"
    save_generator(path, twin, facts, torch.float16)
    kept = [file for file in sorted(folder.glob("*.safetensors")) if file.stem.isdigit()]
    while len(kept) > 2 and sum(file.stat().st_size for file in kept) > limit:
        at = [int(file.stem) for file in kept]
        gaps = [at[place + 1] - at[place - 1] for place in range(1, len(at) - 1)]
        kept.pop(1 + gaps.index(min(gaps))).unlink(missing_ok=True)


def load_generator(path: Path | str) -> Generator:
    """Return the generator that `save_generator` wrote, on the CPU, ready to sample from.

    Raises:
        LabError: if the file is missing, damaged or no generator of this lab.
    """
    path = Path(path)
    with reading(path, _AGAIN, _missing(path)):
        tensors, facts = load_tensors(path, _HEADER)
        if facts.get("format") != GENERATOR_FORMAT:
            raise LabError(f"{path} is not a generator of this lab ({GENERATOR_FORMAT}).")
        config = model_from_dict(json.loads(facts["config"]))
        generator = _generator_of(config, tensors, path, folded=True)
    return generator.eval().requires_grad_(False)


def generator_facts(path: Path | str) -> dict[str, str]:
    """Return the header of a generator file: its configuration and how it was made.

    Raises:
        LabError: if the file is missing or damaged.
    """
    path = Path(path)
    with reading(path, _AGAIN, _missing(path)):
        _, facts = load_tensors(path, _HEADER)
    return {str(name): str(value) for name, value in facts.items()}


def trained_scale(path: Path) -> Scale:
    """Return the scale of the metadata that the generator in a file was trained with.

    Raises:
        LabError: as `generator_facts`.
    """
    facts = generator_facts(path)
    with understanding(path, _AGAIN):
        train = json.loads(facts.get("train", "{}"))
        return "raw" if train.get("metadata_scale") == "raw" else "standardised"


def _missing(path: Path) -> str:
    run = path.parent
    if path.name == "generator.safetensors" and (run / "run.json").is_file():
        return (
            f"{path} does not exist, since its run is not finished; finish it with "
            f"`slae train --resume {shlex.quote(str(run))}`."
        )
    return f"{path} does not exist; name a finished run's generator.safetensors or its folder."
