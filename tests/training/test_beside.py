"""What lies beside the weights must not cost them; what ends a run saves them first."""

import shutil
from pathlib import Path

import pytest

from slae_lib.config import ModelConfig
from slae_lib.datasets import ImageSet, load_images
from slae_lib.plotting import gallery
from slae_lib.plotting.gallery import write_gallery
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.files import atomic_write
from slae_lib.training import recorder
from slae_lib.training.checkpoint import list_checkpoints, load_generator
from slae_lib.training.config import TrainConfig
from slae_lib.training.log import read_metrics
from slae_lib.training.loop import train
from slae_lib.training.recorder import Progress
from slae_lib.training.run import RunInfo, check_folder, made_nothing

MODEL = ModelConfig(resolution=64, width=8, noise_dim=8, metadata=False)
CONFIG = TrainConfig(
    iterations=4,
    batch_size=2,
    reconstruction="none",
    samples=4,
    log_every=1,
    sample_every=2,
    checkpoint_every=4,
    device="cpu",
)


@pytest.fixture
def images(folder: Path) -> ImageSet:
    return load_images(str(folder), 64)


def start(images: ImageSet, run: Path, **options: object) -> bool:
    def prepare() -> None:
        RunInfo(MODEL, CONFIG, images.reference, images.fingerprint).save(run)

    return train(MODEL, CONFIG, images, None, run, prepare=prepare, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("lost", ["samples", "generators", "metrics.csv"])
def test_what_cannot_be_written_beside_the_weights_is_said_and_ends_nothing(
    images: ImageSet, tmp_path: Path, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"

    def spoil() -> None:
        RunInfo(MODEL, CONFIG, images.reference, images.fingerprint).save(run)
        if lost != "metrics.csv":
            (run / lost).write_text("a file where the folder should be")

    if lost == "metrics.csv":
        full = LabError("the disk is full")
        monkeypatch.setattr(recorder.MetricsFile, "write", _raising(full))
    with pytest.warns(UserWarning, match="could not be made, and all else goes on"):
        assert train(MODEL, CONFIG, images, None, run, prepare=spoil)
    assert load_generator(run / "generator.safetensors").config == MODEL
    assert list_checkpoints(run / "checkpoints")


def _raising(error: Exception):  # type: ignore[no-untyped-def]
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("lost", ["samples.png", "history.png", "progress.png"])
def test_a_picture_that_cannot_be_written_leaves_the_others(
    images: ImageSet, tmp_path: Path, lost: str
) -> None:
    run = tmp_path / "run"
    start(images, run)
    (run / lost).mkdir()
    (run / lost / "something").touch()
    with pytest.warns(UserWarning, match=lost):
        drawn = write_gallery(run, images)
    names = {"samples.png", "attention.png", "history.png", "progress.png"} - {lost}
    assert {path.name for path, _ in drawn} == names


def test_a_damaged_grid_costs_a_warning_and_without_any_the_rest_is_drawn(
    images: ImageSet, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    start(images, run)
    first, last = sorted((run / "samples").glob("*.png"))
    last.write_bytes(b"no picture")
    with pytest.warns(UserWarning, match=f"{last} could not be read, and all else goes on"):
        assert len(write_gallery(run, images)) == 4
    first.write_bytes(b"no picture")
    with pytest.warns(UserWarning, match="could not be made"):
        drawn = write_gallery(run, images)
    assert {path.name for path, _ in drawn} == {"attention.png", "history.png"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_callback_that_fails_ends_the_run_with_its_weights_saved(
    images: ImageSet, tmp_path: Path, error: type[BaseException]
) -> None:
    run = tmp_path / "run"

    def callback(progress: Progress) -> None:
        if progress.iteration == 3:
            raise error

    with pytest.raises(error):
        start(images, run, callback=callback)
    assert [path.stem for path in list_checkpoints(run / "checkpoints")] == ["step-0000003"]
    assert start(images, run, resume=True)


def test_a_run_that_is_deleted_while_it_trains_is_not_half_made_again(
    images: ImageSet, tmp_path: Path
) -> None:
    run = tmp_path / "run"

    def callback(progress: Progress) -> None:
        shutil.rmtree(run)

    with pytest.raises(LabError, match="run was deleted meanwhile"):
        start(images, run, callback=callback)
    assert not run.exists()


def test_pictures_of_a_run_that_is_deleted_meanwhile_are_not_drawn(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    start(images, run)
    monkeypatch.setattr(gallery, "samples_figure", lambda *_, **__: shutil.rmtree(run))
    with pytest.warns(UserWarning, match="deleted meanwhile"):
        assert write_gallery(run, images) == []
    assert not run.exists()


def test_a_run_that_has_made_nothing_leaves_a_folder_that_can_be_used(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(recorder.Recorder, "record", _raising(MemoryError()))
        with pytest.raises(MemoryError):
            start(images, run)
    assert (run / "run.json").is_file()
    assert made_nothing(run)
    check_folder(run, overwrite=False)
    assert start(images, run)
    assert not made_nothing(run)


def test_a_writer_that_was_killed_leaves_a_folder_that_can_be_used(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with atomic_write(run / "run.json") as temporary:
        shutil.copy(temporary, run / ".run.json.abcdefgh")  # what a kill leaves there
    (run / "run.json").unlink()
    assert list(run.iterdir())
    check_folder(run, overwrite=False)


def test_foreign_files_are_never_taken_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").mkdir()
    assert not made_nothing(tmp_path)
    (tmp_path / "metrics.csv").rmdir()
    (tmp_path / "thesis.txt").touch()
    assert not made_nothing(tmp_path)
    (tmp_path / "thesis.txt").rename(tmp_path / ".notes")
    assert not made_nothing(tmp_path)
    (tmp_path / ".notes").rename(tmp_path / ".thesis.old_copy")  # as a temporary file is named
    assert not made_nothing(tmp_path)


@pytest.mark.parametrize("name", ["run.json", "metrics.csv"])
def test_files_of_other_programs_are_kept_whatever_their_names(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("accuracy,loss\n0.9,0.1\n")
    for overwrite in (False, name == "metrics.csv"):
        with pytest.raises(UsageError):
            check_folder(tmp_path, overwrite)


def test_what_was_measured_is_not_nothing(images: ImageSet, tmp_path: Path) -> None:
    run = tmp_path / "run"
    start(images, run)
    assert read_metrics(run / "metrics.csv")
    with pytest.raises(LabError, match="already holds a run"):
        check_folder(run, overwrite=False)
