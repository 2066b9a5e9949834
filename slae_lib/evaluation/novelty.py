"""Novelty: are the samples new, or copies of training images?

FID cannot tell. It is lowest for a generator that plays back what it was trained on, and with 100
training images and their metadata that is a real danger. So the nearest training image of each
sample is looked up, in pixels and in features of VGG-16, and its distance is held against the
distances that training images keep among themselves.

The criterion for a copy is a ratio: a copy is much nearer to one training image than to any
other, and anything else is not, however blurred or common it is. Measured with 50 of the 100
pandas as training images: of their copies, all that were compressed (JPEG quality 20), blurred,
noisy or recoloured are flagged, 94 % of those moved by 8 of 256 pixels, 80 % of the mirrored, a
third of those moved by 16 pixels, and of the 50 other pandas none.

Source: Meehan et al., "A Non-Parametric Test to Detect Data-Copying in Generative Models"
(AISTATS 2020), for the comparison; Lowe, "Distinctive Image Features from Scale-Invariant
Keypoints" (2004), section 7.1, for the ratio.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from slae_lib.evaluation.features import FeatureNetwork, in_batches
from slae_lib.evaluation.sources import Images, StoredImages
from slae_lib.metadata import MetadataExtractor
from slae_lib.support.errors import UsageError
from slae_lib.support.images import resized, to_float
from slae_lib.training.diversity import distances

PIXEL_SIDE = 64
"""Images are compared pixel by pixel at this size at most."""

COPY_RATIO = 0.6
"""A sample nearer than this share of its distance to the second nearest image is a copy."""

CRITERION = (
    "A sample is flagged as copied if, in pixels or in features, its nearest training image is "
    f"less than {COPY_RATIO} times as far away as the second nearest. The same test on the "
    "training images, each against all others, says how many flags to expect without copying."
)


@dataclass(frozen=True)
class Neighbours:
    """The nearest training images of each sample by one measure.

    Attributes:
        measure: its name, with its unit.
        distances: (N,) from each sample to its nearest training image.
        second: (N,) to its second nearest.
        nearest: (N,) the number of the nearest.
        training: (M,) from each training image to the nearest other one.
        training_second: (M,) to the second nearest other one.
    """

    measure: str
    distances: Tensor
    second: Tensor
    nearest: Tensor
    training: Tensor
    training_second: Tensor

    @property
    def ratios(self) -> Tensor:
        """(N,) nearest by second nearest distance: 0 for a copy, near 1 for a new image."""
        return _ratio(self.distances, self.second)

    @property
    def training_ratios(self) -> Tensor:
        """(M,) the same for each training image among the others."""
        return _ratio(self.training, self.training_second)

    @property
    def different(self) -> int:
        """How many different training images are the nearest one of a sample."""
        return len(self.nearest.unique())


@dataclass(frozen=True)
class Novelty:
    """The nearest training images of N samples, in pixels and in features of VGG-16."""

    pixels: Neighbours
    features: Neighbours

    @property
    def copied(self) -> Tensor:
        """(N,) which samples are flagged as copies; see `CRITERION`.

        A copy of a picture that is twice in the training set escapes, unless it is exact.
        """
        return flagged(self.pixels.ratios, self.features.ratios)

    @property
    def expected(self) -> float:
        """Share of the training images that the same test flags, each against all others."""
        flags = flagged(self.pixels.training_ratios, self.features.training_ratios)
        return float(flags.float().mean())


def flagged(*ratios: Tensor) -> Tensor:
    """Return (N,) which images are much nearer to one training image by any of the measures."""
    return torch.stack(ratios).amin(dim=0) < COPY_RATIO


class VggFeatures(FeatureNetwork):
    """Channel means of relu5_3 of VGG-16, which know what is in an image and not where.

    Args:
        side: images are brought to this side length first. The default is deliberately small:
            at 256, where metadata is measured, blur and compression move an image further from
            its original than another panda is; and 64 takes a sixteenth of the time.
        device: where to compute.
        progress: show progress bars.

    Raises:
        MissingWeightsError: if the weights are missing and cannot be downloaded.
    """

    def __init__(
        self, side: int = 64, device: torch.device | str = "cpu", progress: bool = True
    ) -> None:
        network = MetadataExtractor()
        about = network.weights, "VGG-16 features", f"relu5_3-{side}"
        super().__init__(network, *about, device, 8, progress)
        self.network.to(memory_format=torch.channels_last)
        self.side = side

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Return the features (B, 512) of images (B, 3, H, W) uint8."""
        return self.network(resized(to_float(images.to(self.device)), self.side))


def measure_novelty(samples: Images, training: StoredImages, network: VggFeatures) -> Novelty:
    """Hold samples against the training images.

    Args:
        samples: N images.
        training: M images, at the same resolution: a training image that was not reduced and
            enlarged again as the sample was would seem further away than it is.
        network: of the features; it also says where to compute.

    Raises:
        UsageError: if there are fewer than three training images, or no sample, or the
            resolutions differ.
    """
    if samples.resolution != training.resolution:
        raise UsageError(
            f"{samples.name} has {samples.resolution} px and {training.name} "
            f"{training.resolution}; load both at the same resolution."
        )
    if len(training) < 3 or len(samples) < 1:
        raise UsageError(
            f"Novelty needs three or more training images and a sample; there are {len(training)} "
            f"and {len(samples)}."
        )
    features = neighbours_of_features(network.of(samples), network.of_stored(training))
    pixels = neighbours_of_pixels(small_pixels(samples), small_pixels(training))
    return Novelty(pixels=pixels, features=features)


def neighbours_of_pixels(samples: Tensor, training: Tensor, mirrored: bool = False) -> Neighbours:
    """Find the nearest training images by the root mean square difference of the pixels.

    0 for equal images, 1 for black against white. It misses copies that were moved, and those
    that were mirrored unless it is asked for them.

    Args:
        samples: (N, 3, r, r) in [0, 1].
        training: (M, 3, r, r) in [0, 1].
        mirrored: look for those nearest to the mirrored samples; likewise for each training image.
    """
    scale = samples[0].numel() ** 0.5
    drawn, known = (rows.flatten(1) / scale for rows in (samples, training))
    if not mirrored:
        return _neighbours("pixels (root mean square difference)", drawn, known, known)
    drawn, seen = (rows.flip(3).flatten(1) / scale for rows in (samples, training))
    return _neighbours("mirrored pixels (root mean square difference)", drawn, known, seen)


def neighbours_of_features(samples: Tensor, training: Tensor) -> Neighbours:
    """Find the nearest training images by the direction of their VGG-16 features.

    The distance is that of the features scaled to length 1: 0 for the same direction, at most
    1.414 for features that are 0 or more.

    Args:
        samples: (N, C), not standardised.
        training: (M, C).
    """
    drawn, known = (F.normalize(rows.double(), dim=1) for rows in (samples, training))
    name = "VGG-16 relu5_3 channel means (distance of unit vectors)"
    return _neighbours(name, drawn, known, known)


def _neighbours(measure: str, samples: Tensor, training: Tensor, seen: Tensor) -> Neighbours:
    nearest, indices = _two_nearest(samples, training)
    among, _ = _two_nearest(seen, training, leave_out_itself=True)
    return Neighbours(
        measure, nearest[:, 0], nearest[:, 1], indices[:, 0], among[:, 0], among[:, 1]
    )


def _two_nearest(
    rows: Tensor, others: Tensor, *, leave_out_itself: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the distances (N, 2) float32 to the two nearest of ``others``, and their numbers."""
    found, indices = [], []
    for chosen in torch.arange(len(rows)).split(64):
        table = distances(rows[chosen], others)  # (64, M)
        if leave_out_itself:
            table[torch.arange(len(chosen)), chosen] = torch.inf
        best = table.topk(2, dim=1, largest=False)
        found.append(best.values.float())
        indices.append(best.indices)
    return torch.cat(found), torch.cat(indices)


def _ratio(nearest: Tensor, second: Tensor) -> Tensor:
    # Equal to two training images is equal all the same: 0 / 0 is 0 here.
    return torch.where(nearest == 0, 0.0, nearest / second)


def small_pixels(images: Images) -> Tensor:
    """Return all images at `PIXEL_SIDE` at most: (N, 3, r, r) in [0, 1]."""

    def reduce(batch: Tensor) -> Tensor:
        return resized(batch.float() / 255, min(PIXEL_SIDE, batch.shape[-1])).flatten(1)

    rows = in_batches(images, reduce, 64)
    side = min(PIXEL_SIDE, images.resolution or PIXEL_SIDE)
    return rows.unflatten(1, (3, side, side))
