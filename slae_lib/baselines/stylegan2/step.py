"""One iteration of training StyleGAN2.

Source: Karras et al. (2020), arXiv 1912.04958, section 3 and appendix B; DiffAugment on every image
that the discriminator sees, as in Zhao et al. (2020).
"""

from typing import cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from slae_lib.augment import augment
from slae_lib.baselines.stylegan2.config import StyleGAN2TrainConfig
from slae_lib.baselines.stylegan2.losses import (
    PATH_LENGTH_INTERVAL,
    PathLength,
    discriminator_logistic,
    generator_logistic,
    lazy_adam,
    r1_penalty,
)
from slae_lib.support.errors import UsageError
from slae_lib.training.state import Step, StepLosses, TrainingState


class StyleGAN2Step(Step):
    """One iteration: logistic losses, and now and then a penalty in a step of its own.

    Raises:
        UsageError: with several processes.
    """

    config: StyleGAN2TrainConfig

    def __init__(
        self, state: TrainingState, config: StyleGAN2TrainConfig, accelerator: Accelerator
    ) -> None:
        if accelerator.num_processes > 1:
            raise UsageError("StyleGAN2 trains in one process here; start it without `accelerate`.")
        super().__init__(state, config, accelerator)
        # `prepare` has put mixed precision into the networks themselves, where no block leaves it.
        # Taken out again, it is where `autocast()` says, and R1 is in full precision.
        for network in (state.generator, state.discriminator):
            accelerator.unwrap_model(network, keep_fp32_wrapper=False)
        self.path_length = cast(PathLength, state.extras["path_length"].to(accelerator.device))
        self.period = config.r1_interval

    @staticmethod
    def optimizers(
        generator: nn.Module, discriminator: nn.Module, config: StyleGAN2TrainConfig
    ) -> tuple[torch.optim.Adam, torch.optim.Adam]:
        """Return StyleGAN2's Adam for both networks, adjusted to their lazy penalties."""
        rate, betas = config.learning_rate, (config.beta1, config.beta2)
        path_interval = PATH_LENGTH_INTERVAL if config.path_length else None
        discriminator_rate = config.discriminator_learning_rate or rate
        return (
            lazy_adam(generator, path_interval, rate, *betas),
            lazy_adam(discriminator, config.r1_interval, discriminator_rate, *betas),
        )

    @staticmethod
    def extras() -> dict[str, nn.Module]:
        """Return the running mean of the path length, a single number."""
        return {"path_length": PathLength()}

    def __call__(self, real: Tensor, metadata: Tensor | None = None) -> StepLosses:
        """Train on one batch of real images (B, 3, R, R) in [-1, 1]; there is no metadata."""
        policy = self.config.augment

        # One forward pass of the generator serves both steps.
        with self.accelerator.autocast():
            fake = self.generator(self._noise(real)).image
        fake = augment(fake.float(), policy)

        self.discriminator.requires_grad_(True)
        with self.accelerator.autocast():
            real_logits = self.discriminator(augment(real, policy))
            fake_logits = self.discriminator(fake.detach())
        real_logits, fake_logits = real_logits.float(), fake_logits.float()
        discriminator_loss = discriminator_logistic(real_logits, fake_logits)
        self.descend(self.discriminator_optimizer, discriminator_loss)
        penalty = None
        if self.state.iteration % self.config.r1_interval == 0:
            penalty = self._regularise_discriminator(real)

        self.discriminator.requires_grad_(False)  # no gradients that nobody would use
        with self.accelerator.autocast():
            judged = self.discriminator(fake)
        generator_loss = generator_logistic(judged.float())
        self.descend(self.generator_optimizer, generator_loss)
        if self.config.path_length and self.state.iteration % PATH_LENGTH_INTERVAL == 0:
            self._regularise_generator(real)

        self.state.update_average()
        self.state.iteration += 1
        return StepLosses(
            discriminator=discriminator_loss.detach(),
            generator=generator_loss.detach(),
            real_logits=real_logits.detach().mean(),
            fake_logits=fake_logits.detach().mean(),
            penalty=penalty,
        )

    def _regularise_discriminator(self, real: Tensor) -> Tensor:
        """Take a step of R1, in full precision, and return the penalty."""
        real = real.detach().requires_grad_(True)
        logits = self.discriminator(augment(real, self.config.augment))
        penalty = r1_penalty(logits, real, self.config.r1_gamma)
        self.descend(self.discriminator_optimizer, self.config.r1_interval * penalty)
        return penalty.detach()

    def _regularise_generator(self, real: Tensor) -> None:
        """Take a step of the path length penalty, on half a batch to spare memory."""
        half = real[: max(1, len(real) // 2)]
        styles = self.generator.styles(self._noise(half))
        penalty = self.path_length(self.generator.synthesise(styles), styles)
        self.descend(self.generator_optimizer, PATH_LENGTH_INTERVAL * penalty)

    def _noise(self, like: Tensor) -> Tensor:
        return torch.randn(len(like), self.state.model.noise_dim, device=like.device)
