"""Files of a run that have the right format and the wrong content: one sentence, and no damage."""

import copy
import dataclasses
import json
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from slae_lib.config import ModelConfig
from slae_lib.datasets import load_images
from slae_lib.datasets.bank import MetadataBank
from slae_lib.datasets.store import bank_for
from slae_lib.generator import Generator
from slae_lib.support.errors import LabError
from slae_lib.support.sealed import save_tensors
from slae_lib.training.checkpoint import (
    generator_facts,
    load_averaged_generator,
    load_checkpoint,
    load_generator,
    save_checkpoint,
    save_generator,
    trained_scale,
)
from slae_lib.training.config import TrainConfig
from slae_lib.training.log import METRICS, load_samples, read_metrics
from slae_lib.training.loop import train
from slae_lib.training.run import RunInfo, newest_checkpoint
from slae_lib.training.sampling import sample_images
from slae_lib.training.state import TrainingState

MODEL = ModelConfig(resolution=64, width=8, noise_dim=8)
CONFIG = TrainConfig(
    iterations=2, batch_size=2, reconstruction="l1", samples=2, sample_every=1, device="cpu"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    images = load_images("fluent-faces", 64)
    RunInfo(MODEL, CONFIG, images.reference, images.fingerprint, {"python": "3"}).save(folder)
    assert train(MODEL, CONFIG, images, bank_for("fluent-faces", images=images), folder)
    return folder


@pytest.fixture(scope="module")
def good(run: Path) -> dict[str, Any]:
    return load_checkpoint(newest_checkpoint(run))


@pytest.fixture
def state() -> TrainingState:
    return TrainingState(MODEL, CONFIG, bank_for("fluent-faces"))


def moments(state: dict[str, Any]) -> dict[str, Any]:
    return state["generator_optimizer"]["state"][0]


Change = Callable[[dict[str, Any]], Any]

CHANGES: dict[str, Change] = {
    # The optimiser's kernels write where a tensor of the parameter's shape would be.
    "a moment that is too short": lambda s: moments(s).update(exp_avg=torch.zeros(1)),
    "a moment of half precision": lambda s: moments(s).update(exp_avg=moments(s)["exp_avg"].half()),
    "a moment that is no tensor": lambda s: moments(s).update(exp_avg_sq=None),
    "a moment that is not finite": lambda s: moments(s)["exp_avg"].fill_(torch.nan),
    "steps of another shape": lambda s: moments(s).update(step=torch.zeros(3)),
    "a moment with another name": lambda s: moments(s).update(momentum=torch.zeros(())),
    "moments of no parameter": lambda s: s["generator_optimizer"]["state"].update(
        {999: moments(s)}
    ),
    "no optimiser": lambda s: s.pop("discriminator_optimizer"),
    "an optimiser that is a list": lambda s: s.update(generator_optimizer=[]),
    "weights that are not finite": lambda s: (
        s["average"]["module.start.0.weight"].fill_(torch.inf)
        if "module.start.0.weight" in s["average"]
        else next(iter(s["generator"].values())).fill_(torch.inf)
    ),
    "a weight that is a number": lambda s: s["generator"].update({next(iter(s["generator"])): 1.0}),
    "a weight too many": lambda s: s["discriminator"].update(extra=torch.zeros(1)),
    "networks that are text": lambda s: s.update(generator="generator"),
    "noise of another shape": lambda s: s.update(fixed_noise=torch.zeros(2, 9)),
    "no metadata": lambda s: s.update(fixed_metadata=None),
    "random numbers from nowhere": lambda s: s.update(random=torch.zeros(3, dtype=torch.uint8)),
    "random numbers that are text": lambda s: s.update(random="seed"),
    "random numbers of a GPU that are none": lambda s: s.pop("random_cuda"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_checkpoint_that_fits_nothing_is_refused(
    good: dict[str, Any], state: TrainingState, tmp_path: Path, change: Change
) -> None:
    lying = copy.deepcopy(good)
    change(lying)
    path = tmp_path / "step-0000002.pt"
    save_checkpoint(path, lying)
    with torch.random.fork_rng(), pytest.raises(LabError, match=r"step-0000002\.pt"):
        state.load_state_dict(load_checkpoint(path), path)
    with torch.random.fork_rng():
        state.load_state_dict(good, path)  # and the right one is taken


@pytest.mark.parametrize("key", ["iteration", "seconds"])
@pytest.mark.parametrize(
    "value", [None, "3", -1, float("nan"), [1], {}, 10**400], ids=lambda v: str(v)[:9]
)
def test_a_checkpoint_of_no_time_is_refused(
    good: dict[str, Any], tmp_path: Path, key: str, value: Any
) -> None:
    path = tmp_path / "step-0000002.pt"
    save_checkpoint(path, good | {key: value})
    with pytest.raises(LabError, match=r"step-0000002\.pt is damaged"):
        load_checkpoint(path)


@pytest.mark.parametrize("key", ["model", "average"])
@pytest.mark.parametrize("value", [None, "slae", {}, [1], {"family": []}, {"module.x": 3}], ids=str)
def test_no_generator_is_made_of_nonsense(
    good: dict[str, Any], tmp_path: Path, key: str, value: Any
) -> None:
    path = tmp_path / "step-0000002.pt"
    save_checkpoint(path, good | {key: value})
    with pytest.raises(LabError, match=r"step-0000002\.pt"):
        load_averaged_generator(path)


def test_no_turned_bit_of_a_checkpoint_is_taken(run: Path, tmp_path: Path) -> None:
    path = newest_checkpoint(run)
    content, source = path.read_bytes(), random.Random(1)
    changed = tmp_path / path.name
    taken = 0
    for _ in range(60):
        damaged = bytearray(content)
        place = source.randrange(8 * len(damaged))
        damaged[place // 8] ^= 1 << place % 8
        changed.write_bytes(damaged)
        try:
            state = load_checkpoint(changed)
        except LabError:
            continue
        taken += 1  # in what fills the gaps between two files of the archive
        before = load_checkpoint(path)
        assert all(torch.equal(state["average"][name], w) for name, w in before["average"].items())
    assert taken < 10


def test_a_generator_that_is_larger_than_it_is_takes_no_memory(tmp_path: Path) -> None:
    small = ModelConfig(resolution=64, width=8, noise_dim=8, metadata=False)
    path = tmp_path / "generator.safetensors"
    save_generator(path, Generator(small))
    facts = generator_facts(path)
    # Its weights would take 200 TB.
    facts["config"] = facts["config"].replace('"width": 8', '"width": 8000000')
    save_tensors(path, load_file(path), "slae_lab", facts)
    with pytest.raises(LabError, match="another configuration"):
        load_generator(path)


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_draw_nothing(tmp_path: Path, number: float) -> None:
    path = tmp_path / "generator.safetensors"
    generator = Generator(ModelConfig(resolution=64, width=8, noise_dim=8, metadata=False))
    save_generator(path, generator)
    tensors = load_file(path)
    next(one for one in tensors.values() if one.is_floating_point()).view(-1)[0] = number
    save_tensors(path, tensors, "slae_lab", generator_facts(path))
    with pytest.raises(LabError, match="not finite"):
        load_generator(path)
    next(iter(generator.parameters())).data.view(-1)[0] = number
    with pytest.raises(LabError, match="was not written: some weights are no numbers"):
        save_generator(path, generator)


def test_weights_too_large_to_be_normalised_draw_nothing(
    good: dict[str, Any], tmp_path: Path
) -> None:
    lying = copy.deepcopy(good)
    for weight in lying["average"].values():
        if weight.is_floating_point():
            weight.fill_(-3e38)
    path = tmp_path / "step-0000002.pt"
    save_checkpoint(path, lying)
    with pytest.raises(LabError, match="not finite"):
        load_averaged_generator(path)


@pytest.mark.parametrize("train", ["null", "[]", "3", "{", '{"metadata_scale": []}'])
def test_a_header_of_nonsense_is_no_traceback(run: Path, tmp_path: Path, train: str) -> None:
    path = tmp_path / "generator.safetensors"
    facts = generator_facts(run / "generator.safetensors") | {"train": train}
    save_tensors(path, load_file(run / "generator.safetensors"), "slae_lab", facts)
    if train.startswith('{"'):
        assert trained_scale(path) == "standardised"
    else:
        with pytest.raises(LabError, match="is damaged or was not written by this lab"):
            trained_scale(path)


def test_metadata_of_other_pictures_is_not_taken(run: Path, tmp_path: Path) -> None:
    """As many numbers of other pictures would draw something, and nobody would know."""
    for name in ("generator", "metadata"):
        (tmp_path / f"{name}.safetensors").write_bytes((run / f"{name}.safetensors").read_bytes())
    assert len(sample_images(tmp_path / "generator.safetensors", 1)) == 1
    bank = MetadataBank.load(run / "metadata.safetensors")
    for change in ({"data_fingerprint": "another"}, {"values": bank.values[:, :8]}):
        dataclasses.replace(bank, **change).save(tmp_path / "metadata.safetensors")
        with pytest.raises(LabError, match="not of the pictures that .* learned from"):
            sample_images(tmp_path / "generator.safetensors", 1)


@pytest.mark.parametrize(
    "change",
    [
        *({"names": ["a"]}, {"names": 3}, {"names": [1] * 93}, {"layer": None}),
        *({"resolution": "256"}, {"data_name": []}, {"extra": 1}, {"weights": 10**400}),
    ],
    ids=str,
)
def test_a_bank_of_nonsense_is_refused(run: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    bank = MetadataBank.load(run / "metadata.safetensors")
    facts = {name: value for name, value in vars(bank).items() if name in bank.__match_args__}
    del facts["values"]
    path = tmp_path / "metadata.safetensors"
    save_tensors(path, {"values": bank.values}, "slae_metadata", facts | change)
    with pytest.raises(LabError, match=r"metadata\.safetensors is damaged"):
        MetadataBank.load(path)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_bank_of_numbers_that_are_none_is_refused(
    run: Path, tmp_path: Path, value: float
) -> None:
    bank = MetadataBank.load(run / "metadata.safetensors")
    values = bank.values.clone()
    values[1, 0] = value
    path = tmp_path / "metadata.safetensors"
    dataclasses.replace(bank, values=values).save(path)
    with pytest.raises(LabError, match="holds numbers that are not finite"):
        MetadataBank.load(path)


@pytest.mark.parametrize("key", ["model", "train", "data", "data_fingerprint", "versions"])
@pytest.mark.parametrize("value", ["null", "[]", "3", '{"a": {"b": []}}', "[" * 50_000])
def test_a_run_of_nonsense_is_refused(run: Path, tmp_path: Path, key: str, value: str) -> None:
    content = json.loads((run / "run.json").read_text())
    content[key] = "HERE"
    text = json.dumps(content).replace('"HERE"', value)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(LabError):
        RunInfo.load(tmp_path)


def test_damaged_lines_of_the_log_are_left_out_and_said(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    rows = (run / "metrics.csv").read_text().splitlines()[-1].split(",")
    line = [",".join([str(number), *rows[1:]]) for number in range(1, 8)]
    damaged = ["3,\x00,\xff", line[4] + ",1", "9" * 400 + line[5][1:], "x" + line[5]]
    content = "\n".join([",".join(METRICS), line[0], *damaged, line[6], "8,1"])
    path.write_bytes(content.encode("latin-1"))
    with pytest.warns(UserWarning, match=r"Damaged lines of .* are left out: 4\."):
        assert [row["iteration"] for row in read_metrics(path)] == [1, 7]
    path.unlink()
    path.mkdir()
    with pytest.warns(UserWarning, match="could not be read, and all else goes on"):
        assert read_metrics(path) == []


def test_a_damaged_grid_costs_a_warning(run: Path, tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    for path in (run / "samples").iterdir():
        (tmp_path / "samples" / path.name).write_bytes(path.read_bytes())
    first = sorted((tmp_path / "samples").iterdir())[0]
    first.write_bytes(first.read_bytes()[:-40])
    (tmp_path / "samples" / "notes.png").write_text("no picture")
    (tmp_path / "samples" / "0000009.png").mkdir()
    with pytest.warns(UserWarning, match="could not be read, and all else goes on") as told:
        assert list(load_samples(tmp_path, 2)) == [2]
    assert len(told) == 3
    assert all("could not be read, and all else goes on" in str(one.message) for one in told)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(load_samples(run, 2)) == [1, 2]


def test_an_unsealed_generator_of_an_older_version_still_draws(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "generator.safetensors"
    facts = generator_facts(run / "generator.safetensors")
    del facts["data_fingerprint"]
    header = {"slae_lab": json.dumps(facts)}
    save_file(load_file(run / "generator.safetensors"), path, header)
    (tmp_path / "metadata.safetensors").write_bytes((run / "metadata.safetensors").read_bytes())
    again = sample_images(path, 2)
    assert torch.equal(again, sample_images(run / "generator.safetensors", 2))
