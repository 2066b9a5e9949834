"""How the content of a file is taken apart, so that it can be changed, and put together again."""

import csv
import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from damage import to_json

from slae_lib.training.checkpoint import save_checkpoint

Form = tuple[Callable[[Path], Any], Callable[[Any, Path], None]]


def plain(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_plain(tree: Any, path: Path) -> None:
    path.write_text(to_json(tree), encoding="utf-8", errors="surrogatepass")


def table(path: Path) -> Any:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))


def write_table(rows: Any, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="surrogatepass") as file:
        lines = rows if isinstance(rows, list) else [[rows]]
        csv.writer(file).writerows(line if isinstance(line, list) else [line] for line in lines)


def header(path: Path) -> Any:
    """Take a safetensors file apart: its header, with what is JSON inside of it, and its bytes."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    found = json.loads(data[8 : 8 + length])
    inside = {name: json.loads(value) for name, value in found.get("__metadata__", {}).items()
              if value.startswith("{")}  # fmt: skip
    return [found, inside, data[8 + length :].hex()]


def write_header(tree: Any, path: Path) -> None:
    found, inside, rest = tree
    for name, value in inside.items():
        found["__metadata__"][name] = to_json(value)
    text = to_json(found).encode("utf-8", "surrogatepass")
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes.fromhex(rest))


def tensors(path: Path) -> Any:
    with safetensors.safe_open(path, framework="pt") as file:
        kept = file.metadata()
    return [safetensors.torch.load_file(path), kept]


def write_tensors(tree: Any, path: Path) -> None:
    safetensors.torch.save_file(*tree[:1], path, metadata=tree[1])


def state(path: Path) -> Any:
    return torch.load(path, weights_only=True)


def entries(path: Path) -> Any:
    with zipfile.ZipFile(path) as file:
        return [[one.filename, 0o644, 8, file.read(one).decode("latin-1")] for one in file.filelist]


def write_entries(tree: Any, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for name, mode, how, data in tree:
            entry = zipfile.ZipInfo(str(name))
            entry.external_attr, entry.compress_type = int(mode) << 16, int(how)
            file.writestr(entry, str(data).encode("utf-8", "surrogatepass"))


JSON: Form = (plain, write_plain)
CSV: Form = (table, write_table)
SAFETENSORS: tuple[Form, ...] = ((header, write_header), (tensors, write_tensors))
CHECKPOINT: tuple[Form, ...] = (
    (state, lambda tree, path: torch.save(tree, path)),
    (state, lambda tree, path: save_checkpoint(path, tree)),
)
ZIP: Form = (entries, write_entries)
