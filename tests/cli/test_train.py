"""What can go wrong with a long training, and must not cost what is there already."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from slae_lib.cli import main
from slae_lib.support.errors import LabError
from slae_lib.training.checkpoint import generator_facts, list_checkpoints, load_checkpoint
from slae_lib.training.log import read_metrics
from slae_lib.training.run import RunInfo, locked

SMOKE = (
    "train --preset cpu-smoke --no-metadata --batch-size 2 --samples 4 --sample-every 2 "
    "--log-every 1 --checkpoint-every 2"
).split()


def slae(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def refused(result: Result, code: int, *parts: str) -> None:
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    for part in parts:
        assert part in result.output


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two iterations on three pictures, which is only looked at."""
    folder = tmp_path_factory.mktemp("cli train")
    (folder / "pictures").mkdir()
    for name in ("red", "green", "blue"):
        Image.new("RGB", (64, 64), name).save(folder / "pictures" / f"{name}.png")
    result = slae(*SMOKE, "--iterations", 2, "--data", folder / "pictures", "--out", folder / "run")
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be harmed."""
    shutil.copytree(finished / "run", tmp_path / "run")
    return tmp_path / "run"


def contents(run: Path) -> dict[str, int]:
    files = (path for path in run.rglob("*") if path.is_file())
    return {path.relative_to(run).as_posix(): path.stat().st_size for path in files}


@pytest.mark.usefixtures("no_weights")
def test_a_start_that_fails_leaves_the_run_that_it_would_replace(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLAE_OFFLINE", "1")
    before = contents(run)
    result = slae(*SMOKE, "--reconstruction", "lpips", "--overwrite", "--out", run)
    refused(result, 1, "VGG-16 with torchvision's weights")
    assert contents(run) == before


@pytest.mark.usefixtures("no_weights")
def test_a_start_that_fails_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLAE_OFFLINE", "1")
    refused(slae(*SMOKE, "--reconstruction", "vgg", "--out", tmp_path / "new"), 1, "VGG-16")
    assert not (tmp_path / "new").exists()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def age(path: Path) -> None:  # as if the training had gone on, and ended before it was drawn
    os.utime(path, (0, 0))


@pytest.mark.parametrize(
    ("file", "harm"),
    [
        ("generator.safetensors", Path.unlink),
        ("generator.safetensors", cut),
        ("progress.png", Path.unlink),
        ("samples.png", age),
    ],
)
def test_a_run_that_lost_its_result_is_finished_by_resuming(
    run: Path, file: str, harm: Callable[[Path], None]
) -> None:
    before = contents(run)
    refused(slae("train", "--resume", run), 2, "has already done its 2 iterations")
    harm(run / file)
    result = slae("train", "--resume", run)
    assert result.exit_code == 0, result.output
    assert contents(run) == before
    refused(slae("train", "--resume", run), 2, "has already done its 2 iterations")


def test_a_run_cannot_go_back(run: Path) -> None:
    (run / "generator.safetensors").unlink()  # it was stopped
    before = contents(run)
    refused(slae("train", "--resume", run, "--iterations", 1), 2, "already done its 2 iterations")
    assert contents(run) == before


def test_a_run_goes_on_where_its_pictures_are_now(
    finished: Path, run: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(finished / "pictures", moved)
    result = slae("train", "--resume", run, "--iterations", 3, "--data", moved)
    assert result.exit_code == 0, result.output
    assert RunInfo.load(run).data == str(moved.resolve())
    Image.new("RGB", (64, 64), "white").save(moved / "white.png")
    result = slae("train", "--resume", run, "--iterations", 4, "--data", moved)
    refused(result, 1, "does not hold the pictures", "--data")


def test_two_trainings_do_not_share_a_folder(run: Path, tmp_path: Path) -> None:
    before = contents(run)
    with locked(run):
        result = slae("train", "--resume", run, "--iterations", 3000)
        refused(result, 1, "Another process is training in")
        result = slae(*SMOKE, "--iterations", 2, "--overwrite", "--out", run)
        refused(result, 1, "Another process is training in")
    assert contents(run) == before
    assert slae("train", "--resume", run, "--iterations", 3).exit_code == 0


def test_a_checkpoint_is_read_when_nobody_else_can_write_any_more(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []

    def load(path: Path) -> dict[str, Any]:
        with pytest.raises(LabError, match="Another process"), locked(run):
            pass
        held.append(path.name)
        return load_checkpoint(path)

    monkeypatch.setattr("slae_lib.training.loop.load_checkpoint", load)
    assert slae("train", "--resume", run, "--iterations", 3).exit_code == 0
    assert held == ["step-0000002.pt"]


def test_pictures_that_are_all_the_same_are_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "same").mkdir()
    for number in range(3):
        Image.new("RGB", (64, 64), "red").save(tmp_path / "same" / f"{number}.png")
    before = contents(run)
    result = slae(*SMOKE, "--data", tmp_path / "same", "--overwrite", "--out", run)
    refused(result, 1, "All pictures of same are the same")
    assert contents(run) == before


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--learning-rate", "nan", "finite"),
        ("--reconstruction-weight", "inf", "finite"),
        ("--seed", str(2**32), "less than"),
        ("--samples", "1", "2 or more"),
        ("--batch-size", str(10**9), "make --batch-size smaller"),
    ],
)
def test_values_that_no_training_survives_are_refused(
    tmp_path: Path, option: str, value: str, said: str
) -> None:
    refused(slae(*SMOKE, option, value, "--out", tmp_path / "run"), 2, said)
    assert not (tmp_path / "run").exists()


def test_another_number_of_metadata_than_there_are_is_refused(tmp_path: Path) -> None:
    command = ["train", "--preset", "cpu-smoke", "--metadata-dim", 100, "--out", tmp_path / "run"]
    refused(slae(*command), 2, "relu5_3 have 512 numbers", "100")
    assert not (tmp_path / "run").exists()


def test_weights_that_are_no_numbers_end_the_training(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from slae_lib.training import step

    margin = step.discriminator_hinge

    def broken(*given: torch.Tensor, **options: object) -> torch.Tensor:
        return margin(*given, **options) * float("nan")

    monkeypatch.setattr(step, "discriminator_hinge", broken)
    result = slae("train", "--resume", run, "--iterations", 6)
    refused(result, 1, "by iteration 3 the weights are no numbers", "0000002", "--learning-rate")
    assert [path.stem for path in list_checkpoints(run / "checkpoints")] == ["step-0000002"]


@pytest.mark.skipif(os.name == "nt", reason="there a process is terminated without being asked")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_training_that_is_stopped_saves_and_says_what_is_old(
    run: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-m", "slae_lib", "train", "--resume", str(run)]
    process = subprocess.Popen(
        [*command, "--iterations", "100000", "--checkpoint-every", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    while len(read_metrics(run / "metrics.csv")) < 4:
        assert process.poll() is None, "it ended by itself"
        time.sleep(0.02)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped, with a checkpoint." in said
    assert "generator.safetensors and the pictures stay as old" in said
    reached = int(list_checkpoints(run / "checkpoints")[-1].stem.removeprefix("step-"))
    assert reached == read_metrics(run / "metrics.csv")[-1]["iteration"] > 2
    assert generator_facts(run / "generator.safetensors")["iteration"] == "2"
