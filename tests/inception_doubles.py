"""In place of the Inception network, and what pytorch-fid says, for the tests of FID."""

from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from slae_lib.evaluation.fid import InceptionFeatures


class TinyInception(nn.Module):
    """In place of the real network: mean and deviation of each colour, shaped like its output."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))
        self.largest_batch = 0
        self.blocks = nn.ModuleList([nn.Identity(), nn.Identity()])  # as the real one has them

    def forward(self, images: Tensor) -> list[Tensor]:
        self.largest_batch = max(self.largest_batch, len(images))
        moments = torch.cat([images.mean(dim=(2, 3)), images.std(dim=(2, 3))], dim=1)
        return [(moments * self.gain)[:, :, None, None]]


def reference(first: Tensor, second: Tensor) -> float:
    """What pytorch-fid says about the same features."""
    from pytorch_fid import fid_score
    from scipy import linalg

    def square_root(matrix: np.ndarray, disp: bool = True) -> tuple[np.ndarray, None]:
        return linalg.sqrtm(matrix), None

    moments = []
    for features in (first.numpy(), second.numpy()):
        moments += [features.mean(axis=0), np.cov(features, rowvar=False)]
    # pytorch-fid calls sqrtm with an argument that SciPy 1.18 no longer has.
    with mock.patch.object(fid_score, "linalg", mock.Mock(sqrtm=square_root)):
        return float(fid_score.calculate_frechet_distance(*moments))


class Projection(InceptionFeatures):
    """A fixed random projection in place of the Inception network, which is slow and large."""

    def __init__(self) -> None:
        self.device = torch.device("cpu")
        self.weights = "projection"
        self.batch_size, self.progress = 32, False
        source = torch.Generator().manual_seed(0)
        self.matrix = torch.randn(3 * 64 * 64, 6, generator=source) / 100

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1).float() / 255 @ self.matrix

    def of_stored(self, images) -> torch.Tensor:
        return self.of(images)
