"""Where the checks for a GPU run and on what, and how two devices are made comparable."""

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from layouts import Training, made_bank
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from slae_lib.config import ModelConfig
from slae_lib.datasets import ImageSet, MetadataBank
from slae_lib.training.config import TrainConfig


class Skipped(Exception):
    """A check means nothing here; the message is the reason."""


class Failed(Exception):
    """A check has found something; the message says what, ``facts`` how much."""

    def __init__(self, message: str, facts: dict[str, Any]) -> None:
        super().__init__(message)
        self.facts = facts


@dataclass(frozen=True)
class Setting:
    """A device, networks with metadata, and how many images a batch has."""

    device: torch.device
    model: ModelConfig
    batch: int

    @classmethod
    def of(cls, device: torch.device, tiny: bool) -> "Setting":
        """Return a setting at 256 px with half the width, or a tiny one."""
        if tiny:
            return cls(device, ModelConfig(resolution=64, width=8, noise_dim=32), batch=4)
        return cls(device, ModelConfig(resolution=256, width=32), batch=4)

    def config(self, precision: str = "no", device: str = "", **fields: Any) -> TrainConfig:
        """Return the configuration of a run with L1, on the setting's device unless told."""
        place = device or ("cpu" if self.device.type == "cpu" else "auto")
        return TrainConfig(
            batch_size=self.batch,
            samples=2,
            reconstruction="l1",
            precision=precision,
            device=place,
            **fields,
        )

    def training(self, precision: str = "no", device: str = "", seed: int = 0) -> Training:
        """Return new iterations, always from the same weights and images for one seed."""
        torch.manual_seed(seed)
        work = Training(self.model, self.config(precision, device))
        side, source = self.model.resolution, torch.Generator().manual_seed(seed)
        real = torch.rand(self.batch, 3, side, side, generator=source) * 2 - 1
        rows = torch.randn(self.batch, self.model.metadata_dim, generator=source)
        work.real, work.metadata = real.to(work.device), rows.to(work.device)
        return work

    def images(self, count: int = 16) -> tuple[ImageSet, MetadataBank]:
        """Return random pictures in memory, and as random metadata for them."""
        bank = made_bank(self.model, count)
        side = self.model.resolution
        pixels = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8)
        return ImageSet("random numbers", side, bank.names, "", images=pixels), bank

    def needs_cuda(self) -> None:
        """Leave the check out where there is no CUDA."""
        if self.device.type != "cuda":
            raise Skipped("it needs CUDA")


class DrawnOnTheCPU(TorchFunctionMode):
    """Random numbers come from the CPU's generator on every device, so that devices compare."""

    DRAWING = (torch.randn, torch.rand, torch.randint, torch.randn_like, torch.rand_like)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func not in self.DRAWING:
            return func(*args, **kwargs)
        like = args[0].device if args and isinstance(args[0], Tensor) else torch.device("cpu")
        place = kwargs.pop("device", None) or like
        return func(*args, **kwargs, device="cpu").to(place)


@contextlib.contextmanager
def exact_float32() -> Iterator[None]:
    """Switch TF32 off, and let cuDNN choose what gives the same result each time."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic
    matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic = False, False, True
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic = before


@contextlib.contextmanager
def watched(mode: str) -> Iterator[None]:
    """Let torch tell ("warn") or stop ("error") whenever the program waits for the GPU."""
    torch.cuda.set_sync_debug_mode(mode)
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def numbers(losses: Any) -> dict[str, float]:
    """Return the losses of an iteration by name."""
    return {name: float(value) for name, value in losses._asdict().items() if value is not None}


def gradients(network: nn.Module) -> Tensor:
    """Return all gradients of a network as one float64 vector on the CPU."""
    found = [p.grad.flatten().double().cpu() for p in network.parameters() if p.grad is not None]
    return torch.cat(found)


def first_step(work: Training) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Do an iteration with random numbers from the CPU; return its losses and gradients."""
    torch.manual_seed(1)
    with DrawnOnTheCPU():
        losses = work.iterate()
    names = "generator", "discriminator"
    return numbers(losses), {name: gradients(getattr(work.state, name)) for name in names}


@functools.cache
def expected_step(setting: Setting) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Return what the first step is on the CPU in float32."""
    return first_step(setting.training(device="cpu"))
