"""Ways to damage a file, drawn by hypothesis: bytes, what stands in its place, typed nonsense."""

import json
import os
import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

NEAR = 4096
"""Bytes at the beginning and at the end of a file that are hit more often than the rest."""
DEEP = "10,000 lists, one in the other"
LONG = "a text of 100,000 letters"


class Bytes(NamedTuple):
    """A change of the bytes, or of what kind of thing the file is."""

    how: str
    where: str
    chance: int

    def __str__(self) -> str:
        return f"{self.how} ({self.where}, {self.chance})"


class Typed(NamedTuple):
    """A change of the content: values of other types at places that chance picks."""

    form: int
    edits: tuple[tuple[str, int, Any], ...]

    def __str__(self) -> str:
        edits = [f"{how} {value!r:.80}" if how != "delete" else how for how, _, value in self.edits]
        return f"typed, form {self.form}: {', '.join(edits)} ({self.edits[0][1]})"


Damage = Bytes | Typed


ROUND = 100
"""Examples that are drawn together."""


def examples(strategy: st.SearchStrategy[Any], count: int, name: str, number: int) -> list[Any]:
    """Return ``count`` examples, at most `ROUND`, of the round with this number for a name."""
    found: list[Any] = []
    number = zlib.crc32(f"{name} {number}".encode())

    @seed(number)
    @settings(
        max_examples=ROUND,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(example: Any) -> None:
        found.append(example)

    collect()
    random.Random(number).shuffle(found)  # the first ones are the simplest
    return found[:count]


def flip(data: bytearray, at: int, chance: random.Random) -> bytes:
    data[at] ^= 1 << chance.randrange(8)
    return bytes(data)


def flips(data: bytearray, at: int, chance: random.Random) -> bytes:
    for _ in range(chance.randrange(2, 40)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return flip(data, at, chance)


def block(data: bytearray, at: int, chance: random.Random) -> slice:
    return slice(at, at + chance.choice((1, 16, 512, 4096, len(data))))


def blot(data: bytearray, at: int, chance: random.Random) -> bytes:
    length = len(data[block(data, at, chance)])
    data[at : at + length] = chance.randbytes(length)
    return bytes(data)


def blank(data: bytearray, at: int, chance: random.Random) -> bytes:
    length = len(data[block(data, at, chance)])
    data[at : at + length] = bytes(length)  # what a power cut leaves
    return bytes(data)


def cut_out(data: bytearray, at: int, chance: random.Random) -> bytes:
    del data[block(data, at, chance)]
    return bytes(data)


def double(data: bytearray, at: int, chance: random.Random) -> bytes:
    data[at:at] = data[block(data, at, chance)]
    return bytes(data)


CHANGES: dict[str, Callable[[bytearray, int, random.Random], bytes]] = {
    "one bit": flip,
    "some bits": flips,
    "cut short": lambda data, at, _: bytes(data[:at]),
    "a block cut out": cut_out,
    "a block doubled": double,
    "a block of chance": blot,
    "a block of zeros": blank,
    "all chance": lambda data, at, chance: chance.randbytes(min(at, 10_000)),
    "more at its end": lambda data, at, chance: bytes(data) + chance.randbytes(1 + at % NEAR),
    "empty": lambda *_: b"",
}


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "inside.txt").write_text("a file")


def _forbidden(path: Path) -> None:
    path.write_bytes(b"")
    path.chmod(0)


THINGS: dict[str, Callable[[Path], None]] = {
    "a folder": _folder,
    "a pipe": os.mkfifo,
    "a circle of links": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("nothing here"),
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "nothing at all": lambda path: None,
    "closed": _forbidden,
}
OTHER = "another kind of file"

bytes_of = st.builds(
    Bytes,
    st.sampled_from([*["one bit"] * 10, *["some bits"] * 2, *CHANGES, *THINGS, OTHER]),
    st.sampled_from(("anywhere", "anywhere", "head", "tail")),
    st.integers(0, 2**32 - 1),
)
"""Of any file."""
numbers = st.sampled_from((0, 1, -1, 2**31, 2**63, -(2**63) - 1, 10**40, 1e308, -0.0)) | st.floats()
leaves = st.none() | st.booleans() | st.integers() | numbers | st.text(max_size=20)
nonsense = (
    st.sampled_from((DEEP, LONG, [], {}, "", [[]], "../../etc", "\0", "nan", "1e9"))
    | leaves
    | st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
        ),
        max_leaves=8,
    )
)
tensors = "nan inf huge flat turned longer shorter none one double half whole boolean complex zeros"
edits = st.tuples(
    st.sampled_from(("replace", "replace", "delete", "add", "tensor")),
    st.integers(0, 2**32 - 1),
    nonsense,
)


def typed(forms: int) -> st.SearchStrategy[Typed]:
    """Of a file whose content can be taken apart and put together in so many forms."""
    several = st.lists(edits, min_size=1, max_size=3).map(tuple)
    return st.builds(Typed, st.integers(0, forms - 1), several)


def change(data: bytes, damage: Bytes) -> bytes:
    """Return the bytes of a file, changed."""
    chance = random.Random(damage.chance)
    if not data:
        return chance.randbytes(10)
    near = min(len(data), NEAR)
    at = {
        "anywhere": chance.randrange(len(data)),
        "head": chance.randrange(near),
        "tail": len(data) - 1 - chance.randrange(near),
    }[damage.where]
    return CHANGES[damage.how](bytearray(data), at, chance)


def edit(tree: Any, damage: Typed) -> Any:
    """Return a structure of dicts, lists and leaves with other things in it; change it, too."""
    for how, number, value in damage.edits:
        chance = random.Random(number)
        holder, key = None, None
        node: Any = tree
        while _size(node) and (holder is None or chance.random() < 0.85):
            key = chance.choice(list(node) if isinstance(node, dict) else range(len(node)))
            holder, node = node, node[key]
        if holder is None:
            return value
        if how == "delete":
            del holder[key]
        elif how == "add" and isinstance(node, dict):
            node[chance.choice(("", "more", "__metadata__", 7))] = value
        elif how == "add" and isinstance(node, list):
            node.append(value)
        elif isinstance(node, torch.Tensor) and (how == "tensor" or chance.random() < 0.5):
            holder[key] = other_tensor(node, chance.choice(tensors.split()))
        else:
            holder[key] = value
    return tree


def _size(node: Any) -> int:
    return len(node) if isinstance(node, dict | list) else 0


def other_tensor(tensor: torch.Tensor, how: str) -> torch.Tensor:
    """Return a tensor of another shape, another type or with numbers that are none."""
    values = tensor.detach().clone()
    if how in ("nan", "inf", "huge"):
        if values.is_floating_point() and values.numel():
            values.view(-1)[0] = {"nan": torch.nan, "inf": torch.inf, "huge": 3e38}[how]
        return values
    shapes: Mapping[str, Callable[[], torch.Tensor]] = {
        "flat": lambda: values.reshape(-1),
        "turned": lambda: values.transpose(0, -1).contiguous() if values.dim() > 1 else values[:0],
        "longer": lambda: torch.cat([values.reshape(-1)] * 2),
        "shorter": lambda: values.reshape(-1)[: values.numel() // 2].clone(),
        "none": lambda: values.reshape(-1)[:0].clone(),
        "one": lambda: torch.ones((), dtype=values.dtype),
        "zeros": lambda: torch.zeros_like(values),
    }
    kinds = {
        "double": torch.float64,
        "half": torch.float16,
        "whole": torch.int64,
        "boolean": torch.bool,
        "complex": torch.complex64,
    }
    return shapes[how]() if how in shapes else values.to(kinds[how])


def to_json(tree: Any) -> str:
    """Write a structure as JSON, with what is too deep for Python to write."""
    text = json.dumps(tree, default=str)
    text = text.replace(json.dumps(DEEP), "[" * 10_000 + "]" * 10_000)
    return text.replace(json.dumps(LONG), json.dumps("x" * 100_000))


def plant(path: Path, content: bytes | None, damage: Damage, others: Sequence[Path]) -> None:
    """Put a damaged file in the place of a good one.

    Args:
        path: of the good one.
        content: the bytes to write, or None where the damage is no matter of bytes.
        damage: what to do.
        others: files of other kinds.
    """
    path.unlink()  # never in place: the good file may be linked to from here
    if content is not None:
        path.write_bytes(content)
    elif isinstance(damage, Bytes) and damage.how == OTHER:
        path.write_bytes(random.Random(damage.chance).choice(others).read_bytes())
    elif isinstance(damage, Bytes):
        THINGS[damage.how](path)
