"""What is read is what was written, or one sentence says why not."""

import json
import os
import random
import stat
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.sealed import (
    LARGEST_JSON,
    check_count,
    check_like,
    load_tensors,
    read_json,
    reading,
    save_tensors,
)

TENSORS = {
    "half": torch.linspace(-1, 1, 5).half(),
    "none": torch.zeros(0, 3),
    "one": torch.tensor(7),
    "many": torch.arange(24.0).view(2, 3, 4).transpose(0, 2),
}
FACTS = {"names": ["a", "ü"], "number": 0.1}


def load(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    with reading(path, "make it again"):
        return load_tensors(path, "key")


def test_tensors_and_facts_come_back_and_the_bytes_are_always_the_same(tmp_path: Path) -> None:
    save_tensors(tmp_path / "a", TENSORS, "key", FACTS)
    save_tensors(tmp_path / "b", TENSORS, "key", FACTS)
    tensors, facts = load(tmp_path / "a")
    assert facts == FACTS
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert torch.equal(tensors[name], tensor)
        assert tensors[name].dtype == tensor.dtype
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_no_turned_bit_is_read_as_something_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    save_tensors(path, TENSORS, "key", FACTS)
    good, refused = path.read_bytes(), 0
    source = random.Random(0)
    places = [*range(8 * len(good))]
    for place in source.sample(places, 600):
        damaged = bytearray(good)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            tensors, facts = load(path)
        except LabError:
            refused += 1
            continue
        # The seal's own name is turned: nobody looks for it, and all else is as it was written.
        assert all(torch.equal(tensors[name], tensor) for name, tensor in TENSORS.items())
        assert {name: facts[name] for name in FACTS} == FACTS
    assert refused > 550


def test_a_file_from_before_there_were_seals_is_read(tmp_path: Path) -> None:
    save_file({"x": torch.ones(2)}, tmp_path / "old", {"key": json.dumps(FACTS)})
    assert load(tmp_path / "old")[1] == FACTS
    save_file({"x": torch.ones(2)}, tmp_path / "foreign")
    with pytest.raises(LabError, match="its header says nothing of it"):
        load(tmp_path / "foreign")


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "loop", "missing", "below a file"])
def test_what_is_no_file_is_named_and_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "thing"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "below a file":
        path.touch()
        path = path / "more"
    with pytest.raises(LabError) as caught, reading(path, "make it again", "It is not there."):
        path.read_bytes()
    words = {
        "missing": "It is not there.",
        "below a file": "It is not there.",
        "loop": f"{path} cannot be read (",
    }.get(kind, f"{path} is a folder or a device and no file; make it again.")
    assert str(caught.value).startswith(words)


def test_every_other_failure_is_one_sentence_that_ends_with_the_mend(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()

    def nest() -> None:
        json.loads("[" * 100_000)

    for failure in (lambda: {}["x"], lambda: [].x, lambda: None + 1, nest, lambda: 1 / 0):
        with (
            pytest.raises(LabError, match=r"is damaged or was .* \(.+\); make it again\.$") as told,
            reading(path, "make it again"),
        ):
            failure()
        assert "\n" not in str(told.value)
    with pytest.raises(LabError, match="not enough memory to read"), reading(path, "x"):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
    with pytest.raises(LabError, match=r"^my own sentence\.$"), reading(path, "x"):
        raise LabError("my own sentence.")
    with pytest.raises(LabError, match=r"file: width is 3\.$") as told, reading(path, "x"):
        raise UsageError("width is 3.")
    assert not isinstance(told.value, UsageError)  # nobody has asked for it


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"[1]", b"null", b'{"a": NaN}', b'{"a": -Infinity}', b"\xff\xfe{}"),
        *(b"[" * 200_000, b'{"a": ' + b"9" * 5000 + b"}", b'{"a": 1} {"b": 2}'),
    ],
    ids=lambda content: content[:12].decode(errors="replace"),
)
def test_what_is_no_object_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(LabError, match="is damaged or was not written"), reading(path, "x"):
        read_json(path)


def test_a_file_that_is_far_too_large_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    with path.open("wb") as file:
        file.truncate(2**40)  # with no block on the disk
    assert stat.S_ISREG(path.stat().st_mode)
    with pytest.raises(LabError, match="far too large"), reading(path, "x"):
        read_json(path)
    assert LARGEST_JSON < 2**30


@pytest.mark.parametrize("found", [True, -1, 1.0, "3", None, 2**53, 10**400])
def test_what_counts_nothing_is_refused(found: Any) -> None:
    with pytest.raises(ValueError, match="iteration is "):
        check_count(found, "iteration")
    assert check_count(2**53 - 1, "iteration") == 2**53 - 1


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "is no tensor"),
        ([0.0, 0.0], "is no tensor"),
        (torch.zeros(2).to_sparse(), "is no tensor"),
        (torch.zeros(3), r"float32 \(3,\) in place of float32 \(2,\)"),
        (torch.zeros(2).double(), "float64"),
        (torch.zeros(2).long(), "int64"),
        (torch.tensor([0, torch.nan]), "not finite"),
        (torch.tensor([0, torch.inf]), "not finite"),
        (torch.zeros(2).half(), "float16"),
    ],
)
def test_a_tensor_of_another_kind_is_refused(found: Any, words: str) -> None:
    with pytest.raises(ValueError, match=f"weight .*{words}"):
        check_like(found, torch.zeros(2), "weight")
    assert len(check_like(torch.ones(2).half(), torch.zeros(2), "weight", half=True)) == 2
