"""Checks of lesson 08, the training loop. Their sentences stand in `texts/lesson_08.toml`."""

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
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
    first_weight,
    fresh,
    gradients,
    moved_from,
    same,
    spectral_vectors,
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
    """Check by one weight in which order the three calls come."""
    require(callable(descend), "no_function", found=descend)
    weight = torch.ones(1, requires_grad=True)
    optimizer = Spy(weight, 0.1)
    happened = optimizer.happened
    weight.register_hook(lambda _: happened.append("backward"))
    descend(optimizer, weight.square().sum())
    require(happened != [], "open")
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
    require(any(w.requires_grad for w in state.discriminator.parameters()), "asleep")
    require(fakes[0].grad is None, "no_detach")
    require(fakes[1].grad is None, "small_detach")
    require("G learns" not in state.happened, "other_optimizer")
    require("D learns" in state.happened, "no_step")
    require(len(seen) == 2, "judges", found=len(seen))
    require(seen[0] is not None, "fake_first")
    wanted, vectors = _wanted()
    close = torch.allclose(spectral_vectors(state.discriminator), vectors, atol=1e-4)
    require(close, "uncached")
    found = gradients(state.discriminator)
    for cause in ("no_reconstruction", "no_hinge", "swapped"):
        require(not same(found, wanted[cause]), cause)
    require(same(found, wanted["right"]), "differs")
    _log(log, LOG)


def _discriminators(step: Callable[..., Any], seen: list[Any]) -> tuple[State, list[Tensor], Any]:
    """Let a discriminator take a step that was left switched off, as by the iteration before."""
    torch.manual_seed(1)
    state = fresh().watch()
    state.discriminator.requires_grad_(False)
    state.discriminator.register_forward_pre_hook(
        lambda _, inputs, named: seen.append(named.get("quarter")), with_kwargs=True
    )
    real, fake = torch.rand(2, 4, 3, 64, 64) * 2 - 1
    fakes = [fake.clone().requires_grad_(), F.avg_pool2d(fake, 2).requires_grad_()]
    torch.manual_seed(2)
    log = attempt(step, state, real, *fakes, asleep="asleep")
    return state, fakes, log


def _wanted() -> tuple[dict[str, Tensor], Tensor]:
    """Return the gradients of a right step and of three wrong ones, and its spectral vectors."""
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
        found["no_reconstruction"] = gradients(network, hinge)
        found["no_hinge"] = gradients(network, distance)
        found["right"] = found["no_reconstruction"] + found["no_hinge"]
        found["swapped"] = gradients(network, turned) + found["no_hinge"]
        return {}

    state, _, _ = _discriminators(step, [])
    return found, spectral_vectors(state.discriminator)


def _log(found: Any, names: set[str]) -> None:
    """Refuse a log that is no dict of numbers without a history, under these names."""
    told = sorted(found) if isinstance(found, Mapping) else type(found).__name__
    require(isinstance(found, Mapping) and set(found) == names, "log", found=told)
    for name, value in found.items():
        require(not value.requires_grad, "history", name=name)


def exercise_3(generator_step: Callable[..., Any]) -> None:
    """Check the generator's step: whose gradients are there, and which way they point."""
    state = fresh()
    for weight in state.discriminator.parameters():
        weight.grad = torch.zeros_like(weight)
    fake = state.generator(torch.randn(4, MODEL.noise_dim), torch.randn(4, MODEL.metadata_dim))
    judge = copy.deepcopy(state.discriminator)
    right = gradients(state.generator, -judge(fake.image, fake.small).logits.mean())
    state.watch()
    log = attempt(generator_step, state, fake.image, fake.small, asleep="detached")
    judged = state.happened.count("D judges")
    require("G draws" not in state.happened, "drawn_again")
    require("D learns" not in state.happened, "opponent")
    require("G learns" in state.happened, "no_step")
    mine = gradients(state.generator)
    require(bool(mine.abs().max() > 0), "detached")
    require(judged == 1, "judges", found=judged)
    require(bool(gradients(state.discriminator).abs().max() == 0), "awake")
    require(not same(mine, -right), "sign")
    require(same(mine, right), "differs")
    _log(log, {"generator"})


def exercise_4(follow: Callable[..., Any]) -> None:
    """Check the average on a network whose numbers are known."""
    require(callable(follow), "no_function", found=follow)
    average, generator = _filled(8.0, 3), _filled(4.0, 7)
    follow(average, generator, 0.75)
    untouched = all(bool((weight == 4).all()) for weight in generator.parameters())
    require(untouched, "generator_changed")
    found = average.state_dict()
    weight, mean = found["0.weight"].flatten()[0].item(), found["1.running_mean"][0].item()
    require(weight != 8, "unchanged")
    for cause, value in {"swapped": 5, "copied": 4, "added": 10}.items():
        require(weight != value, cause)
    require(weight == 7, "value", found=weight)
    require(mean != 8, "buffers")
    require(mean == 7, "value", found=mean)
    count = int(found["1.num_batches_tracked"])
    require(count == 7, "counter", found=count)
    follow(average, generator, 0)
    require(bool((average.state_dict()["0.weight"] == 4).all()), "no_copy")


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
    log = attempt(iteration, state, real, metadata, asleep="history_lost")
    draws, told = state.happened.count("G draws"), ", ".join(state.happened)
    require(draws == 1, "drawn", found=draws)
    wanted = ["G draws", "D judges", "D judges", "D learns", "D judges", "G learns"]
    require(state.happened == wanted, "order", found=told or "nothing")
    mean = first_weight(state.average)
    require(not torch.equal(mean, start), "average_early")
    require(torch.equal(mean, first_weight(state.generator)), "first_copy")
    require(state.iteration == 1, "uncounted", found=state.iteration)
    _log(log, LOG | {"generator"})
    attempt(iteration, state, real, metadata, asleep="history_lost")
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

    def drawn(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        given.append(inputs[1].cpu())
        require(len(given) <= MOST_ITERATIONS, "endless", found=MOST_ITERATIONS)

    state.generator.register_forward_pre_hook(drawn)
    state.discriminator.register_forward_pre_hook(lambda _, seen: images.append(seen[0].detach()))
    diary = called(train, state, 10, 2, 3)
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
    lines = [row["iteration"] for row in called(train, state, 20, 2, 3).rows]
    require(lines == [10, 20], "diary", found=lines, wanted=[10, 20])
