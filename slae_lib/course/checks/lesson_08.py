"""Checks of lesson 08, the training loop. Their sentences stand in `texts/lesson_08.toml`."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from slae_lib.course.checks.base import called, require
from slae_lib.course.checks.lesson_08_experiment import exercise_6, exercise_7, exercise_8
from slae_lib.course.checks.lesson_08_parts import (
    CONFIG,
    LOG,
    MODEL,
    Judged,
    RightStep,
    Spy,
    State,
    attempt,
    discriminators,
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
    wrong_losses,
)

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
    require(abs(weight.item() - 1.2) > 1e-6, "uphill", found=told)
    for name in ("zero_grad", "backward", "step"):
        require(name in happened, f"no_{name}", found=told)
    zero, back, step = (happened.index(name) for name in ("zero_grad", "backward", "step"))
    require(back < step, "step_early", found=told)
    require(not back < zero < step, "thrown_away", found=told)
    require(zero < back, "zero_late", found=told)
    more = happened[:3] != ["zero_grad", "backward", "step"] or "step" in happened[3:]
    require(not more, "more", found=told)
    require(False, "other_gradient", found=told, now=weight.item())


def exercise_2(discriminator_step: Callable[..., Any]) -> None:
    """Check the discriminator's step: what it saw, how far its gradient went, what it minimised."""
    seen: list[Judged] = []
    try:
        state, fakes, log = discriminators(discriminator_step, seen)
    except (RuntimeError, ValueError) as error:  # an empty list, where decoded images belong
        asked = bool(seen) and seen[0].quarter is not None
        require("non-empty" not in str(error), "fake_pairs" if asked else "no_quarter")
        raise
    except AttributeError as error:
        require("'decoded'" not in str(error), "no_pairs")
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
    require(seen[0].quarter is not None, "fake_first")
    require(seen[1].quarter is None, "fake_decoded")
    right = RightStep()
    quarters = seen[0].quarter, right.seen[0].quarter
    require(quarters[0] == quarters[1], "other_quarter", found=quarters[0], wanted=quarters[1])
    close = torch.allclose(spectral_vectors(state.discriminator), right.vectors, atol=1e-4)
    require(close, "uncached")
    found = gradients(state.discriminator)
    if not same(found, right.hinge + right.distance):
        _other_gradient(found, seen, right)
    _log(log, right.log)


def _other_gradient(found: Tensor, seen: list[Judged], right: RightStep) -> None:
    """Refuse a gradient that is not the lab's: for its images, its hinge, or its sum."""
    names = ("real", "real_small"), ("fake", "fake_small")
    for mine, theirs, pair in zip(seen, right.seen, names, strict=True):
        for image, wanted, name in zip(mine.images, theirs.images, pair, strict=True):
            require(torch.allclose(image, wanted, atol=1e-4), "other_images", name=name)
    for (cause, name), hinge in right.wrong.items():
        require(not same(found, hinge + right.distance), cause, name=name)
    parts = torch.stack([right.hinge, right.distance], dim=1)  # (weights, 2)
    shares = torch.linalg.lstsq(parts, found[:, None]).solution[:, 0]
    require(same(found, parts @ shares), "differs")
    hinge, distance = shares.tolist()
    require(min(hinge, distance) > -0.01, "minus")
    require(distance > 0.01, "no_reconstruction")
    require(hinge > 0.01, "no_hinge")
    require(False, "shares", hinge=hinge, reconstruction=distance)


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
    logits = judge(*fakes).logits
    loss = -logits.mean()
    right, wrong = gradients(state.generator, loss), wrong_losses(state.generator, logits)
    fakes[0].grad = fakes[1].grad = None  # they were asked for it, too
    given: list[Tensor] = []
    awake: list[bool] = []

    def judging(network: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Any]) -> None:
        require(named.get("quarter") is None and len(inputs) < 3, "decoded")
        given[:] = sized(inputs, named)
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
    for told, gradient in wrong.items():
        require(same(mine, right) or not same(mine, gradient), "other_loss", found=told)
    require(same(mine, right), "differs")
    _log(log, {"generator": loss.detach()})


def exercise_4(follow: Callable[..., Any]) -> None:
    """Check the average on a network whose numbers are known."""
    require(callable(follow), "no_function", found=follow)
    average, generator = _filled(8.0, 3), _filled(4.0, 7)
    returned = follow(average, generator, 0.75)
    now = generator.state_dict().values()
    kept = all(bool((each == (4 if each.is_floating_point() else 7)).all()) for each in now)
    require(kept, "generator_changed")
    found = {name: each.flatten()[0].item() for name, each in average.state_dict().items()}
    weight, mean = found["0.weight"], found["1.running_mean"]
    told = type(returned).__name__
    require(weight != 8 or returned is None or returned is average, "returned", found=told)
    require(weight != 8, "unchanged")
    for cause, value in {"swapped": 5, "copied": 4, "added": 10}.items():
        require(weight != value, cause)
    other = _filled(8.0, 3)
    follow(other, generator, 0.5)
    require(other.state_dict()["0.weight"].flatten()[0].item() != weight, "fixed", found=weight)
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
    start, before = first_weight(state.generator), copy.deepcopy(state.average.state_dict())
    real, metadata = torch.rand(4, 3, 64, 64) * 2 - 1, torch.randn(4, MODEL.metadata_dim)
    made: list[Tensor] = []
    seen: list[Tensor] = []
    state.average.register_forward_pre_hook(lambda *_: require(False, "from_average"))
    state.generator.register_forward_hook(lambda *known: made.append(known[2].image.detach()))
    state.discriminator.register_forward_pre_hook(
        lambda _, inputs, named: seen.append(pictures(inputs, named)[0].detach()), with_kwargs=True
    )
    try:
        log = attempt(iteration, state, real, metadata, lost="history_lost")
    except (AttributeError, TypeError) as error:
        together = "'fake_small'" in str(error) or "'tuple' object" in str(error)
        require(not together, "together")
        raise
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
    now = state.average.state_dict()
    kept = [name for name, each in before.items() if torch.equal(each, now[name])]
    floats = [name for name, each in before.items() if each.is_floating_point()]
    require(kept != floats, "kept")  # the counters alone have followed
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
