"""What generator and discriminator minimise: hinge and reconstruction.

The paper's text lost its minus signs; written out (section 3.3):

    L_D = -E[min(0, -1 + D(x))] - E[min(0, -1 - D(G(z)))] + L_recons
    L_G = -E[D(G(z))]
    L_recons = E || g(f) - T(x) ||
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from slae_lib.discriminator import Reconstruction


def discriminator_hinge(real: Tensor, fake: Tensor, *, random_margin: bool = False) -> Tensor:
    """Return the discriminator's hinge loss, a scalar of 0 or more.

    Logits beyond the margin on the right side cost nothing. 2 means that real and generated
    images get the same logits.

    Args:
        real: logits of real images, any shape.
        fake: logits of generated images, any shape.
        random_margin: draw the margin of each logit from [0.8, 1), as FastGAN's code does,
            in place of the paper's 1.
    """
    real_margin = _margin(real) if random_margin else 1.0
    fake_margin = _margin(fake) if random_margin else 1.0
    return F.relu(real_margin - real).mean() + F.relu(fake_margin + fake).mean()


def generator_hinge(fake: Tensor) -> Tensor:
    """Return the generator's loss: minus the mean logit of its images, a scalar."""
    return -fake.mean()


def reconstruction_loss(
    reconstructions: Sequence[Reconstruction], distance: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Return the sum over the decoders of the batch's mean distance, a scalar.

    Args:
        reconstructions: decoded images and their targets, each (B, 3, R', R') in [-1, 1].
        distance: of two batches of images, one number per image (B,): `l1_distance`, or a
            network of `slae_lib.support.pretrained.perceptual_distance`.
    """
    # All decoders in one batch: a perceptual distance then runs its network twice, not six times.
    decoded = torch.cat([pair.decoded for pair in reconstructions])
    target = torch.cat([pair.target for pair in reconstructions]).detach()
    return distance(decoded, target).mean() * len(reconstructions)


def l1_distance(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean absolute difference of each pair of images: (B,)."""
    return (first - second).abs().flatten(1).mean(dim=1)


def _margin(logits: Tensor) -> Tensor:
    return 0.8 + 0.2 * torch.rand_like(logits)
