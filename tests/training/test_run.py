"""The folder of a run: its files, and what a new run may take."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock, SoftFileLock, Timeout

from slae_lib.config import ModelConfig
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.files import atomic_write, meant_for
from slae_lib.support.images import grid_cells, image_grid
from slae_lib.training.config import TrainConfig
from slae_lib.training.log import METRICS, MetricsFile, load_samples, read_metrics, save_samples
from slae_lib.training.run import RunInfo, check_folder, locked, newest_checkpoint, prepare_folder

INFO = RunInfo(ModelConfig(), TrainConfig(), "fluent-faces", "abc", {"torch": "2"})


def row(iteration: int) -> dict[str, float | None]:
    values: dict[str, float | None] = dict.fromkeys(METRICS, 0.25)
    known = {"iteration": iteration, "images": 8 * iteration}
    return values | known | {"diversity": None, "broken": None}


def test_a_log_from_before_a_column_was_measured_is_read(tmp_path: Path) -> None:
    MetricsFile(tmp_path / "metrics.csv").write(row(3))
    lines = (tmp_path / "metrics.csv").read_text(encoding="utf-8").splitlines()
    old = [line.rpartition(",")[0] for line in lines]
    (tmp_path / "metrics.csv").write_text("\n".join(old) + "\n", encoding="utf-8")
    assert METRICS[-1] == "broken"
    assert "broken" not in old[0]
    assert read_metrics(tmp_path / "metrics.csv") == [row(3)]


def test_run_info_comes_back(tmp_path: Path) -> None:
    INFO.save(tmp_path)
    assert RunInfo.load(tmp_path) == INFO


@pytest.mark.parametrize(
    "content", ["", "[]", '{"format": "other"}', '{"format": "slae-lab-run-1"}']
)
def test_a_foreign_run_json_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(LabError, match=r"run\.json is damaged or was not written by this lab"):
        RunInfo.load(tmp_path)


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="is not the folder of a run"):
        RunInfo.load(tmp_path / "nothing")


def test_a_run_from_the_future_is_named(tmp_path: Path) -> None:
    INFO.save(tmp_path)
    values = json.loads((tmp_path / "run.json").read_text())
    values["model"]["heads"] = 3
    (tmp_path / "run.json").write_text(json.dumps(values))
    with pytest.raises(LabError, match="no field heads"):
        RunInfo.load(tmp_path)


def test_a_run_is_replaced_only_when_asked_and_other_files_never(tmp_path: Path) -> None:
    run = tmp_path / "run"
    prepare_folder(run, overwrite=False)
    INFO.save(run)
    (run / "old.txt").touch()
    with pytest.raises(UsageError, match="already holds a run"):
        prepare_folder(run, overwrite=False)
    assert (run / "old.txt").exists()
    check_folder(run, overwrite=True)
    assert (run / "old.txt").exists()
    (run / "samples").mkdir()
    (run / "samples" / "1.png").touch()
    with locked(run):
        prepare_folder(run, overwrite=True)
        with pytest.raises(LabError, match="Another process"), locked(run):
            pass
    assert list(run.iterdir()) == []
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter1.tex").touch()
    with pytest.raises(UsageError, match="is not the folder of a run"):
        prepare_folder(other, overwrite=True)
    assert (other / "chapter1.tex").exists()
    with pytest.raises(UsageError, match="is a file"):
        check_folder(other / "chapter1.tex", overwrite=True)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match="could not be written"):
        prepare_folder(tmp_path / "file" / "run", overwrite=False)


def test_metrics_after_a_resumed_iteration_are_told_once(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    metrics = MetricsFile(path)
    for iteration in (10, 20, 30):
        metrics.write(row(iteration))
    with path.open("a") as file:
        file.write("40,320,0.2")  # the end came in the middle of a line
    assert [line["iteration"] for line in read_metrics(path)] == [10, 20, 30]
    MetricsFile(path, iteration=20).write(row(30))
    assert read_metrics(path) == [row(10), row(20), row(30)]
    assert path.read_text().splitlines()[0] == ",".join(METRICS)


@pytest.mark.parametrize(
    "content", [bytes(range(256)), "iteration".encode("utf-16"), b"a,b\n1,2\n", b"x" * 200_000]
)
def test_a_damaged_log_is_said_and_the_run_goes_on(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "metrics.csv"
    path.write_bytes(content + b"\n" + content)
    with pytest.warns(UserWarning, match=r"metrics\.csv could not be read, and all else"):
        assert read_metrics(path) == []
    with pytest.warns(UserWarning, match="could not be read"):
        MetricsFile(path, iteration=20).write(row(30))
    assert read_metrics(path) == [row(30)]


@pytest.mark.parametrize("loss", ["many", "1e308", "-3.5e38", "0x3"])
def test_a_damaged_line_of_a_log_is_left_out_and_said(tmp_path: Path, loss: str) -> None:
    path = tmp_path / "metrics.csv"
    metrics = MetricsFile(path)
    metrics.write(row(10))
    metrics.write(row(20) | {"generator": loss})
    metrics.write(row(30))
    with pytest.warns(UserWarning, match=r"Damaged lines of .* are left out: 1\."):
        assert read_metrics(path) == [row(10), row(30)]


@pytest.mark.parametrize("loss", [math.inf, math.nan])
def test_a_loss_that_half_precision_skipped_stays_in_the_log(tmp_path: Path, loss: float) -> None:
    metrics = MetricsFile(tmp_path / "metrics.csv")
    metrics.write(row(10) | {"generator": loss})
    (found,) = read_metrics(tmp_path / "metrics.csv")
    assert repr(found["generator"]) == repr(loss)


def test_a_log_that_is_a_folder_ends_no_training(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").mkdir()
    with pytest.warns(UserWarning, match=r"metrics\.csv could not be made, and all else goes on"):
        MetricsFile(tmp_path / "metrics.csv")


class Killed(BaseException):
    """In place of a kill, after which nothing else runs."""


def kill_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """End the process, as it were, at the deletion of file number ``number``."""
    unlink, seen = Path.unlink, []

    def deadly(path: Path, *args: object, **options: object) -> None:
        seen.append(path)
        if len(seen) == number:
            raise Killed
        unlink(path, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "unlink", deadly)


FILES = ("attention.png", "generator.safetensors", "metrics.csv", "run.json", "samples.png")


@pytest.mark.parametrize("number", range(1, len(FILES) + 1))
def test_replacing_a_run_can_be_killed_and_done_again(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in FILES:
        (tmp_path / name).touch()
    (tmp_path / "checkpoints").mkdir()
    INFO.save(tmp_path)
    with monkeypatch.context() as patch:
        kill_at(patch, number)
        with pytest.raises(Killed):
            prepare_folder(tmp_path, overwrite=True)
    prepare_folder(tmp_path, overwrite=True)
    assert list(tmp_path.iterdir()) == []


def left_behind(path: Path) -> Path:
    """Write ``path`` and leave beside it what a kill would."""
    with atomic_write(path) as temporary:
        (left := temporary.with_name(temporary.name[:-8] + "k1ll3d__")).touch()
    return left


def test_what_killed_trainings_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    swept = ["run.json", "generator.safetensors", "checkpoints/step-0000001.pt", "samples/1.png"]
    kept = ["samples-0.png", "evaluation-fid.json", "pictures/1.png"]  # another command's, alive
    gone = [left_behind(tmp_path / name) for name in swept]
    alive = [left_behind(tmp_path / name) for name in kept]
    foreign = tmp_path / "checkpoints" / ".notes"
    foreign.touch()
    with locked(tmp_path):
        assert not any(path.exists() for path in gone)
        assert all(path.exists() for path in [*alive, foreign])
        assert all((tmp_path / name).exists() for name in swept)
    assert {meant_for(path) for path in alive} == {Path(name).name for name in kept}


def test_a_folder_in_which_nothing_was_made_is_not_left_behind(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="has no checkpoint"), locked(tmp_path / "deleted"):
        newest_checkpoint(tmp_path / "deleted")
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "new"):
        INFO.save(tmp_path / "new")
    assert RunInfo.load(tmp_path / "new") == INFO


@pytest.mark.parametrize("count", [1, 4, 7])
def test_a_grid_gives_its_images_back(count: int) -> None:
    images = torch.randint(0, 256, (count, 3, 8, 8), dtype=torch.uint8)
    assert torch.equal(grid_cells(image_grid(images), count), images)


def test_a_grid_is_white_between_its_images_and_where_none_is_left() -> None:
    sheet = np.asarray(image_grid(torch.zeros(3, 3, 8, 8, dtype=torch.uint8)))
    expected = np.zeros((18, 18, 3))
    expected[8:10] = expected[:, 8:10] = expected[10:, 10:] = 255
    np.testing.assert_array_equal(sheet, expected)
    assert image_grid(torch.zeros(1, 3, 8, 8, dtype=torch.uint8)).size == (8, 8)
    assert image_grid(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), columns=2).size == (18, 8)


def test_samples_come_back_in_order_and_large_ones_are_reduced(tmp_path: Path) -> None:
    images = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
    for iteration in (200, 1000, 50):
        save_samples(tmp_path, iteration, images)
    grids = load_samples(tmp_path, 4)
    assert list(grids) == [50, 200, 1000]
    assert torch.equal(grids[200], images)
    save_samples(tmp_path / "large", 1, torch.full((1, 3, 512, 512), 200, dtype=torch.uint8))
    (large,) = load_samples(tmp_path / "large", 1).values()
    assert torch.equal(large, torch.full((1, 3, 256, 256), 200, dtype=torch.uint8))


def test_the_newest_checkpoint_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    with pytest.raises(LabError, match="has no checkpoint"):
        newest_checkpoint(tmp_path)
    for iteration in (9, 100, 20):
        (folder / f"step-{iteration:07d}.pt").touch()
    assert newest_checkpoint(tmp_path).name == "step-0000100.pt"


@pytest.mark.parametrize("error", [NotImplementedError("no flock"), OSError(95, "not supported")])
def test_a_drive_that_knows_no_locks_can_hold_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def acquire(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(FileLock, "acquire", acquire)
    with locked(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()


def test_a_training_killed_on_a_drive_without_locks_can_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # There filelock makes do with the file locked, which a killed process leaves behind.
    (tmp_path / ".lock").write_text("12345\nanother-computer\n")
    with pytest.raises(Timeout):
        SoftFileLock(tmp_path / ".lock").acquire(timeout=0)
    monkeypatch.setattr("slae_lib.training.run.FileLock", SoftFileLock)
    with locked(tmp_path):
        prepare_folder(tmp_path, overwrite=False)
    INFO.save(tmp_path)
    with locked(tmp_path):
        assert RunInfo.load(tmp_path) == INFO
