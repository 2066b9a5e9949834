"""Novelty: copies are found, new images are left alone."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from slae_lib.datasets import ImageSet, load_images
from slae_lib.evaluation.features import feature_file
from slae_lib.evaluation.novelty import (
    Neighbours,
    Novelty,
    VggFeatures,
    measure_novelty,
    neighbours_of_features,
    neighbours_of_pixels,
)
from slae_lib.support import pretrained
from slae_lib.support.errors import UsageError

needs_vgg = pytest.mark.skipif(
    not pretrained.VGG16.is_present(), reason=f"{pretrained.VGG16.file_name} is not in TORCH_HOME"
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLAE_CACHE", str(tmp_path / "cache"))


def image_set(images: Tensor, name: str = "training") -> ImageSet:
    names = tuple(f"{index:03}.png" for index in range(len(images)))
    return ImageSet(name, images.shape[-1], names, f"{name}-{len(images)}", images=images)


def blobs(count: int, seed: int, side: int = 64) -> Tensor:
    """Smooth random pictures, all of one kind: uint8 (count, 3, side, side)."""
    rough = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    smooth = F.interpolate(rough, size=(side, side), mode="bicubic").clamp(0, 1)
    return (smooth * 255).to(torch.uint8)


def test_pixel_distances_worked_out_on_paper() -> None:
    grey = torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1).expand(3, 3, 8, 8)
    samples = torch.tensor([0.1, 1.0]).view(2, 1, 1, 1).expand(2, 3, 8, 8)
    found = neighbours_of_pixels(samples, grey)
    torch.testing.assert_close(found.distances, torch.tensor([0.1, 0.0]))
    assert found.nearest.tolist() == [0, 2]
    torch.testing.assert_close(found.second, torch.tensor([0.4, 0.5]))
    torch.testing.assert_close(found.ratios, torch.tensor([0.25, 0.0]))
    torch.testing.assert_close(found.training, torch.tensor([0.5, 0.5, 0.5]))
    torch.testing.assert_close(found.training_second, torch.tensor([1.0, 0.5, 1.0]))
    assert found.different == 2


def test_feature_distances_are_those_of_directions() -> None:
    training = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    samples = torch.tensor([[5.0, 0.0], [0.0, 1.0], [1.0, 2.0]])
    found = neighbours_of_features(samples, training)
    assert found.nearest.tolist() == [0, 1, 2]
    chord = (2 - 2 * 3 / (2 * 5) ** 0.5) ** 0.5  # |a - b|^2 = 2 - 2 cos
    torch.testing.assert_close(found.distances, torch.tensor([0.0, 0.0, chord]))
    torch.testing.assert_close(found.training, torch.tensor([(2 - 2**0.5) ** 0.5] * 3))


def neighbours(first: list[float], second: list[float], among: list[float]) -> Neighbours:
    return Neighbours(
        "test",
        torch.tensor(first),
        torch.tensor(second),
        torch.zeros(len(first), dtype=torch.long),
        torch.tensor(among),
        torch.ones(len(among)),
    )


def test_a_copy_is_much_nearer_to_one_training_image_than_to_any_other() -> None:
    pixels = neighbours([0.5, 0.7, 0.9, 0.0], [1.0, 1.0, 1.0, 0.0], [0.9, 0.5, 0.9, 0.9, 0.9])
    features = neighbours([0.9, 0.1, 0.9, 0.0], [1.0, 0.2, 1.0, 0.0], [0.9, 0.5, 0.1, 0.9, 0.9])
    novelty = Novelty(pixels, features)
    # In pixels; in features; in neither; equal to two training images at once.
    assert novelty.copied.tolist() == [True, True, False, True]
    assert novelty.expected == pytest.approx(2 / 5)


def test_copies_are_flagged_and_new_images_are_not(random_vgg: None) -> None:
    training = image_set(blobs(40, seed=0))
    noise = torch.randn(10, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 3
    copies = (training.batch(range(10)).float() + noise).clamp(0, 255).to(torch.uint8)
    samples = image_set(torch.cat([copies, blobs(40, seed=2)]), "samples")
    network = VggFeatures(side=64, progress=False)
    result = measure_novelty(samples, training, network)
    assert result.copied[:10].all()
    assert result.copied[10:].sum() <= 4
    assert result.expected <= 0.1
    for found in (result.pixels, result.features):
        assert found.nearest[:10].tolist() == list(range(10))
        assert found.training.shape == (40,)
    assert feature_file(training, "relu5_3-64").is_file()
    assert not feature_file(samples, "relu5_3-64").exists()


def test_large_images_are_reduced_before_their_pixels_are_compared(random_vgg: None) -> None:
    training = image_set(blobs(4, seed=0, side=128))
    result = measure_novelty(training, training, VggFeatures(side=64, progress=False))
    assert result.pixels.distances.tolist() == [0, 0, 0, 0]
    assert (result.features.distances < 1e-6).all()
    assert result.pixels.training.min() > 0.05


def test_what_cannot_be_compared_is_refused(random_vgg: None) -> None:
    network = VggFeatures(side=64, progress=False)
    training = image_set(blobs(4, seed=0))
    with pytest.raises(UsageError, match="128 px and training 64"):
        measure_novelty(image_set(blobs(4, seed=0, side=128), "samples"), training, network)
    with pytest.raises(UsageError, match="three or more training images"):
        measure_novelty(training, image_set(blobs(1, seed=0)), network)


@needs_vgg
def test_on_real_photographs_copies_are_flagged_and_other_photographs_are_not(
    photos: Path,
) -> None:
    pictures = load_images(photos, 64).batch(range(60))
    training, others = image_set(pictures[::2]), pictures[1::2]
    originals = training.batch(range(10)).float()
    edges = F.pad(originals, (2, 2, 2, 2), "replicate")
    copies = [F.avg_pool2d(edges, 5, 1), originals * 0.8 + 30, edges[..., :64, :64]]  # moved by 2
    copied = torch.cat(copies).round().to(torch.uint8)
    samples = image_set(torch.cat([copied, others]), "samples")
    result = measure_novelty(samples, training, VggFeatures(progress=False))
    assert result.copied[:30].float().mean() >= 0.9
    assert result.copied[30:].sum() <= 1
    assert result.expected <= 0.05
