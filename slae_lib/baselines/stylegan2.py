"""StyleGAN2: the comparison system of the SLAE paper, written from its own paper.

A mapping network turns noise z into an intermediate latent w; a synthesis network starts from one
learned 4x4 map and is steered by w in every layer. The discriminator is a residual network. The
defaults are the paper's largest setting, "config F".

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), arXiv
1912.04958.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from slae_lib.baselines.stylegan2_layers import (
    EqualisedConv,
    EqualisedLinear,
    MinibatchDeviation,
    ResidualDownBlock,
    StyledLayer,
    ToRGB,
    activate,
    upsample,
)
from slae_lib.config import _Checked, _option
from slae_lib.errors import UsageError


@dataclass(frozen=True)
class StyleGAN2Config(_Checked):
    """The networks of StyleGAN2; the defaults are config F.

    Raises:
        UsageError: for a resolution or another value that does not exist.
    """

    resolution: Literal[64, 128, 256, 512, 1024] = _option(256, "side length of the images")
    channel_base: int = _option(32_768, "channels times side length of a feature map")
    channel_max: int = _option(512, "the most channels of a feature map")
    latent_dim: int = _option(512, "numbers in the noise z and in the intermediate latent w")
    mapping_layers: int = _option(8, "layers of the mapping network")
    mapping_lr_multiplier: float = _option(0.01, "how much slower the mapping network learns")
    style_mixing: float = _option(0.9, "share of training images whose layers follow two latents")
    group_size: int = _option(4, "images that the discriminator compares with each other")

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
    resolution=64, channel_base=2048, channel_max=128, latent_dim=128, mapping_layers=4
)
"""A setting for teaching: 64 px on a CPU."""


class MappingNetwork(nn.Module):
    """Noise z to intermediate latent w: z brought to length sqrt(D), then leaky ReLU layers.

    Source: section 2 of the paper; A Style-Based Generator (2019), section 2 and appendix C.
    """

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        dim, pace = config.latent_dim, config.mapping_lr_multiplier
        self.layers = nn.ModuleList(
            EqualisedLinear(dim, dim, lr_multiplier=pace) for _ in range(config.mapping_layers)
        )

    def forward(self, noise: Tensor) -> Tensor:
        """Map ``noise`` (B, latent_dim) to w, same shape."""
        latent = noise * torch.rsqrt(noise.square().mean(dim=1, keepdim=True) + 1e-8)
        for layer in self.layers:
            latent = activate(layer(latent))
        return latent


class StyleGAN2Generator(nn.Module):
    """Mapping and synthesis network, with output skips.

    The image is the sum of what `ToRGB` makes of the feature map at every resolution, each sum
    doubled in size by a smooth filter. There is no tanh: the image lies in about [-1, 1] because
    the real images do.

    Source: sections 2 and 4.1 of the paper, figures 2 (c) and 7 (b).
    """

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.config = config
        dim = config.latent_dim
        self.mapping = MappingNetwork(config)
        self.start = nn.Parameter(torch.randn(1, config.channels(4), 4, 4))
        self.layers = nn.ModuleList([StyledLayer(config.channels(4), config.channels(4), dim)])
        self.to_rgb = nn.ModuleList([ToRGB(config.channels(4), dim)])
        size = 8
        while size <= config.resolution:
            before, here = config.channels(size // 2), config.channels(size)
            self.layers.append(StyledLayer(before, here, dim, up=True))
            self.layers.append(StyledLayer(here, here, dim))
            self.to_rgb.append(ToRGB(here, dim))
            size *= 2

    def forward(self, noise: Tensor) -> Tensor:
        """Make images (B, 3, R, R), in about [-1, 1], of ``noise`` (B, latent_dim).

        Raises:
            ValueError: if the shape does not fit.
        """
        return self.synthesise(self.styles(noise))

    def styles(self, noise: Tensor) -> Tensor:
        """Return the latent w of every layer, (B, style_count, latent_dim).

        In evaluation all layers of an image get the same w. In training a share of
        ``config.style_mixing`` of the images gets a second one from a random layer on, so that
        neighbouring layers learn not to rely on each other.
        """
        config = self.config
        if noise.ndim != 2 or noise.shape[1] != config.latent_dim:
            raise ValueError(
                f"noise has shape {tuple(noise.shape)}; this generator needs "
                f"(batch, {config.latent_dim})."
            )
        latent = self.mapping(noise)[:, None]  # (B, 1, D)
        if not self.training or config.style_mixing == 0:
            return latent.expand(-1, config.style_count, -1)
        other = self.mapping(torch.randn_like(noise))[:, None]
        batch, device = len(noise), noise.device
        change = torch.randint(1, config.style_count, (batch, 1, 1), device=device)
        mixed = torch.rand(batch, 1, 1, device=device) < config.style_mixing
        layer = torch.arange(config.style_count, device=device)[None, :, None]
        return torch.where(mixed & (layer >= change), other, latent)

    def synthesise(self, styles: Tensor) -> Tensor:
        """Make images (B, 3, R, R) of ``styles`` (B, style_count, latent_dim)."""
        features = self.start.expand(len(styles), -1, -1, -1)
        features = self.layers[0](features, styles[:, 0])  # (B, C, 4, 4)
        image = self.to_rgb[0](features, styles[:, 1])  # (B, 3, 4, 4)
        for number in range(1, len(self.to_rgb)):
            # The colours share their latent with the first layer of the next size.
            first = 2 * number - 1
            features = self.layers[first](features, styles[:, first])  # (B, C, h, w)
            features = self.layers[first + 1](features, styles[:, first + 1])
            image = upsample(image) + self.to_rgb[number](features, styles[:, first + 2])
        return image


class StyleGAN2Discriminator(nn.Module):
    """A residual network from image to one logit.

    Source: section 4.1 of the paper, figure 7 (c); the end as in Progressive Growing of GANs:
    minibatch deviation, convolution 3x3, two fully connected layers.
    """

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.config = config
        self.from_rgb = EqualisedConv(3, config.channels(config.resolution), 1)
        self.blocks = nn.ModuleList()
        size: int = config.resolution
        while size > 4:
            self.blocks.append(ResidualDownBlock(config.channels(size), config.channels(size // 2)))
            size //= 2
        last = config.channels(4)
        self.deviation = MinibatchDeviation(config.group_size)
        self.conv = EqualisedConv(last + 1, last, 3)
        self.hidden = EqualisedLinear(last * 4 * 4, last)
        self.to_logit = EqualisedLinear(last, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Judge ``image`` (B, 3, R, R): logits (B, 1), high means real."""
        features = activate(self.from_rgb(image))
        for block in self.blocks:
            features = block(features)
        features = activate(self.conv(self.deviation(features)))  # (B, C, 4, 4)
        return self.to_logit(activate(self.hidden(features.flatten(1))))
