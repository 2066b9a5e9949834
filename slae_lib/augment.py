"""DiffAugment: augmentations with gradients, for real *and* generated images.

If only real images were changed, the generator would learn to make changed images. Every image
that the discriminator sees goes through the same random changes, and since they are
differentiable the generator still gets its gradients.

Source: Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training" (2020).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from slae_lib.support.errors import UsageError


def color(images: Tensor) -> Tensor:
    """Change brightness (by -0.5 to 0.5), saturation (0 to 2 times) and contrast (0.5 to 1.5)."""
    images = images + (_uniform(images) - 0.5)
    grey = images.mean(dim=1, keepdim=True)  # (B, 1, H, W)
    images = grey + (images - grey) * (_uniform(images) * 2)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)  # (B, 1, 1, 1)
    return mean + (images - mean) * (_uniform(images) + 0.5)


def translation(images: Tensor, ratio: float = 0.125) -> Tensor:
    """Move each image by up to ``ratio`` of its size; what comes into view is mid grey (0)."""
    batch, _, height, width = images.shape
    shift_y, shift_x = round(height * ratio), round(width * ratio)
    padded = F.pad(images, (shift_x, shift_x, shift_y, shift_y))
    top = _integers(images, 2 * shift_y + 1)[:, None] + torch.arange(height, device=images.device)
    left = _integers(images, 2 * shift_x + 1)[:, None] + torch.arange(width, device=images.device)
    index = torch.arange(batch, device=images.device)[:, None, None]
    # Indexing with three tensors puts the channels last: (B, H, W, C).
    return padded[index, :, top[:, :, None], left[:, None, :]].permute(0, 3, 1, 2)


def cutout(images: Tensor, ratio: float = 0.5) -> Tensor:
    """Set a square with ``ratio`` of the side length, anywhere and partly outside, to mid grey."""
    _, _, height, width = images.shape
    size_y, size_x = round(height * ratio), round(width * ratio)
    top = _integers(images, height + 1 - size_y % 2)[:, None] - size_y // 2  # (B, 1)
    left = _integers(images, width + 1 - size_x % 2)[:, None] - size_x // 2
    y = torch.arange(height, device=images.device)[None]
    x = torch.arange(width, device=images.device)[None]
    in_y = (y >= top) & (y < top + size_y)  # (B, H)
    in_x = (x >= left) & (x < left + size_x)  # (B, W)
    inside = in_y[:, None, :, None] & in_x[:, None, None, :]  # (B, 1, H, W)
    return images.masked_fill(inside, 0.0)


AUGMENTATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "color": color,
    "translation": translation,
    "cutout": cutout,
}


def parse_policy(policy: str) -> tuple[str, ...]:
    """Return the augmentations that a policy such as ``"color,translation"`` names, in order.

    Raises:
        UsageError: for a name that does not exist.
    """
    names = tuple(name.strip() for name in policy.split(",") if name.strip() not in ("", "none"))
    for name in names:
        if name not in AUGMENTATIONS:
            raise UsageError(
                f'augment has no "{name}"; choose from {", ".join(AUGMENTATIONS)}, '
                "several with commas between them, or none."
            )
    return names


def augment(images: Tensor, policy: str = "color,translation") -> Tensor:
    """Return ``images`` (B, 3, H, W) in [-1, 1], each changed at random by every part of a policy.

    Colour can leave [-1, 1], as in the published method.
    """
    for name in parse_policy(policy):
        images = AUGMENTATIONS[name](images)
    return images


def _uniform(images: Tensor) -> Tensor:
    return torch.rand(images.shape[0], 1, 1, 1, device=images.device, dtype=images.dtype)


def _integers(images: Tensor, high: int) -> Tensor:
    return torch.randint(high, (images.shape[0],), device=images.device)
