"""``slae evaluate``: tables, JSON, pictures, clear refusals."""

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner, Result
from inception_doubles import TinyInception
from PIL import Image

from slae_lib.cli import LabGroup, measurements
from slae_lib.cli.evaluate import evaluate
from slae_lib.config import ModelConfig
from slae_lib.datasets import load_images
from slae_lib.datasets.bank import MetadataBank
from slae_lib.evaluation import fid, frechet_distance
from slae_lib.generator import Generator
from slae_lib.support.errors import LabError
from slae_lib.training.checkpoint import save_generator
from slae_lib.training.config import TrainConfig
from slae_lib.training.run import RunInfo

Evaluate = Callable[..., Result]


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, random_vgg: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A random VGG-16, no calibrated one, a stand-in for Inception, a cache of its own."""
    monkeypatch.setenv("SLAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SLAE_OFFLINE", "1")
    monkeypatch.setattr(fid, "fid_inception", TinyInception)


@pytest.fixture
def run_evaluate() -> Evaluate:
    group = LabGroup(commands={"evaluate": evaluate})

    def call(*arguments: object) -> Result:
        words = ["evaluate", *map(str, arguments)]
        return CliRunner().invoke(group, words, standalone_mode=True)

    return call


@pytest.fixture
def run(tmp_path: Path, folder: Path) -> Path:
    """A finished run on three coloured pictures, its generator untrained."""
    path = tmp_path / "my run"
    model = ModelConfig(resolution=64, width=8, noise_dim=16)
    images = load_images(folder, 64)
    info = RunInfo(model, TrainConfig(), str(folder), images.fingerprint)
    path.mkdir()
    info.save(path)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_generator(path / "generator.safetensors", Generator(model))
    values = torch.rand(3, 512, generator=torch.Generator().manual_seed(0))
    bank = MetadataBank(values, images.names, "relu5_3", 256, "w", "x", images.fingerprint)
    bank.save(path / "metadata.safetensors")
    return path


def refused(result: Result, code: int, *parts: str) -> None:
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit | click.ClickException)
    for part in parts:
        assert part in result.output


def colours(folder: Path, count: int, size: int, offset: int = 0) -> Path:
    folder.mkdir()
    for index in range(count):
        colour = ((index * 37 + offset) % 256, (index * 91) % 256, offset)
        Image.new("RGB", (size, size), colour).save(folder / f"{index}.png")
    return folder


def test_fid_of_a_run(run_evaluate: Evaluate, run: Path) -> None:
    result = run_evaluate("fid", "--run", run, "--count", 6, "--resamples", 5)
    assert result.exit_code == 0, result.output
    assert "3 real, 6 generated" in result.output
    assert "95 % interval" in result.output
    assert "biased with 3 images" in result.output
    values = json.loads((run / "evaluation-fid.json").read_text())
    assert f"FID         {values['fid']['fid']:.3f}" in result.output
    assert values["format"] == "slae-lab-evaluation-1"
    assert values["fid"]["interval_95"][0] <= values["fid"]["fid"]
    assert values["fid"]["generated_images"] == 6
    assert values["kid"]["subset_size"] == 3
    assert values["training"]["images"] == 3
    assert values["training"]["fingerprint"] == RunInfo.load(run).data_fingerprint
    assert values["metadata"] == "bank"
    assert len(values["generator_sha256"]) == 64
    assert {"slae-lib", "python", "torch"} == set(values["versions"])
    assert values["command"].startswith("slae")


def test_the_same_seed_measures_the_same(run_evaluate: Evaluate, run: Path) -> None:
    def fid_with(*arguments: object) -> float:
        options = ("--count", 4, "--resamples", 2, "--out", run / "out.json")
        assert run_evaluate("fid", "--run", run, *options, *arguments).exit_code == 0
        return json.loads((run / "out.json").read_text())["fid"]["fid"]

    first = fid_with()
    assert fid_with() == first
    assert fid_with("--seed", 1) != first
    assert fid_with("--metadata", "mix") != first


def test_fid_and_kid_of_two_folders(run_evaluate: Evaluate, tmp_path: Path) -> None:
    real = colours(tmp_path / "real", 6, 64)
    fake = colours(tmp_path / "fake", 5, 40, offset=90)
    out = tmp_path / "two.json"
    result = run_evaluate("fid", "--real", real, "--fake", fake, "--out", out)
    assert result.exit_code == 0, result.output
    values = json.loads(out.read_text())
    assert values["resolution"] == "own size"
    assert (values["real"]["images"], values["fake"]["images"]) == (6, 5)
    network = TinyInception()
    sides = [
        network(load_images(side, 64).batch(range(count)).float() / 255)[0].flatten(1)
        for side, count in ((real, 6), (fake, 5))
    ]  # of one colour each, so their size makes no difference
    assert values["fid"]["fid"] == pytest.approx(frechet_distance(*sides), rel=1e-5)

    options = ("--resolution", 64, "--resamples", 2)
    result = run_evaluate("fid", "--real", real, "--fake", fake, *options)
    assert result.exit_code == 0, result.output
    assert "KID x 1000" in result.output
    assert "Made:" not in result.output


def test_novelty_of_a_run(run_evaluate: Evaluate, run: Path) -> None:
    result = run_evaluate("novelty", "--run", run, "--count", 5, "--side", 64)
    assert result.exit_code == 0, result.output
    assert "flagged as copied" in result.output
    assert "A sample is flagged as copied if, in pixels" in result.output
    values = json.loads((run / "evaluation-novelty.json").read_text())["novelty"]
    assert values["samples"] == 5
    assert set(values["pixels"]["nearest"]) <= {"red.png", "green.png", "blue.png"}
    assert len(values["features"]["distances"]) == 5
    for name in ("pairs", "novelty"):
        with Image.open(run / f"evaluation-novelty-{name}.png") as picture:
            assert picture.width > 500


@pytest.mark.parametrize("mode", ["bank", "target"])
def test_backtracking_of_training_images_says_so(
    run_evaluate: Evaluate, run: Path, mode: str
) -> None:
    options = ("--distance", "l1", "--steps", 2, "--restarts", 1, "--targets", 2)
    result = run_evaluate("backtracking", "--run", run, "--metadata", mode, *options)
    assert result.exit_code == 0, result.output
    assert "L1 distance (not perceptual)" in result.output
    assert "2 of the 2 reconstructed images are training images" in result.output
    values = json.loads((run / "evaluation-backtracking.json").read_text())
    assert values["metadata"] == mode
    assert values["backtracking"]["distance"] == "L1 distance (not perceptual)"
    assert values["backtracking"]["steps"] == 2
    assert set(values["backtracking"]["images"]) == {"blue.png", "green.png"}
    assert (run / "evaluation-backtracking-reconstructions.png").is_file()


def test_backtracking_of_other_images(run_evaluate: Evaluate, run: Path, tmp_path: Path) -> None:
    held_out = colours(tmp_path / "held out", 3, 64, offset=40)
    options = ("--distance", "vgg", "--steps", 1, "--restarts", 1, "--targets", 2)
    result = run_evaluate("backtracking", "--run", run, "--images", held_out, *options)
    assert result.exit_code == 0, result.output
    assert "VGG-16 distance (uncalibrated)" in result.output
    assert "LPIPS" not in result.output
    assert "training images" not in result.output
    values = json.loads((run / "evaluation-backtracking.json").read_text())["backtracking"]
    assert values["training_images_among_them"] == 0


def test_all_names_what_it_could_not_measure(run_evaluate: Evaluate, run: Path) -> None:
    options = ("--count", 4, "--samples", 3, "--side", 64, "--steps", 1, "--targets", 1)
    result = run_evaluate("all", "--run", run, *options)  # calibrated LPIPS is not to be had
    assert result.exit_code == 0, result.output
    for word in ("FID", "KID", "flagged as copied", "vgg16-397923af.pth", "--distance vgg"):
        assert word in result.output
    values = json.loads((run / "evaluation-all.json").read_text())
    assert {"fid", "kid", "novelty", "backtracking"} <= set(values)
    assert "vgg16-397923af.pth" in values["backtracking"]["not_measured"]


ALL = ("--count", 4, "--samples", 3, "--side", 64, "--steps", 1, "--distance", "l1")


def test_all_keeps_its_numbers_when_a_part_fails(
    run_evaluate: Evaluate, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise LabError("It went wrong; do it again.")

    monkeypatch.setattr(measurements, "add_backtracking", fail)
    result = run_evaluate("all", "--run", run, *ALL, "--resamples", 2)
    assert result.exit_code == 0, result.output
    for words in ("FID", "flagged as copied", "backtracking was not measured: It went wrong"):
        assert words in result.output
    values = json.loads((run / "evaluation-all.json").read_text())
    assert values["backtracking"] == {"not_measured": "It went wrong; do it again."}

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(measurements, "add_backtracking", stop)
    result = run_evaluate("all", "--run", run, *ALL, "--resamples", 2)
    assert result.exit_code != 0
    assert "FID" in result.output
    assert "flagged as copied" in result.output


@pytest.mark.parametrize("what", ["all", "novelty", "backtracking", "fid"])
def test_what_cannot_be_written_is_refused_before_measuring(
    run_evaluate: Evaluate, run: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def measured(*_: object, **__: object) -> None:
        pytest.fail("it was measured first")

    for name in ("add_fid", "add_novelty", "add_backtracking"):
        monkeypatch.setattr(measurements, name, measured)
    out = run / "run.json" / "out.json"  # below a file
    refused(run_evaluate(what, "--run", run, "--out", out), 1, "out.json could not be written")
    refused(run_evaluate(what, "--run", run, "--out", run), 1, "is a folder")
    new = run / "new" / "deep" / "out.json"
    with pytest.raises(pytest.fail.Exception):
        raise run_evaluate(what, "--run", run, "--out", new).exception or AssertionError
    assert not (run / "new").exists()


def test_all_looks_for_its_images_before_measuring(
    run_evaluate: Evaluate, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fid, "fid_inception", lambda: pytest.fail("it was measured first"))
    nothing = tmp_path / "nothing"
    refused(run_evaluate("all", "--run", run, "--images", nothing), 1, "nothing does not exist")
    refused(run_evaluate("all", "--run", run, "--data", nothing), 1, "nothing does not exist")


@pytest.mark.parametrize("what", ["all", "novelty", "backtracking"])
def test_the_table_is_there_before_the_figures(
    run_evaluate: Evaluate, run: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise LabError("It cannot be drawn.")

    for name in ("pairs_figure", "reconstruction_figure"):
        monkeypatch.setattr(measurements, name, broken)
    options = {
        "all": (*ALL, "--resamples", 2),
        "novelty": ("--count", 3, "--side", 64),
        "backtracking": ("--steps", 1, "--distance", "l1"),
    }
    result = run_evaluate(what, "--run", run, *options[what])
    refused(result, 1, "It cannot be drawn.")
    assert ("L1 distance" if what == "backtracking" else "flagged as copied") in result.output
    assert json.loads((run / f"evaluation-{what}.json").read_text())


def test_too_few_values_have_no_interval(run_evaluate: Evaluate, run: Path) -> None:
    options = ("--distance", "l1", "--steps", 1, "--restarts", 1, "--targets")
    for targets in (1, 2, 3):
        result = run_evaluate("backtracking", "--run", run, *options, targets)
        assert result.exit_code == 0, result.output
        assert ("95 % interval" in result.output) == (targets == 3)
        values = json.loads((run / "evaluation-backtracking.json").read_text())["backtracking"]
        assert (values["interval_95"] is not None) == (targets == 3)
    for count in (2, 3):
        result = run_evaluate("fid", "--run", run, "--count", count, "--resamples", 2)
        assert ("95 % interval" in result.output) == (count == 3)


def test_kid_of_whole_sets_has_no_deviation(run_evaluate: Evaluate, run: Path) -> None:
    result = run_evaluate("fid", "--run", run, "--count", 3, "--resamples", 2)
    assert result.exit_code == 0, result.output
    assert "no deviation: the only subset is the whole set of 3" in result.output
    values = json.loads((run / "evaluation-fid.json").read_text())["kid"]
    assert (values["deviation"], values["subsets"], values["subset_size"]) == (None, 1, 3)
    result = run_evaluate("fid", "--run", run, "--count", 4, "--resamples", 2)
    assert "over 100 subsets of 3" in result.output


@pytest.mark.parametrize("data", ["pictures", "/somewhere/else/pictures", "100-shot-panda"])
def test_an_export_without_its_pictures_points_to_data(
    run_evaluate: Evaluate, run: Path, folder: Path, data: str
) -> None:
    info = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**info, "data": data}))
    mend = f"; or name the training pictures of {run} with --data."
    refused(run_evaluate("novelty", "--run", run), 1, mend)
    options = ("--data", folder, "--count", 2, "--side", 64)
    result = run_evaluate("novelty", "--run", run, *options)
    assert result.exit_code == 0, result.output


def test_without_any_weights_nothing_is_measured(
    run_evaluate: Evaluate, run: Path, no_weights: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the real door to Inception, with an empty cache
    monkeypatch.setenv("TORCH_HOME", str(run / "nothing"))
    monkeypatch.setenv("SLAE_CACHE", str(run / "cache"))
    monkeypatch.setenv("SLAE_OFFLINE", "1")
    refused(run_evaluate("all", "--run", run), 1, "pt_inception-2015-12-05-6726825d.pth")
    refused(run_evaluate("fid", "--run", run), 1, "Inception", "missing", "put the file into")
    assert not list(run.glob("evaluation-*"))


def test_a_run_without_generator_or_data_is_refused(
    run_evaluate: Evaluate, run: Path, folder: Path, tmp_path: Path
) -> None:
    refused(run_evaluate("fid", "--run", tmp_path / "no run"), 1, "no generator to measure")
    (tmp_path / "half").mkdir()
    (run / "run.json").rename(tmp_path / "half" / "run.json")
    refused(run_evaluate("fid", "--run", tmp_path / "half"), 1, "train it to its end")
    # The generator alone does not know what it was trained on.
    refused(run_evaluate("novelty", "--run", run), 1, "no run.json", "--data")
    result = run_evaluate("fid", "--run", run, "--data", folder, "--count", 2, "--resamples", 2)
    assert result.exit_code == 0, result.output
    (tmp_path / "half" / "run.json").rename(run / "run.json")
    Image.new("RGB", (64, 64), "yellow").save(folder / "blue.png")
    refused(run_evaluate("fid", "--run", run), 1, "no longer holds the pictures", "--data")


def test_bad_requests_are_refused(run_evaluate: Evaluate, run: Path, tmp_path: Path) -> None:
    one = colours(tmp_path / "one", 1, 64)
    two = colours(tmp_path / "two", 2, 64)
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(run_evaluate("fid"), 2, "either --run RUN, or both --real and --fake")
    refused(run_evaluate("fid", "--real", two), 2, "both --real and --fake")
    refused(run_evaluate("fid", "--run", run, "--real", two, "--fake", two), 2, "either --run")
    refused(run_evaluate("fid", "--run", run, "--resolution", 64), 2, "--resolution is for two")
    refused(run_evaluate("fid", "--real", two, "--fake", empty), 1, "is empty")
    refused(run_evaluate("fid", "--real", two, "--fake", one), 1, "only one usable picture")
    refused(run_evaluate("fid", "--run", run, "--count", 1), 2, "--count")
    refused(
        run_evaluate("backtracking", "--run", run, "--metadata", "x.png"), 2, "x.png", "gaussian"
    )
