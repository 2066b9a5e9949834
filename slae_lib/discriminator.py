"""The discriminator: logits for an image and its small version, and decoders for real images."""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn

from slae_lib.attention import LINKS
from slae_lib.blocks import (
    CompositeDownBlock,
    batch_norm,
    channels_last,
    conv,
    down_block,
    up_block,
)
from slae_lib.config import ModelConfig
from slae_lib.support.images import resized


class Reconstruction(NamedTuple):
    """A decoded image and what it should look like, both (B, 3, R', R') in [-1, 1]."""

    decoded: Tensor
    target: Tensor


class DiscriminatorOutput(NamedTuple):
    """What one forward pass of the discriminator makes.

    Attributes:
        logits: (B, 50): 5x5 from the image, then 5x5 from the small image; high means real.
        reconstructions: three for real images when asked for: the whole image from the 8x8 map,
            one quarter from the 16x16 map, the small image from its branch; else empty.
    """

    logits: Tensor
    reconstructions: tuple[Reconstruction, ...]


class Decoder(nn.Sequential):
    """A small decoder: features to an image of the small resolution.

    Adaptive pooling to 8x8, up blocks (four at a small resolution of 128), convolution 3x3, tanh.
    """

    def __init__(self, in_channels: int, width: int, resolution: int) -> None:
        ups = resolution.bit_length() - 4  # 8 -> resolution in doublings
        channels = [in_channels, *[2 * width, width, width, width // 2][-ups:]]
        super().__init__(
            nn.AdaptiveAvgPool2d(8),
            *(up_block(*pair) for pair in itertools.pairwise(channels)),
            conv(channels[-1], 3, 3, padding=1),
            nn.Tanh(),
        )


class Discriminator(nn.Module):
    """FastGAN's self-supervised discriminator.

    Two branches, the image and its small version, each end in 5x5 logits. Three decoders force
    the features of *real* images to keep what the images look like (`Reconstruction`).

    Channels at width 64: 256 px: 16, 128: 32, 64: 64, 32: 128, 16: 256, 8: 512; images of 512 and
    1024 are first brought to 256 by strided convolutions. Below 256 the stem starts at the
    resolution with that size's channels, so there are three down blocks at 64 and four at 128
    instead of five, and the small branch, the links (at 64: 64->32, 32->16, 16->8) and the
    decoders shrink alike.

    Source: FastGAN (ICLR 2021), section 3.2 and appendix.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width

        def channels(size: int) -> int:
            return width * 64 // size

        start = min(256, config.resolution)
        self.stem = _stem(config.resolution, width)  # (B, channels(start), start, start)
        self.blocks = nn.ModuleDict()
        size = start // 2
        while size >= 8:
            self.blocks[str(size)] = CompositeDownBlock(channels(size * 2), channels(size))
            size //= 2
        self.links = nn.ModuleDict()
        for low, high in config.discriminator_links:
            self.links[f"{low}->{high}"] = LINKS[config.discriminator_skip](
                channels(low), channels(high), config.attention_kernel, config.attention_norm
            )
        self.to_logits = nn.Sequential(
            conv(channels(8), 2 * channels(8), 1),
            batch_norm(2 * channels(8)),
            nn.LeakyReLU(0.2),
            conv(2 * channels(8), 1, 4),
        )

        def small_channels(size: int) -> int:
            return width * 32 // size

        size = config.small_resolution // 2
        small = [conv(3, small_channels(size), 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        while size > 8:
            small.append(down_block(small_channels(size), small_channels(size // 2)))
            size //= 2
        self.small = nn.Sequential(*small)  # (B, small_channels(8), 8, 8)
        self.small_to_logits = conv(small_channels(8), 1, 4)

        self.decode_image = Decoder(channels(8), width, config.small_resolution)
        self.decode_quarter = Decoder(channels(16), width, config.small_resolution)
        self.decode_small = Decoder(small_channels(8), width, config.small_resolution)

    def forward(
        self, image: Tensor, small: Tensor, *, quarter: int | Tensor | None = None
    ) -> DiscriminatorOutput:
        """Judge images.

        Args:
            image: (B, 3, R, R) in [-1, 1].
            small: (B, 3, R', R') in [-1, 1], the same images at the small resolution.
            quarter: for real images, which quarter of the 16x16 map to decode, as for
                `crop_quarter`; None makes no reconstructions.
        """
        image, small = channels_last(image), channels_last(small)
        features = self.stem(image)
        maps = {features.shape[-1]: features}
        low_of = {high: low for low, high in self.config.discriminator_links}
        for name, block in self.blocks.items():
            size = int(name)
            features = block(features)  # (B, C, size, size)
            if size in low_of:
                features = self.links[f"{low_of[size]}->{size}"](maps[low_of[size]], features)
            maps[size] = features
        small_features = self.small(small)  # (B, C', 8, 8)
        logits = torch.cat(
            [self.to_logits(maps[8]).flatten(1), self.small_to_logits(small_features).flatten(1)],
            dim=1,
        )
        if quarter is None:
            return DiscriminatorOutput(logits, ())
        whole = downsample(image, self.config.small_resolution)
        part = downsample(crop_quarter(image, quarter), self.config.small_resolution)
        return DiscriminatorOutput(
            logits,
            (
                Reconstruction(self.decode_image(maps[8]), whole),
                Reconstruction(self.decode_quarter(crop_quarter(maps[16], quarter)), part),
                Reconstruction(self.decode_small(small_features), small),
            ),
        )


def crop_quarter(picture: Tensor, quarter: int | Tensor) -> Tensor:
    """Return one quarter of ``picture`` (B, C, H, W): (B, C, H/2, W/2).

    ``quarter`` counts row by row: 0 top left, 1 top right, 2 bottom left, 3 bottom right. As a
    tensor () it stays on its device, where a number would have to be waited for.
    """
    height, width = picture.shape[-2] // 2, picture.shape[-1] // 2
    quarters = picture.unflatten(3, (2, width)).unflatten(2, (2, height))  # (B, C, 2, h, 2, w)
    if isinstance(quarter, int):
        return quarters[:, :, quarter // 2, :, quarter % 2]
    chosen = quarters.transpose(3, 4).flatten(2, 3).index_select(2, quarter.view(1))
    return channels_last(chosen.squeeze(2))


downsample = resized
"""Of images (B, 3, R, R), what the small branch, the decoders' targets and the losses see."""


def _stem(resolution: int, width: int) -> nn.Sequential:
    if resolution <= 256:
        first = conv(3, width * 64 // resolution, 3, padding=1)
    else:
        first = conv(3, width * 128 // resolution, 4, stride=2, padding=1)
    further = down_block(width // 8, width // 4) if resolution == 1024 else ()
    return nn.Sequential(first, nn.LeakyReLU(0.2), *further)
