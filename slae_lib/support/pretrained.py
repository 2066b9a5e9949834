"""The one door to pretrained weights: VGG-16, the Inception of FID, and LPIPS.

A file that is in the cache (``TORCH_HOME``) is used; a missing one is downloaded, its checksum
compared. Nothing is ever replaced by something else: what cannot be had is a `MissingWeightsError`,
whose sentence has the address, the file name and the folder.
"""

import functools
import hashlib
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import torch
from torch import Tensor, nn

from slae_lib.support.downloads import DownloadError, download
from slae_lib.support.errors import LabError, UsageError

# Where each ReLU stands in torchvision's `vgg16().features`; relu5_3 is the third of the fifth
# group, as the VGG paper counts.
VGG16_RELU_NAMES = {
    "relu1_1": 1, "relu1_2": 3, "relu2_1": 6, "relu2_2": 8,
    "relu3_1": 11, "relu3_2": 13, "relu3_3": 15, "relu4_1": 18, "relu4_2": 20, "relu4_3": 22,
    "relu5_1": 25, "relu5_2": 27, "relu5_3": 29,
}  # fmt: skip


class MissingWeightsError(LabError):
    """Pretrained weights are not there and cannot be had, or their file cannot be used."""


@dataclass(frozen=True)
class WeightsFile:
    """A file of pretrained weights: what it is, where it comes from, where it has to lie."""

    title: str
    url: str
    sha256: str  # how the checksum of the download begins
    size: int  # bytes of the download, about
    source: str  # who made it, under which licence

    @property
    def file_name(self) -> str:
        """The name in the cache, which is the last part of the address."""
        return self.url.rsplit("/", 1)[-1]

    def path(self) -> Path:
        """Return where the file is or will be: the cache of `torch.hub`, below ``TORCH_HOME``."""
        return Path(torch.hub.get_dir(), "checkpoints", self.file_name).absolute()

    def is_present(self) -> bool:
        """Return whether the file is in the cache."""
        return self.path().is_file()

    def load(self) -> dict[str, Tensor]:
        """Return the tensors in the file, after a download if it is missing.

        Raises:
            MissingWeightsError: if it cannot be downloaded, or is damaged.
        """
        path = self.path()
        try:
            download(self.url, path, sha256=self.sha256)
        except DownloadError as problem:
            raise MissingWeightsError(
                f"{self.title} ({self.file_name}, {self.size / 1e6:.0f} MB) is missing and cannot "
                f"be downloaded: {problem.reason}; download {self.url} elsewhere and put "
                f"the file into the folder {path.parent}."
            ) from problem
        try:
            state = torch.load(
                path,
                map_location="cpu",
                weights_only=True,
                mmap=zipfile.is_zipfile(path),  # what is not used (a classifier) stays on the disk
            )
        except PermissionError as problem:
            raise MissingWeightsError(f"{path} cannot be read: {problem.strerror}.") from problem
        except Exception as problem:  # torch has many names for one thing: not a file of weights
            raise self.broken() from problem
        if not isinstance(state, dict):
            raise self.broken()
        return state

    def broken(self) -> MissingWeightsError:
        """Return the error for a file that is there and cannot be used."""
        return MissingWeightsError(
            f"{self.path()} is damaged or does not hold {self.title}; delete it and try again, or "
            f"put a good copy of {self.url} in its place."
        )


VGG16 = WeightsFile(
    title="VGG-16 with its original weights",
    url="https://download.pytorch.org/models/vgg16_features-amdegroot-88682ab5.pth",
    sha256="88682ab5",
    size=553_400_000,
    source="K. Simonyan and A. Zisserman (Oxford VGG), Creative Commons Attribution; "
    "by way of amdegroot/ssd.pytorch and torchvision",
)
VGG16_TORCHVISION = WeightsFile(
    title="VGG-16 with torchvision's weights",
    url="https://download.pytorch.org/models/vgg16-397923af.pth",
    sha256="397923af",
    size=553_400_000,
    source="torchvision, BSD 3-Clause; trained on ImageNet",
)
FID_INCEPTION = WeightsFile(
    title="Inception with FID's weights",
    url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth",
    sha256="6726825d",
    size=95_600_000,
    source="TensorFlow, Apache 2.0; by way of mseitzer/pytorch-fid",
)
WEIGHTS = (VGG16, VGG16_TORCHVISION, FID_INCEPTION)


def vgg16_features(file: WeightsFile = VGG16) -> nn.Sequential:
    """Return the convolution layers of VGG-16, in evaluation mode and frozen.

    Its layers keep torchvision's numbers (`VGG16_RELU_NAMES`), and its ReLUs are not in-place, so
    that a hook on any layer sees what that layer returned. Input: `normalise_for_vgg16`.

    Args:
        file: of the original weights, or torchvision's.

    Raises:
        MissingWeightsError: if the weights are missing and cannot be downloaded.

    Source: Simonyan and Zisserman (ICLR 2015), configuration D.
    """
    state = file.load()
    from torchvision.models import vgg16

    # On "meta" the classifier, nine tenths of the network, is never made.
    with torch.device("meta"):
        features = vgg16().features
    features.to_empty(device="cpu")
    weights = {k.removeprefix("features."): v for k, v in state.items() if "features." in k}
    try:
        features.load_state_dict(weights)
    except RuntimeError as problem:
        raise file.broken() from problem
    for layer in features:
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
    return features.eval().requires_grad_(False)


def normalise_for_vgg16(images: Tensor) -> Tensor:
    """Bring ``images`` (B, 3, H, W) from [-1, 1] to the scale that `vgg16_features` was trained on.

    That is 0 to 255 with the mean colour of ImageNet taken off, and not torchvision's usual one.
    """
    from torchvision.models import VGG16_Weights

    numbers = _shift_and_scale(VGG16_Weights.IMAGENET1K_FEATURES)
    shift, scale = (images.new_tensor(values).view(3, 1, 1) for values in numbers)
    return (images - shift) / scale


def fid_inception() -> nn.Module:
    """Return the Inception network of FID as `pytorch-fid` builds it, in evaluation mode.

    It takes images (B, 3, H, W) in [0, 1] and returns a list of one tensor (B, 2048, 1, 1): the
    features after the last average pooling.

    Raises:
        MissingWeightsError: if the weights are missing and cannot be downloaded.
    """
    from pytorch_fid import inception

    state = FID_INCEPTION.load()
    # pytorch-fid would download by itself; it gets what came through our door instead.
    with mock.patch.object(inception, "load_state_dict_from_url", lambda *_, **__: state):
        try:
            network = inception.InceptionV3([inception.InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
        except RuntimeError as problem:
            raise FID_INCEPTION.broken() from problem
    return network.eval().requires_grad_(False)


class PerceptualDistance(nn.Module):
    """How different two images look to VGG-16; always in evaluation mode, its weights frozen.

    Args:
        name: what to call the numbers in every table and plot.
        network: an `lpips.LPIPS`.
    """

    def __init__(self, name: str, network: nn.Module) -> None:
        super().__init__()
        self.name = name
        self.network = network.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "PerceptualDistance":
        """Stay in evaluation mode: lpips would apply dropout to its calibration."""
        return super().train(False)

    def forward(self, images: Tensor, others: Tensor) -> Tensor:
        """Return the distance (B,), 0 or more, of each pair of (B, 3, H, W) in [-1, 1]."""
        return self.network(images, others).flatten()


def perceptual_distance(kind: Literal["lpips", "vgg"]) -> PerceptualDistance:
    """Return a perceptual distance; its ``name`` says which of the two it is.

    ``"lpips"`` is LPIPS on VGG-16, calibrated with human judgements, as papers report it.
    ``"vgg"`` compares the same five layers of the original VGG-16 without the calibration: good as
    a loss, but its numbers cannot be set beside published LPIPS.

    Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features" (CVPR 2018).

    Raises:
        UsageError: for another kind.
        MissingWeightsError: if the weights are missing and cannot be downloaded; one kind is never
            given in place of the other.
    """
    if kind not in ("lpips", "vgg"):
        raise UsageError(f'There is no perceptual distance {kind!r}; choose "lpips" or "vgg".')
    calibrated = kind == "lpips"
    trunk = vgg16_features(VGG16_TORCHVISION if calibrated else VGG16)

    import lpips
    from torchvision.models import VGG16_Weights

    network = empty_lpips(calibrated)
    state: dict[str, Tensor] = {
        name: trunk.get_parameter(name.split(".", 2)[2])  # net.slice3.10.weight -> 10.weight
        for name in network.state_dict()
        if name.startswith("net.")
    }
    if calibrated:
        # The calibration (five layers, 7 kB) comes with lpips itself.
        calibration = Path(lpips.__file__).parent / "weights" / "v0.1" / "vgg.pth"
        state |= torch.load(calibration, map_location="cpu", weights_only=True)
    # lpips' own scaling is for torchvision's weights; the original ones want another.
    weights = VGG16_Weights.IMAGENET1K_V1 if calibrated else VGG16_Weights.IMAGENET1K_FEATURES
    for name, values in zip(("shift", "scale"), _shift_and_scale(weights), strict=True):
        state[f"scaling_layer.{name}"] = torch.tensor(values).view(1, 3, 1, 1)
    network.load_state_dict(state, strict=False)  # lpips keeps its calibration under two names
    return PerceptualDistance("LPIPS" if calibrated else "VGG-16 distance (uncalibrated)", network)


def empty_lpips(calibrated: bool = True) -> Any:
    """Return an `lpips.LPIPS` on VGG-16 whose weights are whatever the memory held."""
    import lpips

    with warnings.catch_warnings(), torch.device("meta"):
        # lpips calls torchvision in an outdated way. On "meta" nothing is computed: it would draw
        # 138 million random weights only to have them replaced.
        warnings.simplefilter("ignore")
        network = lpips.LPIPS(
            net="vgg", lpips=calibrated, pretrained=False, pnet_rand=True, verbose=False
        )
    return network.to_empty(device="cpu")


def checksum(module: nn.Module) -> str:
    """Return the SHA-256 of the names, shapes and values in ``module``, in hexadecimal digits.

    The same network gives the same checksum, whatever file it was read from.
    """
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)}\n".encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@functools.cache
def _shift_and_scale(weights: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return what to take off images in [-1, 1] and what to divide them by, per colour."""
    transforms = weights.transforms()  # for images in [0, 1], so: (x + 1) / 2
    return tuple(2 * m - 1 for m in transforms.mean), tuple(2 * s for s in transforms.std)
