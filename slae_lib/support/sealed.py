"""Reading files that may lie: whole and of the right kind, or one sentence that says why not.

What reads a file does so inside `reading`, whatever that file turns out to be. Tensors lie in
safetensors files, with facts and a seal in the header: the SHA-256 of all that is in the file, so
that a bit which a disk has turned is found. Files from before there were seals are read without.
"""

import contextlib
import hashlib
import json
import math
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from slae_lib.support.errors import LabError, UsageError, is_shortage
from slae_lib.support.files import atomic_write

LARGEST_JSON = 2**26
"""Bytes of JSON at most: what this lab writes has some thousand."""
_SEAL = "sha256"
_LARGEST = torch.finfo(torch.float32).max


@contextlib.contextmanager
def reading(path: Path, mend: str, missing: str | None = None) -> Iterator[None]:
    """Say in one sentence what is wrong with a file, whatever goes wrong while it is read.

    Args:
        path: of the file.
        mend: what helps if it is damaged or something else.
        missing: the sentence if it is not there.

    Raises:
        LabError: if the file is missing, is none, may not be read, is damaged, or holds something
            else.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for without end
            raise LabError(f"{path} is a folder or a device and no file; {mend}.")
        with understanding(path, mend):
            yield
    except (FileNotFoundError, NotADirectoryError):
        raise LabError(missing or f"{path} does not exist; {mend}.") from None
    except OSError as error:
        raise LabError(
            f"{path} cannot be read ({error.strerror or error}); change its permissions, or {mend}."
        ) from None


@contextlib.contextmanager
def understanding(path: Path, mend: str) -> Iterator[None]:
    """Do so for what was read from a file before.

    Raises:
        LabError: if it is not what is wanted.
    """
    try:
        yield
    except UsageError as error:  # of a setting that the file names
        raise LabError(f"{path}: {error}") from None
    except (LabError, OSError):
        raise
    except Exception as error:  # libraries have many names for one thing: not what was written
        if is_shortage(error):
            raise LabError(
                f"There is not enough memory to read {path}; close other programs."
            ) from None
        reason = str(error).partition("\n")[0][:160] or type(error).__name__
        raise LabError(
            f"{path} is damaged or was not written by this lab ({reason}); {mend}."
        ) from None


def read_json(path: Path, *, finite: bool = True) -> dict[str, Any]:
    """Return the object in a JSON file; call it inside `reading`.

    Raises:
        ValueError: if it is too large, no JSON, or no object, or, with ``finite``, holds a number
            that is none.
    """

    def constant(name: str) -> float:
        if finite:
            raise ValueError(f"it holds {name}")
        return float(name)

    with path.open("rb") as file:
        content = file.read(LARGEST_JSON + 1)
    if len(content) > LARGEST_JSON:
        raise ValueError("it is far too large")
    values = json.loads(content.decode(), parse_constant=constant)
    if not isinstance(values, dict):
        raise ValueError("it holds no names with values")
    return values


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write an object as JSON, atomically.

    Raises:
        LabError: if it cannot be written.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], key: str, facts: Mapping[str, Any]
) -> None:
    """Write tensors as one safetensors file with facts and seal in the header, atomically.

    Args:
        path: of the file.
        tensors: by name, on any device.
        key: of the header. One alone: several would stand in another order each time, and the
            same content would not make the same bytes.
        facts: what JSON can hold.

    Raises:
        LabError: if it cannot be written.
    """
    stored = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    header = {key: json.dumps({**facts, _SEAL: _seal(stored, facts)})}
    with atomic_write(path) as temporary:
        # Not by safetensors itself, whose own temporary file nobody would sweep after a kill.
        temporary.write_bytes(save(stored, header))


def load_tensors(path: Path, key: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return tensors and facts of a file of `save_tensors`; call it inside `reading`.

    Raises:
        ValueError: if the content is not what was written.
    """
    with path.open("rb"):
        pass  # safetensors would say of a file that may not be read that there is none
    with safe_open(path, framework="pt") as file:
        header = (file.metadata() or {}).get(key)
        if header is None:
            raise ValueError("its header says nothing of it")
        facts: dict[str, Any] = json.loads(header)
        # Copies, since a tensor may be a window on the file, which may be replaced.
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    seal = facts.pop(_SEAL, None)
    if seal is not None and seal != _seal(tensors, facts):
        raise ValueError("its content is not what was written")
    return tensors, facts


def check_count(found: Any, what: str) -> int:
    """Return ``found``, a whole number of at least 0 that fits into 53 bits.

    Raises:
        ValueError: if it is not, with the name ``what``.
    """
    if type(found) is not int or not 0 <= found < 2**53:
        raise ValueError(f"{what} is {str(found)[:40]}")
    return found


def check_measure(found: Any, what: str) -> float:
    """Return ``found``, a number that single precision can hold, or none (of a skipped step).

    Raises:
        ValueError: if it is not, with the name ``what``.
    """
    if type(found) not in (int, float) or _LARGEST < abs(found) != math.inf:
        raise ValueError(f"{what} is {str(found)[:40]}")
    return float(found)


def check_like(found: Any, wanted: Tensor, what: str, *, half: bool = False) -> Tensor:
    """Return ``found``, a tensor that is finite and of the same shape and kind as ``wanted``.

    With ``half``, half precision may stand for single.

    Raises:
        ValueError: if it is not, with the name ``what``.
    """
    if not isinstance(found, Tensor) or found.layout is not torch.strided or found.is_quantized:
        raise ValueError(f"{what} is no tensor of numbers")
    same = found.dtype == wanted.dtype or (
        half and (found.dtype, wanted.dtype) == (torch.float16, torch.float32)
    )
    if found.shape != wanted.shape or not same:
        raise ValueError(f"{what} is {_kind(found)} in place of {_kind(wanted)}")
    if not bool(torch.isfinite(found).all()):
        raise ValueError(f"{what} holds numbers that are not finite")
    return found


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _seal(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> str:
    total = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        total.update(f"\n{name} {_kind(tensor)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
