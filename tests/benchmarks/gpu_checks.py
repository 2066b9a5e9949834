"""What only a GPU can show of the training, as small checks that each tell what they have seen.

On a computer without one they run on the CPU, where some are left out and the rest is easy.
"""

import math
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState
from gpu_setting import (
    Failed,
    Setting,
    Skipped,
    exact_float32,
    expected_step,
    first_step,
    numbers,
    watched,
)
from torch.nn.functional import cosine_similarity

from slae_lib.training.checkpoint import averaged_generator, load_checkpoint, save_checkpoint
from slae_lib.training.families import model_to_dict
from slae_lib.training.loop import train

BOUNDS = {"no": (5e-3, 0.99), "bf16": (0.05, 0.85), "fp16": (0.02, 0.97)}
"""By the precision: how far a loss may be from the CPU's, and the least cosine of gradients."""
FIRST_SCALE = 1024.0
"""Of the losses in fp16; the usual one is found by leaving out the first steps."""


def step_in(precision: str) -> Callable[[Setting], dict[str, Any]]:
    """Return the check of one precision: a first step with the CPU's losses and gradients."""

    def check(setting: Setting) -> dict[str, Any]:
        if precision == "fp16":
            setting.needs_cuda()
        expected, directions = expected_step(setting)
        with exact_float32():
            work = setting.training(precision)
            if precision == "fp16":
                scaler = work.state.scaler
                scaler.load_state_dict(scaler.state_dict() | {"scale": FIRST_SCALE})
            found, own = first_step(work)
            later = [numbers(work.iterate()) for _ in range(3)][-1]
        cosines = {
            name: float(cosine_similarity(directions[name], own[name], dim=0)) for name in own
        }
        furthest = max(abs(found[name] - value) for name, value in expected.items())
        loss_bound, cosine_bound = BOUNDS[precision]
        facts = {
            "cpu_losses": expected,
            "losses": found,
            "furthest": furthest,
            "bound": loss_bound,
            "gradient_cosines": cosines,
            "least_cosine": cosine_bound,
            "losses_after_four": later,
        }
        if not all(map(math.isfinite, [*found.values(), *later.values(), *cosines.values()])):
            raise Failed("a loss or gradient is no number", facts)
        if furthest > loss_bound:
            raise Failed("a loss is too far from the CPU's", facts)
        if min(cosines.values()) < cosine_bound:
            raise Failed("the gradients point elsewhere than the CPU's", facts)
        return facts

    return check


def _places_that_wait(work: Callable[[], object]) -> dict[str, int]:
    """Return where the program waits for the GPU while it works, and how often."""
    torch.cuda.synchronize()
    with warnings.catch_warnings(record=True) as seen, watched("warn"):
        warnings.simplefilter("always")
        work()
    waits = [warning for warning in seen if "synchroniz" in str(warning.message)]
    return Counter(f"{Path(warning.filename).name}:{warning.lineno}" for warning in waits)


def step_never_waits(setting: Setting) -> dict[str, Any]:
    """In a step the program never waits for the GPU."""
    setting.needs_cuda()
    work = setting.training("bf16")
    for _ in range(3):
        work.iterate()
    facts: dict[str, Any] = {"places": _places_that_wait(work.iterate)}
    try:
        with watched("error"):
            work.iterate()
    except RuntimeError as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [f"{Path(f.filename).name}:{f.lineno}" for f in frames if "slae_lib" in f.filename]
        facts["first"] = own[-1] if own else str(error)
    if len(facts) > 1 or facts["places"]:
        raise Failed("the step waits for the GPU", facts)
    return facts


def loop_never_waits(setting: Setting) -> dict[str, Any]:
    """Between two lines of metrics the loop around the step never waits for the GPU."""
    setting.needs_cuda()
    iterations = 24
    images, bank = setting.images()
    rarely = {"log_every": 1000, "sample_every": 0, "checkpoint_every": 0}
    config = setting.config("bf16", iterations=iterations, **rarely)
    AcceleratorState._reset_state(reset_partial_state=True)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        places = _places_that_wait(lambda: train(setting.model, config, images, bank, run))
    each = {place: count for place, count in places.items() if count >= iterations}
    facts = {"each_iteration": each, "places": places}
    if each:
        raise Failed("every iteration waits for the GPU", facts)
    return facts


def checkpoint_comes_back(setting: Setting) -> dict[str, Any]:
    """A checkpoint is read on the CPU and by another state, and nothing in it has changed."""
    work = setting.training()
    work.iterate()
    other = setting.training(seed=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "step-0000001.pt")
        save_checkpoint(path, {"model": model_to_dict(setting.model), **work.state.state_dict()})
        stored = load_checkpoint(path)
        on_cpu = averaged_generator(stored, path)
        other.state.load_state_dict(stored, path)
    differing = []
    for network in ("generator", "discriminator", "average"):
        own, back = (getattr(side.state, network).state_dict() for side in (work, other))
        for name, value in own.items():
            if value.device != back[name].device or not torch.equal(value, back[name]):
                differing.append(f"{network}.{name}")
    image = on_cpu(torch.randn(2, setting.model.noise_dim), work.metadata[:2].cpu()).image
    facts = {"differing": differing[:5], "finite_on_cpu": bool(image.isfinite().all())}
    if differing or not facts["finite_on_cpu"]:
        raise Failed("the checkpoint has not come back as it was", facts)
    return facts


def resumed_run_goes_on(setting: Setting) -> dict[str, Any]:
    """Two steps, a checkpoint and two more end where four in a row do, bit by bit on a CPU."""
    with exact_float32():
        straight, halved = setting.training(), setting.training()
        torch.manual_seed(2)
        for _ in range(2):
            straight.iterate()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "step-0000002.pt")
            save_checkpoint(path, straight.state.state_dict())
            expected = [numbers(straight.iterate()) for _ in range(2)]
            halved.state.load_state_dict(load_checkpoint(path), path)
        found = [numbers(halved.iterate()) for _ in range(2)]
    both = (side.state.generator.parameters() for side in (straight, halved))
    weights = max(float((a - b).detach().abs().max()) for a, b in zip(*both, strict=True))
    pairs = zip(expected, found, strict=True)
    losses = max(abs(a[name] - b[name]) for a, b in pairs for name in a)
    facts = {"furthest_weight": weights, "furthest_loss": losses, "same_bits": weights == 0}
    if setting.device.type == "cpu" and weights > 0:
        raise Failed("on a CPU not one bit may differ", facts)
    if not (losses < 1e-2 and weights < 1e-3):
        raise Failed("the resumed run goes elsewhere", facts)
    return facts


@torch.no_grad()
def images_are_the_same(setting: Setting) -> dict[str, Any]:
    """A generator draws on the GPU what it draws on the CPU."""
    with exact_float32():
        work = setting.training()
        generator = work.state.averaged_generator.eval()
        noise = torch.randn(4, setting.model.noise_dim)
        rows = work.metadata[:1].expand(4, -1)
        there = generator(noise.to(work.device), rows).image.cpu()
        here = generator.cpu()(noise, rows.cpu()).image
    facts = {"furthest": float((there - here).abs().max()), "bound": 1 / 255}
    if not facts["furthest"] <= facts["bound"]:
        raise Failed("an image differs by more than half a step of 8 bits", facts)
    return facts


CHECKS: dict[str, Callable[[Setting], dict[str, Any]]] = {
    "a step in fp32 is the CPU's": step_in("no"),
    "a step in bf16 is close to the CPU's": step_in("bf16"),
    "a step in fp16 is close to the CPU's": step_in("fp16"),
    "a step never waits for the GPU": step_never_waits,
    "the loop never waits for the GPU": loop_never_waits,
    "a checkpoint comes back": checkpoint_comes_back,
    "a resumed run goes on": resumed_run_goes_on,
    "images are the CPU's": images_are_the_same,
}


def run(name: str, setting: Setting) -> dict[str, Any]:
    """Do one check and return its outcome: passed, failed or skipped, with what it has seen."""
    start = time.perf_counter()
    facts: dict[str, Any] = {}
    try:
        facts, outcome, reason = CHECKS[name](setting), "passed", ""
    except Skipped as why:
        outcome, reason = "skipped", str(why)
    except Failed as why:
        outcome, reason, facts = "failed", str(why), why.facts
    except Exception as problem:  # whatever it is, the next check has its turn
        outcome, reason = "failed", f"{type(problem).__name__}: {problem}"
    seconds = round(time.perf_counter() - start, 2)
    return {"check": name, "outcome": outcome, "reason": reason, "seconds": seconds, **facts}
