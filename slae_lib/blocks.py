"""The parts that generator and discriminator are built from.

Every convolution here has spectral norm and no bias, and starts from N(0, 0.02); batch-norm
weights start from N(1, 0.02). Source: FastGAN (ICLR 2021), appendix.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm


def _initialised(layer: nn.Conv2d | nn.ConvTranspose2d) -> nn.Module:
    # Spectral norm keeps the trainable weight as `parametrizations.weight.original`. Writing to
    # `layer.weight` after wrapping is silently lost, so the layer is initialised before it.
    nn.init.normal_(layer.weight, 0.0, 0.02)
    return spectral_norm(layer)


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
    """Double the size: nearest x2, convolution 3x3, batch norm, GLU.

    (B, in, H, W) -> (B, out, 2H, 2W). The GLU multiplies one half of its channels by the sigmoid
    of the other, so the convolution makes twice as many channels as come out.
    """
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"),
        conv(in_channels, out_channels * 2, 3, padding=1),
        batch_norm(out_channels * 2),
        nn.GLU(dim=1),
    )


def composite_up_block(in_channels: int, out_channels: int) -> nn.Sequential:
    """Double the size with two convolutions and noise after each.

    (B, in, H, W) -> (B, out, 2H, 2W).
    """
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"),
        conv(in_channels, out_channels * 2, 3, padding=1),
        NoiseInjection(),
        batch_norm(out_channels * 2),
        nn.GLU(dim=1),
        conv(out_channels, out_channels * 2, 3, padding=1),
        NoiseInjection(),
        batch_norm(out_channels * 2),
        nn.GLU(dim=1),
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


def fold_spectral_norm(module: nn.Module) -> nn.Module:
    """Replace every spectral-norm parametrization in ``module`` by the weight it computes now.

    Done in place for a network that will only be sampled from: the same images, plain ``weight``
    tensors in its state, and nothing to compute before each convolution.
    """
    for layer in module.modules():
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    return module


@torch.no_grad()
def refresh_spectral_norm(module: nn.Module, iterations: int = 15) -> None:
    """Let the singular vectors of every spectral norm in ``module`` follow its weight.

    An average of networks averages the weights *and* the stored singular vectors, and an average
    of unit vectors is shorter than one: the norm would be underestimated in evaluation mode.
    """
    for layer in module.modules():
        if parametrize.is_parametrized(layer, "weight"):
            norm = layer.get_submodule("parametrizations.weight")
            was_training = norm.training
            norm.train()  # in training mode each look at the weight is one power iteration
            for _ in range(iterations):
                _ = layer.weight
            norm.train(was_training)
