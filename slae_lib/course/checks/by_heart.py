"""The experiment of lesson 01, as the lab does it: how much a discriminator learns by heart."""

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slae_lib.datasets import load_images
from slae_lib.support.device import pick_device
from slae_lib.support.images import to_float

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]
History = dict[str, Tensor]


def deal(seed: int = 1) -> list[Tensor]:
    """Return three heaps of 31 faces (31, 3, 32, 32): training, others, unseen."""
    faces = load_images("fluent-faces", 64)
    everything = F.avg_pool2d(to_float(faces.batch(range(len(faces)))), 2).to(pick_device())
    order = torch.randperm(93, generator=torch.Generator().manual_seed(seed))
    return [everything[heap] for heap in order.split(31)]


def ghosts(faces: Tensor, count: int) -> Tensor:
    """Return fakes: two different faces faded into each other."""
    device = faces.device
    first = torch.randint(len(faces), (count,), device=device)
    second = (first + torch.randint(1, len(faces), (count,), device=device)) % len(faces)
    share = 0.3 + 0.2 * torch.rand(count, 1, 1, 1, device=device)
    return (1 - share) * faces[first] + share * faces[second]


def new_discriminator() -> nn.Sequential:
    """Return the lesson's discriminator, always with the same weights; PyTorch is seeded by it."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for before, after in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 4 * 4, 1)).to(pick_device())


def plain_loss(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """Return the loss without any augmentation."""
    return F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake)).mean()


@functools.cache
def learned(loss: Loss) -> History:
    """Train for 300 steps; return the logits at steps 0, 20 and so on: name to (16, N)."""
    training, others, unseen = deal()
    discriminator = new_discriminator()
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    judged = {"training faces": training, "unseen faces": unseen}
    judged["unseen fakes"] = ghosts(unseen, 200)
    looks: dict[str, list[Tensor]] = {name: [] for name in judged}
    for step in range(301):
        if step % 20 == 0:
            with torch.no_grad():
                for name, images in judged.items():
                    looks[name].append(discriminator(images)[:, 0])
        real = training[torch.randint(31, (16,), device=training.device)]
        optimizer.zero_grad()
        loss(discriminator, real, ghosts(others, 16)).backward()
        optimizer.step()
    return {name: torch.stack(each) for name, each in looks.items()}


def late_share(history: History, heap: str) -> float:
    """Return the share of right pairs of a heap and the unseen fakes, mean of the last five."""
    pairs = zip(history[heap][-5:], history["unseen fakes"][-5:], strict=True)
    return sum((faces[:, None] > fakes).float().mean().item() for faces, fakes in pairs) / 5
