"""Batch norm folded into the convolution before it, for a network that is no longer trained.

In evaluation mode a batch norm multiplies each channel by one number and adds another. So does a
convolution with other weights and a bias: the result is the same up to rounding, and a pass over
all pixels is saved.
"""

from typing import Any

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


def fold_batch_norm(module: nn.Module, between: tuple[type[nn.Module], ...] = ()) -> nn.Module:
    """Fold the batch norms in ``module`` into their convolutions, in place, and return it.

    Found are neighbours in an `nn.Sequential`, and the pairs ``conv`` and ``bn`` of torchvision's
    Inception. An identity takes the place of each batch norm, so that the others keep their names.

    Args:
        module: in evaluation mode, without parametrizations on the weights of its convolutions.
        between: kinds of layers that may stand between the two: those that add something
            proportional to their ``weight``, which becomes one number for each channel: (C, 1, 1).
    """
    for parent in list(module.modules()):
        if isinstance(parent, nn.Sequential):
            layers = list(parent)
            for place in range(1, len(layers)):
                conv, norm = layers[place - 1], layers[place]
                if isinstance(conv, between) and _is_pair(layers[place - 2], norm):
                    _scale(conv, norm)
                    conv = layers[place - 2]
                if _is_pair(conv, norm):
                    _fold(conv, norm)
                    parent[place] = nn.Identity()
        elif _is_pair(getattr(parent, "conv", None), getattr(parent, "bn", None)):
            _fold(parent.conv, parent.bn)
            parent.bn = nn.Identity()
    return module


def _is_pair(conv: Any, norm: Any) -> bool:
    return isinstance(norm, nn.BatchNorm2d) and isinstance(conv, nn.Conv2d | nn.ConvTranspose2d)


def _fold(conv: Any, norm: Any) -> None:
    statistics = norm.running_mean, norm.running_var, norm.eps
    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, *statistics, norm.weight, norm.bias, transpose=conv.transposed
    )


def _scale(layer: Any, norm: Any) -> None:
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()  # (C,)
    layer.weight = nn.Parameter((layer.weight * scale[:, None, None]).detach(), False)  # (C, 1, 1)
