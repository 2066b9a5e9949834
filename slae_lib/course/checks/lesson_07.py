"""Checks of lesson 07, losses. Their sentences stand in `texts/lesson_07.toml`."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from slae_lib import losses
from slae_lib.config import ModelConfig
from slae_lib.course.checks.base import called, require
from slae_lib.discriminator import Discriminator, Reconstruction

REAL = torch.tensor([[2.0, 0.5], [-1.0, 0.25]])  # they cost 0, 0.5, 2 and 0.75
FAKE = torch.tensor([[-3.0, -0.5], [0.0, 3.0]])  # they cost 0, 0.5, 1 and 4


def exercise_1(teaches: Callable[..., Any]) -> None:
    """Check which losses are said to teach a blind discriminator."""
    answer = called(teaches, lambda real, fake: 0 * (real + fake).mean())
    require(isinstance(answer, bool), "no_bool", found=answer)
    require(not answer, "no_push")
    cases = {
        "direction": (lambda real, fake: (fake - real).mean(), True),
        "backwards": (lambda real, fake: (real - fake).mean(), False),
        "both_up": (lambda real, fake: (-real - fake).mean(), False),
        "both_down": (lambda real, fake: (real + fake).mean(), False),
        "not_blind": (lambda real, fake: F.relu(-1 - real).mean() + F.relu(fake - 1).mean(), False),
    }
    for cause, (loss, wanted) in cases.items():
        require(bool(called(teaches, loss)) == wanted, cause)


def _scalar(found: Any, right: Tensor, wrong: Mapping[str, Tensor]) -> None:
    """Refuse what is no single number, what comes out of a known mistake, and anything else."""
    require(isinstance(found, Tensor), "no_tensor", found=type(found).__name__)
    require(found.dim() == 0, "no_mean", found=tuple(found.shape))
    for cause, value in wrong.items():
        require(not torch.isclose(found, value), cause, found=found.item())
    require(bool(torch.isclose(found, right)), "value", found=found.item(), wanted=right.item())


def exercise_2(discriminator_hinge: Callable[..., Any]) -> None:
    """Check the discriminator's hinge on eight logits, where each mistake has its own number."""
    real, fake = F.relu(1 - REAL), F.relu(1 + FAKE)  # what each logit costs
    wrong = {
        "half": (real.mean() + fake.mean()) / 2,
        "sums": real.sum() + fake.sum(),
        "signs_real": real.mean() + F.relu(1 - FAKE).mean(),
        "signs_fake": F.relu(1 + REAL).mean() + fake.mean(),
        "swapped": F.relu(1 + REAL).mean() + F.relu(1 - FAKE).mean(),
        "no_relu": (1 - REAL).mean() + (1 + FAKE).mean(),
        "margin": real.mean() + F.relu(FAKE - 1).mean(),
        "below_zero": -real.mean() - fake.mean(),
        "real_alone": real.mean(),
        "fake_alone": fake.mean(),
    }
    _scalar(called(discriminator_hinge, REAL, FAKE), real.mean() + fake.mean(), wrong)


def exercise_3(generator_hinge: Callable[..., Any]) -> None:
    """Check the generator's loss on four logits, where each mistake has its own number."""
    wrong = {
        "sign": FAKE.mean(),
        "sums": -FAKE.sum(),
        "hinge": F.relu(1 - FAKE).mean(),
        "opponent": F.relu(1 + FAKE).mean(),
        "opponent_turned": -F.relu(1 + FAKE).mean(),
    }
    _scalar(called(generator_hinge, FAKE), -FAKE.mean(), wrong)


def exercise_4(l1_distance: Callable[..., Any]) -> None:
    """Check the distance of two pairs of images."""
    first, second = torch.randn(2, 2, 3, 8, 8)
    found = called(l1_distance, first, second)
    require(isinstance(found, Tensor), "no_tensor", found=type(found).__name__)
    require(found.shape == (2,), "shape", found=tuple(found.shape))
    difference = (first - second).flatten(1)
    right = difference.abs().mean(dim=1)
    wrong = {
        "signed": difference.mean(dim=1),
        "squared": difference.square().mean(dim=1),
        "sums": difference.abs().sum(dim=1),
        "length": difference.square().sum(dim=1).sqrt(),
        "root": difference.square().mean(dim=1).sqrt(),
    }
    for cause, value in wrong.items():
        require(not torch.allclose(found, value), cause, found=found[0].item())
    told = {"found": found[0].item(), "wanted": right[0].item()}
    require(torch.allclose(found, right), "value", **told)


def exercise_5(reconstruction_loss: Callable[..., Any]) -> None:
    """Check the loss of three decoders, and where its gradient goes."""
    pairs = [Reconstruction(*torch.rand(2, 2, 3, 8, 8)) for _ in range(3)]
    means = torch.stack([losses.l1_distance(*pair).mean() for pair in pairs])  # (3,)
    wrong = {
        "batch_sum": 2 * means.sum(),
        "decoder_mean": means.mean(),
        "first": means[0],
        "last": means[-1],
        "squared": torch.stack([F.mse_loss(*pair) for pair in pairs]).sum(),
    }
    _scalar(called(reconstruction_loss, pairs), means.sum(), wrong)
    free = [Reconstruction(pair.decoded, pair.target.clone().requires_grad_()) for pair in pairs]
    require(not called(reconstruction_loss, free).requires_grad, "target")
    free = [Reconstruction(pair.decoded.clone().requires_grad_(), pair.target) for pair in pairs]
    require(called(reconstruction_loss, free).requires_grad, "decoder")


def exercise_6(weigh: Callable[..., Any]) -> None:
    """Check the ratio of two gradients by computing it anew, in a small discriminator."""
    network = Discriminator(ModelConfig(resolution=64, width=8)).eval()
    real, fake = torch.rand(2, 3, 3, 64, 64) * 2 - 1
    on_real = network(real, F.avg_pool2d(real, 2), quarter=0)
    hinge = losses.discriminator_hinge(on_real.logits, network(fake, F.avg_pool2d(fake, 2)).logits)
    distance = losses.reconstruction_loss(on_real.reconstructions, losses.l1_distance)
    sizes = [_gradient_size(loss, network) for loss in (distance, hinge)]
    ratio, losses_ratio = sizes[0] / sizes[1], (distance / hinge).item()
    for summed, right in ((False, ratio), (True, 3 * ratio)):
        found = called(weigh, network, real, fake, summed)
        require(isinstance(found, float), "no_float", found=type(found).__name__)
        wrong = {
            "losses": right / ratio * losses_ratio,
            "upside_down": 1 / right,
            "not_summed": ratio if summed else right + 1,
            "always_summed": 3 * ratio if not summed else right + 1,
            "both_kinds": 6 * ratio if summed else right + 1,
        }
        for cause, value in wrong.items():
            require(abs(found - value) > 1e-3 * abs(value), cause, found=found)
        close = abs(found - right) < 1e-4 * right
        require(close, "value", found=found, wanted=right, summed=summed)


def _gradient_size(loss: Tensor, network: torch.nn.Module) -> float:
    weights = list(network.parameters())
    gradients = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
    return sum(float(each.square().sum()) for each in gradients if each is not None) ** 0.5
