"""The training loop on the real built-in data: repeatable, resumable, honest about bad input."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import torch

from slae_lib.config import ModelConfig
from slae_lib.datasets import ImageSet, load_images
from slae_lib.datasets.bank import MetadataBank
from slae_lib.datasets.store import bank_for
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.files import atomic_write
from slae_lib.support.images import to_float, to_uint8
from slae_lib.training.batches import image_batches
from slae_lib.training.checkpoint import (
    generator_facts,
    list_checkpoints,
    load_checkpoint,
    load_generator,
    save_checkpoint,
)
from slae_lib.training.config import TrainConfig
from slae_lib.training.families import model_from_dict
from slae_lib.training.log import load_samples, read_metrics
from slae_lib.training.loop import train
from slae_lib.training.recorder import Progress, Recorder
from slae_lib.training.run import newest_checkpoint
from slae_lib.training.sampling import GeneratedImages
from slae_lib.training.state import TrainingState

MODEL = ModelConfig(resolution=64, width=8, noise_dim=16)
CONFIG = TrainConfig(
    iterations=6,
    batch_size=2,
    reconstruction="l1",
    device="cpu",
    samples=4,
    log_every=2,
    sample_every=3,
    checkpoint_every=2,
    keep_checkpoints=10,
    ema_decay=0.5,
)


@pytest.fixture(scope="module")
def faces() -> ImageSet:
    return load_images("fluent-faces", 64)


@pytest.fixture(scope="module")
def bank(faces: ImageSet) -> MetadataBank:
    return bank_for("fluent-faces", images=faces)


def same(first: object, second: object) -> bool:
    """Whether two nested structures are equal, tensors bit by bit."""
    if isinstance(first, torch.Tensor):
        return isinstance(second, torch.Tensor) and torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


def final_state(run: Path) -> dict:
    state = load_checkpoint(newest_checkpoint(run))
    del state["seconds"]
    return state


def losses(run: Path) -> list[dict]:
    clock = {"seconds": None, "images_per_second": None}
    return [row | clock for row in read_metrics(run / "metrics.csv")]


@pytest.fixture(scope="module")
def finished(faces: ImageSet, bank: MetadataBank, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("finished")
    assert train(MODEL, CONFIG, faces, bank, run)
    return run


def test_a_run_leaves_what_it_promises(finished: Path) -> None:
    rows = read_metrics(finished / "metrics.csv")
    assert [row["iteration"] for row in rows] == [2, 3, 4, 6]
    assert [row["diversity"] is not None for row in rows] == [False, True, False, True]
    assert rows[-1]["images"] == 12
    assert all(row["images_per_second"] > 0 for row in rows)
    assert 0 < rows[0]["discriminator"] < 4
    assert list(load_samples(finished, 4)) == [3, 6]
    assert [path.stem for path in list_checkpoints(finished / "checkpoints")] == [
        "step-0000002",
        "step-0000004",
        "step-0000006",
    ]
    assert MetadataBank.load(finished / "metadata.safetensors").data_name == "fluent-faces"


def test_a_run_keeps_its_generator_of_every_grid(finished: Path) -> None:
    kept = sorted((finished / "generators").iterdir())
    assert [path.name for path in kept] == ["0000003.safetensors", "0000006.safetensors"]
    state = load_checkpoint(newest_checkpoint(finished))
    for path in kept:
        iteration = int(path.stem)
        assert generator_facts(path)["iteration"] == str(iteration)
        images = load_generator(path)(state["fixed_noise"], state["fixed_metadata"]).image
        difference = to_uint8(images).int() - load_samples(finished, 4)[iteration].int()
        assert difference.abs().max() <= 3  # half precision
        sampled = GeneratedImages.from_file(path, 2)  # with the metadata of its run
        assert sampled.batch([0, 1]).shape == (2, 3, 64, 64)


def test_the_generator_file_draws_the_last_sample_grid(finished: Path) -> None:
    state = load_checkpoint(newest_checkpoint(finished))
    generator = load_generator(finished / "generator.safetensors")
    images = to_uint8(generator(state["fixed_noise"], state["fixed_metadata"]).image)
    difference = images.int() - load_samples(finished, 4)[6].int()
    assert difference.abs().max() <= 1  # folded or not, one rounding step at most


def test_the_same_seed_gives_the_same_run_and_another_does_not(
    finished: Path, faces: ImageSet, bank: MetadataBank, tmp_path: Path
) -> None:
    train(MODEL, CONFIG, faces, bank, tmp_path / "again")
    assert same(final_state(tmp_path / "again"), final_state(finished))
    assert losses(tmp_path / "again") == losses(finished)
    train(MODEL, dataclasses.replace(CONFIG, seed=1), faces, bank, tmp_path / "other")
    assert losses(tmp_path / "other") != losses(finished)


def test_an_interrupted_run_ends_the_same(
    finished: Path, faces: ImageSet, bank: MetadataBank, tmp_path: Path
) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.iteration == 3:  # a line of metrics, but no checkpoint
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    assert not train(MODEL, CONFIG, faces, bank, tmp_path, callback=interrupt)
    assert signal.getsignal(signal.SIGINT) is before
    assert newest_checkpoint(tmp_path).stem == "step-0000003"
    assert not (tmp_path / "generator.safetensors").exists()
    assert train(MODEL, CONFIG, faces, bank, tmp_path, resume=True)
    assert same(final_state(tmp_path), final_state(finished))
    assert losses(tmp_path) == losses(finished)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a thing of POSIX")
def test_a_killed_and_resumed_run_ends_bit_identical(tmp_path: Path) -> None:
    def command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "slae_lib", "train", *arguments]

    small = ["--preset", "cpu-smoke", "--iterations", "40", "--log-every", "4"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(*small, "--out", str(whole)), check=True, capture_output=True)
    with subprocess.Popen(
        command(*small, "--out", str(killed)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        limit = time.monotonic() + 120
        while not list_checkpoints(killed / "checkpoints"):
            assert process.poll() is None, "it ended before its first checkpoint"
            assert time.monotonic() < limit
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not (killed / "generator.safetensors").exists()
    subprocess.run(command("--resume", str(killed)), check=True, capture_output=True)
    assert same(final_state(killed), final_state(whole))
    assert losses(killed) == losses(whole)
    for name in ("generator.safetensors", "samples/0000040.png"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name


def test_all_networks_learn_and_the_average_follows(
    faces: ImageSet, bank: MetadataBank, finished: Path
) -> None:
    torch.manual_seed(CONFIG.seed)
    start = TrainingState(MODEL, CONFIG, bank)
    state = load_checkpoint(newest_checkpoint(finished))
    for name in ("generator", "discriminator"):
        for key, parameter in getattr(start, name).named_parameters():
            assert not torch.equal(parameter, state[name][key]), f"{name}: {key} did not change"
    # The average holds batch-norm statistics too, and lies between start and end.
    key = "start.1.running_var"
    assert not torch.equal(state["average"][f"module.{key}"], state["generator"][key])
    assert not torch.equal(
        state["average"][f"module.{key}"], torch.ones_like(state["generator"][key])
    )


def test_the_loss_scale_of_fp16_goes_on_where_it_was(bank: MetadataBank) -> None:
    before, after = (TrainingState(MODEL, CONFIG, bank) for _ in range(2))
    before.scaler = torch.amp.GradScaler("cpu", init_scale=512.0)
    after.scaler = torch.amp.GradScaler("cpu")
    assert after.scaler.get_scale() != 512.0
    after.load_state_dict(before.state_dict(), Path("checkpoint"))
    assert after.scaler.get_scale() == 512.0
    full = TrainingState(MODEL, CONFIG, bank)  # a run without fp16 takes no notice of it
    full.load_state_dict(before.state_dict(), Path("checkpoint"))


def test_the_average_is_the_exponential_one(bank: MetadataBank) -> None:
    state = TrainingState(MODEL, CONFIG, bank)
    key = "to_small.parametrizations.weight.original"
    values = []
    for value in (1.0, 5.0, 2.0):
        with torch.no_grad():
            state.generator.get_parameter(key).fill_(value)
        state.update_average()
        values.append(float(state.average.module.get_parameter(key).mean()))
    assert values == pytest.approx([1, 3, 2.5])  # the first is taken as it is; decay 0.5


@pytest.mark.parametrize("skip", ["sle", "slae"])
@pytest.mark.parametrize("metadata", [False, True])
def test_the_four_models_of_the_ablation_train(
    skip, metadata, faces: ImageSet, bank: MetadataBank, tmp_path: Path
) -> None:
    model = dataclasses.replace(MODEL, skip=skip, metadata=metadata)
    config = dataclasses.replace(CONFIG, iterations=1, flip=True, hinge_margin="random")
    assert train(model, config, faces, bank if metadata else None, tmp_path)
    assert (tmp_path / "metadata.safetensors").exists() == metadata


def test_pictures_on_the_disk_train_like_pictures_in_memory(
    tmp_path: Path, faces, monkeypatch
) -> None:
    from PIL import Image

    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(5):
        picture = faces.batch([index])[0].permute(1, 2, 0).numpy()
        Image.fromarray(picture).save(folder / f"{index}.png")
    model = dataclasses.replace(MODEL, metadata=False)
    train(model, CONFIG, load_images(folder, 64), None, tmp_path / "memory")
    monkeypatch.setattr("slae_lib.datasets.sets.MEMORY_LIMIT", 0)
    on_disk = load_images(folder, 64)
    assert not on_disk.in_memory
    train(model, CONFIG, on_disk, None, tmp_path / "disk")
    assert losses(tmp_path / "disk") == losses(tmp_path / "memory")


def test_every_image_is_seen_once_an_epoch_and_resuming_changes_no_batch(faces: ImageSet) -> None:
    config = dataclasses.replace(CONFIG, batch_size=31)  # 93 = 3 x 31
    batches = image_batches(faces, config)
    first = [next(batches) for _ in range(6)]
    for epoch in (first[:3], first[3:]):
        assert sorted(torch.cat([indices for indices, _ in epoch]).tolist()) == list(range(93))
    assert not torch.equal(first[0][0], first[3][0])
    indices, images = next(image_batches(faces, config, start=5))
    assert torch.equal(indices, first[5][0])
    assert torch.equal(images, faces.batch(indices))
    # Two processes share the batches of one with twice the batch.
    wide = next(image_batches(faces, dataclasses.replace(config, batch_size=62)))[0]
    pair = [next(image_batches(faces, config, 0, rank, 2))[0] for rank in (0, 1)]
    assert torch.equal(torch.cat(pair), wide)


def test_progress_tells_what_the_metrics_file_says(
    faces: ImageSet, bank: MetadataBank, tmp_path: Path
) -> None:
    told: list[Progress] = []
    train(MODEL, CONFIG, faces, bank, tmp_path, callback=told.append)
    assert [progress.iteration for progress in told] == [2, 3, 4, 6]
    assert told[1].samples.shape == (4, 3, 64, 64)
    assert told[0].samples is None
    assert told[-1].metrics["diversity"] == read_metrics(tmp_path / "metrics.csv")[-1]["diversity"]


def test_parts_that_do_not_belong_together_are_named(
    faces: ImageSet, bank: MetadataBank, finished: Path, tmp_path: Path
) -> None:
    def refused(error, match, model=MODEL, config=CONFIG, images=faces, rows=bank, **options):
        with pytest.raises(error, match=match):
            train(model, config, images, rows, options.pop("run", tmp_path / "run"), **options)

    refused(UsageError, "64 px and the model has 128", dataclasses.replace(MODEL, resolution=128))
    refused(UsageError, "takes metadata; give its bank", rows=None)
    refused(UsageError, "takes no metadata", dataclasses.replace(MODEL, metadata=False))
    refused(UsageError, "512 channels", dataclasses.replace(MODEL, metadata_dim=256))
    refused(UsageError, "choose from color", config=dataclasses.replace(CONFIG, augment="blur"))
    other = dataclasses.replace(faces, fingerprint="0" * 64)
    refused(LabError, "metadata", images=other)
    refused(LabError, "has no checkpoint", resume=True)
    wide = dataclasses.replace(MODEL, width=16)
    refused(LabError, "another model configuration", wide, run=finished, resume=True)
    model = dataclasses.replace(MODEL, metadata=False)
    train(model, dataclasses.replace(CONFIG, iterations=1), faces, None, tmp_path / "plain")
    refused(
        LabError,
        "trained on other pictures",
        model,
        images=other,
        rows=None,
        run=tmp_path / "plain",
        resume=True,
    )
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_is_intact(
    faces: ImageSet, bank: MetadataBank, tmp_path: Path
) -> None:
    train(MODEL, CONFIG, faces, bank, tmp_path)
    newest = newest_checkpoint(tmp_path)
    newest.write_bytes(newest.read_bytes()[:5000])
    with pytest.raises(LabError, match=f"{newest.name} is damaged .*the checkpoint before it"):
        train(MODEL, CONFIG, faces, bank, tmp_path, resume=True)
    newest.unlink()
    assert train(MODEL, CONFIG, faces, bank, tmp_path, resume=True)


def test_a_checkpoint_that_a_kill_kept_from_being_deleted_is_deleted(
    faces: ImageSet, bank: MetadataBank, tmp_path: Path
) -> None:
    config = dataclasses.replace(CONFIG, keep_checkpoints=2)
    train(MODEL, config, faces, bank, tmp_path)
    newest = newest_checkpoint(tmp_path)
    shutil.copy(newest, newest.with_name("step-0000001.pt"))
    train(MODEL, config, faces, bank, tmp_path, resume=True)  # there is nothing left to train
    kept = list_checkpoints(tmp_path / "checkpoints")
    assert [path.stem for path in kept] == ["step-0000004", "step-0000006"]


def test_a_full_disk_while_saving_keeps_the_checkpoint_before(
    faces: ImageSet, bank: MetadataBank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import contextlib
    import errno

    real = atomic_write

    @contextlib.contextmanager
    def nearly_full(path: Path):
        with real(path) as temporary:
            yield temporary
            if path.name == "step-0000004.pt":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("slae_lib.training.checkpoint.atomic_write", nearly_full)
    with pytest.raises(LabError, match=r"step-0000004\.pt could not be written: the disk is full"):
        train(MODEL, CONFIG, faces, bank, tmp_path)
    monkeypatch.undo()
    assert newest_checkpoint(tmp_path).stem == "step-0000002"
    assert train(MODEL, CONFIG, faces, bank, tmp_path, resume=True)


def test_training_warns_of_nothing(faces: ImageSet, bank: MetadataBank, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(MODEL, dataclasses.replace(CONFIG, iterations=2), faces, bank, tmp_path)


def test_samples_are_those_of_the_average_in_evaluation_mode(bank: MetadataBank) -> None:
    torch.manual_seed(0)
    state = TrainingState(MODEL, CONFIG, bank)
    state.update_average()
    first = to_float(state.sample())
    torch.testing.assert_close(to_float(state.sample()), first, atol=0.01, rtol=0)
    assert state.average.training
    state.fixed_noise, state.fixed_metadata = state.fixed_noise[:2], state.fixed_metadata[:2]
    torch.testing.assert_close(to_float(state.sample()), first[:2], atol=0.01, rtol=0)


def test_a_checkpoint_holds_everything(finished: Path, tmp_path: Path) -> None:
    state = load_checkpoint(newest_checkpoint(finished))
    assert {
        "model",
        "train",
        "data_fingerprint",
        "iteration",
        "generator",
        "discriminator",
        "average",
        "generator_optimizer",
        "discriminator_optimizer",
        "fixed_noise",
        "fixed_metadata",
        "random",
    } <= state.keys()
    assert model_from_dict(state["model"]) == MODEL
    save_checkpoint(tmp_path / "copy.pt", state)
    assert same(load_checkpoint(tmp_path / "copy.pt"), state)


@pytest.mark.parametrize("harmed", ["a weight", "a running statistic", "the average"])
def test_weights_that_are_no_numbers_get_into_no_checkpoint(
    faces: ImageSet, bank: MetadataBank, tmp_path: Path, harmed: str
) -> None:
    state = TrainingState(MODEL, CONFIG, bank)
    tensor = {
        "a weight": next(state.discriminator.parameters()),
        "a running statistic": next(
            buffer for name, buffer in state.generator.named_buffers() if "running_var" in name
        ),
        "the average": next(state.average.parameters()),
    }[harmed]
    recorder = Recorder(tmp_path, state, faces, CONFIG.batch_size, None)
    state.iteration = 3
    with torch.no_grad():
        tensor.fill_(float("inf"))
    with pytest.raises(LabError, match="by iteration 3 the weights are no numbers any more; there"):
        recorder.interrupt()  # its losses were written before, so no loss tells
    assert not list_checkpoints(tmp_path / "checkpoints")
