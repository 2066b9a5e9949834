import pickle
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from slae_lib.datasets import DATA_SETS, ImageSet, load_images, sets
from slae_lib.datasets.pictures import SkippedPicture
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.files import cache_folder
from slae_lib.support.images import to_float, to_uint8


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """An empty cache folder for every test, so that none touches the user's."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("SLAE_CACHE", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path):
    """Five plain grey pictures: 0.png is 0, 1.png is 10, and so on."""
    path = tmp_path / "greys"
    path.mkdir()
    for number in range(5):
        Image.new("L", (80, 64), number * 10).save(path / f"{number}.png")
    return path


@pytest.fixture
def on_disk(monkeypatch):
    """Sets are neither held in memory nor kept decoded."""
    keep_in("files", monkeypatch)


def keep_in(place, monkeypatch):
    """Let sets be in the memory, decoded in the cache, or in their own files alone."""
    monkeypatch.setattr(sets, "MEMORY_LIMIT", 2**30 if place == "memory" else 0)
    monkeypatch.setenv("SLAE_CACHE_LIMIT", "0" if place == "files" else "1")


PLACES = ["memory", "cache", "files"]


def greys(pictures):
    return pictures[:, 0, 5, 5].tolist()


# A set


def test_a_folder_becomes_a_set_in_the_order_of_its_names(folder):
    images = load_images(folder, 64)
    assert images.name == "greys"
    assert images.names == ("0.png", "1.png", "2.png", "3.png", "4.png")
    assert len(images) == 5
    assert images.resolution == 64
    assert images.attribution is None
    assert images.in_memory
    batch = images.batch([3, 0, 3])
    assert batch.dtype == torch.uint8
    assert batch.shape == (3, 3, 64, 64)
    assert greys(batch) == [30, 0, 30]


def test_names_are_sorted_as_text_with_slashes(folder):
    (folder / "sub").mkdir()
    for name in ("10.png", "sub/a.png"):
        Image.new("L", (64, 64)).save(folder / name)
    names = load_images(folder, 64).names
    assert names == ("0.png", "1.png", "10.png", "2.png", "3.png", "4.png", "sub/a.png")


@pytest.mark.parametrize(
    "indices", [[4, 1], (4, 1), torch.tensor([4, 1]), np.array([4, 1]), range(4, 0, -3)]
)
@pytest.mark.parametrize("place", PLACES)
def test_indices_may_be_any_sequence(folder, monkeypatch, indices, place):
    keep_in(place, monkeypatch)
    assert greys(load_images(folder, 64).batch(indices)) == [40, 10]


@pytest.mark.parametrize("place", PLACES)
def test_an_empty_batch_is_empty_and_a_wrong_index_an_error(folder, monkeypatch, place):
    keep_in(place, monkeypatch)
    images = load_images(folder, 64)
    assert images.batch([]).shape == (0, 3, 64, 64)
    assert greys(images.batch([-1])) == [40]
    with pytest.raises(IndexError):
        images.batch([5])


def test_a_set_lives_in_memory_up_to_the_limit(folder, monkeypatch):
    size = 5 * 3 * 64 * 64
    monkeypatch.setattr(sets, "MEMORY_LIMIT", size)
    assert load_images(folder, 64).in_memory
    monkeypatch.setattr(sets, "MEMORY_LIMIT", size - 1)
    assert not load_images(folder, 64).in_memory


def test_a_set_on_disk_equals_the_same_set_in_memory(folder, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "noise.jpg")
    (folder / "bad.png").write_text("no picture")
    with pytest.warns(SkippedPicture):
        memory = load_images(folder, 64)
    for place in ("cache", "files"):
        keep_in(place, monkeypatch)
        shutil.rmtree(cache_folder())
        with pytest.warns(SkippedPicture):
            disk = load_images(folder, 64)
        assert (memory.in_memory, disk.in_memory) == (True, False)
        assert (disk.pixels is None) == (place == "files") == (not disk.decoded)
        assert disk.names == memory.names
        assert disk.fingerprint == memory.fingerprint
        everything = range(len(memory))
        assert torch.equal(disk.batch(everything), memory.batch(everything))


class _Indexed(torch.utils.data.Dataset):
    def __init__(self, images: ImageSet) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.images.batch([index])[0]


@pytest.mark.usefixtures("on_disk")
def test_a_set_on_disk_works_in_the_processes_of_a_data_loader(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    images = load_images("./greys", 64)
    monkeypatch.chdir(folder)  # the set has to remember where it was made
    loader = DataLoader(
        _Indexed(images), batch_size=5, num_workers=1, multiprocessing_context="spawn"
    )
    (batch,) = loader
    assert greys(batch) == [0, 10, 20, 30, 40]


def test_a_set_can_be_pickled(folder):
    images = load_images(folder, 64)
    again = pickle.loads(pickle.dumps(images))
    assert again.fingerprint == images.fingerprint
    assert torch.equal(again.batch([2]), images.batch([2]))


@pytest.mark.usefixtures("on_disk")
def test_a_file_that_vanishes_later_is_named(folder):
    images = load_images(folder, 64)
    (folder / "2.png").unlink()
    assert greys(images.batch([1])) == [10]
    with pytest.raises(LabError, match=r"2\.png was usable and no longer is: .* put it back"):
        images.batch([1, 2])


def test_moving_a_set_moves_its_pictures(folder, monkeypatch):
    memory = load_images(folder, 64)
    moved = memory.to("meta")
    assert moved.batch([0, 1]).device.type == "meta"
    assert moved.names == memory.names
    assert memory.batch([0]).device.type == "cpu"
    keep_in("cache", monkeypatch)
    cached = load_images(folder, 64)
    assert cached.to("cpu") is cached
    assert cached.to("meta").images.shape == (5, 3, 64, 64)  # an accelerator takes it all
    monkeypatch.setattr(sets, "DEVICE_LIMIT", 0)
    assert cached.to("meta") is cached
    keep_in("files", monkeypatch)
    shutil.rmtree(cache_folder())
    disk = load_images(folder, 64)
    assert disk.to("meta") is disk


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_set_on_the_gpu_gives_its_batches_there(folder):
    images = load_images(folder, 64).to("cuda")
    for indices in ([3, 1], torch.tensor([3, 1]), torch.tensor([3, 1], device="cuda")):
        batch = images.batch(indices)
        assert batch.device.type == "cuda"
        assert greys(batch.cpu()) == [30, 10]


# Fingerprints


def test_the_fingerprint_is_the_same_at_every_resolution_and_place(folder, tmp_path):
    fingerprint = load_images(folder, 64).fingerprint
    assert len(fingerprint) == 64
    assert load_images(folder, 128).fingerprint == fingerprint
    folder.rename(tmp_path / "moved")
    assert load_images(tmp_path / "moved", 64).fingerprint == fingerprint


def test_the_fingerprint_is_that_of_names_and_contents(folder):
    seen = {load_images(folder, 64).fingerprint}
    path = folder / "0.png"
    path.write_bytes(path.read_bytes() + b"\0")  # the pixels stay, one byte is new
    seen.add(load_images(folder, 64).fingerprint)
    path.rename(folder / "00.png")
    seen.add(load_images(folder, 64).fingerprint)
    (folder / "4.png").unlink()
    seen.add(load_images(folder, 64).fingerprint)
    assert len(seen) == 4


def test_files_that_are_not_used_do_not_change_the_fingerprint(folder):
    fingerprint = load_images(folder, 64).fingerprint
    (folder / "notes.txt").write_text("a note")
    (folder / "bad.png").write_text("no picture")
    with pytest.warns(SkippedPicture):
        assert load_images(folder, 64).fingerprint == fingerprint


def test_the_fingerprint_is_the_documented_sum(folder):
    from hashlib import sha256

    text = "".join(
        f"{name}\0{sha256((folder / name).read_bytes()).hexdigest()}\n"
        for name in ("0.png", "1.png", "2.png", "3.png", "4.png")
    )
    assert load_images(folder, 64).fingerprint == sha256(text.encode()).hexdigest()


# Numbers


def test_uint8_and_float_map_onto_each_other():
    every = torch.arange(256, dtype=torch.uint8)
    assert to_float(every).dtype == torch.float32
    assert to_float(every)[[0, 255]].tolist() == [-1.0, 1.0]
    assert torch.equal(to_uint8(to_float(every)), every)


def test_floats_are_rounded_and_clamped():
    floats = torch.tensor([-9.0, -1.0, -1 + 1.4 / 127.5, -1 + 1.6 / 127.5, 0.999, 1.0, 9.0])
    assert to_uint8(floats).tolist() == [0, 0, 1, 2, 255, 255, 255]
    assert to_uint8(torch.tensor([-1.0, 1.0], dtype=torch.float16)).tolist() == [0, 255]


# Bad input


def test_bad_pictures_among_good_ones_are_skipped_with_one_warning_each(folder):
    photo = folder / "cut.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(photo)
    photo.write_bytes(photo.read_bytes()[:1500])
    (folder / "empty.gif").touch()
    (folder / "text.png").write_text("no picture")
    Image.new("RGB", (1, 1)).save(folder / "tiny.png")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        images = load_images(folder, 64)
    assert images.names == ("0.png", "1.png", "2.png", "3.png", "4.png")
    assert greys(images.batch(range(5))) == [0, 10, 20, 30, 40]
    assert all(warning.category is SkippedPicture for warning in caught)
    said = [str(warning.message) for warning in caught]
    assert said == [
        f"Skipped {photo}: {said[0].partition(': ')[2]}",
        f"Skipped {folder / 'empty.gif'}: it is empty.",
        f"Skipped {folder / 'text.png'}: it is no JPEG, PNG, WebP, BMP, GIF or TIFF picture.",
        f"Skipped {folder / 'tiny.png'}: it is 1x1 pixels; each side has to be 8 or more.",
    ]
    assert "truncated" in said[0]
    assert all(warning.filename == __file__ for warning in caught)


def test_a_file_without_permission_is_skipped(folder, monkeypatch):
    path_open = Path.open

    def guarded(self, *args, **kwargs):
        if self.name == "1.png":
            raise PermissionError(13, "Permission denied")
        return path_open(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", guarded)  # works for root too, unlike chmod
    with pytest.warns(SkippedPicture, match=r"1\.png: it cannot be read \(Permission denied\)"):
        assert len(load_images(folder, 64)) == 4


def test_only_bad_pictures_are_an_error_that_names_the_first(tmp_path):
    (tmp_path / "b.png").write_text("no picture")
    (tmp_path / "a.png").touch()
    with pytest.raises(LabError, match=r"None of the pictures in .* \(a\.png: it is empty\)"):
        load_images(tmp_path, 64)


def test_one_usable_picture_is_not_enough(tmp_path):
    Image.new("L", (64, 64)).save(tmp_path / "a.png")
    with pytest.raises(LabError, match="has only one usable picture; put two or more into it"):
        load_images(tmp_path, 64)
    (tmp_path / "b.png").touch()
    with (
        pytest.warns(SkippedPicture, match=r"b\.png: it is empty"),
        pytest.raises(LabError, match="has only one usable picture"),
    ):
        load_images(tmp_path, 64)


def test_folders_that_cannot_be_a_set(tmp_path):
    with pytest.raises(LabError, match=r"missing does not exist; check its spelling"):
        load_images(tmp_path / "missing", 64)
    with pytest.raises(LabError, match=r"missing does not exist; check its spelling"):
        load_images(f"{tmp_path}/missing", 64)
    with pytest.raises(LabError, match="is empty; put JPEG, PNG"):
        load_images(tmp_path, 64)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(LabError, match="holds no pictures; put JPEG, PNG"):
        load_images(tmp_path, 64)
    with pytest.raises(LabError, match=r"notes\.txt is a file; give the folder"):
        load_images(tmp_path / "notes.txt", 64)


@pytest.mark.parametrize("resolution", [0, 63, 100, 2048, -64])
def test_a_resolution_that_does_not_exist_is_refused(folder, resolution):
    with pytest.raises(UsageError, match=f"is {resolution}; choose one of 64, 128, 256, 512, 1024"):
        load_images(folder, resolution)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("fluent-face", "fluent-faces"),
        ("Fluent-Faces", "fluent-faces"),
        ("animalface-cat", "AnimalFace-cat"),
        ("100-shot-grumpy-cat", "100-shot-grumpy_cat"),
    ],
)
def test_an_unknown_name_is_answered_with_what_was_meant(name, meant):
    with pytest.raises(UsageError, match=rf"neither a folder .* '{name}' \(did you mean .*{meant}"):
        load_images(name, 64)


@pytest.mark.parametrize("name", ["", "zzzzzz"])
def test_an_unknown_name_is_answered_with_all_names(name):
    with pytest.raises(UsageError) as error:
        load_images(name, 64)
    assert "did you mean" not in str(error.value)
    assert all(known in str(error.value) for known in DATA_SETS)


# The registry


def test_the_registry_knows_the_papers_data_sets():
    for name in ("100-shot-obama", "100-shot-panda", "100-shot-grumpy_cat"):
        assert DATA_SETS[name].images == 100
    assert DATA_SETS["AnimalFace-cat"].images == 160
    assert DATA_SETS["AnimalFace-dog"].images == 389
    assert DATA_SETS["oxford-flowers"].images == 8189
    assert (DATA_SETS["ffhq"].images, DATA_SETS["ffhq"].resolution) == (70_000, 1024)
    assert DATA_SETS["unsplash-nature"].images is None  # the paper does not say
    assert (
        DATA_SETS["100-shot-obama"].url
        == "https://data-efficient-gans.mit.edu/datasets/100-shot-obama.zip"
    )
    assert [info.name for info in DATA_SETS.values() if info.builtin] == ["fluent-faces"]


def test_every_entry_can_be_got_as_it_says():
    for name, info in DATA_SETS.items():
        assert info.name == name
        assert info.title
        assert info.licence
        assert info.source
        assert (info.url is not None) == (info.origin == "archive")


def test_a_set_that_was_not_fetched_says_how_to_fetch_it(cache):
    with pytest.raises(
        LabError, match="not on this computer yet; `slae data fetch 100-shot-obama`"
    ):
        load_images("100-shot-obama", 64)
    with pytest.raises(LabError, match=r"download it by hand .* Google Drive") as error:
        load_images("fastgan-shells", 64)
    assert str(cache / "datasets" / "fastgan-shells") in str(error.value)


def test_a_fetched_set_is_loaded_from_the_cache(folder, cache):
    (cache / "datasets").mkdir()
    folder.rename(cache / "datasets" / "100-shot-obama")
    images = load_images("100-shot-obama", 64)
    assert images.name == "100-shot-obama"
    assert len(images) == 5


def test_a_set_is_found_again_from_another_folder(folder, cache, monkeypatch):
    monkeypatch.chdir(folder.parent)
    (cache / "datasets").mkdir()
    shutil.copytree(folder, cache / "datasets" / "100-shot-obama")
    folder.rename("100-shot-panda")  # a folder that has the name of a registered set
    for data, reference in [
        ("fluent-faces", "fluent-faces"),
        ("100-shot-obama", "100-shot-obama"),
        ("./100-shot-panda", str(folder.parent.resolve() / "100-shot-panda")),
    ]:
        images = load_images(data, 64)
        assert images.reference == reference
        with monkeypatch.context() as elsewhere:
            elsewhere.chdir(cache)
            assert load_images(images.reference, 64).fingerprint == images.fingerprint


def test_a_name_wins_over_a_folder_and_the_folder_can_still_be_meant(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    folder.rename("fluent-faces")
    with pytest.warns(UserWarning, match=r"for the folder here write \./fluent-faces"):
        assert len(load_images("fluent-faces", 64)) == 93
    assert len(load_images("./fluent-faces", 64)) == 5
    assert len(load_images(Path("fluent-faces"), 64)) == 5


def test_a_folder_here_can_be_given_by_its_bare_name(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert load_images("greys", 64).name == "greys"
    monkeypatch.chdir(folder)
    assert load_images(".", 64).name == "greys"


def test_the_cache_folder_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("SLAE_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.setenv("SLAE_CACHE", "")
    assert cache_folder().name in ("slae-lab", "Cache")  # Windows adds a folder Cache
    assert not (tmp_path / "mine").exists()


# Real photographs


def test_real_photographs_of_the_right_size_keep_their_pixels(photos):
    images = load_images(photos, 256)
    with Image.open(photos / images.names[0]) as file:
        true = np.asarray(file.convert("RGB"))
    if true.shape != (256, 256, 3):
        pytest.skip("the photographs are not 256x256")
    assert np.array_equal(images.batch([0])[0].permute(1, 2, 0).numpy(), true)


def test_real_photographs_look_the_same_at_a_lower_resolution(photos):
    large, small = load_images(photos, 256), load_images(photos, 64)
    assert small.fingerprint == large.fingerprint
    everything = range(min(100, len(large)))
    averaged = torch.nn.functional.avg_pool2d(large.batch(everything).float(), 4)
    assert (averaged - small.batch(everything)).abs().mean() < 5


def test_the_built_in_faces_are_there_without_a_download():
    small, large = load_images("fluent-faces", 64), load_images("fluent-faces", 256)
    assert len(small) == 93
    assert small.fingerprint == large.fingerprint
    assert small.attribution == "after Fluent Emoji by Microsoft (MIT)"
    licence = (small.folder / "LICENSE.txt").read_text(encoding="utf-8")
    assert "Copyright (c) Microsoft Corporation." in licence
    assert "Permission is hereby granted" in licence


def test_the_built_in_faces_are_yellow_on_white_and_no_two_are_the_same():
    pictures = load_images("fluent-faces", 64).batch(range(93))
    corners = pictures[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners >= 250).all()
    yellow = (pictures[:, 0] > 220) & (pictures[:, 1] > 120) & (pictures[:, 2] < 120)
    assert (yellow.float().mean(dim=(1, 2)) > 0.2).sum() >= 80  # the others are red, green, blue
    flat = pictures.flatten(1).float()
    assert torch.cdist(flat, flat).fill_diagonal_(float("inf")).min() > 100


def test_a_name_of_the_first_edition_is_answered_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="openmoji-faces .* use fluent-faces"):
        load_images("openmoji-faces", 64)
    (tmp_path / "openmoji-faces").mkdir()
    with pytest.raises(LabError, match="is empty"):
        load_images("openmoji-faces", 64)
