"""Spatial attention, and the skip links that gate one feature map with another.

A skip link carries information from a small, early feature map (``low``) to a large, late one
(``high``). FastGAN's link, `SkipLayerExcitation`, reduces ``low`` to one number per channel of
``high``. The SLAE paper first lets the link look at *where* things are: `SpatialAttention` weighs
the positions of ``low``, and the weighted map then makes the gate.

One more kind of link is one more class here and its line in `LINKS`; the configuration, the
networks, the figures, the stage and the ablation find it there.
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
        norm: spectral norm on the convolution, as on all others of FastGAN. With one output
            channel it fixes the length of the weights at 1. CBAM has none: without it, the
            weights start as PyTorch draws them.
    """

    def __init__(self, kernel_size: int = 7, norm: bool = True) -> None:
        super().__init__()
        if norm:
            self.conv = conv(2, 1, kernel_size, padding=kernel_size // 2)
        else:
            self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)

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
        kernel_size: of an attention, which this link does not have; every link takes it.
        norm: spectral norm on the attention's convolution; likewise.
    """

    def __init__(
        self, low_channels: int, high_channels: int, kernel_size: int = 7, norm: bool = True
    ) -> None:
        super().__init__()
        self.excite = nn.Sequential(
            nn.AdaptiveAvgPool2d(4),
            conv(low_channels, high_channels, 4),
            nn.SiLU(),
            conv(high_channels, high_channels, 1),
            nn.Sigmoid(),
        )

    def attend(self, low: Tensor) -> Tensor | None:
        """Return the attention map (B, 1, h, w) of ``low`` (B, C_low, h, w): this link has none."""
        return None

    def gate(self, low: Tensor, attention_map: Tensor | None = None) -> Tensor:
        """Return the gate that ``low`` makes: (B, C_high, 1, 1) in (0, 1).

        Args:
            low: (B, C_low, h, w).
            attention_map: (B, 1, h, w) that weighs the positions of ``low`` in place of the
                link's own (`attend`), to see what it does.
        """
        if attention_map is None:
            attention_map = self.attend(low)
        return self.excite(low if attention_map is None else attention_map * low)

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
        norm: spectral norm on that convolution.
    """

    def __init__(
        self, low_channels: int, high_channels: int, kernel_size: int = 7, norm: bool = True
    ) -> None:
        super().__init__(low_channels, high_channels)
        self.attention = SpatialAttention(kernel_size, norm)

    def attend(self, low: Tensor) -> Tensor:
        """Return the attention map of ``low`` (B, C_low, h, w): (B, 1, h, w) in (0, 1)."""
        return self.attention(low)


LINKS: dict[str, type[SkipLayerExcitation]] = {
    "slae": SkipLayerAttentionExcitation,
    "sle": SkipLayerExcitation,
}
"""Every kind of skip link by the name that `ModelConfig.skip` and ``slae train --skip`` take.

A link is made of (low_channels, high_channels, kernel_size, norm) and answers
``attend(low) -> attention map or None`` and ``gate(low, attention_map=None) -> gate``.
"""


def has_attention(link: str) -> bool:
    """Return whether links of that name make attention maps."""
    return LINKS[link].attend is not SkipLayerExcitation.attend
