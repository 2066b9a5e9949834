"""Metadata: what it keeps of a picture, what it loses, and that it is never another set's.

What has to be true of any weights is tested on a VGG-16 with random ones, in a `TORCH_HOME` of its
own; what only the real network can do is skipped where its file is missing.
"""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from slae_lib.datasets import load_images
from slae_lib.datasets.store import bank_for, extract
from slae_lib.metadata import MetadataExtractor
from slae_lib.support import pretrained
from slae_lib.support.errors import UsageError
from slae_lib.support.images import to_float

needs_vgg = pytest.mark.skipif(
    not pretrained.VGG16.is_present(), reason=f"{pretrained.VGG16.file_name} is not in TORCH_HOME"
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SLAE_OFFLINE", "1")
    return tmp_path / "cache"


@pytest.mark.parametrize("layer", ["relu5_3", "relu4_2", "relu1_1"])
def test_metadata_is_the_channel_means_of_torchvisions_feature_extractor(
    layer: str, random_vgg: None
) -> None:
    from torchvision.models.feature_extraction import create_feature_extractor

    number = pretrained.VGG16_RELU_NAMES[layer]
    reference = create_feature_extractor(pretrained.vgg16_features(), {str(number): "wanted"})
    images = torch.rand(2, 3, 48, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    mean = torch.tensor([0.48235, 0.45882, 0.40784]).view(3, 1, 1)
    expected = reference(((images + 1) / 2 - mean) * 255)["wanted"].mean(dim=(2, 3))

    extractor = MetadataExtractor(layer)
    result = extractor(images)
    assert result.shape == (2, {"relu5_3": 512, "relu4_2": 512, "relu1_1": 64}[layer])
    torch.testing.assert_close(result, expected, atol=1e-3, rtol=1e-4)
    assert len(extractor.features) == number + 1  # nothing is computed beyond the layer


@needs_vgg
def test_real_relu5_3_means_are_those_of_torchvisions_feature_extractor(photos: Path) -> None:
    from torchvision.models.feature_extraction import create_feature_extractor

    pandas = to_float(load_images(photos, 64).batch(range(8)))
    reference = create_feature_extractor(pretrained.vgg16_features(), {"29": "relu5_3"})
    features = reference(pretrained.normalise_for_vgg16(pandas))["relu5_3"]
    expected = features.mean(dim=(2, 3))
    torch.testing.assert_close(MetadataExtractor()(pandas), expected, atol=1e-3, rtol=1e-4)


def test_an_unknown_layer_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="relu6_1") as caught:
        MetadataExtractor("relu6_1")
    assert all(name in str(caught.value) for name in pretrained.VGG16_RELU_NAMES)
    with pytest.raises(UsageError, match="relu6_1"):
        bank_for("fluent-faces", "relu6_1")


@needs_vgg
def test_metadata_keeps_the_kind_and_loses_the_place(photos: Path) -> None:
    pandas = load_images(photos, 256)
    some = dataclasses.replace(pandas, names=pandas.names[:16])
    images = some.batch(range(16)).float()
    padded = functional.pad(images, (16, 16, 16, 16), mode="reflect")  # (16, 3, 288, 288)
    moved = dataclasses.replace(some, images=padded[:, :, :256, :256].to(torch.uint8))

    bank, moved_bank = extract(some, progress=False), extract(moved, progress=False)
    own = functional.cosine_similarity(bank.values, moved_bank.values)
    directions = functional.normalize(bank.values)
    others = (directions @ directions.T)[~torch.eye(16, dtype=torch.bool)]
    _, nearest = bank.nearest(moved_bank.values)

    # Measured on all 100: 0.986 against 0.873.
    assert own.median() > 0.98
    assert 0.85 < others.median() < 0.89
    assert nearest[:, 0].tolist() == list(range(16))


# Extraction


def test_extraction_gives_one_row_per_picture_whatever_the_batch(
    random_vgg: None, folder: Path
) -> None:
    images = load_images(folder, 64)
    one, all_at_once = extract(images, batch_size=1), extract(images, batch_size=8)
    torch.testing.assert_close(one.values, all_at_once.values, atol=1e-3, rtol=1e-4)
    assert one.names == images.names == ("blue.png", "green.png", "red.png")
    assert one.values.shape == (3, 512)
    green = MetadataExtractor()(to_float(images.batch([1])))
    torch.testing.assert_close(one.values[1:2], green, atol=1e-3, rtol=1e-4)
    assert one.data_fingerprint == images.fingerprint
    assert one.resolution == 64
    assert one.weights == pretrained.checksum(pretrained.vgg16_features())


def test_rows_can_be_trained_on(random_vgg: None, folder: Path) -> None:
    bank = extract(load_images(folder, 64), progress=False)
    layer = torch.nn.Linear(512, 4)
    layer(bank.rows([0, 1])).sum().backward()  # inference-mode tensors would refuse
    assert layer.weight.grad is not None
