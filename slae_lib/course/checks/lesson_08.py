"""Checks of lesson 08, the training loop. Their sentences stand in `texts/lesson_08.toml`."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from slae_lib import losses
from slae_lib.augment import augment
from slae_lib.course.checks.base import called, require
from slae_lib.course.checks.lesson_08_experiment import exercise_6, exercise_7, exercise_8
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
    pictures,
    same,
    shared,
    sized,
    spectral_vectors,
    untouched,
)
from slae_lib.discriminator import downsample

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

COUNTER = "1.num_batches_tracked"  # of exercise 8.4's small network
LOG = ["discriminator", "reconstruction", "real_logits", "fake_logits"]


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
        left = weight.grad  # what 8.2 and 8.3 look at
        told = ", ".join(happened)
        require(left is not None and bool(left != 0), "cleared", found=told)
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
        asked = bool(seen) and seen[0] is not None
        require("non-empty" not in str(error), "fake_pairs" if asked else "no_quarter")
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
    require(seen[1] is None, "fake_decoded")
    wanted, vectors, right, quarter = _wanted()
    require(seen[0] == quarter, "other_quarter", found=seen[0], wanted=quarter)
    close = torch.allclose(spectral_vectors(state.discriminator), vectors, atol=1e-4)
    require(close, "uncached")
    found = gradients(state.discriminator)
    for cause in ("no_reconstruction", "no_hinge", "swapped", "fake_ignored"):
        require(not same(found, wanted[cause]), cause)
    require(same(found, wanted["right"]), "differs")
    _log(log, right)


def _discriminators(step: Callable[..., Any], seen: list[Any]) -> tuple[State, list[Tensor], Any]:
    """Let a discriminator take a step that was left switched off, as by the iteration before."""
    torch.manual_seed(1)
    state = fresh()
    weights = list(state.discriminator.requires_grad_(False).parameters())
    weights[0].requires_grad_(True)  # so that one sees who switches them off here

    def judging(network: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Any]) -> None:
        seen.append(named.get("quarter"))
        sized(inputs, named)
        require(any(weight.requires_grad for weight in weights), "switched_off")
        require(not is_off(network), "asleep")
        require(network.training, "eval")
        state.happened += ["G off"] * is_off(state.generator)

    state.discriminator.register_forward_pre_hook(judging, with_kwargs=True)
    real, fakes = torch.rand(4, 3, 64, 64) * 2 - 1, drawn(state)
    torch.manual_seed(3)  # the quarter is not 0
    log = attempt(step, state.watch(drawn=True), real, *fakes, lost="loss_detached")
    return state, fakes, log


def _wanted() -> tuple[dict[str, Tensor], Tensor, dict[str, Tensor], int]:
    """Return the gradients of a right step and of four wrong ones, and what else is compared.

    This is its spectral vectors, its log and its quarter.
    """
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
        means = on_real.logits.mean(), on_fake.logits.mean()
        return dict(zip(LOG, (each.detach() for each in (hinge, distance, *means)), strict=True))

    seen: list[Any] = []
    state, _, log = _discriminators(step, seen)
    return found, spectral_vectors(state.discriminator), log, seen[0]


def _log(found: Any, wanted: Mapping[str, Tensor | None]) -> None:
    """Refuse a log that is no dict of tensors without a history, or has other values than these."""
    told = sorted(found) if isinstance(found, Mapping) else type(found).__name__
    require(isinstance(found, Mapping) and set(found) == set(wanted), "log", found=told)
    for name, value in found.items():
        require(isinstance(value, Tensor), "no_tensor", name=name, found=type(value).__name__)
        require(not value.requires_grad, "history", name=name)
        right = wanted[name]
        if right is not None:
            close = value.numel() == 1 and abs(float(value - right)) < 1e-3
            told = f"{value.item():.3f}" if value.numel() == 1 else f"{tuple(value.shape)} numbers"
            require(close, "log_value", name=name, found=told, wanted=float(right))


def exercise_3(generator_step: Callable[..., Any]) -> None:
    """Check the generator's step: whose gradients are there, and which way they point."""
    state = fresh()
    for weight in state.discriminator.parameters():
        weight.grad = torch.zeros_like(weight)
    fakes = drawn(state)
    judge = copy.deepcopy(state.discriminator)
    loss = -judge(*fakes).logits.mean()
    right = gradients(state.generator, loss)
    fakes[0].grad = fakes[1].grad = None  # they were asked for it, too
    given: list[Tensor] = []
    awake: list[bool] = []

    def judging(network: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Any]) -> None:
        given[:] = sized(inputs, named)
        require(named.get("quarter") is None, "decoded")
        awake.append(any(weight.requires_grad for weight in network.parameters()))

    state.discriminator.register_forward_pre_hook(judging, with_kwargs=True)
    log = attempt(generator_step, state.watch(drawn=True), *fakes, lost="detached")
    judged = state.happened.count("D judges")
    require(not is_off(state.generator), "generator_off")
    require("D learns" not in state.happened, "opponent")
    require("G learns" in state.happened, "no_step")
    mine = gradients(state.generator)
    require(bool(mine.abs().max() > 0), "detached")
    require(judged == 1, "judges", found=judged)
    for name, fake, image in zip(("fake", "fake_small"), fakes, given, strict=True):
        cause = "replaced" if image.requires_grad else "half_detached"
        require(fake.grad is not None, cause, name=name)
    none = bool(gradients(state.discriminator).abs().max() == 0)
    require(none and not awake[0], "awake")
    require(state.discriminator.training, "eval")
    require(not same(mine, -right), "sign")
    require(same(mine, right), "differs")
    _log(log, {"generator": loss.detach()})


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
    rest = [value for name, value in found.items() if name not in ("0.weight", COUNTER)]
    require(any(value != 8 for value in rest), "first_alone")
    require(mean != 8, "buffers")
    require(mean == 7, "buffers_value", found=mean)
    count = found.pop(COUNTER)
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
    made: list[Tensor] = []
    seen: list[Tensor] = []
    state.average.register_forward_pre_hook(lambda *_: require(False, "from_average"))
    state.generator.register_forward_hook(lambda *known: made.append(known[2].image.detach()))
    state.discriminator.register_forward_pre_hook(
        lambda _, inputs, named: seen.append(pictures(inputs, named)[0].detach()), with_kwargs=True
    )
    log = attempt(iteration, state, real, metadata, lost="history_lost")
    draws, told = state.happened.count("G draws"), ", ".join(state.happened)
    require(draws > 0, "other_generator")
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
    _log(log, dict.fromkeys([*LOG, "generator"]))
    attempt(iteration, state, real, metadata, lost="history_lost")
    for at in (0, 1):  # the three of an iteration are real, generated, and these again
        require(moved_from(seen[3 * at], real), "augmented_twice", name="real")
        require(moved_from(seen[3 * at + 1], made[at]), "augmented_twice", name="generated")
    require(state.iteration == 2, "uncounted", found=state.iteration, wanted=2)
    latest, later = first_weight(state.generator), first_weight(state.average)
    require(not torch.equal(later, latest), "always_copy")
    blend = torch.lerp(mean, latest, 1 - CONFIG.ema_decay)
    require(torch.allclose(later, blend, rtol=0, atol=1e-6), "decay", wanted=CONFIG.ema_decay)
    return {"happened": told}
