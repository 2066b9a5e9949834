"""Features of images: computed batch by batch, and those of stored images only once."""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from slae_lib.evaluation.sources import Images, StoredImages
from slae_lib.support.device import prepare_process
from slae_lib.support.errors import LabError
from slae_lib.support.files import cache_folder
from slae_lib.support.progress import progress_bar
from slae_lib.support.sealed import check_like, load_tensors, reading, save_tensors

_HEADER = "slae_features"


@dataclass(eq=False)
class FeatureNetwork:
    """A network whose features of images are measured; what it does with a batch is added to it.

    Attributes:
        network: brought to ``device``.
        weights: their checksum; kept features of other weights are not used.
        name: of the features, in the progress bar.
        kind: of the features, part of the name of the file that keeps them.
        device: where to compute.
        batch_size: images at a time; changes the memory needed, and the result only by rounding.
        progress: show progress bars.
    """

    network: nn.Module
    weights: str
    name: str
    kind: str
    device: torch.device | str
    batch_size: int
    progress: bool

    def __post_init__(self) -> None:
        self.network = self.network.to(self.device)

    def __call__(self, images: Tensor) -> Tensor:
        """Return the features (B, d) of images (B, 3, H, W) uint8."""
        raise NotImplementedError

    def of(self, images: Images) -> Tensor:
        """Return the features (N, d) float32 of ``images``, which are read batch by batch."""
        text = f"{self.name} of {images.name}" if self.progress else None
        return in_batches(images, self, self.batch_size, text)

    def of_stored(self, images: StoredImages) -> Tensor:
        """Return the features as `of`, kept in the lab's cache for the next time.

        Warns:
            UserWarning: if they cannot be kept.
        """
        path = feature_file(images, self.kind)
        with contextlib.suppress(LabError), reading(path, "delete it"):  # it can be made again
            tensors, facts = load_tensors(path, _HEADER)
            features = tensors["features"]
            check_like(features, torch.empty(len(images), features.shape[-1]), "features")
            if facts.get("weights") == self.weights:
                return features
        features = self.of(images)
        try:
            save_tensors(path, {"features": features}, _HEADER, {"weights": self.weights})
        except LabError as problem:
            warnings.warn(f"The features will be computed again next time: {problem}", stacklevel=2)
        return features


@torch.no_grad()
def in_batches(
    images: Images, network: Callable[[Tensor], Tensor], batch_size: int, text: str | None = None
) -> Tensor:
    """Return ``network`` of all images, batch by batch: (N, d) float32 on the CPU.

    Args:
        images: what to measure.
        network: uint8 (B, 3, H, W) on the CPU to features (B, d).
        batch_size: images at a time; neighbours of different sizes go apart.
        text: name of the progress bar; none is shown without it.
    """
    prepare_process()
    rows = []
    with progress_bar(desc=text, total=len(images), unit="image", disable=text is None) as bar:
        for batch in _batches(images, batch_size):
            rows.append(network(batch).float().cpu())
            bar.update(len(batch))
    return torch.cat(rows)


def _batches(images: Images, batch_size: int) -> Iterator[Tensor]:
    """Yield all images: uint8 (B, 3, H, W), B at most ``batch_size``."""
    if images.resolution is not None:
        yield from (images.batch(some) for some in torch.arange(len(images)).split(batch_size))
        return
    waiting: list[Tensor] = []  # of one size, each (1, 3, H, W)
    for index in range(len(images)):
        image = images.batch([index])
        if waiting and (len(waiting) == batch_size or image.shape != waiting[0].shape):
            yield torch.cat(waiting)
            waiting = []
        waiting.append(image)
    if waiting:
        yield torch.cat(waiting)


def feature_file(images: StoredImages, kind: str = "") -> Path:
    """Return where features of ``kind`` are kept, whether or not they are there."""
    # 2: before, pictures of 16 bits were read as white at their own size.
    parts = [images.fingerprint, str(images.resolution or "own-size-2"), kind]
    return cache_folder() / "features" / f"{'-'.join(part for part in parts if part)}.safetensors"
