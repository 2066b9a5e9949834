"""The metadata of a set: its scale, what is drawn from it, its file, and whose it is."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from slae_lib.datasets import ImageSet, load_images
from slae_lib.datasets.bank import MetadataBank, Mode, Scale
from slae_lib.datasets.store import extract
from slae_lib.support import pretrained
from slae_lib.support.errors import LabError, UsageError

needs_vgg = pytest.mark.skipif(
    not pretrained.VGG16.is_present(), reason=f"{pretrained.VGG16.file_name} is not in TORCH_HOME"
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SLAE_OFFLINE", "1")
    return tmp_path / "cache"


def bank_of(values: Tensor, **facts: object) -> MetadataBank:
    names = tuple(f"{index:03}.png" for index in range(len(values)))
    known = {"layer": "relu5_3", "resolution": 256, "weights": "w", "data_name": "test"}
    return MetadataBank(values, names, data_fingerprint="f", **(known | facts))  # type: ignore


def random_bank(count: int, channels: int) -> MetadataBank:
    generator = torch.Generator().manual_seed(1)
    base = torch.randn(count, channels, generator=generator)
    mixing = torch.randn(channels, channels, generator=generator)  # correlated channels
    return bank_of((base @ mixing).exp().clamp(max=50))


def set_like(bank: MetadataBank, **facts: object) -> ImageSet:
    known = {"name": bank.data_name, "names": bank.names, "fingerprint": bank.data_fingerprint}
    return ImageSet(resolution=64, **(known | facts))  # type: ignore[arg-type]


# The extractor


def test_standardised_metadata_has_mean_0_and_deviation_1() -> None:
    rows = random_bank(50, 16).rows()
    torch.testing.assert_close(rows.mean(dim=0), torch.zeros(16), atol=1e-5, rtol=0)
    torch.testing.assert_close(rows.std(dim=0, correction=0), torch.ones(16))


def test_rows_can_be_chosen_and_are_raw_on_demand() -> None:
    bank = random_bank(5, 4)
    assert torch.equal(bank.rows([3, 0], scale="raw"), bank.values[[3, 0]])
    assert torch.equal(bank.rows(torch.tensor([3, 0])), bank.rows()[[3, 0]])
    with pytest.raises(UsageError, match="standardised, raw"):
        bank.rows([0], scale="half")  # type: ignore[arg-type]


def test_channels_without_life_are_0_and_nearly_dead_ones_stay_quiet() -> None:
    values = random_bank(20, 8).values.clone()
    values[:, 0] = 0.1  # never moves
    values[:, 1] = 0
    values[7, 1] = 1e-6  # one picture hardly moves it
    bank = bank_of(values)
    rows = bank.rows()
    assert torch.equal(rows[:, 0], torch.zeros(20))
    assert rows[:, 1].abs().max() < 0.01
    assert bank.of_images(torch.full((1, 8), 100.0))[0, 0] == 0


def test_a_given_picture_is_scaled_like_the_bank_and_never_beyond_it() -> None:
    bank = random_bank(30, 8)
    assert torch.equal(bank.of_images(bank.values[4:6]), bank.rows([4, 5]))
    # Samuelson's inequality: no row of N is further out than sqrt(N - 1) deviations.
    assert bank.standardise(bank.values).abs().max() <= math.sqrt(29)
    assert bank.of_images(torch.full((1, 8), 1e6)).abs().max() <= math.sqrt(29)


# Sampling


def test_bank_mode_draws_pictures_of_the_bank() -> None:
    bank = random_bank(6, 8)
    drawn = bank.sample(200, generator=torch.Generator().manual_seed(0))
    which = torch.cdist(drawn, bank.rows()).argmin(dim=1)
    assert torch.equal(drawn, bank.rows(which))
    assert which.unique().tolist() == [0, 1, 2, 3, 4, 5]


def test_mix_mode_averages_three_pictures() -> None:
    bank = random_bank(6, 16)
    drawn = bank.sample(400, "mix", torch.Generator().manual_seed(0), scale="raw")
    weights = torch.linalg.lstsq(bank.values.T.double(), drawn.T.double()).solution.T  # (400, 6)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(400).double(), atol=1e-4, rtol=0)
    assert weights.min() > -1e-4
    assert ((weights > 1e-4).sum(dim=1) <= 3).all()
    # Dirichlet(1, 1, 1): a weight has mean 1/3 and variance 1/18; half of the six get none.
    assert abs(weights.mean() - 1 / 6) < 1e-4
    chosen = weights[weights > 1e-4]
    assert abs(chosen.var() - 1 / 18) < 0.006


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_every_set_of_different_pictures_is_equally_likely_in_a_mix(size: int) -> None:
    # Every row of the bank is a unit vector, so a mix shows which rows are in it.
    bank = bank_of(torch.eye(size))
    drawn = bank.sample(20_000, "mix", torch.Generator().manual_seed(3), scale="raw")
    each = min(3, size)
    assert ((drawn > 0).sum(dim=1) == each).all()
    kinds, counts = (drawn > 0).unique(dim=0, return_counts=True)
    assert len(kinds) == math.comb(size, each)
    expected = len(drawn) / len(kinds)
    # Chi-squared with k degrees of freedom has mean k and deviation sqrt(2k).
    freedom = len(kinds) - 1
    assert ((counts - expected) ** 2 / expected).sum() <= freedom + 4 * math.sqrt(2 * freedom)
    # No place among the three is special: on the average a picture has its share.
    torch.testing.assert_close(drawn.mean(dim=0), torch.full((size,), 1 / size), atol=0.01, rtol=0)


def test_a_mix_costs_the_same_from_a_large_bank() -> None:
    bank = bank_of(torch.rand(200_000, 1))
    with torch.profiler.profile(profile_memory=True) as profile:
        bank.sample(50, "mix", torch.Generator().manual_seed(0), scale="raw")
    assert max(event.cpu_memory_usage for event in profile.events()) < 100_000


def test_gaussian_mode_has_the_mean_and_the_covariance_of_the_bank() -> None:
    bank = random_bank(40, 6)
    drawn = bank.sample(200_000, "gaussian", torch.Generator().manual_seed(0), scale="raw").double()
    values = bank.values.double()
    scale = bank.std.double()
    torch.testing.assert_close(
        drawn.mean(dim=0) / scale, values.mean(dim=0) / scale, atol=0.02, rtol=0
    )
    expected = values.T.cov(correction=0) / scale[:, None] / scale
    torch.testing.assert_close(drawn.T.cov() / scale[:, None] / scale, expected, atol=0.03, rtol=0)


def test_gaussian_mode_works_with_fewer_pictures_than_channels() -> None:
    bank = random_bank(4, 32)
    drawn = bank.sample(10, "gaussian", torch.Generator().manual_seed(0))
    assert drawn.shape == (10, 32)
    # Four pictures span three directions, and nothing outside them can be drawn.
    assert torch.linalg.matrix_rank(torch.cat([bank.rows(), drawn]), rtol=1e-4) == 3


@pytest.mark.parametrize("mode", ["bank", "mix", "gaussian"])
def test_sampling_is_repeatable_and_both_scales_are_the_same_draw(mode: Mode) -> None:
    values = random_bank(9, 8).values.clone()
    values[:, 2] = 3.0  # dead
    bank = bank_of(values)

    def draw(scale: Scale) -> Tensor:
        return bank.sample(5, mode, torch.Generator().manual_seed(7), scale)

    assert torch.equal(draw("standardised"), draw("standardised"))
    torch.testing.assert_close(
        bank.standardise(draw("raw")), draw("standardised"), atol=1e-4, rtol=1e-4
    )
    torch.testing.assert_close(draw("raw")[:, 2], torch.full((5,), 3.0))


def test_an_unknown_mode_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="bank, mix, gaussian"):
        random_bank(3, 4).sample(1, "median")  # type: ignore[arg-type]


def test_nearest_is_by_direction_and_most_similar_first() -> None:
    bank = bank_of(torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]))
    cosines, indices = bank.nearest(torch.tensor([0.0, 5.0]), k=9)
    assert indices.tolist() == [2, 1, 0]
    torch.testing.assert_close(cosines, torch.tensor([1.0, 0.5**0.5, 0.0]))
    assert bank.nearest(torch.eye(2))[1].tolist() == [[0], [2]]


# Files


def test_a_bank_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    bank = dataclasses.replace(
        random_bank(3, 4), names=("a/ü.png", "b\udcff.png", "c.png"), data_name="drei Bücher"
    )
    path, again = tmp_path / "new" / "bank.safetensors", tmp_path / "again.safetensors"
    bank.save(path)
    loaded = MetadataBank.load(path)
    assert torch.equal(loaded.values, bank.values)
    for field in dataclasses.fields(bank):
        if field.name != "values":
            assert getattr(loaded, field.name) == getattr(bank, field.name)
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", ["text", "empty", "truncated", "foreign", "short", "folder"])
def test_what_is_no_bank_is_a_sentence_that_names_it(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bank.safetensors"
    random_bank(3, 4).save(path)
    good = path.read_bytes()
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "foreign":
        save_file({"values": torch.zeros(3, 4)}, path)
    elif kind == "short":
        dataclasses.replace(random_bank(3, 4), names=("one.png",)).save(path)
    else:
        path.write_bytes({"text": b"hello", "empty": b"", "truncated": good[:-8]}[kind])
    words = "a folder or a device" if kind == "folder" else "damaged or was not written by this lab"
    with pytest.raises(
        LabError, match=f"is {words}.* delete it and extract the metadata"
    ) as caught:
        MetadataBank.load(path)
    assert str(path) in str(caught.value)


def test_a_missing_bank_is_answered_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="slae metadata extract"):
        MetadataBank.load(tmp_path / "bank.safetensors")


def test_a_bank_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(LabError, match="could not be written"):
        random_bank(3, 4).save(tmp_path / "taken")
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(LabError, match="could not be written"):
        random_bank(3, 4).save(tmp_path / "file" / "bank.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken"]


# Whose metadata it is


def test_a_bank_fits_its_own_pictures_at_any_resolution(random_vgg: None, folder: Path) -> None:
    extract(load_images(folder, 64), progress=False).check(load_images(folder, 128))


def test_a_bank_of_other_pictures_is_refused_with_what_differs() -> None:
    bank = bank_of(torch.rand(3, 4))
    bank.check(set_like(bank))
    names = ("000.png", "001.png", "new.png", "newer.png")
    other = set_like(bank, name="other", names=names, fingerprint="g")
    with pytest.raises(LabError, match="2 are new and 1 are gone") as caught:
        bank.check(other)
    for part in ("'test'", "'other'", "new.png", "slae metadata extract --data other"):
        assert part in str(caught.value)
    edited = set_like(bank, fingerprint="g", folder=Path("/my pictures"))
    with pytest.raises(LabError, match="content of at least one") as caught:
        bank.check(edited)
    assert "--data '/my pictures'" in str(caught.value)
