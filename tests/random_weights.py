"""Weights that need no download, in the place where the lab looks for the real ones."""

from pathlib import Path

import torch

from slae_lib.support import pretrained


def save_random_vgg(home: Path) -> None:
    """Put a VGG-16 whose weights are random into a `TORCH_HOME`."""
    from torchvision.models import vgg16

    with torch.device("meta"):
        shapes = {name: value.shape for name, value in vgg16().features.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in shapes.items():
        deviation = (2 / shape[1:].numel()) ** 0.5 if len(shape) > 1 else 0.1
        state[f"features.{name}"] = torch.randn(shape, generator=generator) * deviation
    file = home / "hub" / "checkpoints" / pretrained.VGG16.file_name
    file.parent.mkdir(parents=True)
    torch.save(state, file)
