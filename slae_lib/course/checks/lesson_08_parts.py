"""What the checks of lesson 08 give to a student's functions, and how they watch them."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from slae_lib.course.checks.base import called, require
from slae_lib.discriminator import Discriminator
from slae_lib.generator import Generator
from slae_lib.training.presets import PRESETS

MODEL, CONFIG = PRESETS["cpu-demo"].model, PRESETS["cpu-demo"].train


class State:
    """What a student's functions get in place of the notebook's Training.

    Attributes:
        happened: who drew, judged and learned, in this order, once it is watched.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.generator = Generator(MODEL).to(device)
        self.discriminator = Discriminator(MODEL).to(device)
        self.generator_optimizer = torch.optim.Adam(self.generator.parameters(), 1e-2)
        self.discriminator_optimizer = torch.optim.Adam(self.discriminator.parameters(), 1e-2)
        self.average = copy.deepcopy(self.generator)
        self.iteration = 0
        self.happened: list[str] = []

    def watch(self) -> "State":
        """Note from now on what happens."""
        for name, network, optimizer in (
            ("G", self.generator, self.generator_optimizer),
            ("D", self.discriminator, self.discriminator_optimizer),
        ):
            verb = "draws" if name == "G" else "judges"
            network.register_forward_hook(self._noted(f"{name} {verb}"))
            optimizer.register_step_post_hook(self._noted(f"{name} learns"))
        return self

    def _noted(self, event: str) -> Callable[..., None]:
        return lambda *_: self.happened.append(event)


class Spy(torch.optim.SGD):
    """An optimizer that notes when it is asked for something."""

    def __init__(self, weight: Tensor, rate: float) -> None:
        super().__init__([weight], rate)
        self.happened: list[str] = []

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Note it, and forget the gradients."""
        self.happened.append("zero_grad")
        super().zero_grad(set_to_none)

    def step(self, closure: Any = None) -> Any:
        """Note it, and take a step."""
        self.happened.append("step")
        return super().step(closure)


def attempt(answer: Callable[..., Any], *inputs: object, asleep: str) -> Any:
    """Call an answer, and explain the two errors that a misplaced gradient leads to.

    Raises:
        Refused: for the cause ``asleep`` if a loss has no history, or for ``second_backward``.
    """
    try:
        return called(answer, *inputs)
    except RuntimeError as error:
        require("does not require grad" not in str(error), asleep)
        require("second time" not in str(error), "second_backward")
        raise


def gradients(network: nn.Module) -> Tensor:
    """Return all gradients of a network in one row, 0 where there is none."""
    weights = list(network.parameters())
    return torch.cat([in_full(weight, weight.grad).flatten() for weight in weights])


def in_full(weight: Tensor, gradient: Tensor | None) -> Tensor:
    """Return a weight's gradient, and zeros if it has none."""
    return torch.zeros_like(weight) if gradient is None else gradient.detach().clone()


def same(found: Tensor, wanted: Tensor) -> bool:
    """Whether two gradients are the same but for rounding."""
    return bool((found - wanted).norm() <= 1e-3 * wanted.norm())


def spectral_vectors(network: nn.Module) -> Tensor:
    """Return what all spectral norms have found, which changes whenever they are computed."""
    named = network.named_buffers()
    return torch.cat([values for name, values in named if name.endswith(("_u", "_v"))])


def first_weight(network: nn.Module) -> Tensor:
    """Return a copy of the first weights of a network, on the CPU."""
    return next(network.parameters()).detach().cpu().clone()
