"""What a StyleGAN2 is and how it is trained, and what the lab finds under its name.

Source: Karras et al. (2020), arXiv 1912.04958, and its appendix B for the training.
"""

import math
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

from slae_lib.config import NetworkConfig
from slae_lib.support.errors import UsageError
from slae_lib.support.settings import COUNT, DECAY, NOT_NEGATIVE, POSITIVE, SHARE, option
from slae_lib.training.config import RunConfig, TrainConfig
from slae_lib.training.families import Family
from slae_lib.training.presets import Preset


@dataclass(frozen=True)
class StyleGAN2Config(NetworkConfig):
    """The networks of StyleGAN2; the defaults are config F.

    Raises:
        UsageError: for a resolution or another value that does not exist.
    """

    title = "StyleGAN2"

    resolution: Literal[64, 128, 256, 512, 1024] = option(256, "side length of the images")
    channel_base: int = option(32_768, "channels times side length of a feature map")
    channel_max: int = option(512, "the most channels of a feature map", COUNT)
    latent_dim: int = option(512, "numbers in the noise z and in the intermediate latent w", COUNT)
    mapping_layers: int = option(8, "layers of the mapping network", COUNT)
    mapping_lr_multiplier: float = option(
        0.01, "how much slower the mapping network learns", POSITIVE
    )
    style_mixing: float = option(
        0.9, "share of training images whose layers follow two latents", SHARE
    )
    group_size: int = option(4, "images that the discriminator compares with each other", COUNT)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channel_base < self.resolution:
            raise UsageError(
                f"channel_base is {self.channel_base}; it has to be {self.resolution} or more, so "
                "that the largest feature map has a channel."
            )

    @property
    def noise_dim(self) -> int:
        """Numbers in the noise; the name that the other models use."""
        return self.latent_dim

    @property
    def style_count(self) -> int:
        """How many latents w the synthesis network takes, one for each layer: 18 at 1024."""
        return 2 * (self.resolution.bit_length() - 1) - 2

    def channels(self, size: int) -> int:
        """Return the number of channels of the feature map with side length ``size``."""
        return min(self.channel_base // size, self.channel_max)


NARROW = StyleGAN2Config(
    resolution=64, channel_base=1024, channel_max=64, latent_dim=64, mapping_layers=4
)
"""A setting for teaching: 64 px on a CPU, with about as many parameters as SLAE at width 8."""


@dataclass(frozen=True)
class StyleGAN2TrainConfig(RunConfig):
    """A training run of StyleGAN2: its own optimiser and penalties in the lab's loop.

    Raises:
        UsageError: for a value that does not exist.
    """

    learning_rate: float = option(2e-3, "Adam's, of the generator", POSITIVE)
    beta1: float = option(0.0, "Adam's first decay", DECAY)
    beta2: float = option(0.99, "Adam's second decay", DECAY)
    r1_gamma: float = option(
        10.0, "weight of the R1 penalty; grows with the resolution", NOT_NEGATIVE
    )
    r1_interval: int = option(16, "iterations from one R1 penalty to the next", COUNT)
    path_length: bool = option(False, "add the path length penalty, every 8 iterations")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Make the configuration from a dictionary.

        Runs of the first edition name SLAE's settings too, which meant nothing here.
        """
        foreign = {f.name for f in fields(TrainConfig)} - {f.name for f in fields(cls)}
        return super().from_dict({n: value for n, value in values.items() if n not in foreign})


PRESETS = {
    # The comparison system. A high R1 weight is for high resolutions; 64 px need little.
    "stylegan2-cpu": Preset(
        "StyleGAN2, narrow, at 64 px on a CPU: to compare with cpu-demo",
        NARROW,
        StyleGAN2TrainConfig(
            iterations=1500,
            ema_decay=0.99,
            augment="translation",
            r1_gamma=1.0,
            device="cpu",
            log_every=10,
            sample_every=150,
            checkpoint_every=500,
        ),
    ),
    "stylegan2-256": Preset(
        "StyleGAN2, config F, at 256 px, for a GPU with 16 GB or more",
        StyleGAN2Config(resolution=256),
        StyleGAN2TrainConfig(samples=25),
    ),
}

STYLEGAN2 = Family(
    name="stylegan2",
    title="StyleGAN2",
    model=StyleGAN2Config,
    train=StyleGAN2TrainConfig,
    presets=PRESETS,
    generator="slae_lib.baselines.stylegan2.networks:StyleGAN2Generator",
    discriminator="slae_lib.baselines.stylegan2.networks:StyleGAN2Discriminator",
    step="slae_lib.baselines.stylegan2.step:StyleGAN2Step",
    blind_loss=2 * math.log(2),
)
