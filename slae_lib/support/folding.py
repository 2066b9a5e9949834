"""Batch norm folded into the convolution before it, for a network that is no longer trained.

In evaluation mode a batch norm multiplies each channel by one number and adds another. So does a
convolution with other weights and a bias: the result is the same up to rounding, and a pass over
all pixels is saved.
"""

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
            for place, norm in enumerate(layers):
                if isinstance(norm, nn.BatchNorm2d):
                    added = place > 1 and isinstance(layers[place - 1], between)
                    conv = layers[place - 2 if added else place - 1] if place else None
                    if isinstance(conv, nn.Conv2d | nn.ConvTranspose2d):
                        if added:
                            _scale(layers[place - 1], norm)
                        _fold(conv, norm)
                        parent[place] = nn.Identity()
        else:
            conv, norm = getattr(parent, "conv", None), getattr(parent, "bn", None)
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                _fold(conv, norm)
                parent.bn = nn.Identity()
    return module


def _fold(conv: nn.Conv2d | nn.ConvTranspose2d, norm: nn.BatchNorm2d) -> None:
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None  # batch statistics cannot be folded
    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight,
        conv.bias,
        mean,
        variance,
        norm.eps,
        norm.weight,
        norm.bias,
        transpose=conv.transposed,
    )


def _scale(layer: nn.Module, norm: nn.BatchNorm2d) -> None:
    assert norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()  # (C,)
    weight = layer.get_parameter("weight") * scale[:, None, None]  # (C, 1, 1)
    layer.weight = nn.Parameter(weight.detach(), requires_grad=False)
