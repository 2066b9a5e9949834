"""The metadata explorer: the map, the neighbours, what a picture does to a noise."""

import dataclasses
from pathlib import Path

import pytest
import torch
from explorer_run import faces_bank, make_run
from PIL import Image

from slae_lib.datasets.bank import MetadataBank
from slae_lib.explorer import MetadataExplorer
from slae_lib.explorer.pictures import TrainingPictures
from slae_lib.explorer.plane import on_page, principal_plane, side_by_side
from slae_lib.support.errors import LabError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "slae")


def test_the_plane_is_the_one_of_the_covariance() -> None:
    values = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)).double()
    values[:, 2] *= 9
    values[:, 4] *= 5
    places, share = principal_plane(values)
    variances, axes = torch.linalg.eigh(torch.cov(values.T, correction=0))
    centred = values - values.mean(0)
    for axis in (0, 1):
        expected = (centred @ axes[:, -1 - axis]).float()
        assert (
            min((places[:, axis] - expected).abs().max(), (places[:, axis] + expected).abs().max())
            < 1e-4
        )
    assert share == pytest.approx(float(variances[-2:].sum() / variances.sum()))


def test_the_sign_of_the_plane_is_always_the_same() -> None:
    values = torch.randn(20, 5, generator=torch.Generator().manual_seed(1))
    order = torch.randperm(20)
    torch.testing.assert_close(principal_plane(values)[0][order], principal_plane(values[order])[0])


@pytest.mark.parametrize("count", [2, 3])
def test_few_pictures_have_a_plane(count: int) -> None:
    places, share = principal_plane(torch.eye(count, 4))
    assert places.shape == (count, 2)
    assert share == pytest.approx(1)
    assert torch.isfinite(on_page(places)).all()


def test_pictures_stand_side_by_side_and_keep_their_order() -> None:
    places = torch.tensor([[0.0, 0.0], [0.01, 0.0], [1.0, 1.0], [0.02, 0.0]])
    cells = side_by_side(places, 4, 3)
    assert len({tuple(cell) for cell in cells.tolist()}) == 4
    assert cells[2].tolist() == [1, 1]
    assert cells[0].sum() <= cells[3].sum()


def test_the_picture_of_a_run_is_told_in_words(run: Path) -> None:
    explorer = MetadataExplorer(run)
    bank = faces_bank()
    explorer.controls["picture"].value = "1f622.webp"
    explorer.controls["neighbours"].value = 3
    cosines, indices = bank.nearest(bank.values[bank.names.index("1f622.webp")], 4)
    for cosine, index in list(zip(cosines.tolist(), indices.tolist(), strict=True))[1:]:
        assert bank.names[index].removesuffix(".webp") in explorer.facts[1]
        assert f"({cosine:.2f})" in explorer.facts[1]
    assert "1f622" not in explorer.facts[1]
    assert explorer.facts[0].startswith("1f622 crying face lies at the ")
    assert "4 noises of seed 0" in explorer.facts[3]
    assert all(fact in explorer.alt for fact in explorer.facts)


def test_a_bank_alone_is_shown_without_images() -> None:
    explorer = MetadataExplorer(faces_bank())
    assert explorer.message == ""
    assert explorer.controls["seed"].disabled
    assert "Without a generator" in explorer.facts[3]
    still = explorer.static("1f60e.webp", neighbours=8)
    assert still.facts[1].count("(0.") == 8
    with pytest.raises(LabError, match="no picture 'cat'"):
        explorer.static("cat")


def test_pictures_of_a_folder_are_read_only_when_they_can_be(tmp_path: Path) -> None:
    names = ("blue.png", "gone.png", "red.png")
    for name in (names[0], names[2]):
        Image.new("RGB", (80, 64), name[:-4]).save(tmp_path / name)
    bank = MetadataBank(torch.rand(3, 512), names, "relu5_3", 256, "w", "mine", "f")
    pictures = TrainingPictures(bank, str(tmp_path))
    blue, gone, red = pictures.many(list(names))
    assert gone is None
    assert red is not None
    assert blue is not None
    assert blue[:, 0, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize("name", ["metadata.safetensors", "generator.safetensors"])
def test_a_file_may_be_a_bank_or_a_generator(run: Path, name: str) -> None:
    explorer = MetadataExplorer(run / name)
    assert explorer.message == ""
    assert (explorer.facts[3].startswith("Without")) == name.startswith("metadata")


def test_bad_input_is_one_sentence(run: Path, tmp_path: Path) -> None:
    explorer = MetadataExplorer("nowhere")
    assert "nowhere does not exist" in explorer.message
    explorer.controls["run"].value = str(run)
    assert explorer.message == ""
    damaged = tmp_path / "metadata.safetensors"
    damaged.write_text("no bank")
    explorer.controls["run"].value = str(damaged)
    assert "is damaged" in explorer.message
    explorer.controls["seed"].value = 3
    assert "seed 3" in explorer.facts[3]


def test_a_generator_without_metadata_has_no_map(tmp_path: Path) -> None:
    explorer = MetadataExplorer(make_run(tmp_path / "run", metadata=False))
    assert "takes no metadata, so there is no map" in explorer.message


def test_thousands_of_pictures_become_dots() -> None:
    bank = faces_bank()
    values = torch.rand(1500, 512)
    names = tuple(f"{index:04}.png" for index in range(1500))
    explorer = MetadataExplorer(
        dataclasses.replace(bank, values=values, names=names, data_name="x")
    )
    (dots,) = [line for line in explorer.still.figure.axes[0].lines if len(line.get_xdata()) > 9]
    assert len(dots.get_xdata()) == 1500
