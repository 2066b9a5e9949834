"""The parts that generator and discriminator are built from.

Every convolution here has spectral norm and no bias, and starts from N(0, 0.02); batch-norm
weights start from N(1, 0.02). Source: FastGAN (ICLR 2021), appendix.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from slae_lib.support.device import full_precision
from slae_lib.support.spectral_norm import SpectralNorm


def _initialised(layer: nn.Conv2d | nn.ConvTranspose2d) -> nn.Module:
    # Spectral norm keeps the trainable weight as `parametrizations.weight.original`. Writing to
    # `layer.weight` after wrapping is silently lost, so the layer is initialised before it.
    nn.init.normal_(layer.weight, 0.0, 0.02)
    output = 1 if isinstance(layer, nn.ConvTranspose2d) else 0  # the dimension of its channels
    parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight, output))
    return layer


def conv(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding: int = 0
) -> nn.Module:
    """Return a convolution with spectral norm, without bias, its weights drawn from N(0, 0.02)."""
    return _initialised(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False)
    )


def conv_transpose(in_channels: int, out_channels: int, kernel_size: int) -> nn.Module:
    """Return a transposed convolution, otherwise like `conv`."""
    return _initialised(nn.ConvTranspose2d(in_channels, out_channels, kernel_size, bias=False))


class UpsampledConv(nn.Conv2d):
    """Nearest upsampling x2 and a convolution 3x3 with padding 1, in one: (B, in, H, W) to 2H, 2W.

    After the upsampling four pixels in a square are equal, so most of the convolution multiplies
    the same pixel again and again. Nearest upsampling is a transposed convolution with a 2x2 box
    of ones, and two convolutions in a row are one, whose kernel is the first convolved with the
    second: a 4x4 kernel and a stride of 2. The result is the same up to rounding, with 16
    multiplications for each pixel that comes in where the two layers do 36.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, bias=False)
        # What each of the 3 weights of a line adds to the 4 of the line that it becomes.
        line = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
        self.register_buffer("box", torch.kron(line, line), persistent=False)  # (9, 16)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``features`` (B, in, H, W) to (B, out, 2H, 2W)."""
        if features.shape[-1] < 8:  # so few pixels that the kernels would be most of the work
            return super().forward(F.interpolate(features, scale_factor=2.0, mode="nearest"))
        return F.conv_transpose2d(features, self.kernel(), self.bias, stride=2, padding=1)

    def kernel(self) -> Tensor:
        """Return the weights of the transposed convolution: (in, out, 4, 4)."""
        weight = self.weight  # once: with spectral norm each look at it is a power iteration
        with full_precision(weight.device):  # sums of weights
            kernel = weight.transpose(0, 1).flatten(2) @ self.get_buffer("box")
        return kernel.unflatten(2, (4, 4))


def upsampled_conv(in_channels: int, out_channels: int) -> nn.Module:
    """Return an `UpsampledConv` with spectral norm and weights as in `conv`."""
    return _initialised(UpsampledConv(in_channels, out_channels))


def channels_last(features: Tensor) -> Tensor:
    """Return ``features`` (B, C, H, W), on a CPU with all channels of a pixel side by side.

    Layers hand this order in memory on to each other. In it most convolutions of a CPU take two
    thirds of the time, and transposed ones half.
    """
    on_cpu = features.device.type == "cpu"
    return features.contiguous(memory_format=torch.channels_last) if on_cpu else features


class GLU(nn.GLU):
    """`torch.nn.GLU` of the channels: their first half times the sigmoid of the second.

    In the order of `channels_last` PyTorch's takes several times as long in the backward pass,
    unless it is told that the channels are the last dimension.
    """

    def __init__(self) -> None:
        super().__init__(dim=1)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``features`` (B, 2C, H, W) to (B, C, H, W)."""
        if not features.is_contiguous(memory_format=torch.channels_last):
            return super().forward(features)
        return F.glu(features.permute(0, 2, 3, 1), 3).permute(0, 3, 1, 2)


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Return a batch norm whose weights are drawn from N(1, 0.02) and whose biases are 0."""
    norm = nn.BatchNorm2d(channels)
    nn.init.normal_(norm.weight, 1.0, 0.02)
    return norm


class NoiseInjection(nn.Module):
    """Add one noise picture to all channels, scaled by a learned number that starts at 0.

    In training the noise is new for every image: (B, 1, H, W). In evaluation it is one fixed
    picture, so that an image depends on its latent input alone and not on its batch mates.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self._fixed: dict[tuple[int, ...], Tensor] = {}

    def forward(self, features: Tensor) -> Tensor:
        """Return ``features`` (B, C, H, W) with noise added; same shape."""
        batch, _, height, width = features.shape
        if self.training:
            noise = torch.randn(
                batch, 1, height, width, device=features.device, dtype=features.dtype
            )
        else:
            noise = self._fixed_noise(height, width).to(features)
        return features + self.weight * noise

    def _fixed_noise(self, height: int, width: int) -> Tensor:
        # Drawn on the CPU, so that every device sees the same picture.
        if (height, width) not in self._fixed:
            generator = torch.Generator().manual_seed(height * width)
            self._fixed[height, width] = torch.randn(1, 1, height, width, generator=generator)
        return self._fixed[height, width]


def up_block(in_channels: int, out_channels: int) -> nn.Sequential:
    """Double the size: nearest x2 and convolution 3x3 (`UpsampledConv`), batch norm, GLU.

    (B, in, H, W) -> (B, out, 2H, 2W). The GLU multiplies one half of its channels by the sigmoid
    of the other, so the convolution makes twice as many channels as come out.
    """
    return nn.Sequential(
        nn.Identity(),  # where the upsampling was: names in stored files hold the layers' places
        upsampled_conv(in_channels, out_channels * 2),
        batch_norm(out_channels * 2),
        GLU(),
    )


def composite_up_block(in_channels: int, out_channels: int) -> nn.Sequential:
    """Double the size with two convolutions and noise after each.

    (B, in, H, W) -> (B, out, 2H, 2W).
    """
    return nn.Sequential(
        nn.Identity(),
        upsampled_conv(in_channels, out_channels * 2),
        NoiseInjection(),
        batch_norm(out_channels * 2),
        GLU(),
        conv(out_channels, out_channels * 2, 3, padding=1),
        NoiseInjection(),
        batch_norm(out_channels * 2),
        GLU(),
    )


def down_block(in_channels: int, out_channels: int) -> nn.Sequential:
    """Halve the size: strided convolution 4x4, batch norm, LeakyReLU.

    (B, in, H, W) -> (B, out, H/2, W/2).
    """
    return nn.Sequential(
        conv(in_channels, out_channels, 4, stride=2, padding=1),
        batch_norm(out_channels),
        nn.LeakyReLU(0.2),
    )


class CompositeDownBlock(nn.Module):
    """Halve the size twice over, by a deep and by a plain path, and take the mean of both.

    Deep: strided convolution 4x4, batch norm, LeakyReLU, convolution 3x3, batch norm, LeakyReLU.
    Plain: average pooling, convolution 1x1, batch norm, LeakyReLU.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.deep = nn.Sequential(
            *down_block(in_channels, out_channels),
            conv(out_channels, out_channels, 3, padding=1),
            batch_norm(out_channels),
            nn.LeakyReLU(0.2),
        )
        self.plain = nn.Sequential(
            nn.AvgPool2d(2),
            conv(in_channels, out_channels, 1),
            batch_norm(out_channels),
            nn.LeakyReLU(0.2),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map ``features`` (B, in, H, W) to (B, out, H/2, W/2)."""
        return (self.deep(features) + self.plain(features)) / 2


def fold_upsampling(network: nn.Module) -> nn.Module:
    """Replace each `UpsampledConv` in ``network`` by its transposed convolution, made once.

    In place, for a network without spectral norms that will only be sampled from.
    """
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, UpsampledConv):
                channels = layer.in_channels, layer.out_channels
                with torch.device("meta"):  # it gets the weights that there are
                    folded = nn.ConvTranspose2d(*channels, 4, stride=2, padding=1, bias=False)
                folded.weight = nn.Parameter(layer.kernel().detach(), requires_grad=False)
                setattr(parent, name, folded)
    return network
