"""What a StyleGAN2 is and how it is trained, as frozen dataclasses.

Source: Karras et al. (2020), arXiv 1912.04958, and its appendix B for the training.
"""

from dataclasses import dataclass, fields
from typing import Any, Literal, Self

from slae_lib.config import NetworkConfig
from slae_lib.support.errors import UsageError
from slae_lib.support.settings import option
from slae_lib.training.config import RunConfig, TrainConfig


@dataclass(frozen=True)
class StyleGAN2Config(NetworkConfig):
    """The networks of StyleGAN2; the defaults are config F.

    Raises:
        UsageError: for a resolution or another value that does not exist.
    """

    title = "StyleGAN2"

    resolution: Literal[64, 128, 256, 512, 1024] = option(256, "side length of the images")
    channel_base: int = option(32_768, "channels times side length of a feature map")
    channel_max: int = option(512, "the most channels of a feature map")
    latent_dim: int = option(512, "numbers in the noise z and in the intermediate latent w")
    mapping_layers: int = option(8, "layers of the mapping network")
    mapping_lr_multiplier: float = option(0.01, "how much slower the mapping network learns")
    style_mixing: float = option(0.9, "share of training images whose layers follow two latents")
    group_size: int = option(4, "images that the discriminator compares with each other")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("channel_max", "latent_dim", "mapping_layers", "group_size"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it has to be 1 or more.")
        if self.channel_base < self.resolution:
            raise UsageError(
                f"channel_base is {self.channel_base}; it has to be {self.resolution} or more, so "
                "that the largest feature map has a channel."
            )
        if self.mapping_lr_multiplier <= 0:
            raise UsageError(
                f"mapping_lr_multiplier is {self.mapping_lr_multiplier}; "
                "it has to be greater than 0."
            )
        if not 0 <= self.style_mixing <= 1:
            raise UsageError(f"style_mixing is {self.style_mixing}; it has to lie in [0, 1].")

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

    learning_rate: float = option(2e-3, "Adam's, of the generator")
    beta1: float = option(0.0, "Adam's first decay")
    beta2: float = option(0.99, "Adam's second decay")
    r1_gamma: float = option(10.0, "weight of the R1 penalty; grows with the resolution")
    r1_interval: int = option(16, "iterations from one R1 penalty to the next")
    path_length: bool = option(False, "add the path length penalty, every 8 iterations")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.r1_gamma < 0:
            raise UsageError(f"r1_gamma is {self.r1_gamma}; it has to be 0 or more.")
        if self.r1_interval < 1:
            raise UsageError(f"r1_interval is {self.r1_interval}; it has to be 1 or more.")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Make the configuration from a dictionary.

        Runs of the first edition name SLAE's settings too, which meant nothing here.
        """
        foreign = {f.name for f in fields(TrainConfig)} - {f.name for f in fields(cls)}
        return super().from_dict({n: value for n, value in values.items() if n not in foreign})
