"""Everything that changes while training."""

import functools
import itertools
import math
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from slae_lib.config import NetworkConfig
from slae_lib.datasets.bank import MetadataBank
from slae_lib.generator import Generator
from slae_lib.support.images import to_uint8
from slae_lib.support.sealed import check_count, check_like, understanding
from slae_lib.support.spectral_norm import refresh_spectral_norm
from slae_lib.training.checkpoint import CHECKPOINT_MEND, load_into
from slae_lib.training.config import RunConfig, TrainConfig
from slae_lib.training.families import family_of, make_discriminator, make_generator


class StepLosses(NamedTuple):
    """What one iteration tells, detached scalars; None where a model has no such loss.

    Attributes:
        discriminator: its adversarial loss: hinge, or logistic for StyleGAN2.
        generator: its loss.
        real_logits: mean of the discriminator's logits of real images.
        fake_logits: mean of those of generated images.
        reconstruction: distance between decoded and real images.
        penalty: R1, in the iterations that compute it.
    """

    discriminator: Tensor
    generator: Tensor
    real_logits: Tensor
    fake_logits: Tensor
    reconstruction: Tensor | None = None
    penalty: Tensor | None = None


class Step:
    """One iteration of a family of models; its class also makes what the iteration changes.

    Args:
        state: what changes.
        config: the run.
        accelerator: device, mixed precision, processes.
    """

    period = 1  # iterations after which the same work comes again, for measuring its time

    def __init__(self, state: "TrainingState", config: Any, accelerator: Accelerator) -> None:
        self.state = state
        self.config = config
        self.accelerator = accelerator
        # Alone on one device `prepare` moves the networks and returns them as they are; with
        # several processes it wraps them, so the state keeps the bare networks.
        networks = state.generator, state.discriminator
        optimizers = state.generator_optimizer, state.discriminator_optimizer
        self.generator, self.discriminator, *both = accelerator.prepare(*networks, *optimizers)
        self.generator_optimizer, self.discriminator_optimizer = both

    def __call__(self, real: Tensor, metadata: Tensor | None) -> StepLosses:
        """Train on one batch: (B, 3, R, R) in [-1, 1], and their (B, metadata_dim) or None."""
        raise NotImplementedError

    def descend(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        """Take a step of ``optimizer`` down the gradient of ``loss``, a scalar."""
        optimizer.zero_grad()
        self.accelerator.backward(loss)
        optimizer.step()

    @staticmethod
    def optimizers(
        generator: nn.Module, discriminator: nn.Module, config: Any
    ) -> tuple[torch.optim.Adam, torch.optim.Adam]:
        """Return Adam for both networks, in one fused kernel each."""
        betas = config.beta1, config.beta2
        rate = config.learning_rate
        discriminator_rate = config.discriminator_learning_rate or rate
        return (
            torch.optim.Adam(generator.parameters(), rate, betas, fused=True),
            torch.optim.Adam(discriminator.parameters(), discriminator_rate, betas, fused=True),
        )

    @staticmethod
    def extras() -> dict[str, nn.Module]:
        """Return what else changes while training, by its name in a checkpoint."""
        return {}


class TrainingState:
    """Everything that changes while training; what a checkpoint holds."""

    def __init__(self, model: NetworkConfig, config: RunConfig, bank: MetadataBank | None) -> None:
        self.iteration = 0
        self.images = 0  # that all processes have seen; a run can go on with another number of them
        self.seconds = 0.0
        self.model = model
        self.generator = make_generator(model)
        self.discriminator = make_discriminator(model)
        step: type[Step] = family_of(model).load("step")
        self.extras = step.extras()
        self.scaler: torch.amp.GradScaler | None = None  # of the losses, for fp16
        self.average = AveragedModel(self.generator, use_buffers=True)
        self.config = config
        self.generator_optimizer, self.discriminator_optimizer = step.optimizers(
            self.generator, self.discriminator, config
        )
        # The same noise and metadata in every sample grid, so that one can watch them grow.
        source = torch.Generator().manual_seed(config.seed)
        self.fixed_noise = torch.randn(config.samples, model.noise_dim, generator=source)
        self.fixed_metadata = None
        if bank is not None:  # of as many different training images as there are
            order = torch.randperm(len(bank), generator=source)
            chosen = order[torch.arange(config.samples) % len(bank)]
            self.fixed_metadata = bank.rows(chosen, cast(TrainConfig, config).metadata_scale)

    def state_dict(self) -> dict[str, Any]:
        """Return networks, average, optimisers, random state, fixed noise and counters."""
        return {
            "iteration": self.iteration,
            "images": self.images,
            "seconds": self.seconds,
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "average": self.average.state_dict(),
            **{name: extra.state_dict() for name, extra in self.extras.items()},
            "loss_scale": {} if self.scaler is None else self.scaler.state_dict(),
            "generator_optimizer": self.generator_optimizer.state_dict(),
            "discriminator_optimizer": self.discriminator_optimizer.state_dict(),
            "fixed_noise": self.fixed_noise,
            "fixed_metadata": self.fixed_metadata,
            "random": torch.get_rng_state(),
            "random_cuda": [torch.cuda.get_rng_state()] if torch.cuda.is_available() else [],
        }

    def load_state_dict(self, state: dict[str, Any], path: Path) -> None:
        """Continue from ``state``, which was read from ``path``.

        Raises:
            LabError: if anything in it does not fit what is there.
        """
        with understanding(path, CHECKPOINT_MEND):
            for name in ("generator", "discriminator", "average"):
                load_into(getattr(self, name), state[name], path, name)
            for name, extra in self.extras.items():
                load_into(extra, state[name], path, name)
            for name in ("generator_optimizer", "discriminator_optimizer"):
                _load_moments(getattr(self, name), state[name]["state"], name)
            if self.scaler is not None and state.get("loss_scale"):
                if not all(0 <= value < math.inf for value in state["loss_scale"].values()):
                    raise ValueError("loss_scale")
                self.scaler.load_state_dict(state["loss_scale"])
            self.fixed_noise = check_like(state["fixed_noise"], self.fixed_noise, "fixed_noise")
            if self.fixed_metadata is not None:
                rows = check_like(state["fixed_metadata"], self.fixed_metadata, "fixed_metadata")
                self.fixed_metadata = rows
            self.iteration = state["iteration"]
            one = self.iteration * self.config.batch_size  # older files come from one process
            self.images = check_count(state.get("images", one), "images")
            self.seconds = state["seconds"]
            torch.set_rng_state(state["random"])
            if state["random_cuda"] and torch.cuda.is_available():
                # Of the first process, whatever GPU this one has: all draw the same numbers.
                torch.cuda.set_rng_state(state["random_cuda"][0])

    def move_average(self, device: torch.device) -> None:
        """Bring the average to where the networks are trained."""
        self.average.to(device)
        # Whether its counter is 0 is asked in each iteration; an accelerator would be waited for.
        self.average.n_averaged = self.average.n_averaged.cpu()

    @torch.no_grad()
    def update_average(self) -> None:
        """Take the generator as it is now into the average.

        With its buffers, so that the average has batch-norm statistics and works in eval mode. Two
        calls for all tensors: `AveragedModel` would look for them in all layers, each time.
        """
        averaged, current, counters, counts = self._averaged
        if self.average.n_averaged.item() == 0:
            torch._foreach_copy_(averaged, current)
        else:
            torch._foreach_lerp_(averaged, current, 1 - self.config.ema_decay)
        if counters:
            torch._foreach_copy_(counters, counts)
        self.average.n_averaged += 1

    @functools.cached_property
    def _averaged(self) -> tuple[list[Tensor], ...]:
        """Floating-point tensors of the average and of the generator, and batch norm's counters."""
        both = [
            list(itertools.chain(network.parameters(), network.buffers()))
            for network in (self.average.module, self.generator)
        ]
        chosen = [[t for t in tensors if t.is_floating_point()] for tensors in both]
        counters = [[t for t in tensors if not t.is_floating_point()] for tensors in both]
        return *chosen, *counters

    @property
    def averaged_generator(self) -> Generator:
        """The generator whose weights are the moving average."""
        return cast(Generator, self.average.module)

    @torch.no_grad()
    def sample(self) -> Tensor:
        """Return the averaged generator's images of the fixed noise: uint8 (N, 3, R, R)."""
        refresh_spectral_norm(self.average)
        self.average.eval()
        device = next(self.average.parameters()).device
        images = []
        for start in range(0, len(self.fixed_noise), 16):
            noise = self.fixed_noise[start : start + 16].to(device)
            metadata = self.fixed_metadata
            if metadata is not None:
                metadata = metadata[start : start + 16].to(device)
            images.append(to_uint8(self.average(noise, metadata).image).cpu())
        self.average.train()
        return torch.cat(images)


def _load_moments(optimizer: torch.optim.Optimizer, saved: Any, what: str) -> None:
    """Give Adam its moments back; rates and all else it has from the configuration.

    Its kernels believe that a moment has the shape of its parameter and write where it would be.

    Raises:
        ValueError: if the moments are not those of its parameters.
    """
    fresh = optimizer.state_dict()
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    for number, moments in saved.items():
        if set(moments) != {"step", "exp_avg", "exp_avg_sq"}:
            raise ValueError(f"{what} has {', '.join(map(str, moments))[:80]}")
        for name, value in moments.items():
            wanted = torch.zeros(()) if name == "step" else parameters[number]
            check_like(value, wanted, f"{name} {number} of {what}")
    optimizer.load_state_dict({"state": saved, "param_groups": fresh["param_groups"]})
