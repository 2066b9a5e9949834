"""A finished run, made small: the same images, without what only training needs."""

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from slae_lib.cli import main
from slae_lib.config import ModelConfig
from slae_lib.course.stored import demo_run
from slae_lib.datasets import load_images
from slae_lib.datasets.bank import MetadataBank
from slae_lib.datasets.store import bank_for
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.images import to_uint8
from slae_lib.training import export
from slae_lib.training.checkpoint import generator_facts, load_generator
from slae_lib.training.config import TrainConfig
from slae_lib.training.export import export_run
from slae_lib.training.log import load_samples, read_metrics
from slae_lib.training.loop import train
from slae_lib.training.presets import PRESETS
from slae_lib.training.run import RunInfo
from slae_lib.training.sampling import sample_images
from slae_lib.training.state import TrainingState


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    faces = load_images("fluent-faces", 64)
    model = ModelConfig(resolution=64, width=8, noise_dim=16)
    config = TrainConfig(
        iterations=6,
        batch_size=2,
        reconstruction="l1",
        device="cpu",
        samples=4,
        log_every=2,
        sample_every=1,
        checkpoint_every=6,
        ema_decay=0.5,
    )
    data = "/home/someone/fluent-faces"  # as the absolute path of a folder would be kept
    RunInfo(model, config, data, faces.fingerprint).save(folder)
    assert train(model, config, faces, bank_for("fluent-faces", images=faces), folder)
    return folder


def test_half_the_size_and_the_same_images(run: Path, tmp_path: Path) -> None:
    written = export_run(run, tmp_path / "small", grids=3)
    small, large = (folder / "generator.safetensors" for folder in (tmp_path / "small", run))
    assert small.stat().st_size < 0.55 * large.stat().st_size
    difference = sample_images(small, 8).int() - sample_images(large, 8).int()
    assert difference.abs().max() <= 3
    assert difference.float().abs().mean() < 0.3
    assert all(p.dtype == torch.float32 for p in load_generator(small).parameters())
    assert generator_facts(small)["iteration"] == "6"
    assert list(load_samples(tmp_path / "small", 4)) == [1, 4, 6]
    assert read_metrics(tmp_path / "small" / "metrics.csv") == read_metrics(run / "metrics.csv")
    assert {path.relative_to(tmp_path / "small") for path in written} == {
        path.relative_to(tmp_path / "small")
        for path in (tmp_path / "small").rglob("*")
        if path.is_file()
    }


def test_no_path_of_the_trainers_computer_is_passed_on(run: Path, tmp_path: Path) -> None:
    export_run(run, tmp_path / "small")
    assert RunInfo.load(tmp_path / "small").data == "fluent-faces"
    for path in (tmp_path / "small").rglob("*.*"):
        assert b"/home/someone" not in path.read_bytes(), path


def test_an_earlier_export_is_replaced_and_nothing_else(run: Path, tmp_path: Path) -> None:
    export_run(run, tmp_path / "small", grids=5)
    export_run(run, tmp_path / "small", grids=1)
    assert list(load_samples(tmp_path / "small", 4)) == [6]
    with pytest.raises(UsageError, match="can be trained on"):
        export_run(run, run)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="is not the folder of a run"):
        export_run(run, tmp_path / "thesis")
    with pytest.raises(LabError, match="is not the folder of a run"):
        export_run(tmp_path / "thesis", tmp_path / "other")


def test_an_export_that_was_killed_can_be_done_again(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(path: Path, *_: object) -> None:
        path.parent.mkdir(exist_ok=True)
        (path.parent / f".{path.name}.k1ll3d__").touch()  # and this is left
        raise KeyboardInterrupt

    out = tmp_path / "small"
    with monkeypatch.context() as patch:
        patch.setattr(export, "save_generator", kill)
        with pytest.raises(KeyboardInterrupt):
            export_run(run, out)
    export_run(run, out)
    assert len(sample_images(out / "generator.safetensors", 2)) == 2
    assert not list(out.glob(".*"))


def test_an_export_does_without_grids_and_without_a_readable_log(run: Path, tmp_path: Path) -> None:
    poor = tmp_path / "poor"
    shutil.copytree(run, poor)
    shutil.rmtree(poor / "samples")
    (poor / "metrics.csv").write_bytes(bytes(range(256)))
    with pytest.warns(UserWarning, match=r"metrics\.csv could not be read, and all else"):
        written = export_run(poor, tmp_path / "small")
    assert {path.name for path in written} > {"generator.safetensors", "run.json"}


def test_a_grid_that_cannot_be_copied_is_said(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copyfile

    def copyfile(source: Path, target: Path) -> None:
        if source.suffix == ".png":
            raise OSError(5, "Input/output error")
        copy(source, target)

    monkeypatch.setattr(export.shutil, "copyfile", copyfile)
    with pytest.warns(UserWarning, match=r"\.png could not be made, and all else goes on"):
        written = export_run(run, tmp_path / "small", grids=1)
    assert "metrics.csv" in {path.name for path in written}


def test_a_file_is_no_folder_for_an_export(run: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("words")
    with pytest.raises(UsageError, match=r"README\.md is a file; give --out the name of a folder"):
        export_run(run, tmp_path / "README.md")
    assert (tmp_path / "README.md").read_text() == "words"


@pytest.mark.parametrize("known_from", ["run.json", "metrics.csv"])
def test_a_generator_from_before_a_continuation_is_refused(
    run: Path, tmp_path: Path, known_from: str
) -> None:
    continued = tmp_path / "my run"
    shutil.copytree(run, continued)
    if known_from == "run.json":
        info = RunInfo.load(run)
        longer = dataclasses.replace(info.train, iterations=12)
        dataclasses.replace(info, train=longer).save(continued)
    else:
        lines = (run / "metrics.csv").read_text().splitlines()
        cells = lines[-1].split(",")
        with (continued / "metrics.csv").open("a") as file:
            file.write(",".join(["12", *cells[1:]]) + "\n")
    with pytest.raises(
        LabError, match=r"of iteration 6 and the run has gone on to 12; .*--resume '.*my run'"
    ):
        export_run(continued, tmp_path / "small")
    assert not (tmp_path / "small").exists()


def test_the_command_says_what_it_made(run: Path, tmp_path: Path) -> None:
    arguments = ["export", "--run", str(run), "--out", str(tmp_path / "small")]
    result = CliRunner().invoke(main, [*arguments, "--precision", "fp32"])
    assert result.exit_code == 0, result.output
    assert "generator.safetensors" in result.output
    assert torch.equal(
        sample_images(tmp_path / "small" / "generator.safetensors", 2),
        sample_images(run / "generator.safetensors", 2),
    )


def test_the_run_that_comes_with_the_lab_draws_its_last_grid() -> None:
    folder = demo_run()
    info = RunInfo.load(folder)
    preset = PRESETS["cpu-demo"]
    assert (info.model, info.train) == (preset.model, preset.train)
    assert info.data_fingerprint == load_images("fluent-faces", 64).fingerprint
    assert read_metrics(folder / "metrics.csv")[-1]["iteration"] == info.train.iterations
    state = TrainingState(
        info.model, info.train, MetadataBank.load(folder / "metadata.safetensors")
    )
    generator = load_generator(folder / "generator.safetensors")
    drawn = to_uint8(generator(state.fixed_noise, state.fixed_metadata).image)
    stored = load_samples(folder, info.train.samples)[info.train.iterations]
    assert (drawn.int() - stored.int()).float().abs().mean() < 0.5
    assert sum(path.stat().st_size for path in folder.rglob("*.*")) < 8_000_000
