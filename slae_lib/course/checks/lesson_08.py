"""Checks of lesson 08, the training loop. Their sentences stand in `texts/lesson_08.toml`."""

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from slae_lib import losses
from slae_lib.augment import augment
from slae_lib.course.checks.base import called, require
from slae_lib.course.checks.lesson_08_experiment import exercise_7, exercise_8
from slae_lib.course.checks.lesson_08_parts import (
    CONFIG,
    MODEL,
    Spy,
    State,
    attempt,
    drawn,
    first_weight,
    fresh,
    gradients,
    is_off,
    moved_from,
    same,
    shared,
    spectral_vectors,
    untouched,
)
from slae_lib.datasets import load_images
from slae_lib.datasets.store import bank_for
from slae_lib.discriminator import downsample
from slae_lib.support.device import pick_device
from slae_lib.support.images import to_float
from slae_lib.training.batches import image_batches

__all__ = [
    "exercise_1",
    "exercise_2",
    "exercise_3",
    "exercise_4",
    "exercise_5",
    "exercise_6",
    "exercise_7",
    "exercise_8",
]

LOG = {"discriminator", "reconstruction", "real_logits", "fake_logits"}
MOST_ITERATIONS = 20  # of a loop that was asked for three


def exercise_1(descend: Callable[..., Any]) -> None:
    """Check what a step makes of one weight with an old gradient, and how it came to that."""
    require(callable(descend), "no_function", found=descend)
    weight = torch.ones(1, requires_grad=True)
    optimizer = Spy(weight, 0.1)
    happened = optimizer.happened
    weight.grad = torch.full((1,), 5.0)  # left by another loss
    weight.register_hook(lambda _: happened.append("backward"))
    descend(optimizer, weight.square().sum())
    require(happened != [], "open")
    if abs(weight.item() - 0.8) < 1e-6:  # one step along this gradient alone, however it is written
        return
    told = ", ".join(happened)
    for name in ("zero_grad", "backward", "step"):
        require(name in happened, f"no_{name}", found=told)
    zero, back, step = (happened.index(name) for name in ("zero_grad", "backward", "step"))
    require(back < step, "step_early", found=told)
    require(not back < zero < step, "thrown_away", found=told)
    require(zero < back, "zero_late", found=told)
    more = happened[:3] != ["zero_grad", "backward", "step"] or "step" in happened[3:]
    require(not more, "more", found=told)


def exercise_2(discriminator_step: Callable[..., Any]) -> None:
    """Check the discriminator's step: what it saw, how far its gradient went, what it minimised."""
    seen: list[Any] = []
    try:
        state, fakes, log = _discriminators(discriminator_step, seen)
    except (RuntimeError, ValueError) as error:  # an empty list, where decoded images belong
        require("non-empty" not in str(error), "no_quarter")
        raise
    require(all(each.requires_grad for each in fakes), "in_place")
    left_off, large = is_off(state.generator), fakes[0].grad is not None
    clean = untouched(state.generator, fakes)
    require(clean or "G off" not in state.happened, "off_instead")
    require(clean or not large, "no_detach")
    require(clean, "small_detach")
    require(not left_off, "generator_off")
    require("G learns" not in state.happened, "other_optimizer")
    require("D learns" in state.happened, "no_step")
    require(len(seen) == 2, "judges", found=len(seen))
    require(seen[0] is not None, "fake_first")
    wanted, vectors = _wanted()
    close = torch.allclose(spectral_vectors(state.discriminator), vectors, atol=1e-4)
    require(close, "uncached")
    found = gradients(state.discriminator)
    for cause in ("no_reconstruction", "no_hinge", "swapped", "fake_ignored"):
        require(not same(found, wanted[cause]), cause)
    require(same(found, wanted["right"]), "differs")
    _log(log, LOG)


def _discriminators(step: Callable[..., Any], seen: list[Any]) -> tuple[State, list[Tensor], Any]:
    """Let a discriminator take a step that was left switched off, as by the iteration before."""
    torch.manual_seed(1)
    state = fresh()
    state.discriminator.requires_grad_(False)

    def judging(network: nn.Module, _: object, named: dict[str, Any]) -> None:
        seen.append(named.get("quarter"))
        require(not is_off(network), "asleep")
        require(network.training, "eval")
        state.happened += ["G off"] * is_off(state.generator)

    state.discriminator.register_forward_pre_hook(judging, with_kwargs=True)
    real, fakes = torch.rand(4, 3, 64, 64) * 2 - 1, drawn(state)
    torch.manual_seed(2)
    log = attempt(step, state.watch(drawn=True), real, *fakes, lost="loss_detached")
    return state, fakes, log


def _wanted() -> tuple[dict[str, Tensor], Tensor]:
    """Return the gradients of a right step and of four wrong ones, and its spectral vectors."""
    found = {}

    def step(state: State, real: Tensor, fake: Tensor, small: Tensor) -> dict[str, Tensor]:
        quarter = int(torch.randint(4, ()))
        image = augment(real, CONFIG.augment)
        real_small = augment(downsample(real, MODEL.small_resolution), CONFIG.augment)
        network = state.discriminator.requires_grad_(True)
        with parametrize.cached():
            on_real = network(image, real_small, quarter=quarter)
            on_fake = network(fake.detach(), small.detach())
        hinge = losses.discriminator_hinge(on_real.logits, on_fake.logits)
        distance = losses.reconstruction_loss(on_real.reconstructions, losses.l1_distance)
        turned = losses.discriminator_hinge(on_fake.logits, on_real.logits)
        half = losses.discriminator_hinge(on_real.logits, on_fake.logits.detach())
        found["no_reconstruction"] = gradients(network, hinge)
        found["no_hinge"] = gradients(network, distance)
        found["right"] = found["no_reconstruction"] + found["no_hinge"]
        found["swapped"] = gradients(network, turned) + found["no_hinge"]
        found["fake_ignored"] = gradients(network, half) + found["no_hinge"]
        return {}

    state, _, _ = _discriminators(step, [])
    return found, spectral_vectors(state.discriminator)


def _log(found: Any, names: set[str]) -> None:
    """Refuse a log that is no dict of tensors without a history, under these names."""
    told = sorted(found) if isinstance(found, Mapping) else type(found).__name__
    require(isinstance(found, Mapping) and set(found) == names, "log", found=told)
    for name, value in found.items():
        require(isinstance(value, Tensor), "no_tensor", name=name, found=type(value).__name__)
        require(not value.requires_grad, "history", name=name)


def exercise_3(generator_step: Callable[..., Any]) -> None:
    """Check the generator's step: whose gradients are there, and which way they point."""
    state = fresh()
    for weight in state.discriminator.parameters():
        weight.grad = torch.zeros_like(weight)
    fakes = drawn(state)
    judge = copy.deepcopy(state.discriminator)
    right = gradients(state.generator, -judge(*fakes).logits.mean())
    fakes[0].grad = fakes[1].grad = None  # they were asked for it, too
    log = attempt(generator_step, state.watch(drawn=True), *fakes, lost="detached")
    judged = state.happened.count("D judges")
    require(not is_off(state.generator), "generator_off")
    require("D learns" not in state.happened, "opponent")
    require("G learns" in state.happened, "no_step")
    mine = gradients(state.generator)
    require(bool(mine.abs().max() > 0), "detached")
    require(judged == 1, "judges", found=judged)
    for name, fake in zip(("fake", "fake_small"), fakes, strict=True):
        require(fake.grad is not None, "half_detached", name=name)
    require(bool(gradients(state.discriminator).abs().max() == 0), "awake")
    require(state.discriminator.training, "eval")
    require(not same(mine, -right), "sign")
    require(same(mine, right), "differs")
    _log(log, {"generator"})


def exercise_4(follow: Callable[..., Any]) -> None:
    """Check the average on a network whose numbers are known."""
    require(callable(follow), "no_function", found=follow)
    average, generator = _filled(8.0, 3), _filled(4.0, 7)
    follow(average, generator, 0.75)
    now = generator.state_dict().values()
    kept = all(bool((each == (4 if each.is_floating_point() else 7)).all()) for each in now)
    require(kept, "generator_changed")
    found = {name: each.flatten()[0].item() for name, each in average.state_dict().items()}
    weight, mean = found["0.weight"], found["1.running_mean"]
    require(weight != 8, "unchanged")
    for cause, value in {"swapped": 5, "copied": 4, "added": 10}.items():
        require(weight != value, cause)
    require(weight == 7, "value", found=weight)
    require(mean != 8, "buffers")
    require(mean == 7, "buffers_value", found=mean)
    count = found.pop("1.num_batches_tracked")
    for name, value in found.items():
        require(value == 7, "part", name=name, found=value)
    require(count == 7, "counter", found=count)
    follow(average, generator, 0)
    require(bool((average.state_dict()["0.weight"] == 4).all()), "no_copy")
    require(not shared(average, generator), "alias")


def _filled(value: float, count: int) -> nn.Module:
    """Return a small network with the same number everywhere, and a counter."""
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    for tensor in network.state_dict().values():
        tensor.fill_(value if tensor.is_floating_point() else count)
    return network


def exercise_5(iteration: Callable[..., Any]) -> dict[str, Any]:
    """Check in which order things happen in an iteration, and what the average becomes."""
    state = fresh().watch()
    start = first_weight(state.generator)
    real, metadata = torch.rand(4, 3, 64, 64) * 2 - 1, torch.randn(4, MODEL.metadata_dim)
    log = attempt(iteration, state, real, metadata, lost="history_lost")
    draws, told = state.happened.count("G draws"), ", ".join(state.happened)
    require(draws == 1, "drawn", found=draws)
    wanted = ["G draws", "D judges", "D judges", "D learns", "D judges", "G learns"]
    require(state.happened == wanted, "order", found=told or "nothing")
    require(not shared(state.average, state.generator), "alias")
    counters = [each for each in state.generator.buffers() if each.dtype == torch.int64]
    require(all(bool(each == 1) for each in counters), "turned")
    moved = not torch.equal(first_weight(state.generator), start)
    require(moved and not is_off(state.generator), "generator_off")
    mean = first_weight(state.average)
    require(not torch.equal(mean, start), "average_early")
    require(torch.equal(mean, first_weight(state.generator)), "first_copy")
    require(state.iteration == 1, "uncounted", found=state.iteration, wanted=1)
    _log(log, LOG | {"generator"})
    attempt(iteration, state, real, metadata, lost="history_lost")
    require(state.iteration == 2, "uncounted", found=state.iteration, wanted=2)
    latest, later = first_weight(state.generator), first_weight(state.average)
    require(not torch.equal(later, latest), "always_copy")
    blend = torch.lerp(mean, latest, 1 - CONFIG.ema_decay)
    require(torch.allclose(later, blend, rtol=0, atol=1e-6), "decay", wanted=CONFIG.ema_decay)
    return {"happened": told}


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
    state.discriminator.register_forward_pre_hook(lambda _, seen: images.append(seen[0].detach()))
    try:
        diary = called(train, state, 10, 2, 3)
    except RuntimeError as error:  # integers, which nobody can augment
        require("Byte" not in str(error), "to_float", found=255)
        raise
    require(given != [], "open")
    brightest = max(float(each.abs().max()) for each in images)
    require(brightest < 2, "to_float", found=brightest)
    require(len(given) < 2 or not torch.equal(given[0], given[1]), "same_batch")
    require(len(given) != 10, "starts_over")
    require(len(given) == 3, "count", found=len(given))
    faces = load_images("fluent-faces", MODEL.resolution)
    rows = bank_for("fluent-faces", images=faces).rows()
    batches = image_batches(faces, dataclasses.replace(CONFIG, batch_size=2, seed=3), start=7)
    for metadata in given:
        indices, batch = next(batches)
        wanted = rows[indices]
        close = metadata.shape == wanted.shape and torch.allclose(metadata, wanted, atol=1e-4)
        require(close, "metadata")
        real = to_float(batch)
        halved = any(moved_from(seen.cpu(), (real + 1) / 2) for seen in images)
        require(not halved, "half_range")
        require(any(moved_from(seen.cpu(), real) for seen in images), "other_pictures")
    lines = [row["iteration"] for row in diary.rows]
    require(lines == [10], "diary", found=lines, wanted=[10])
    state = fresh().to(pick_device())
    state.iteration = 9
    diary = called(train, state, 21, 2, 3)
    lines = [row["iteration"] for row in diary.rows]
    require(lines == [10, 20], "diary", found=lines, wanted=[10, 20])
    require(len(diary.logs) == 1, "sparse")
