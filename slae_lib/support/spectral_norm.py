"""Spectral norm: weights divided by their largest singular values, layer by layer or all at once.

Source: Miyato et al., "Spectral Normalization for Generative Adversarial Networks" (ICLR 2018).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import normalize
from torch.nn.utils import parametrize

from slae_lib.support.device import full_precision


class SpectralNorm(nn.Module):
    """Divides a weight by an estimate of its largest singular value; gradients flow through both.

    The weight counts as a matrix W with one row for each output channel. Two unit vectors follow
    its first singular vectors, by one power iteration whenever the weight is looked at in training
    mode: ``u = W v / |W v|``, then ``v = W' u / |W' u|``. The estimate is ``u' W v``.

    The numbers and the state are those of `torch.nn.utils.parametrizations.spectral_norm`, which
    knows one layer alone; of these, `SpectralNorms` computes those of a whole network together.

    Args:
        weight: what is normalised.
        dim: its dimension of output channels.
    """

    def __init__(self, weight: Tensor, dim: int = 0) -> None:
        super().__init__()
        self.dim = dim
        self.prepared: Tensor | None = None  # the normalised weight, while `SpectralNorms` has it
        weight = weight.detach()
        for name, size in (
            ("_u", weight.shape[dim]),
            ("_v", weight.numel() // weight.shape[dim]),
        ):
            self.register_buffer(name, normalize(weight.new_empty(size).normal_(), dim=0))
        self.iterate(weight, 15)

    @property
    def vectors(self) -> tuple[Tensor, Tensor]:
        """The estimates of the left (out,) and of the right (rest,) first singular vector."""
        return self.get_buffer("_u"), self.get_buffer("_v")

    # Of a transposed convolution (in, out, h, w) the matrix would be a copy, of 34 MB in the
    # largest layer; its products are sums over the input channels of products that need none.

    def times_right(self, weight: Tensor, vector: Tensor) -> Tensor:
        """Return W v: (out,)."""
        if self.dim == 0:
            return weight.flatten(1).mv(vector)
        return weight.flatten(2).bmm(vector.view(len(weight), -1, 1)).sum(0).flatten()

    def times_left(self, weight: Tensor, vector: Tensor) -> Tensor:
        """Return W' u: (rest,)."""
        if self.dim == 0:
            return weight.flatten(1).mT.mv(vector)
        return vector.expand(len(weight), 1, -1).bmm(weight.flatten(2)).flatten()

    @torch.no_grad()
    def iterate(self, weight: Tensor, times: int = 1) -> None:
        """Bring the vectors closer to the singular vectors of ``weight``."""
        left, right = self.vectors
        for _ in range(0 if weight.is_meta else times):
            left.copy_(normalize(self.times_right(weight, right), dim=0))
            right.copy_(normalize(self.times_left(weight, left), dim=0))

    def forward(self, weight: Tensor) -> Tensor:
        """Return ``weight``, divided; same shape."""
        if self.prepared is not None:
            return self.prepared
        with full_precision(weight.device):
            if self.training:
                self.iterate(weight)
            # Copies: the next look at the weight changes the vectors, while the backward pass of
            # this one still needs them.
            left, right = (vector.clone() for vector in self.vectors)
            return weight / left.dot(self.times_right(weight, right))


class SpectralNorms:
    """All spectral norms of a network, computed together.

    One by one they are a dozen small operations for each layer, again in every pass and in every
    backward pass: with narrow networks a seventh of an iteration.
    """

    def __init__(self, network: nn.Module) -> None:
        self.layers = [
            layer for layer in network.modules() if parametrize.is_parametrized(layer, "weight")
        ]
        self.norms = [
            cast(SpectralNorm, layer.get_submodule("parametrizations.weight.0"))
            for layer in self.layers
        ]
        self.weights = [
            layer.get_parameter("parametrizations.weight.original") for layer in self.layers
        ]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Do one power iteration for all weights, and keep what they give until the block ends.

        It is the only one in the block, however often the network is called there, and whether it
        is in training mode or not. The weights may not change in it.
        """
        with full_precision(self.weights[0].device):
            prepared = _Together.apply(self.norms, *self.weights)
        for norm, weight in zip(self.norms, prepared, strict=True):
            norm.prepared = weight
        try:
            yield
        finally:
            for norm in self.norms:
                norm.prepared = None


class _Together(torch.autograd.Function):
    """Divide weights by their largest singular values, after one power iteration.

    With s = u' W v for constant u and v, and G the gradient that comes in for W / s, the gradient
    that goes out for W is (G - <G, W / s> u v') / s.
    """

    @staticmethod
    def forward(ctx: Any, norms: list[SpectralNorm], *weights: Tensor) -> tuple[Tensor, ...]:
        layers = list(zip(norms, weights, strict=True))
        old_left, old_right = zip(*(norm.vectors for norm in norms), strict=True)
        left = [norm.times_right(w, v) for (norm, w), v in zip(layers, old_right, strict=True)]
        torch._foreach_div_(left, torch._foreach_norm(left))
        right = [norm.times_left(w, u) for (norm, w), u in zip(layers, left, strict=True)]
        scales = torch._foreach_norm(right)  # |W' u| is u' W v, since v is W' u / |W' u|
        torch._foreach_div_(right, scales)
        torch._foreach_copy_(old_left, left)
        torch._foreach_copy_(old_right, right)
        prepared = torch._foreach_div(weights, scales)
        ctx.norms = norms
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*left, *right, *scales, *prepared)
        return tuple(prepared)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        saved, count = ctx.saved_tensors, len(gradients)
        found: list[Tensor | None] = []
        for index, (norm, gradient) in enumerate(zip(ctx.norms, gradients, strict=True)):
            if gradient is None:  # of a layer that had no part in the loss
                found.append(None)
                continue
            left, right, scale, prepared = saved[index::count]
            rest = gradient.flatten(norm.dim + 1) / scale  # (out, rest), or (in, out, rest)
            along = rest.flatten().dot(prepared.flatten())
            # u v' in the same shape: v has one part for each input channel, or one in all.
            part = right.view(-1, 1, rest.shape[-1])
            rest.addcmul_(left[:, None] * along, part if norm.dim else part[0], value=-1)
            found.append(rest.view(prepared.shape))
        return None, *found


def fold_spectral_norm(network: nn.Module) -> nn.Module:
    """Replace every spectral norm in ``network`` by the weight that it makes now.

    Done in place for a network that will only be sampled from: the same images, plain ``weight``
    tensors in its state, and nothing to compute before each convolution.
    """
    for layer in SpectralNorms(network).layers:
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    return network


@torch.no_grad()
def refresh_spectral_norm(network: nn.Module, iterations: int = 15) -> None:
    """Let the singular vectors of every spectral norm in ``network``, PyTorch's too, follow.

    An average of networks averages the weights *and* the stored singular vectors, and an average
    of unit vectors is shorter than one: the norm would be underestimated in evaluation mode.
    """
    for layer in network.modules():
        if parametrize.is_parametrized(layer, "weight"):
            norm = layer.get_submodule("parametrizations.weight")
            was_training = norm.training
            norm.train()  # in training mode each look at the weight is one power iteration
            for _ in range(iterations):
                _ = layer.weight
            norm.train(was_training)
