"""StyleGAN2: the comparison system of the SLAE paper, written from its own paper.

A mapping network turns noise z into an intermediate latent w; a synthesis network starts from one
learned 4x4 map and is steered by w in every layer. The discriminator is a residual network. The
defaults are the paper's largest setting, "config F".

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), arXiv
1912.04958.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from slae_lib.baselines.stylegan2.config import StyleGAN2Config
from slae_lib.baselines.stylegan2.layers import (
    EqualisedConv,
    EqualisedLinear,
    MinibatchDeviation,
    ResidualDownBlock,
    StyledLayer,
    ToRGB,
    activate,
    upsample,
)


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


class StyleGAN2Output(NamedTuple):
    """What the generator makes, under the name that the lab's other generator uses.

    Attributes:
        image: (B, 3, R, R), in about [-1, 1].
    """

    image: Tensor


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

    def forward(self, noise: Tensor, metadata: None = None) -> StyleGAN2Output:
        """Make images of ``noise`` (B, latent_dim); there is no ``metadata`` here.

        Raises:
            ValueError: if the shape does not fit, or metadata is given.
        """
        if metadata is not None:
            raise ValueError("StyleGAN2 takes no metadata; call it with noise alone.")
        return StyleGAN2Output(self.synthesise(self.styles(noise)))

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
