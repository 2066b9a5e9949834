"""Images are drawn as the generator makes them, and written when they come."""

import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from slae_lib.blocks import NoiseInjection
from slae_lib.config import ModelConfig
from slae_lib.generator import Generator
from slae_lib.support.errors import UsageError
from slae_lib.support.images import image_grid, to_uint8
from slae_lib.support.spectral_norm import fold_spectral_norm
from slae_lib.training import sheet as sheets
from slae_lib.training.sampling import GeneratedImages
from slae_lib.training.sheet import on_sheet, save_images


@pytest.fixture(scope="module")
def generator() -> Generator:
    """A small one whose batch norms have seen something and whose noise counts."""
    torch.manual_seed(0)
    made = Generator(ModelConfig(64, width=8, noise_dim=16, metadata=False))
    with torch.no_grad():
        for layer in made.modules():
            if isinstance(layer, NoiseInjection):
                layer.weight.fill_(0.5)
        for _ in range(20):
            made(torch.randn(16, 16))
    fold_spectral_norm(made)
    return made.eval().requires_grad_(False)


def random(count: int, side: int = 8) -> Tensor:
    source = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=source)


def test_drawn_images_are_the_generators_own(generator: Generator) -> None:
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    images = GeneratedImages(generator, None, 40, seed=3)
    noise, _ = images.inputs(range(40))
    with torch.no_grad():
        plain = to_uint8(generator(noise).image)
    drawn = images.batch(range(40))
    assert plain.float().std() > 1
    assert drawn.is_contiguous()
    assert (drawn.short() - plain.short()).abs().max() <= 1
    assert (drawn != plain).float().mean() < 1e-3
    # What draws is a copy: the generator can still be stored and searched in.
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in generator.modules())
    after = generator.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_a_generator_that_is_still_trained_is_left_as_it_is() -> None:
    training = Generator(ModelConfig(64, width=8, noise_dim=16, metadata=False)).eval()
    for _ in range(2):
        images = GeneratedImages(training, None, 2, seed=3)
        noise, _ = images.inputs(range(2))
        assert torch.equal(images.batch(range(2)), to_uint8(training(noise).image.detach()))


def test_images_come_one_by_one_and_as_often_as_asked(generator: Generator) -> None:
    few, many = GeneratedImages(generator, None, 3), GeneratedImages(generator, None, 5)
    first = torch.stack(list(few))
    assert first.shape == (3, 3, 64, 64)
    assert torch.equal(torch.stack(list(many))[:3], first)
    assert torch.equal(torch.stack(list(few)), first)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9])
def test_a_sheet_is_the_grid_of_all_images(tmp_path: Path, count: int) -> None:
    images = random(count)
    assert save_images(images, tmp_path / "sheet.png") == [tmp_path / "sheet.png"]
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert np.array_equal(np.asarray(sheet), np.asarray(image_grid(images)))


class Stream:
    """Pictures that are made when asked for, and counted as long as somebody holds them."""

    def __init__(self, count: int, stop_at: int | None = None) -> None:
        self.count, self.stop_at = count, stop_at
        self.made: list[weakref.ref[Tensor]] = []
        self.most = 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Tensor]:
        for index in range(self.count):
            if index == self.stop_at:
                raise KeyboardInterrupt
            image = torch.full((3, 8, 8), index % 256, dtype=torch.uint8)
            self.made.append(weakref.ref(image))
            self.most = max(self.most, sum(ref() is not None for ref in self.made))
            yield image
            del image


def test_images_are_written_when_they_come_and_then_forgotten(tmp_path: Path) -> None:
    stream = Stream(300)
    save_images(stream, tmp_path / "sheet.png", tmp_path / "each")
    files = sorted((tmp_path / "each").iterdir())
    assert [file.name for file in files] == [f"{index:04d}.png" for index in range(300)]
    with Image.open(files[77]) as picture:
        assert picture.getpixel((0, 0)) == (77, 77, 77)
    assert stream.most <= 3


def test_a_stop_leaves_whole_files_and_the_sheet_of_before(tmp_path: Path) -> None:
    sheet, each = tmp_path / "sheet.png", tmp_path / "each"
    save_images(random(4), sheet)
    before = sheet.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        save_images(Stream(10, stop_at=6), sheet, each)
    assert sorted(file.name for file in each.iterdir()) == [f"000{n}.png" for n in range(6)]
    for file in each.iterdir():
        with Image.open(file) as picture:
            picture.load()
    assert sheet.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [each, sheet]


def test_a_sheet_of_very_many_images_shows_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert on_sheet(5_000, 64) == 5_000
    assert on_sheet(5_000, 1024) == 256
    monkeypatch.setattr(sheets, "SHEET_PIXELS", 4 * 8 * 8)
    images = random(7)
    sheet, each = tmp_path / "sheet.png", tmp_path / "each"
    with pytest.raises(UsageError, match="holds 4 images of 8 px and not 7.*--each"):
        save_images(images, sheet)
    save_images(images, sheet, each)
    assert len(list(each.iterdir())) == 7
    with Image.open(sheet) as shown:
        assert np.array_equal(np.asarray(shown), np.asarray(image_grid(images[:4])))
