"""``slae advise``: sentences, numbers and a picture of a real run; refusals in one sentence."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from inception_doubles import TinyInception
from PIL import Image

from slae_lib.cli import main
from slae_lib.config import ModelConfig
from slae_lib.datasets import bank_for, load_images
from slae_lib.evaluation import fid
from slae_lib.generator import Generator
from slae_lib.support import pretrained
from slae_lib.training.checkpoint import keep_generator, save_generator
from slae_lib.training.config import TrainConfig
from slae_lib.training.recorder import facts_of
from slae_lib.training.run import RunInfo

Advise = Callable[..., Result]
KEPT = (4, 8, 12, 16)


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, random_vgg: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SLAE_OFFLINE", "1")
    monkeypatch.setattr(fid, "fid_inception", TinyInception)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def advise() -> Advise:
    def call(*arguments: object) -> Result:
        return CliRunner().invoke(main, ["advise", *map(str, arguments)])

    return call


@pytest.fixture
def run(tmp_path: Path, folder: Path) -> Path:
    """A run on three pictures that was stopped after it had kept four generators."""
    path = tmp_path / "my run"
    model, config = ModelConfig(resolution=64, width=8, noise_dim=16), TrainConfig()
    images = load_images(folder, 64)
    path.mkdir()
    RunInfo(model, config, str(folder), images.fingerprint).save(path)
    bank_for(folder)
    for at in KEPT:
        with torch.random.fork_rng():
            torch.manual_seed(at)
            facts = facts_of(config, images) | {"iteration": str(at)}
            keep_generator(path / "generators", at, Generator(model), facts, 2**28)
    return path


def refused(result: Result, code: int, *parts: str) -> None:
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    for part in parts:
        assert part in result.output
    assert result.output.partition("Error: ")[2].count("\n") == 1


def test_a_run_that_is_not_finished(advise: Advise, run: Path) -> None:
    result = advise(run, "--samples", 8)
    assert result.exit_code == 0, result.output
    lines = [line.split(maxsplit=1) for line in result.output.splitlines()]
    about = [line[0] for line in lines if line and line[0] in ("Use", "Copies", "Longer", "Next")]
    assert about == sorted(about, key=["Use", "Copies", "Longer", "Next"].index)
    assert set(about) == {"Use", "Copies", "Longer", "Next"}
    assert len(about) <= 8
    assert "of 4 kept generators" in result.output
    assert f"`slae train --resume '{run}' --iterations 2000`" in result.output
    found = json.loads((run / "advice.json").read_text())
    assert found["format"] == "slae-lab-evaluation-1"
    assert found["training"]["fingerprint"] == RunInfo.load(run).data_fingerprint
    rows = found["advice"]["generators"]
    assert tuple(row["iteration"] for row in rows) == KEPT
    assert found["advice"]["best"]["file"] in result.output
    assert Path(found["advice"]["best"]["file"]).is_file()
    assert found["advice"]["best"]["value"] == min(row["value"] for row in rows)
    with Image.open(run / "advice.png") as picture:
        assert min(picture.size) > 500


def test_the_same_seed_finds_the_same(advise: Advise, run: Path, tmp_path: Path) -> None:
    def values(*options: object) -> list[float]:
        out = tmp_path / "elsewhere"
        assert advise(run, "--samples", 8, "--out", out, *options).exit_code == 0
        rows = json.loads((out / "advice.json").read_text())["advice"]["generators"]
        assert not (run / "advice.json").exists()
        return [row["value"] for row in rows]

    for at in KEPT[:-1]:
        (run / "generators" / f"{at:07}.safetensors").unlink()
    first = values()
    assert values() == first
    assert values("--seed", 1) != first


def test_of_many_kept_generators_the_first_the_last_and_some_between(
    advise: Advise, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["slae_lib.cli.advise"], "MOST", 3)
    assert advise(run, "--samples", 8).exit_code == 0
    rows = json.loads((run / "advice.json").read_text())["advice"]["generators"]
    assert [row["iteration"] for row in rows] == [4, 8, 16]


def test_a_kept_generator_of_a_run_that_is_not_finished_draws_and_is_measured(run: Path) -> None:
    kept = str(run / "generators" / "0000008.safetensors")
    drawn = CliRunner().invoke(main, ["sample", "--run", kept, "--count", "1", "--out", "a.png"])
    assert drawn.exit_code == 0, drawn.output
    words = ["evaluate", "fid", "--run", kept, "--count", "4", "--resamples", "2"]
    measured = CliRunner().invoke(main, [*words, "--out", "a.json"])
    assert measured.exit_code == 0, measured.output
    assert json.loads(Path("a.json").read_text())["training"]["images"] == 3


def test_an_export_has_one_generator_and_no_trend(advise: Advise, run: Path) -> None:
    shutil.rmtree(run / "generators")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = RunInfo.load(run).model
        images = load_images(RunInfo.load(run).data, 64)
        facts = facts_of(TrainConfig(), images) | {"iteration": "40"}
        save_generator(run / "generator.safetensors", Generator(model), facts)
    bank_for(RunInfo.load(run).data).save(run / "metadata.safetensors")
    result = advise(run, "--samples", 8)
    assert result.exit_code == 0, result.output
    assert "of 1 kept generators" in result.output
    assert "a trend takes three kept generators and there are 1" in result.output


def test_without_inception_it_says_what_it_cannot_judge(
    advise: Advise, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fid, "fid_inception", pretrained.fid_inception)
    monkeypatch.setenv("TORCH_HOME", str(run / "nothing"))
    result = advise(run, "--samples", 8)
    assert result.exit_code == 0, result.output
    assert "Without  KID cannot be judged: " in result.output
    assert "pt_inception" in result.output
    assert "broken samples in 1,000" in result.output
    assert "KID x 1000" not in result.output


def test_what_gives_no_advice_is_refused(advise: Advise, run: Path, folder: Path) -> None:
    refused(advise(run / "nothing"), 1, "not the folder of a run")
    refused(advise(run / "generators" / "0000004.safetensors"), 1, "not the folder of a run")
    bank_for(folder).save(run / "metadata.safetensors")
    refused(advise(run, "--data", "no-such-set"), 2, "no-such-set")
    (folder / "red.png").unlink()
    refused(advise(run), 1, "no longer holds the pictures")
    refused(advise(run, "--data", folder), 2, "has 2 pictures, and without a third")
    (run / "metadata.safetensors").unlink()
    refused(advise(run), 1, "does not hold the pictures that", "was started with")
    shutil.rmtree(folder)
    refused(advise(run), 1, f"{folder} does not exist")
    shutil.rmtree(run / "generators")
    refused(advise(run), 1, "has kept no generator yet")
