"""The training loop: real images in, a run folder with a generator out."""

import contextlib
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import set_seed

from slae_lib.augment import parse_policy
from slae_lib.config import ModelConfig, NetworkConfig
from slae_lib.datasets import ImageSet
from slae_lib.datasets.bank import MetadataBank
from slae_lib.support.device import memory, pick_device, prepare_process
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.images import to_float
from slae_lib.support.progress import fitting, progress_bar
from slae_lib.support.sealed import understanding
from slae_lib.support.spectral_norm import refresh_spectral_norm
from slae_lib.training.batches import image_batches
from slae_lib.training.checkpoint import CHECKPOINT_MEND, load_checkpoint, save_generator
from slae_lib.training.config import RunConfig, TrainConfig
from slae_lib.training.families import family_of, model_from_dict
from slae_lib.training.recorder import Progress, Recorder, distance_of_reals, facts_of
from slae_lib.training.run import locked, newest_checkpoint
from slae_lib.training.state import Step, TrainingState
from slae_lib.training.together import Together


def train(
    model: NetworkConfig,
    config: RunConfig,
    images: ImageSet,
    bank: MetadataBank | None,
    run: Path,
    *,
    resume: bool = False,
    prepare: Callable[[], None] | None = None,
    callback: Callable[[Progress], None] | None = None,
) -> bool:
    """Train a generator on ``images`` and leave it in the folder ``run``.

    Ctrl-C, or a signal to terminate, ends the training after the current iteration, with a
    checkpoint.

    Several processes (``accelerate launch`` starts one for each GPU, ``torchrun`` also on a CPU)
    train on a batch of ``config.batch_size`` images each, and all end with the first that is told
    to. Pictures, noise and augmentation are those of a single process with the whole batch, and so
    is what comes out, up to rounding and up to one thing: batch norm takes its statistics from the
    images of its own process, unless ``config.sync_batch_norm``, and keeps those of the first.

    Args:
        model: the networks.
        config: the run.
        images: real images at ``model.resolution``.
        bank: their metadata, if and only if ``model.metadata``.
        run: folder, made if needed.
        resume: continue from the newest checkpoint in ``run``.
        prepare: called by the first process when all is loaded, no other training can write into
            ``run`` any more, and nothing is written yet.
        callback: called after each line of metrics.

    Returns:
        True if all iterations are done, False if it was interrupted.

    Raises:
        LabError: if data, metadata, checkpoint and configuration do not belong together, a file
            cannot be written, another process is training in ``run``, the weights are no
            numbers any more, or one of several processes has ended.
    """
    check_inputs(model, config, images, bank)
    config = config.settled()
    prepare_process()
    accelerator = Accelerator(
        cpu=pick_device(config.device).type == "cpu",
        mixed_precision=config.precision,
        kwargs_handlers=[
            DistributedDataParallelKwargs(
                broadcast_buffers=False,
                # Without reconstruction the decoders get no gradient.
                find_unused_parameters=getattr(config, "reconstruction", "") == "none",
            )
        ],
    )
    rank, processes = accelerator.process_index, accelerator.num_processes
    together = Together(accelerator)
    set_seed(config.seed)
    state = TrainingState(model, config, bank)
    state.move_average(accelerator.device)
    state.scaler = accelerator.scaler
    step: Step = family_of(model).load("step")(state, config, accelerator)
    set_seed(config.seed)  # again: what comes now does not depend on what the weights took
    whole_batch = config.batch_size * processes
    with together.answering(), contextlib.ExitStack() as stack:
        if accelerator.is_main_process:
            stack.enter_context(locked(run))  # before its checkpoint is read
        if resume:
            path = newest_checkpoint(run)
            checkpoint = load_checkpoint(path)
            _check_checkpoint(checkpoint, path, model, images, whole_batch)
            state.load_state_dict(checkpoint, path)
        images = images.to(accelerator.device)
        rows = None
        if bank is not None:
            rows = bank.rows(scale=cast(TrainConfig, config).metadata_scale).to(accelerator.device)
        start = state.images // whole_batch  # the iteration, if there always were as many processes
        batches = image_batches(images, config, start, rank, processes)
        stack.callback(batches.close)  # whoever reads ahead ends here
        recorder = None
        if accelerator.is_main_process:
            if prepare is not None:
                prepare()
            recorder = Recorder(run, state, images, whole_batch, callback)
        compiling = getattr(config, "compile", False)
        bar = progress_bar(
            total=config.iterations,
            initial=state.iteration,
            desc="compile (minutes)" if compiling else "train",
            disable=recorder is None,
        )
        with bar, _stoppable() as stop:
            while state.iteration < config.iterations and not together.agreed(stop.is_set()):
                indices, batch = next(batches)
                # Not waited for, which a GPU would take for an order to finish all before it.
                real = to_float(batch.to(accelerator.device, non_blocking=True))  # (B, 3, R, R)
                indices = indices.to(real.device, non_blocking=True)
                with together if processes > 1 else contextlib.nullcontext():
                    if config.flip:
                        mirrored = torch.rand(len(real), 1, 1, 1, device=real.device) < 0.5
                        real = torch.where(mirrored, real.flip(3), real)
                    losses = step(real, None if rows is None else rows[indices])
                losses = together.mean(losses)
                if compiling:
                    bar.set_description("train")
                    compiling = False
                bar.update()
                if recorder is not None and (row := recorder.record(losses)):
                    bar.set_postfix(_postfix(row), refresh=bar.mininterval < 1)
        finished = state.iteration >= config.iterations
        if recorder is not None and not finished:
            recorder.interrupt()
        if recorder is not None and finished:
            refresh_spectral_norm(state.average)
            known = {"iteration": str(state.iteration), **facts_of(config, images)}
            save_generator(run / "generator.safetensors", state.averaged_generator, known)
            if bank is not None:
                bank.save(run / "metadata.safetensors")
        accelerator.wait_for_everyone()
    return finished


def check_inputs(
    model: NetworkConfig, config: RunConfig, images: ImageSet, bank: MetadataBank | None
) -> None:
    """Raise `LabError` if the parts of a run do not belong together."""
    parse_policy(config.augment)
    batch = 12 * config.batch_size * model.resolution**2  # bytes, as 32-bit numbers
    if batch > memory():
        raise UsageError(
            f"A batch of {config.batch_size} pictures takes {batch / 2**30:,.0f} GiB of memory and "
            f"there are {memory() / 2**30:,.0f}; make --batch-size smaller."
        )
    if distance_of_reals(images) == 0:
        raise LabError(
            f"All pictures of {images.name} are the same, so there is nothing to learn from "
            "their differences; add others."
        )
    if getattr(config, "sync_batch_norm", False) and pick_device(config.device).type == "cpu":
        raise UsageError(
            "PyTorch synchronises batch norm between GPUs alone, and this training is on a CPU; "
            "leave out sync_batch_norm."
        )
    if images.resolution != model.resolution:
        raise UsageError(
            f"the images of {images.name} have {images.resolution} px and the model has "
            f"{model.resolution}; load the images at the model's resolution."
        )
    if type(config) is not family_of(model).train:
        raise UsageError(
            f"a {type(model).__name__} is trained with a {family_of(model).train.__name__}, "
            f"not with a {type(config).__name__}."
        )
    if model.metadata and bank is None:
        raise UsageError("this model takes metadata; give its bank, or choose metadata=False.")
    if bank is not None:
        if not model.metadata:
            raise UsageError("this model takes no metadata; leave the bank out.")
        bank.check(images)
        channels, expected = bank.values.shape[1], cast(ModelConfig, model).metadata_dim
        if channels != expected:
            raise UsageError(
                f"the metadata bank has {channels} channels and the model expects {expected}; "
                f"choose metadata_dim={channels}."
            )


def _check_checkpoint(
    checkpoint: dict[str, Any], path: Path, model: NetworkConfig, images: ImageSet, batch: int
) -> None:
    with understanding(path, CHECKPOINT_MEND):
        if model_from_dict(checkpoint["model"]) != model:
            raise LabError(
                f"{path} was saved with another model configuration; resume it with its own, "
                "or start a new run."
            )
        if checkpoint["data_fingerprint"] != images.fingerprint:
            raise LabError(
                f"{path} was trained on other pictures than {images.name} holds now; "
                "bring them back, or start a new run."
            )
    before = checkpoint.get("whole_batch", batch)  # older files do not tell
    if before != batch:
        warnings.warn(
            f"{path} comes from batches of {before} images, and the training goes on with batches "
            f"of {batch}, as another number of processes shares them now.",
            stacklevel=3,
        )


def _postfix(row: dict[str, float | None]) -> dict[str, str]:
    # The most telling first: on a narrow terminal the last are left out.
    shown = {
        "D": row["discriminator"],
        "G": row["generator"],
        "diversity": row["diversity"],
        "broken": row["broken"],
        "rec": row["reconstruction"],
        "img/s": row["images_per_second"],
    }
    return fitting({name: f"{value:.2f}" for name, value in shown.items() if value is not None})


@contextlib.contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C sets, so that the iteration under way is finished first.

    So does the signal to terminate, which schedulers and containers send before they kill. A
    second one of either ends the program as usual.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # signals can only be handled in the main thread
        return

    def handle(*_: object) -> None:
        stop.set()
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before: dict[int, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, handle)
    try:
        yield stop
    finally:
        restore()
