"""Spatial attention and the two skip links that use a feature map as a gate.

A skip link carries information from a small, early feature map (``low``) to a large, late one
(``high``). FastGAN's link, `SkipLayerExcitation`, reduces ``low`` to one number per channel of
``high``. The SLAE paper first lets the link look at *where* things are: `SpatialAttention` weighs
the positions of ``low``, and the weighted map then makes the gate.
"""

import torch
from torch import Tensor, nn

from slae_lib.blocks import conv


class SpatialAttention(nn.Module):
    """One weight per position: ``M(F) = sigmoid(conv([mean_c F ; max_c F]))``.

    Two pooling layers over the channels and one convolution without bias; a 7x7 kernel has
    98 weights, whatever the number of channels.

    Source: SLAE paper, section 3.1 and figure 3; Woo et al., "CBAM" (2018), section 3.2.

    Args:
        kernel_size: odd side length of the convolution; the padding keeps the map's size.
    """

    def __init__(self, kernel_size: int = 7) -> None:
        super().__init__()
        self.conv = conv(2, 1, kernel_size, padding=kernel_size // 2)

    def forward(self, features: Tensor) -> Tensor:
        """Return the attention map of ``features``.

        Args:
            features: (B, C, h, w), any range.

        Returns:
            (B, 1, h, w) in (0, 1). Multiply it with ``features`` to apply the attention.
        """
        mean = features.mean(dim=1, keepdim=True)  # (B, 1, h, w)
        maximum = features.amax(dim=1, keepdim=True)  # (B, 1, h, w)
        return torch.sigmoid(self.conv(torch.cat([mean, maximum], dim=1)))


class SkipLayerExcitation(nn.Module):
    """FastGAN's skip link (SLE): a gate per channel of ``high``, made from ``low``.

    Pool to 4x4, a 4x4 convolution to 1x1, Swish, a 1x1 convolution, sigmoid. After the pooling
    and the first convolution only *how strong*, not *where*, is left.

    Source: Liu et al., "FastGAN" (ICLR 2021), section 3.1.

    Args:
        low_channels: channels of the small map.
        high_channels: channels of the large map.
    """

    def __init__(self, low_channels: int, high_channels: int) -> None:
        super().__init__()
        self.excite = nn.Sequential(
            nn.AdaptiveAvgPool2d(4),
            conv(low_channels, high_channels, 4),
            nn.SiLU(),
            conv(high_channels, high_channels, 1),
            nn.Sigmoid(),
        )

    def gate(self, low: Tensor) -> Tensor:
        """Return the gate that ``low`` (B, C_low, h, w) makes: (B, C_high, 1, 1) in (0, 1)."""
        return self.excite(low)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """Return ``high`` (B, C_high, H, W) with each channel multiplied by its gate."""
        return high * self.gate(low)


class SkipLayerAttentionExcitation(SkipLayerExcitation):
    """The paper's skip link (SLAE): spatial attention on ``low`` first, then the gate.

    ``high * SLE(M(low) * low)``, with ``M`` as in `SpatialAttention`.

    Source: SLAE paper, section 3.1, figures 2 and 3.

    Args:
        low_channels: channels of the small map.
        high_channels: channels of the large map.
        kernel_size: side length of the attention's convolution.
    """

    def __init__(self, low_channels: int, high_channels: int, kernel_size: int = 7) -> None:
        super().__init__(low_channels, high_channels)
        self.attention = SpatialAttention(kernel_size)

    def gate(self, low: Tensor, attention_map: Tensor | None = None) -> Tensor:
        """Return the gate that the attended ``low`` makes: (B, C_high, 1, 1) in (0, 1).

        Args:
            low: (B, C_low, h, w).
            attention_map: (B, 1, h, w) to use in place of the link's own, to see what it does.
        """
        if attention_map is None:
            attention_map = self.attention(low)  # (B, 1, h, w)
        return self.excite(attention_map * low)
