"""What StyleGAN2 minimises: logistic losses, and two penalties that are computed now and then.

Source: Karras et al. (2020), arXiv 1912.04958, sections 3.1 and 3.2 and appendix B; Mescheder et
al., "Which Training Methods for GANs do actually Converge?" (2018), for R1.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATH_LENGTH_INTERVAL = 8
"""Iterations from one path length penalty to the next, as in the paper."""


def discriminator_logistic(real: Tensor, fake: Tensor) -> Tensor:
    """Return the discriminator's logistic loss, a scalar greater than 0.

    ``E[softplus(-D(x))] + E[softplus(D(G(z)))]``; 2 ln 2 (1.386) where nothing is told apart.

    Args:
        real: logits of real images, any shape.
        fake: logits of generated images, any shape.
    """
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_logistic(fake: Tensor) -> Tensor:
    """Return the generator's non-saturating loss ``E[softplus(-D(G(z)))]``, a scalar over 0."""
    return F.softplus(-fake).mean()


def r1_penalty(logits: Tensor, images: Tensor, gamma: float = 10.0) -> Tensor:
    """Return ``gamma / 2 * E[|grad_x D(x)|^2]`` on real images, a scalar of 0 or more.

    The gradient of the discriminator where the data lie should vanish; without this penalty the
    training circles around its goal.

    Args:
        logits: of real images, one or more per image, computed from ``images`` (through any
            augmentation).
        images: (B, ...) with ``requires_grad``.
        gamma: weight; the best value grows with the resolution.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gamma / 2 * gradient.square().sum() / len(images)


class PathLength(nn.Module):
    """The path length penalty: a step in w should change the image by the same amount anywhere.

    ``E[(|J_w^T y| - a)^2]``, y a random image, J_w the Jacobian of the synthesis network and a
    the running mean of ``|J_w^T y|``. The running mean is a buffer, so that it is in a checkpoint.

    Source: section 3.2 of the paper, equation 4.

    Args:
        decay: of the running mean.
    """

    mean: Tensor

    def __init__(self, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, images: Tensor, styles: Tensor, noise: Tensor | None = None) -> Tensor:
        """Return the penalty, a scalar of 0 or more, with its weight (see `path_length_weight`).

        Args:
            images: (B, 3, R, R), synthesised from ``styles``.
            styles: (B, layers, D), from which a gradient reaches the images.
            noise: y, like ``images``; drawn from N(0, 1) if not given.
        """
        noise = torch.randn_like(images) if noise is None else noise
        (gradient,) = torch.autograd.grad((images * noise).sum(), styles, create_graph=True)
        lengths = gradient.square().sum(dim=(1, 2)).sqrt()  # (B,)
        mean = torch.lerp(self.mean, lengths.detach().mean(), 1 - self.decay)
        self.mean.copy_(mean)
        return path_length_weight(images.shape[-1]) * (lengths - mean).square().mean()


def path_length_weight(resolution: int) -> float:
    """Return the paper's weight of the path length penalty (appendix B).

    ``ln 2 / (r^2 (ln r - ln 2))``: 1 over the number of pixels and half the number of layers.
    """
    return math.log(2) / (resolution**2 * (math.log(resolution) - math.log(2)))


def lazy_adam(
    network: nn.Module,
    interval: int | None,
    learning_rate: float = 0.002,
    beta1: float = 0.0,
    beta2: float = 0.99,
) -> torch.optim.Adam:
    """Return StyleGAN2's Adam, adjusted for a penalty in every ``interval``-th step.

    In the paper's arrangement the penalty takes a step of its own, so there are (interval + 1)
    steps where there were (interval): with c = interval / (interval + 1) the learning rate becomes
    c times as large and the decays are raised to the power c (appendix B).

    Args:
        network: whose parameters it steps.
        interval: None for a network without such a penalty.
        learning_rate: before the adjustment, as the decays.
        beta1: decay of the mean.
        beta2: decay of the mean square.
    """
    c = 1.0 if interval is None else interval / (interval + 1)
    betas = beta1**c, beta2**c
    return torch.optim.Adam(network.parameters(), learning_rate * c, betas, eps=1e-8, fused=True)
