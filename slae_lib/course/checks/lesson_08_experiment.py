"""Checks of lesson 08's loop, and of its experiment: what is changed, and what may be concluded."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules import module as all_modules
from torch.optim import Optimizer
from torch.optim import optimizer as all_optimizers

from slae_lib.course.checks.base import called, require
from slae_lib.course.checks.lesson_08_parts import (
    CONFIG,
    MODEL,
    first_weight,
    fresh,
    moved_from,
    pictures,
)
from slae_lib.datasets import load_images
from slae_lib.datasets.store import bank_for
from slae_lib.discriminator import Discriminator
from slae_lib.generator import Generator
from slae_lib.losses import discriminator_hinge
from slae_lib.support.device import pick_device
from slae_lib.support.images import to_float
from slae_lib.training.batches import image_batches

RATE, BATCH, ITERATIONS = 8e-4, 4, 20
RATIO, SEED = 16, 1  # of the run that is watched
MOST_ITERATIONS = 20  # of a loop that was asked for three


class Watch:
    """Watches a run: refuses a wrong setting as soon as it shows, and notes what is judged."""

    def __init__(self) -> None:
        self.logits: list[Tensor] = []  # three in each iteration: real, generated, judged again
        self.generator: set[int] = set()  # its weights, by their identity
        self.rate = RATE * RATIO  # of the discriminator's latest step
        faces = load_images("fluent-faces", MODEL.resolution)
        rows = bank_for("fluent-faces", images=faces).rows()
        settings = dataclasses.replace(CONFIG, batch_size=BATCH)
        self.batches = {}  # seed to the metadata of the first images
        for seed in (0, SEED):
            order, _ = next(image_batches(faces, dataclasses.replace(settings, seed=seed)))
            self.batches[seed] = rows[order]

    def forward(self, network: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """Look at whole networks alone, not at their layers."""
        if isinstance(network, Discriminator):
            self.logits.append(output.logits.detach())
            going_on = len(self.logits) <= 3 * ITERATIONS
            require(going_on, "iterations", found=f"more than {ITERATIONS}")
        elif isinstance(network, Generator) and not self.generator:
            self.generator = {id(weight) for weight in network.parameters()}
            self._start(network, inputs[1].cpu())

    def _start(self, network: Generator, metadata: Tensor) -> None:
        """Refuse networks or images that are not those of the seed."""
        weights = {}
        with torch.random.fork_rng():  # the run goes on as if nobody had looked
            for seed in (0, SEED):
                torch.manual_seed(seed)
                weights[seed] = first_weight(Generator(MODEL))
        found = first_weight(network)
        require(not torch.equal(found, weights[0]), "network_seed")
        require(torch.equal(found, weights[SEED]), "not_new")
        require(len(metadata) == BATCH, "batch", found=len(metadata))
        near = {s: torch.allclose(metadata, rows, atol=1e-4) for s, rows in self.batches.items()}
        require(not near[0], "order_seed")
        require(near[SEED], "order")

    def step(self, optimizer: Optimizer, *_: object) -> None:
        """Refuse learning rates that should be others, once both networks have taken a step."""
        group = optimizer.param_groups[0]
        if id(group["params"][0]) not in self.generator:
            self.rate = group["lr"]
            return
        own, factor = group["lr"], self.rate / RATE
        only = abs(own / RATE - RATIO) < 1e-6 and abs(factor - RATIO) > 1e-6
        require(not only, "wrong_network", found=own, other=self.rate)
        require(abs(own / RATE - 1) < 1e-6, "generator_rate", found=own, wanted=RATE)
        require(abs(factor - 1 / RATIO) > 1e-6, "upside_down", found=self.rate)
        require(abs(factor - RATIO) < 1e-6, "rate", found=self.rate, wanted=RATE * RATIO)

    def hinges(self) -> Tensor:
        """Return the discriminator's hinge of each iteration."""
        pairs = zip(self.logits[::3], self.logits[1::3], strict=True)
        return torch.stack([discriminator_hinge(*pair) for pair in pairs]).cpu()


@contextmanager
def _everywhere(watch: Watch) -> Iterator[None]:
    """Let it see every network and every optimizer, since the run makes its own."""
    handles = [
        all_modules.register_module_forward_hook(watch.forward),
        all_optimizers.register_optimizer_step_pre_hook(watch.step),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def exercise_6(train: Callable[..., Any]) -> None:
    """Check a loop that goes on from iteration 7 to 10: what goes in, and how often."""
    state = fresh().to(pick_device())
    state.iteration = 7
    given: list[Tensor] = []
    images: list[Tensor] = []

    def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        given.append(inputs[1].cpu())
        require(len(given) <= MOST_ITERATIONS, "endless", found=MOST_ITERATIONS)

    state.generator.register_forward_pre_hook(note)
    state.discriminator.register_forward_pre_hook(
        lambda _, inputs, named: images.append(pictures(inputs, named)[0].detach()),
        with_kwargs=True,
    )
    try:
        diary = called(train, state, 10, 2, 3)
    except RuntimeError as error:  # integers, which nobody can augment
        require("Byte" not in str(error), "to_float", found=255)
        raise
    except (AttributeError, TypeError) as error:
        require("tuple" not in str(error), "pair")
        alone = "add() missing" in str(error) or "no attribute 'iteration'" in str(error)
        require(not alone, "add")
        raise
    require(given != [], "open")
    brightest = max(float(each.abs().max()) for each in images)
    require(brightest < 2, "to_float", found=brightest)
    faces = load_images("fluent-faces", MODEL.resolution)
    rows = bank_for("fluent-faces", images=faces).rows()
    batches = image_batches(faces, dataclasses.replace(CONFIG, batch_size=2, seed=3), start=7)
    wanted = [(rows[indices], to_float(batch)) for indices, batch in islice(batches, len(given))]

    def judged(real: Tensor) -> bool:
        return any(moved_from(seen.cpu(), real) for seen in images)

    if len(given) > 1 and torch.equal(given[0], given[1]):
        require(judged(wanted[1][1]), "same_batch")
        require(False, "rows")
    require(len(given) != 10, "starts_over")
    require(len(given) != 4, "one_more")
    require(state.iteration - 7 <= len(given), "counted_twice")
    require(len(given) != 1, "once")
    require(len(given) == 3, "count", found=len(given))
    require(state.iteration != 7, "copied", found=state.iteration)
    for metadata, (own, real) in zip(given, wanted, strict=True):
        close = metadata.shape == own.shape and torch.allclose(metadata, own, atol=1e-4)
        require(close or not judged(real), "rows")
        require(close, "metadata")
        require(not judged((real + 1) / 2), "half_range")
        require(judged(real), "other_pictures")
    lines = [row["iteration"] for row in diary.rows]
    require(lines == [10], "diary", found=lines, wanted=[10])
    state = fresh().to(pick_device())
    state.iteration = 9
    diary = called(train, state, 21, 2, 3)
    lines = [row["iteration"] for row in diary.rows]
    require(lines == [10, 20], "diary", found=lines, wanted=[10, 20])
    require(len(diary.logs) == 1, "sparse")


def exercise_7(measure: Callable[..., Any]) -> dict[str, Any]:
    """Check one run of an experiment: what was changed, how long it went, and what it returns."""
    watch = Watch()
    with _everywhere(watch):
        try:
            found = called(measure, RATIO, SEED)
        except LookupError as error:  # the diary has no such line, or the line no such number
            require(watch.logits != [], "untrained")
            require(not isinstance(error, KeyError), "no_key", found=error.args[0])
            raise
    require(isinstance(found, float), "no_float", found=type(found).__name__)
    count = len(watch.logits) // 3
    require(count == ITERATIONS, "iterations", found=count)
    hinges, judged = watch.hinges(), torch.stack(watch.logits[2::3]).cpu()
    wrong = {
        "first_ten": hinges[:10].mean(),
        "all": hinges.mean(),
        "last": hinges[-1],
        "generator": -judged[10:].mean(),
    }
    for cause, value in wrong.items():
        require(abs(found - float(value)) > 1e-4, cause, found=found)
    right = float(hinges[10:].mean())
    require(abs(found - right) < 1e-3, "value", found=found, wanted=right)
    return {"found": found}


def exercise_8(beyond_luck: Callable[..., Any]) -> None:
    """Check the comparison on hinges whose verdict is known."""
    clear = {1: [1.0, 1.2], 2: [0.6, 0.7]}  # effect 0.45, luck 0.2
    try:
        answer = called(beyond_luck, clear, 1, 2)
    except KeyError as error:
        require(False, "no_ratio", found=error.args[0])
    if isinstance(answer, Tensor) and answer.dtype == torch.bool and answer.numel() == 1:
        answer = bool(answer)
    require(isinstance(answer, bool | np.bool_), "no_bool", found=answer)
    unclear = beyond_luck({1: [1.4, 1.0], 2: [1.2, 0.9]}, 1, 2)  # effect 0.15, luck 0.4
    require(bool(answer) or not unclear, "opposite")
    require(bool(answer) or beyond_luck({1: [1.0, 1.0], 2: [0.0, 0.0]}, 1, 2), "across")
    require(answer, "clear")
    require(not unclear, "unclear")
    require(beyond_luck({1: [1.0, 1.2], 2: [0.7, 0.9]}, 1, 2), "sum_luck")
    require(not beyond_luck({1: [1.2, 1.0], 2: [1.33, 1.13]}, 1, 2), "sums")
    for turned in (1, -1):  # far apart in one seed alone
        single = {1: [1.0, 1.4][::turned], 2: [1.5, 1.2][::turned]}
        require(not beyond_luck(single, 1, 2), "one_seed")
    require(beyond_luck(clear, 2, 1), "direction")
    require(beyond_luck({**clear, 3: [0.0, 3.0]}, 1, 2), "third")
    require(not beyond_luck({1: [1.5, 1.0], 2: [1.9, 1.4]}, 1, 2), "deviation")
    uneven = {1: [1.1, 1.0], 2: [1.05, 0.65]}  # effect 0.2, luck 0.1 and 0.4
    require(not beyond_luck(uneven, 1, 2) and not beyond_luck(uneven, 2, 1), "one_luck")
    require(not beyond_luck({1: [1.1, 1.0], 2: [0.9, 0.4]}, 1, 2), "mean_luck")
    require(not beyond_luck({1: [1.0, 1.4], 2: [0.9, 1.3]}, 1, 2), "signed_luck")
    require(not beyond_luck({1: [1.0, 1.5], 2: [0.5, 1.0]}, 1, 2), "equal")  # exact in binary
