"""Files of a run: checkpoints that survive anything, and the finished generator."""

import contextlib
import errno
import json
import pickle
import shlex
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from slae_lib.generator import Generator
from slae_lib.support.errors import LabError
from slae_lib.support.files import atomic_write
from slae_lib.support.spectral_norm import fold_spectral_norm, refresh_spectral_norm
from slae_lib.training.families import make_generator, model_from_dict, model_to_dict

CHECKPOINT_FORMAT = "slae-lab-checkpoint-1"
GENERATOR_FORMAT = "slae-lab-generator-1"
_HEADER = "slae_lab"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write ``state``, tensors and plain Python values, as one checkpoint, atomically.

    Raises:
        LabError: if it could not be written; an earlier file of that name is then intact.
    """
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        _save({"format": CHECKPOINT_FORMAT, **state}, file)


def _save(state: dict[str, Any], file: Any) -> None:
    try:
        torch.save(state, file)
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

    Raises:
        LabError: if the file is missing, damaged or no checkpoint of this lab.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise LabError(f"{path} does not exist; name the folder of a run.") from None
    except PermissionError:
        raise LabError(f"{path} may not be read; change its permissions.") from None
    except (
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        OSError,
    ):
        raise LabError(
            f"{path} is damaged or was not written by this lab; delete it and resume again, "
            "then the checkpoint before it is used."
        ) from None
    if not isinstance(state, dict) or state.get("format") != CHECKPOINT_FORMAT:
        raise LabError(
            f"{path} is not a checkpoint of this lab ({CHECKPOINT_FORMAT}); "
            "move it out of the run's folder."
        )
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
    generator = make_generator(model_from_dict(state["model"]))
    prefix = "module."  # of `torch.optim.swa_utils.AveragedModel`
    weights = {
        name.removeprefix(prefix): value
        for name, value in state["average"].items()
        if name.startswith(prefix)
    }
    load_into(generator, weights, path, "generator")
    refresh_spectral_norm(generator)
    fold_spectral_norm(generator)
    return generator.eval().requires_grad_(False)


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


def load_into(module: nn.Module, state: dict[str, torch.Tensor], path: Path, what: str) -> None:
    """Load ``state`` into ``module``.

    Raises:
        LabError: if names or shapes differ, that is, if it belongs to another configuration.
    """
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise LabError(
            f"{path} holds a {what} of another configuration ({first[:160]}); "
            "use the configuration that it was saved with."
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
        name: (value.to(dtype) if value.is_floating_point() else value).contiguous().cpu()
        for name, value in generator.state_dict().items()
    }
    header = {
        "format": GENERATOR_FORMAT,
        "config": json.dumps(model_to_dict(generator.config)),
        **(facts or {}),
    }
    # One key alone: several would stand in another order each time, and the same generator would
    # not make the same bytes.
    with atomic_write(path) as temporary:
        _write_safetensors(
            lambda: save_file(tensors, temporary, metadata={_HEADER: json.dumps(header)})
        )


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


def _write_safetensors(write: Callable[[], None]) -> None:
    try:
        write()
    except SafetensorError as error:
        # The library's own error type hides the number of the operating system's error.
        number = errno.ENOSPC if "os error 28" in str(error) else errno.EIO
        raise OSError(number, str(error)) from error


def load_generator(path: Path | str) -> Generator:
    """Return the generator that `save_generator` wrote, on the CPU, ready to sample from.

    Raises:
        LabError: if the file is missing, damaged or no generator of this lab.
    """
    path = Path(path)
    with _opened(path) as file:
        header = _header(file)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if header.get("format") != GENERATOR_FORMAT:
        raise LabError(f"{path} is not a generator of this lab ({GENERATOR_FORMAT}).")
    generator = make_generator(model_from_dict(json.loads(header["config"])))
    fold_spectral_norm(generator)
    load_into(generator, tensors, path, "generator")
    return generator.eval().requires_grad_(False)


def generator_facts(path: Path | str) -> dict[str, str]:
    """Return the header of a generator file: its configuration and how it was made.

    Raises:
        LabError: if the file is missing or damaged.
    """
    with _opened(Path(path)) as file:
        return _header(file)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        if not path.is_file():
            raise LabError(_missing(path))
        with path.open("rb"):
            pass  # safetensors would say of a file that may not be read that there is none
    except OSError as error:
        raise LabError(
            f"{path} cannot be read ({error.strerror or error}); change its permissions."
        ) from None
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise LabError(f"{path} is damaged ({error}); train or download it again.") from None


def _missing(path: Path) -> str:
    run = path.parent
    if path.name == "generator.safetensors" and (run / "run.json").is_file():
        return (
            f"{path} does not exist, since its run is not finished; finish it with "
            f"`slae train --resume {shlex.quote(str(run))}`."
        )
    return f"{path} does not exist; name a finished run's generator.safetensors or its folder."


def _header(file: Any) -> dict[str, str]:
    header = json.loads((file.metadata() or {}).get(_HEADER, "{}"))
    return {str(name): str(value) for name, value in header.items()}
