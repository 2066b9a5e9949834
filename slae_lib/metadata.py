"""Metadata: what VGG-16 sees in a picture, without where it sees it, and how it meets the noise.

The mean of every channel of ``relu5_3`` over all positions. It is extracted once per data set and
kept (`slae_lib.datasets.MetadataBank`); the generator adds it, through `MetadataEmbedding`, to its
noise.

Source: SLAE paper, section 3.2 and figure 4.
"""

import math

import torch
from torch import Tensor, nn

from slae_lib.support.errors import UsageError
from slae_lib.support.pretrained import (
    VGG16_RELU_NAMES,
    checksum,
    normalise_for_vgg16,
    vgg16_features,
)

RESOLUTION = 256
"""Side length of the pictures that metadata is extracted from, whatever is trained later."""


class MetadataExtractor(nn.Module):
    """The channel means of one layer of VGG-16; only the layers up to it are kept.

    Source: SLAE paper, section 3.2.

    Args:
        layer: a name from `VGG16_RELU_NAMES`; deeper layers know more and see coarser.

    Raises:
        UsageError: for a layer that does not exist.
        MissingWeightsError: if the weights are missing and cannot be downloaded.
    """

    def __init__(self, layer: str = "relu5_3") -> None:
        super().__init__()
        check_layer(layer)
        self.layer = layer
        features = vgg16_features()
        self.weights = checksum(features)
        self.features = features[: VGG16_RELU_NAMES[layer] + 1]

    def forward(self, images: Tensor) -> Tensor:
        """Return the metadata of ``images``.

        Args:
            images: (B, 3, H, W) in [-1, 1]; 16 pixels a side or more for relu5_3.

        Returns:
            (B, C), 0 or more, not standardised; C is 512 for relu5_3.
        """
        features = self.features(normalise_for_vgg16(images))  # (B, C, h, w)
        return features.mean(dim=(2, 3))


class MetadataEmbedding(nn.Module):
    """Bring metadata to the size of the noise by a learned linear map, at a bounded pace.

    ``gain / sqrt(metadata_dim) * W m / rms(m)``, W drawn from N(0, 1): every value comes out with a
    deviation of about ``gain``, whatever the scale of m.

    A plain linear layer would do in the paper's terms, but one step of Adam moves its result by
    (learning rate) x (sum of ``|m|``), sqrt(metadata_dim) = 23 times as much as here, while the
    noise that it is added to keeps its size: in our trials the metadata had drowned the noise
    after a hundred steps, and all samples were two or three pictures. Taking off the length of m
    keeps unusual pictures, whose standardised metadata is up to seven times longer, from being a
    class of their own.

    Source: SLAE paper, section 3.2, for adding metadata to the noise; Karras et al., "Progressive
    Growing of GANs" (2018), section 4.1, for the equalised learning rate.

    Args:
        metadata_dim: numbers in the metadata.
        noise_dim: numbers in the noise.
        gain: deviation of the result; the noise has 1.
    """

    def __init__(self, metadata_dim: int, noise_dim: int, gain: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(noise_dim, metadata_dim))
        self.scale = gain / math.sqrt(metadata_dim)

    def forward(self, metadata: Tensor) -> Tensor:
        """Map ``metadata`` (B, metadata_dim) to (B, noise_dim)."""
        mean_square = metadata.square().mean(dim=1, keepdim=True)  # (B, 1)
        direction = metadata * torch.rsqrt(mean_square + 1e-8)
        return nn.functional.linear(direction, self.weight) * self.scale


def check_layer(layer: str) -> None:
    """Raise `UsageError` if VGG-16 has no such layer."""
    if layer not in VGG16_RELU_NAMES:
        raise UsageError(
            f"VGG-16 has no layer {layer!r} for metadata; choose one of "
            f"{', '.join(VGG16_RELU_NAMES)}."
        )
