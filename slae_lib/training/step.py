"""One iteration of training FastGAN or SLAE."""

from collections.abc import Callable
from typing import cast

import torch
from accelerate import Accelerator
from accelerate.utils import convert_to_fp32
from torch import Tensor, nn

from slae_lib.augment import augment
from slae_lib.config import ModelConfig
from slae_lib.discriminator import Decoder, downsample
from slae_lib.losses import discriminator_hinge, generator_hinge, l1_distance, reconstruction_loss
from slae_lib.support.pretrained import perceptual_distance
from slae_lib.support.spectral_norm import SpectralNorms
from slae_lib.training.config import TrainConfig
from slae_lib.training.state import Step, StepLosses, TrainingState

Distance = Callable[[Tensor, Tensor], Tensor]


class TrainingStep(Step):
    """One iteration: a step of the discriminator and a step of the generator.

    Args beside those of any `Step`:
        distance: between decoded and real images, in place of the one that ``config`` names.
    """

    config: TrainConfig

    def __init__(
        self,
        state: TrainingState,
        config: TrainConfig,
        accelerator: Accelerator,
        distance: Distance | None = None,
    ) -> None:
        if config.sync_batch_norm:  # in their places, with their weights
            nn.SyncBatchNorm.convert_sync_batchnorm(state.generator)
            nn.SyncBatchNorm.convert_sync_batchnorm(state.discriminator)
        super().__init__(state, config, accelerator)
        self.distance = distance or _distance(config, accelerator.device)
        self.model = cast(ModelConfig, state.model)
        # The generator's step shares no discriminator gradients, so it asks the bare network.
        self.critic: nn.Module = state.discriminator
        self.learning = list(state.discriminator.parameters())
        # What each pass uses of a network has one power iteration for it.
        self.generator_norms = SpectralNorms(state.generator)
        self.discriminator_norms = SpectralNorms(state.discriminator)
        judging = [part for part in self.critic.children() if not isinstance(part, Decoder)]
        self.critic_norms = SpectralNorms(nn.ModuleList(judging))
        if config.compile:
            self.generator, self.discriminator, self.critic = (
                _compiled(network, config.compile_mode)
                for network in (self.generator, self.discriminator, self.critic)
            )

    def __call__(self, real: Tensor, metadata: Tensor | None) -> StepLosses:
        """Train on one batch.

        Args:
            real: (B, 3, R, R) in [-1, 1].
            metadata: (B, metadata_dim) of the same images, or None.
        """
        if self.config.compile:
            torch.compiler.cudagraph_mark_step_begin()  # what the last iteration made may be lost
        policy = self.config.augment
        noise = torch.randn(len(real), self.model.noise_dim, device=real.device)

        # One forward pass of the generator serves both steps.
        with self.generator_norms.together(), self.accelerator.autocast():
            fake = self.generator(noise, metadata)
        fake_image = augment(convert_to_fp32(fake.image), policy)
        fake_small = augment(convert_to_fp32(fake.small), policy)

        # The discriminator learns to tell them apart, and to keep what real images look like.
        self._learning(True)
        # On the device: a number of Python's would make it wait, and compile once for each.
        quarter = None if self.distance is None else torch.randint(4, (), device=real.device)
        with self.discriminator_norms.together(), self.accelerator.autocast():
            on_real = self.discriminator(*self._augmented(real), quarter=quarter)
            on_fake = self.discriminator(fake_image.detach(), fake_small.detach())
        real_logits = convert_to_fp32(on_real.logits)
        fake_logits = convert_to_fp32(on_fake.logits)
        hinge = discriminator_hinge(
            real_logits, fake_logits, random_margin=self.config.hinge_margin == "random"
        )
        loss, reconstruction = hinge, None
        if self.distance is not None:
            reconstruction = reconstruction_loss(on_real.reconstructions, self.distance)
            loss = hinge + self.config.reconstruction_weight * reconstruction
        self.descend(self.discriminator_optimizer, loss)

        # The generator learns to raise the logits of its images.
        self._learning(False)  # no gradients that nobody would use
        with self.critic_norms.together(), self.accelerator.autocast():
            judged = self.critic(fake_image, fake_small)
        generator_loss = generator_hinge(convert_to_fp32(judged.logits))
        self.descend(self.generator_optimizer, generator_loss)

        self.state.update_average()
        self.state.iteration += 1
        return StepLosses(
            discriminator=hinge.detach(),
            generator=generator_loss.detach(),
            real_logits=real_logits.detach().mean(),
            fake_logits=fake_logits.detach().mean(),
            reconstruction=None if reconstruction is None else reconstruction.detach(),
        )

    def _augmented(self, real: Tensor) -> tuple[Tensor, Tensor]:
        """Return real images (B, 3, R, R) and their small versions, augmented."""
        policy, side = self.config.augment, self.model.small_resolution
        image = augment(real, policy)
        together = self.config.augment_small == "together"
        return image, downsample(image, side) if together else augment(
            downsample(real, side), policy
        )

    def _learning(self, wanted: bool) -> None:
        """Let the discriminator's weights get gradients, or not."""
        for parameter in self.learning:
            parameter.requires_grad_(wanted)


def _compiled(network: nn.Module, mode: str) -> nn.Module:
    if isinstance(network, nn.parallel.DistributedDataParallel):
        network.module = _compiled(network.module, mode)  # what is around it has no graph
        return network
    # One graph for each, or an error: nothing is left to Python in silence.
    return cast(nn.Module, torch.compile(network, fullgraph=True, dynamic=False, mode=mode))


def _distance(config: TrainConfig, device: torch.device) -> Distance | None:
    if config.reconstruction == "none":
        return None
    if config.reconstruction == "l1":
        return l1_distance
    return perceptual_distance(config.reconstruction).to(device)
