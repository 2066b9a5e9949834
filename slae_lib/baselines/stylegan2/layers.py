"""The layers of StyleGAN2: equalised weights, smooth resampling, modulated convolutions.

Written from the papers: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN"
(2020, arXiv 1912.04958) and, for what it builds on, Karras et al., "Progressive Growing of GANs"
(2018) and "A Style-Based Generator Architecture" (2019).
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slae_lib.blocks import NoiseInjection

FILTER = (1.0, 3.0, 3.0, 1.0)
"""The taps of the low-pass filter, the same in both directions."""


def activate(features: Tensor) -> Tensor:
    """Return leaky ReLU (slope 0.2) of ``features``, times sqrt(2) to keep the deviation."""
    return F.leaky_relu(features, 0.2) * math.sqrt(2)


def smooth(images: Tensor, *, padding: int, gain: float = 1.0) -> Tensor:
    """Low-pass filter every channel.

    Args:
        images: (B, C, H, W).
        padding: zeros put around the images; the result has 2 * padding - 3 more pixels a side.
        gain: factor of the result.
    """
    return _channel_by_channel(F.conv2d, images, gain, stride=1, padding=padding)


def upsample(images: Tensor) -> Tensor:
    """Double the size by linear interpolation: (B, C, H, W) -> (B, C, 2H, 2W).

    Zeros go between the pixels, then the low-pass filter. Outside the image is zero.
    """
    # Three pixels of four are zeros, so the filter has to give back a factor of four.
    return _channel_by_channel(F.conv_transpose2d, images, 4.0, stride=2, padding=1)


def downsample(images: Tensor) -> Tensor:
    """Halve the size without aliasing: (B, C, H, W) -> (B, C, H/2, W/2)."""
    return _channel_by_channel(F.conv2d, images, 1.0, stride=2, padding=1)


def _channel_by_channel(
    operation: Callable[..., Tensor], images: Tensor, gain: float, **options: int
) -> Tensor:
    taps = torch.tensor(FILTER, dtype=images.dtype, device=images.device)
    taps = taps / taps.sum()
    channels = images.shape[1]
    # One group per channel: on a CPU thirty times faster than channels as so many grey images.
    kernel = (torch.outer(taps, taps) * gain).expand(channels, 1, 4, 4)
    return operation(images, kernel, groups=channels, **options)


class EqualisedLinear(nn.Module):
    """A fully connected layer with an equalised learning rate.

    The stored weight is drawn from N(0, 1) and divided by sqrt(fan-in) whenever it is used, so
    that one step of Adam changes every layer by the same proportion.

    Source: Progressive Growing of GANs, section 4.1; A Style-Based Generator, appendix C, for the
    multiplier.

    Args:
        in_features: numbers that come in.
        out_features: numbers that go out.
        bias: the bias before training.
        lr_multiplier: how much slower than the other layers this one learns.
    """

    def __init__(
        self, in_features: int, out_features: int, *, bias: float = 0.0, lr_multiplier: float = 1.0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), bias / lr_multiplier))
        self.lr_multiplier = lr_multiplier
        self.scale = lr_multiplier / math.sqrt(in_features)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``features`` (B, in) to (B, out)."""
        return F.linear(features, self.weight * self.scale, self.bias * self.lr_multiplier)


class EqualisedConv(nn.Module):
    """A convolution with an equalised learning rate, (B, in, H, W) -> (B, out, H, W) or half that.

    Args:
        in_channels: channels that come in.
        out_channels: channels that go out.
        kernel_size: odd side length of the kernel.
        bias: whether to add a learned bias.
        down: halve the size, with a low-pass filter before the strided convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        bias: bool = True,
        down: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.scale = 1 / math.sqrt(in_channels * kernel_size**2)
        self.padding = kernel_size // 2
        self.down = down

    def forward(self, features: Tensor) -> Tensor:
        """Convolve ``features`` (B, in, H, W)."""
        weight = self.weight * self.scale
        if not self.down:
            return F.conv2d(features, weight, self.bias, padding=self.padding)
        if self.padding == 0:
            # A pointwise convolution may as well come after the halving, where it costs a quarter.
            return F.conv2d(downsample(features), weight, self.bias)
        features = smooth(features, padding=self.padding + 1)  # (B, in, H + 1, W + 1)
        return F.conv2d(features, weight, self.bias, stride=2)


class ModulatedConv(nn.Module):
    """A convolution whose weights are scaled by a style, for every image anew.

    Modulation ``w' = s_i w`` scales each input channel i; demodulation divides by the L2 norm of
    the weights of each output channel, which brings the output back to unit deviation whatever
    the style (equations 1 and 3 of the paper). Both are done on the feature maps: scaling the
    input channels and then the output channels gives the same numbers as scaling the weights,
    and all images of the batch share one ordinary convolution.

    Args:
        in_channels: channels that come in.
        out_channels: channels that go out.
        kernel_size: odd side length of the kernel.
        style_dim: numbers in the intermediate latent w.
        demodulate: whether to divide by the norm; not for the layers that make colours.
        up: double the size, with a low-pass filter after the transposed convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        style_dim: int,
        *,
        demodulate: bool = True,
        up: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.to_scales = EqualisedLinear(style_dim, in_channels, bias=1.0)
        self.scale = 1 / math.sqrt(in_channels * kernel_size**2)
        self.padding = kernel_size // 2
        self.demodulate = demodulate
        self.up = up

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Convolve ``features`` (B, in, H, W) as ``style`` (B, style_dim) says.

        Returns:
            (B, out, H, W), or twice the size if ``up``.
        """
        weight = self.weight * self.scale  # (out, in, k, k)
        scales = self.to_scales(style)  # (B, in)
        features = features * scales[:, :, None, None]
        if self.up:
            features = F.conv_transpose2d(features, weight.transpose(0, 1), stride=2)
        else:
            features = F.conv2d(features, weight, padding=self.padding)
        if self.demodulate:
            squares = F.linear(scales.square(), weight.square().sum(dim=(2, 3)))  # (B, out)
            features = features * torch.rsqrt(squares + 1e-8)[:, :, None, None]
        if self.up:  # (B, out, 2H + 1, 2W + 1) -> (B, out, 2H, 2W)
            features = smooth(features, padding=1, gain=4.0)
        return features


class StyledLayer(nn.Module):
    """One layer of the synthesis network: modulated convolution 3x3, noise, bias, leaky ReLU.

    Source: figure 2 (c) of the paper. As in `NoiseInjection`, noise is new for every image in
    training and one fixed picture in evaluation.
    """

    def __init__(
        self, in_channels: int, out_channels: int, style_dim: int, *, up: bool = False
    ) -> None:
        super().__init__()
        self.conv = ModulatedConv(in_channels, out_channels, 3, style_dim, up=up)
        self.noise = NoiseInjection()
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Map ``features`` (B, in, H, W) to (B, out, H, W), or twice the size if ``up``."""
        features = self.noise(self.conv(features, style))
        return activate(features + self.bias[:, None, None])


class ToRGB(nn.Module):
    """Colours of a feature map: modulated convolution 1x1 without demodulation, and a bias."""

    def __init__(self, in_channels: int, style_dim: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(in_channels, 3, 1, style_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Map ``features`` (B, in, H, W) to (B, 3, H, W)."""
        return self.conv(features, style) + self.bias[:, None, None]


class ResidualDownBlock(nn.Module):
    """Halve the size by two convolutions 3x3, and add what a plain 1x1 path makes of the input.

    Source: figure 7 and section 4.1 of the paper; the sum is divided by sqrt(2) to keep the
    deviation.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = EqualisedConv(in_channels, in_channels, 3)
        self.second = EqualisedConv(in_channels, out_channels, 3, down=True)
        self.plain = EqualisedConv(in_channels, out_channels, 1, bias=False, down=True)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``features`` (B, in, H, W) to (B, out, H/2, W/2)."""
        deep = activate(self.second(activate(self.first(features))))
        return (deep + self.plain(features)) / math.sqrt(2)


class MinibatchDeviation(nn.Module):
    """Append one channel: how much the images of a group differ from each other.

    A generator that draws the same picture again and again gives itself away by a small number.
    This is the one place where a logit depends on the other images of the batch.

    Source: Progressive Growing of GANs, section 3.

    Args:
        group_size: images in a group at most; a batch that it does not divide gets smaller groups.
    """

    def __init__(self, group_size: int = 4) -> None:
        super().__init__()
        self.group_size = group_size

    def forward(self, features: Tensor) -> Tensor:
        """Map ``features`` (B, C, H, W) to (B, C + 1, H, W)."""
        batch, _, height, width = features.shape
        size = next(n for n in range(min(self.group_size, batch), 0, -1) if batch % n == 0)
        groups = features.reshape(size, -1, *features.shape[1:])  # (size, B / size, C, H, W)
        deviation = (groups.var(dim=0, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3))
        channel = deviation.repeat(size)[:, None, None, None]  # (B, 1, 1, 1)
        return torch.cat([features, channel.expand(batch, 1, height, width)], dim=1)
