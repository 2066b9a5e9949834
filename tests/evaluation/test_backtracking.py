"""Latent back-tracking: what a generator made itself is found again."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor

from slae_lib.config import ModelConfig
from slae_lib.datasets.bank import MetadataBank
from slae_lib.evaluation import GeneratedImages, L1Distance, Search, backtrack
from slae_lib.evaluation.backtracking import named_distance, own_metadata, starting_points
from slae_lib.generator import Generator
from slae_lib.support.errors import UsageError
from slae_lib.support.images import to_uint8
from slae_lib.support.pretrained import MissingWeightsError
from slae_lib.training.checkpoint import save_generator

CONFIG = ModelConfig(resolution=64, width=8, noise_dim=16, metadata=False)
SEARCH = Search(steps=40)


def random_generator(config: ModelConfig) -> Generator:
    """A generator with random weights whose images differ from each other."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = Generator(config)
        with torch.no_grad():
            metadata = torch.randn(16, config.metadata_dim) if config.metadata else None
            for _ in range(30):  # batch norm gets its statistics
                generator(torch.randn(16, config.noise_dim), metadata)
    generator.eval().requires_grad_(False)
    generator.to_image.register_forward_hook(lambda *passed: passed[2] * 20)  # contrast
    return generator


@pytest.fixture(scope="module")
def generator() -> Generator:
    return random_generator(CONFIG)


@pytest.fixture(scope="module")
def targets(generator: Generator) -> Tensor:
    noise = torch.randn(3, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return to_uint8(generator(noise).image)


@pytest.fixture(scope="module")
def starts() -> Tensor:
    return torch.randn(2, 3, 16, generator=torch.Generator().manual_seed(2))


def test_an_image_of_the_generator_is_found_again(
    generator: Generator, targets: Tensor, starts: Tensor
) -> None:
    result = backtrack(generator, targets, L1Distance(), starts, search=SEARCH, progress=False)
    assert (result.distances < 0.3 * result.start).all()
    assert result.reconstructions.shape == targets.shape
    assert result.reconstructions.dtype == torch.uint8
    # What it returns is what it says: the noise makes the images, which have that distance.
    with torch.no_grad():
        images = generator(result.noise).image
    torch.testing.assert_close(to_uint8(images), result.reconstructions)
    assert result.distance_name == "L1 distance (not perceptual)"
    low, high = result.interval
    assert low < result.mean < high
    assert 0.3 < result.noise_length < 3


def test_more_starts_never_find_less(generator: Generator, targets: Tensor, starts: Tensor) -> None:
    search = dataclasses.replace(SEARCH, steps=10)
    one = backtrack(generator, targets, L1Distance(), starts[:1], search=search, progress=False)
    other = backtrack(generator, targets, L1Distance(), starts[1:], search=search, progress=False)
    both = backtrack(generator, targets, L1Distance(), starts, search=search, progress=False)
    torch.testing.assert_close(both.distances, torch.minimum(one.distances, other.distances))
    torch.testing.assert_close(both.start, (one.start + other.start) / 2)


def test_no_image_depends_on_its_batch_mates(
    generator: Generator, targets: Tensor, starts: Tensor
) -> None:
    search = dataclasses.replace(SEARCH, steps=5)
    together = backtrack(generator, targets, L1Distance(), starts, search=search, progress=False)
    alone = backtrack(
        generator, targets, L1Distance(), starts, search=search, batch_size=1, progress=False
    )
    torch.testing.assert_close(alone.distances, together.distances, rtol=1e-3, atol=1e-4)


def test_without_steps_it_is_the_distance_of_the_start(
    generator: Generator, targets: Tensor, starts: Tensor
) -> None:
    search = Search(steps=0)
    result = backtrack(generator, targets, L1Distance(), starts[:1], search=search, progress=False)
    torch.testing.assert_close(result.distances, result.start)
    assert torch.equal(result.noise, starts[0])


def test_metadata_moves_only_if_wanted() -> None:
    generator = random_generator(ModelConfig(64, width=8, noise_dim=16, metadata_dim=8))
    noise, metadata = torch.randn(1, 2, 16), torch.randn(1, 2, 8)
    targets = torch.full((2, 3, 64, 64), 200, dtype=torch.uint8)
    fixed = backtrack(
        generator, targets, L1Distance(), noise, metadata, Search(steps=5), progress=False
    )
    assert fixed.metadata is not None
    assert torch.equal(fixed.metadata, metadata[0])
    search = Search(steps=5, optimise_metadata=True)
    free = backtrack(generator, targets, L1Distance(), noise, metadata, search, progress=False)
    assert free.metadata is not None
    assert not torch.equal(free.metadata, metadata[0])


def test_images_of_another_size_are_refused(generator: Generator) -> None:
    small = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    with pytest.raises(UsageError, match="64x64 pixels.* got 2 of 32x32"):
        backtrack(generator, small, L1Distance(), torch.randn(1, 2, 16))
    with pytest.raises(UsageError, match="one or more images"):
        backtrack(generator, torch.empty(0, 3, 64, 64), L1Distance(), torch.randn(1, 0, 16))


def test_starting_points_are_the_inputs_of_samples(tmp_path: Path) -> None:
    save_generator(tmp_path / "generator.safetensors", Generator(CONFIG))
    source = GeneratedImages.from_file(tmp_path / "generator.safetensors", 1, seed=4)
    noise, metadata = starting_points(source, torch.zeros(3, 3, 64, 64), restarts=2)
    assert noise.shape == (2, 3, 16)
    assert metadata is None
    with pytest.raises(UsageError, match="which takes no metadata"):
        own_metadata(source, torch.zeros(3, 3, 64, 64, dtype=torch.uint8))
    assert torch.equal(noise[1, 2], source.inputs([5])[0][0])


def test_the_metadata_of_the_given_images_is_standardised_by_the_bank(
    tmp_path: Path, random_vgg: None
) -> None:
    config = ModelConfig(resolution=64, width=8, noise_dim=16)
    save_generator(tmp_path / "generator.safetensors", Generator(config))
    values = torch.rand(5, 512, generator=torch.Generator().manual_seed(0))
    names = tuple("abcde")
    MetadataBank(values, names, "relu5_3", 256, "w", "letters", "f").save(
        tmp_path / "metadata.safetensors"
    )
    source = GeneratedImages.from_file(tmp_path / "generator.safetensors", 1)
    targets = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    own = own_metadata(source, targets)
    assert own is not None
    assert own.shape == (2, 512)
    assert own.abs().max() <= 2 + 1e-6  # sqrt(5 - 1): as far as the bank itself could reach
    noise, metadata = starting_points(source, targets, restarts=3)
    assert metadata is not None
    assert (noise.shape, metadata.shape) == ((3, 2, 16), (3, 2, 512))


def test_the_two_perceptual_distances_have_names_of_their_own(
    generator: Generator, targets: Tensor, starts: Tensor, random_vgg: None
) -> None:
    result = backtrack(
        generator,
        targets[:1],
        named_distance("vgg"),
        starts[:, :1],
        search=Search(steps=1),
        progress=False,
    )
    assert result.distance_name == "VGG-16 distance (uncalibrated)"
    assert "LPIPS" not in result.distance_name


def test_a_missing_or_unknown_distance_is_refused(
    no_weights: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLAE_OFFLINE", "1")
    with pytest.raises(MissingWeightsError, match="vgg16-397923af"):
        named_distance("lpips")
    with pytest.raises(UsageError, match='"lpips", "vgg" or "l1"'):
        named_distance("ssim")  # type: ignore[arg-type]
