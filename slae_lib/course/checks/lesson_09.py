"""Checks of lesson 09, full training. Their sentences stand in `texts/lesson_09.toml`."""

import copy
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from slae_lib.course.checks.base import Refused, called, require
from slae_lib.course.short_run import go_on, new_training
from slae_lib.training.state import TrainingState

RATE, SCALE = 0.1, 2.0**16
PARTS = ("generator", "discriminator", "average")
OPTIMIZERS = ("generator_optimizer", "discriminator_optimizer")


# --- 9.1: a step with a loss scale --------------------------------------------------------------


def exercise_1(half_step: Callable[..., Any]) -> None:
    """Check four steps of one network: a short gradient, a long one, an overflow, a short one."""
    network = nn.Linear(3, 1).double()
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
    scaler = torch.amp.GradScaler("cpu", init_scale=SCALE)
    arrived: list[Tensor] = []  # gradients as the backward pass brings them
    network.weight.register_hook(lambda gradient: arrived.append(gradient.flatten().clone()))
    for kind, factor in {"short": 0.1, "long": 20.0, "overflow": 1e306, "again": 0.1}.items():
        gradient = _gradient(network, factor)
        before = _weights(network)
        arrived.clear()
        try:
            scale = called(half_step, network, optimizer, scaler, _loss(network, factor))
        except RuntimeError as error:  # PyTorch's own words for it
            late = any(words in str(error) for words in ("last update", "after step"))
            if late and kind != "short":
                raise Refused("no_update") from error
            raise
        moved = before - _weights(network)
        if kind == "overflow":
            untouched = bool(moved.isfinite().all()) and not bool(moved.any())
            require(untouched, "no_skip")
            require(scaler.get_scale() == SCALE / 2, "scale_stays", found=scaler.get_scale())
        else:
            require(not (arrived and _near(arrived[-1], gradient[:3])), "not_scaled")
            _require_step(kind, moved, gradient)
        told = scaler.get_scale()
        require(scale == told, "no_scale", found=scale, wanted=told)


def _loss(network: nn.Module, factor: float) -> Tensor:
    inputs = torch.linspace(-1, 2, 12).view(4, 3).double()
    wanted = torch.tensor([[1.0], [-1.0], [2.0], [0.5]]).double()
    return factor * (network(inputs) - wanted).square().mean()


def _gradient(network: nn.Module, factor: float) -> Tensor:
    found = torch.autograd.grad(_loss(network, factor), list(network.parameters()))
    return torch.cat([each.flatten() for each in found])


def _weights(network: nn.Module) -> Tensor:
    return torch.cat([each.detach().clone().flatten() for each in network.parameters()])


def _require_step(kind: str, moved: Tensor, gradient: Tensor) -> None:
    """Refuse a step that is not that of the gradient, shortened to 1 where it is longer."""
    length = float(gradient.norm())
    right = RATE * gradient / max(1.0, length)
    unit = RATE * gradient / length
    require(bool(moved.isfinite().all()), "no_numbers")
    require(kind != "again" or bool(moved.any()), "left_over")
    require(bool(moved.any()), "no_step")
    wrong = {
        "clip_scaled": [unit / SCALE, *([unit] if length < 1 else [])],
        "not_unscaled": [RATE * gradient * SCALE],
        "no_clip": [RATE * gradient] if length > 1 else [],
        "twice": [2 * right],
    }
    told = {"found": float(moved.norm() / RATE), "wanted": length}
    for cause, values in wrong.items():
        require(not any(_near(moved, value) for value in values), cause, **told)
    require(_near(moved, right), "step", **told)


def _near(found: Tensor, value: Tensor) -> bool:
    return bool((found - value).norm() < 0.01 * value.norm())


# --- 9.2: what is held in memory ----------------------------------------------------------------


def exercise_2(held: Callable[..., Any]) -> dict[str, Any]:
    """Check the bytes of a training after one iteration, each kind by itself."""
    training = new_training(3)
    go_on(training, 1)
    found = called(held, training)
    weights = [*training.generator.parameters(), *training.discriminator.parameters()]
    both, own = _bytes(weights), _bytes(training.generator.parameters())
    right = {"weights": both, "gradients": both, "moments": 2 * both, "average": own}
    require(isinstance(found, dict), "no_dict", found=type(found).__name__)
    require(set(found) == set(right), "keys", found=", ".join(map(str, found)))
    require(... not in found.values(), "open")
    rest = both - own
    counters = 4 * sum(len(getattr(training, name).state) for name in OPTIMIZERS)
    wrong = {
        "numbers": {name: value // 4 for name, value in right.items()},
        "no_discriminator": {"weights": own, "gradients": own, "moments": 2 * own},
        "no_generator": {"weights": rest, "gradients": rest, "moments": 2 * rest},
        "one_moment": {"moments": both},
        "counters": {"moments": 2 * both + counters},
        "buffers": {"average": _bytes(training.average.state_dict().values())},
        "average_of_both": {"average": both},
    }
    for name, wanted in right.items():
        for cause, values in wrong.items():
            same = found[name] == values.get(name, -1) != wanted
            require(not same, cause, name=name, found=found[name])
        require(found[name] == wanted, "bytes", name=name, found=found[name], wanted=wanted)
    return {"generator": sum(right.values()) / both, "per": 4 + own / both}


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


# --- 9.3: what a checkpoint has to hold ---------------------------------------------------------


def exercise_3(pack: Callable[..., Any], unpack: Callable[..., Any]) -> None:
    """Check a resume by training on: every part has to be what it is without a break."""
    whole = new_training(5)
    go_on(whole, 2)
    saved = _through_a_file(called(pack, whole))
    random = torch.get_rng_state()
    there = copy.deepcopy(_parts(whole))
    resumed = new_training(6)
    go_on(resumed, 1)  # a training that is not where it began, so that nothing fits by chance
    torch.manual_seed(7)
    require(callable(unpack), "no_function", found=unpack)
    unpack(resumed, saved)
    require(resumed.iteration == 2, "iteration", found=resumed.iteration)
    for name, part in _parts(resumed).items():
        counter = name == "average" and _same(part[1:], there[name][1:])
        require(not counter or _same(part, there[name]), "counter")
        require(_same(part, there[name]), name)
    require(torch.equal(torch.get_rng_state(), random), "random")
    go_on(resumed, 1)
    torch.set_rng_state(random)
    go_on(whole, 1)
    for name, part in _parts(resumed).items():
        require(_same(part, _parts(whole)[name]), "goes_on", name=name)


def _through_a_file(packed: Any) -> Any:
    require(isinstance(packed, dict), "no_dict", found=type(packed).__name__)
    file = io.BytesIO()
    torch.save(packed, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def _parts(training: TrainingState) -> dict[str, list[Tensor]]:
    states = {name: getattr(training, name).state_dict() for name in (*PARTS, *OPTIMIZERS)}
    return {name: list(_tensors(state)) for name, state in states.items()}


def _tensors(part: Any) -> Iterable[Tensor]:
    if isinstance(part, Tensor):
        yield part
    elif isinstance(part, dict | list):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from _tensors(inner)


def _same(first: list[Tensor], second: list[Tensor]) -> bool:
    return len(first) == len(second) and all(map(torch.equal, first, second))


# --- 9.4: the command ---------------------------------------------------------------------------


def exercise_4(arguments: list[Any]) -> dict[str, Any]:
    """Check the words of a command that goes on with a run."""
    require(isinstance(arguments, list), "no_list", found=type(arguments).__name__)
    require(... not in arguments, "open")
    words: list[str] = []
    for word in map(str, arguments):  # --a=1 is --a 1
        words += word.split("=", 1) if word.startswith("--") else [word]
    told = " ".join(Path(word).name for word in words)
    require(words[:1] == ["train"], "program", found=told)
    require(not any(" " in word and "--" in word for word in words), "one_string", found=told)
    known = {"--resume", "--iterations"}
    others = [word for word in words if word.startswith("-") and word not in known]
    require("--resume" in words or "--out" not in words, "new_run", found=told)
    require(not others, "keeps", found=", ".join(others))
    require("--resume" in words, "no_resume", found=told)
    folder = words[words.index("--resume") + 1 :][:1]
    require(folder != ["killed"], "quotes")
    require(bool(folder) and Path(folder[0]).name == "killed", "folder", found=told)
    require("--iterations" in words, "no_iterations", found=told)
    count = words[words.index("--iterations") + 1 :][:1]
    require(count == ["30"], "iterations", found=" ".join(count))
    require(len(words) == 5, "more", found=told)
    return {"command": told}
