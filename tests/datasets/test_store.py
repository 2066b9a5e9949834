"""Where metadata comes from: stored, cached or extracted, and never another set's."""

import dataclasses
import shutil
import warnings
from pathlib import Path

import pytest
import torch
from PIL import Image

from slae_lib.datasets import load_images
from slae_lib.datasets import store as metadata_store
from slae_lib.datasets.bank import MetadataBank
from slae_lib.datasets.store import bank_for, cached_file
from slae_lib.metadata import MetadataExtractor
from slae_lib.support import pretrained
from slae_lib.support.errors import LabError
from slae_lib.support.files import stored_file
from slae_lib.support.images import to_float

needs_vgg = pytest.mark.skipif(
    not pretrained.VGG16.is_present(), reason=f"{pretrained.VGG16.file_name} is not in TORCH_HOME"
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SLAE_OFFLINE", "1")
    return tmp_path / "cache"


def test_metadata_is_extracted_once_and_then_needs_no_weights(
    random_vgg: None, folder: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = load_images(folder, 64)
    bank = bank_for(folder, "relu2_2", images=images)
    assert bank.resolution == 256
    assert cached_file(images, "relu2_2").is_relative_to(own_cache)

    monkeypatch.setenv("TORCH_HOME", str(own_cache / "nothing"))
    assert torch.equal(bank_for(folder, "relu2_2").values, bank.values)
    with pytest.raises(pretrained.MissingWeightsError, match="--no-metadata") as caught:
        bank_for(folder, "relu3_1")  # another layer is other metadata
    assert pretrained.VGG16.url in str(caught.value)

    Image.new("RGB", (64, 64), "pink").save(folder / "red.png")
    with pytest.raises(pretrained.MissingWeightsError, match="three colours has to be extracted"):
        bank_for(folder, "relu2_2")  # so are other pictures


def test_a_damaged_cache_is_said_and_made_anew(random_vgg: None, folder: Path) -> None:
    bank = bank_for(folder, "relu1_1")
    cached = cached_file(load_images(folder, 64), "relu1_1")
    cached.write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="is not used"):
        again = bank_for(folder, "relu1_1")
    assert torch.equal(again.values, bank.values)
    assert torch.equal(MetadataBank.load(cached).values, bank.values)


def test_a_cache_that_cannot_be_written_is_said_and_the_bank_is_there(
    random_vgg: None, folder: Path, own_cache: Path
) -> None:
    own_cache.write_text("not a folder")
    with pytest.warns(UserWarning, match="extracted again next time"):
        assert len(bank_for(folder, "relu1_1")) == 3


def test_a_cache_that_may_not_be_read_is_one_sentence(
    folder: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = load_images(folder, 64)
    exists = Path.exists

    def forbidden(self: Path) -> bool:
        if self.is_relative_to(own_cache):
            raise PermissionError(13, "Permission denied", str(self))
        return exists(self)

    monkeypatch.setattr(Path, "exists", forbidden)
    with pytest.raises(LabError, match=r"cache folder .* cannot be read .*SLAE_CACHE"):
        bank_for(folder, images=images)


# The built-in set


def test_the_built_in_set_needs_neither_weights_nor_network(no_weights: None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bank = bank_for("fluent-faces")
    faces = load_images("fluent-faces", 64)
    bank.check(faces)
    assert bank.values.shape == (len(faces), 512)
    assert bank.layer == "relu5_3"
    assert bank.resolution == 256
    assert bank.values.isfinite().all()
    assert bank.values.min() >= 0
    # Faces are told apart: no two have the same metadata.
    cosines, _ = bank.nearest(bank.values, k=2)
    assert cosines[:, 1].max() < 0.9999


@needs_vgg
def test_the_stored_metadata_is_what_the_real_network_sees() -> None:
    bank = bank_for("fluent-faces")
    assert bank.weights == pretrained.checksum(pretrained.vgg16_features())
    some = [0, 31, 62, 92]
    faces = to_float(load_images("fluent-faces", 256).batch(some))
    torch.testing.assert_close(MetadataExtractor()(faces), bank.values[some], atol=0.01, rtol=0.01)


def test_stored_metadata_of_another_release_is_not_used_silently(
    no_weights: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = load_images("fluent-faces", 64)
    stored = stored_file("fluent_faces_metadata.safetensors")
    assert stored is not None
    bank = MetadataBank.load(stored)
    old = dataclasses.replace(bank, names=(*bank.names[:-1], "old.webp"), data_fingerprint="old")
    old.save(tmp_path / "old.safetensors")
    monkeypatch.setattr(metadata_store, "stored_file", lambda _: tmp_path / "old.safetensors")
    with (
        pytest.warns(UserWarning, match="old.webp"),
        pytest.raises(pretrained.MissingWeightsError),
    ):
        bank_for("fluent-faces")
    cached = cached_file(faces)
    bank.save(cached)
    with pytest.warns(UserWarning, match="is not used"):
        assert torch.equal(bank_for("fluent-faces").values, bank.values)


def test_a_folder_named_like_the_built_in_set_gets_metadata_of_its_own(
    random_vgg: None, folder: Path, tmp_path: Path
) -> None:
    twin = tmp_path / "fluent-faces"
    shutil.copytree(folder, twin)
    assert len(bank_for(twin, "relu1_1")) == 3
