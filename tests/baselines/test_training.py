"""StyleGAN2 in the lab's loop: same promises as the other models."""

import dataclasses
import signal
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from slae_lib.baselines.stylegan2.config import StyleGAN2Config, StyleGAN2TrainConfig
from slae_lib.baselines.stylegan2.step import StyleGAN2Step
from slae_lib.datasets import ImageSet, load_images
from slae_lib.plotting.gallery import write_gallery
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.images import to_uint8
from slae_lib.training.checkpoint import load_checkpoint, load_generator
from slae_lib.training.config import TrainConfig
from slae_lib.training.log import load_samples, read_metrics
from slae_lib.training.loop import train
from slae_lib.training.recorder import Progress
from slae_lib.training.run import RunInfo, newest_checkpoint
from slae_lib.training.sampling import sample_images
from slae_lib.training.state import TrainingState

MODEL = StyleGAN2Config(
    resolution=64, channel_base=512, channel_max=16, latent_dim=8, mapping_layers=2
)
CONFIG = StyleGAN2TrainConfig(
    iterations=5,
    batch_size=4,
    device="cpu",
    samples=4,
    log_every=1,
    sample_every=5,
    checkpoint_every=3,
    ema_decay=0.5,
    r1_interval=2,
    path_length=True,
)


@pytest.fixture(scope="module")
def faces() -> ImageSet:
    return load_images("fluent-faces", 64)


@pytest.fixture(scope="module")
def finished(faces: ImageSet, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("stylegan2")
    assert train(MODEL, CONFIG, faces, None, run)
    return run


def test_the_penalty_is_computed_now_and_then(finished: Path) -> None:
    rows = read_metrics(finished / "metrics.csv")
    assert [row["penalty"] is not None for row in rows] == [True, False, True, False, True]
    assert all(row["penalty"] is None or row["penalty"] > 0 for row in rows)
    assert all(row["reconstruction"] is None for row in rows)
    assert 1 < rows[0]["discriminator"] < 2  # near 2 ln 2, where nothing is told apart


def test_an_interrupted_run_ends_the_same(finished: Path, faces: ImageSet, tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.iteration == 3:
            signal.raise_signal(signal.SIGINT)

    assert not train(MODEL, CONFIG, faces, None, tmp_path, callback=interrupt)
    assert train(MODEL, CONFIG, faces, None, tmp_path, resume=True)
    ends = [load_checkpoint(newest_checkpoint(run)) for run in (finished, tmp_path)]
    assert ends[0]["path_length"]["mean"] > 0
    for part in ("generator", "discriminator", "average", "path_length"):
        assert ends[0][part].keys() == ends[1][part].keys()
        for name, value in ends[0][part].items():
            assert torch.equal(value, ends[1][part][name]), name


def test_the_generator_file_draws_the_last_sample_grid(finished: Path) -> None:
    generator = load_generator(finished / "generator.safetensors")
    assert generator.config == MODEL
    noise = load_checkpoint(newest_checkpoint(finished))["fixed_noise"]
    drawn = to_uint8(generator(noise).image)
    assert (drawn.int() - load_samples(finished, 4)[5].int()).abs().max() <= 1
    assert sample_images(finished / "generator.safetensors", 3).shape == (3, 3, 64, 64)


def test_run_and_gallery_know_the_family(finished: Path, faces: ImageSet, tmp_path: Path) -> None:
    info = RunInfo(MODEL, CONFIG, "fluent-faces", faces.fingerprint)
    info.save(tmp_path)
    assert RunInfo.load(tmp_path) == info
    for part in ("metrics.csv", "samples", "generator.safetensors"):
        (tmp_path / part).symlink_to(finished / part)
    assert [path.name for path, _ in write_gallery(tmp_path, faces)] == [
        "samples.png",
        "history.png",
        "progress.png",
    ]


def step_of(config: StyleGAN2TrainConfig) -> tuple[TrainingState, StyleGAN2Step]:
    torch.manual_seed(0)
    state = TrainingState(MODEL, config, None)
    return state, StyleGAN2Step(state, config, Accelerator(cpu=True))


def test_without_penalties_the_discriminator_takes_one_step_and_with_them_two(
    faces: ImageSet,
) -> None:
    real = faces.batch(range(4)).float() / 127.5 - 1
    state, step = step_of(dataclasses.replace(CONFIG, path_length=False))
    losses = [step(real) for _ in range(4)]
    assert [loss.penalty is not None for loss in losses] == [True, False, True, False]
    weight = state.discriminator.from_rgb.weight
    assert state.discriminator_optimizer.state[weight]["step"] == 6
    assert state.generator_optimizer.state[state.generator.start]["step"] == 4


def test_the_generators_step_leaves_the_discriminator_without_gradients(faces: ImageSet) -> None:
    real = faces.batch(range(4)).float() / 127.5 - 1
    state, step = step_of(dataclasses.replace(CONFIG, r1_interval=100))
    state.iteration = 1
    before = {name: value.clone() for name, value in state.generator.named_parameters()}
    step(real)
    assert not any(p.requires_grad for p in state.discriminator.parameters())
    moved = [
        name for name, value in state.generator.named_parameters() if (value != before[name]).any()
    ]
    assert len(moved) == len(before)


def test_what_does_not_belong_together_is_named(
    finished: Path, faces: ImageSet, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="StyleGAN2TrainConfig"):
        train(MODEL, TrainConfig(device="cpu"), faces, None, tmp_path)  # type: ignore[arg-type]
    # What means something to SLAE alone is no setting here; runs of before that name it still load.
    own = {field.name for field in dataclasses.fields(StyleGAN2TrainConfig)}
    assert not own & {"compile", "hinge_margin", "reconstruction", "metadata_scale"}
    before = {**CONFIG.to_dict(), "compile": False, "reconstruction": "none", "flip": True}
    assert StyleGAN2TrainConfig.from_dict(before) == dataclasses.replace(CONFIG, flip=True)
    with pytest.raises(UsageError, match="no field nonsense"):
        StyleGAN2TrainConfig.from_dict({**before, "nonsense": 1})
    wider = dataclasses.replace(MODEL, channel_max=32)
    with pytest.raises(LabError, match="another model configuration"):
        train(wider, CONFIG, faces, None, finished, resume=True)
    with pytest.raises(UsageError, match="r1_gamma is -1"):
        StyleGAN2TrainConfig(r1_gamma=-1.0)
    with pytest.raises(UsageError, match="r1_interval is 0"):
        StyleGAN2TrainConfig(r1_interval=0)


def test_in_mixed_precision_the_penalty_is_still_in_full(faces: ImageSet) -> None:
    real = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    found = {}
    for precision in ("no", "bf16"):
        AcceleratorState._reset_state(reset_partial_state=True)  # it would keep the precision
        torch.manual_seed(0)
        config = dataclasses.replace(CONFIG, precision=precision, augment="none")
        state = TrainingState(MODEL, config, None)
        step = StyleGAN2Step(state, config, Accelerator(cpu=True, mixed_precision=precision))
        penalty = step._regularise_discriminator(real)
        gradients = [
            weight.grad.flatten()
            for weight in state.discriminator.parameters()
            if weight.grad is not None  # the last bias, which moves no gradient of an image
        ]
        found[precision] = penalty, torch.cat(gradients)
        with step.accelerator.autocast():  # which other passes are in
            assert step.discriminator(real).dtype == {"no": torch.float32}.get(
                precision, torch.bfloat16
            )
    for ours, exact in zip(found["bf16"], found["no"], strict=True):
        torch.testing.assert_close(ours, exact)
    AcceleratorState._reset_state(reset_partial_state=True)
