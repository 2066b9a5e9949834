"""Everything that changes while training."""

from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from slae_lib.baselines.stylegan2_config import StyleGAN2TrainConfig
from slae_lib.baselines.stylegan2_losses import PATH_LENGTH_INTERVAL, PathLength, lazy_adam
from slae_lib.blocks import refresh_spectral_norm
from slae_lib.datasets.bank import MetadataBank
from slae_lib.support.images import to_uint8
from slae_lib.training.checkpoint import load_into
from slae_lib.training.config import TrainConfig
from slae_lib.training.families import AnyConfig, AnyGenerator, make_discriminator, make_generator


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


class TrainingState:
    """Everything that changes while training; what a checkpoint holds."""

    def __init__(self, model: AnyConfig, config: TrainConfig, bank: MetadataBank | None) -> None:
        self.iteration = 0
        self.seconds = 0.0
        self.model = model
        self.generator = make_generator(model)
        self.discriminator = make_discriminator(model)
        self.path_length = PathLength()  # StyleGAN2's, a single number
        self.scaler: torch.amp.GradScaler | None = None  # of the losses, for fp16
        # With buffers, so that the average has batch-norm statistics and works in eval mode.
        self.average = AveragedModel(
            self.generator,
            multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay),
            use_buffers=True,
        )
        self.generator_optimizer, self.discriminator_optimizer = _optimizers(
            self.generator, self.discriminator, config
        )
        # The same noise and metadata in every sample grid, so that one can watch them grow.
        source = torch.Generator().manual_seed(config.seed)
        self.fixed_noise = torch.randn(config.samples, model.noise_dim, generator=source)
        self.fixed_metadata = None
        if bank is not None:  # of as many different training images as there are
            order = torch.randperm(len(bank), generator=source)
            chosen = order[torch.arange(config.samples) % len(bank)]
            self.fixed_metadata = bank.rows(chosen, config.metadata_scale)

    def state_dict(self) -> dict[str, Any]:
        """Return networks, average, optimisers, random state, fixed noise and counters."""
        return {
            "iteration": self.iteration,
            "seconds": self.seconds,
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "average": self.average.state_dict(),
            "path_length": self.path_length.state_dict(),
            "loss_scale": {} if self.scaler is None else self.scaler.state_dict(),
            "generator_optimizer": self.generator_optimizer.state_dict(),
            "discriminator_optimizer": self.discriminator_optimizer.state_dict(),
            "fixed_noise": self.fixed_noise,
            "fixed_metadata": self.fixed_metadata,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def load_state_dict(self, state: dict[str, Any], path: Path) -> None:
        """Continue from ``state``; ``path`` is the file to name in errors."""
        for name in ("generator", "discriminator", "average", "path_length"):
            load_into(getattr(self, name), state[name], path, name)
        self.generator_optimizer.load_state_dict(state["generator_optimizer"])
        self.discriminator_optimizer.load_state_dict(state["discriminator_optimizer"])
        if self.scaler is not None and state.get("loss_scale"):
            self.scaler.load_state_dict(state["loss_scale"])
        self.fixed_noise = state["fixed_noise"]
        self.fixed_metadata = state["fixed_metadata"]
        self.iteration = state["iteration"]
        self.seconds = state["seconds"]
        torch.set_rng_state(state["random"])
        if state["random_cuda"] and len(state["random_cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["random_cuda"])

    @property
    def averaged_generator(self) -> AnyGenerator:
        """The generator whose weights are the moving average."""
        return cast(AnyGenerator, self.average.module)

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


def _optimizers(
    generator: nn.Module, discriminator: nn.Module, config: TrainConfig
) -> tuple[torch.optim.Adam, torch.optim.Adam]:
    beta1, beta2 = config.beta1, config.beta2
    rate = config.learning_rate
    discriminator_rate = config.discriminator_learning_rate or rate
    if isinstance(config, StyleGAN2TrainConfig):
        path_interval = PATH_LENGTH_INTERVAL if config.path_length else None
        return (
            lazy_adam(generator, path_interval, rate, beta1, beta2),
            lazy_adam(discriminator, config.r1_interval, discriminator_rate, beta1, beta2),
        )
    return (
        torch.optim.Adam(generator.parameters(), rate, (beta1, beta2), fused=True),
        torch.optim.Adam(
            discriminator.parameters(), discriminator_rate, (beta1, beta2), fused=True
        ),
    )
