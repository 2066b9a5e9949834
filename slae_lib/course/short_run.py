"""A training that goes through an iteration in a moment, for lessons that stop and resume one."""

import functools
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from accelerate import Accelerator
from torch import Tensor

from slae_lib.config import ModelConfig
from slae_lib.datasets import ImageSet, load_images
from slae_lib.support.images import to_float
from slae_lib.training.batches import image_batches
from slae_lib.training.config import TrainConfig
from slae_lib.training.state import TrainingState
from slae_lib.training.step import TrainingStep

MODEL = ModelConfig(resolution=64, width=8, noise_dim=32, metadata=False)
CONFIG = TrainConfig(
    batch_size=4,
    learning_rate=5e-4,
    ema_decay=0.9,
    reconstruction="l1",
    augment="translation",
    device="cpu",
    samples=2,
)


class _Alone:
    """What a step asks of an accelerator, on this CPU.

    A real one is there once for a whole process: it would keep its device and its precision for
    the full training that a notebook may start later.
    """

    device = torch.device("cpu")

    def prepare(self, *parts: Any) -> tuple[Any, ...]:
        return parts

    def autocast(self) -> AbstractContextManager[None]:
        return nullcontext()

    def backward(self, loss: Tensor) -> None:
        loss.backward()


def new_training(seed: int = 0) -> TrainingState:
    """Return a training before its first iteration: 64 px, narrow networks, no metadata.

    Args:
        seed: PyTorch's random numbers start from it, as those of a new process do.
    """
    torch.manual_seed(seed)
    return TrainingState(MODEL, CONFIG, None)


def go_on(training: TrainingState, iterations: int) -> list[float]:
    """Train on the built-in faces; return the discriminator's hinge of each iteration.

    The pictures come in an order that the iteration alone decides; noise and augmentation are
    drawn from PyTorch's random numbers.
    """
    step = TrainingStep(training, CONFIG, cast(Accelerator, _Alone()))
    batches = image_batches(_faces(), CONFIG, training.iteration)
    hinges = []
    for _ in range(iterations):
        _, batch = next(batches)
        hinges.append(step(to_float(batch), None).discriminator.item())
    return hinges


@functools.cache
def _faces() -> ImageSet:
    return load_images("fluent-faces", MODEL.resolution)
