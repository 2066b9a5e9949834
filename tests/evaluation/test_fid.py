"""FID: the same features and the same number as pytorch-fid, on real photographs."""

import time
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from inception_doubles import TinyInception, reference
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from slae_lib.config import ModelConfig
from slae_lib.datasets import ImageSet, load_images
from slae_lib.datasets.bank import MetadataBank
from slae_lib.evaluation import (
    GeneratedImages,
    InceptionFeatures,
    compare_features,
    fid,
    frechet_distance,
    kernel_distance,
)
from slae_lib.evaluation.features import FeatureNetwork, feature_file
from slae_lib.evaluation.sources import FolderImages
from slae_lib.generator import Generator
from slae_lib.support import pretrained
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.files import stored_file
from slae_lib.training.checkpoint import save_generator
from slae_lib.training.sampling import sample_images

needs_inception = pytest.mark.skipif(
    not pretrained.FID_INCEPTION.is_present(),
    reason=f"{pretrained.FID_INCEPTION.file_name} is not in TORCH_HOME",
)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLAE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> TinyInception:
    network = TinyInception()
    monkeypatch.setattr(fid, "fid_inception", lambda: network)
    return network


@pytest.fixture(scope="module")
def pandas(photos: Path) -> Tensor:
    """Inception features (100, 2048) of the photographs, in the order of their names."""
    images = load_images(photos, 256)
    assert list(images.names) == sorted(images.names)
    start = time.perf_counter()
    features = InceptionFeatures(progress=False).of(images)
    print(f"\nInception features of {len(images)} images: {time.perf_counter() - start:.1f} s")
    return features


@needs_inception
def test_fid_of_the_pandas_is_the_known_number(pandas: Tensor) -> None:
    # Measured with pytorch-fid 0.3.0: the even against the odd positions in the order of the names.
    even, odd = pandas[::2], pandas[1::2]
    start = time.perf_counter()
    distance = frechet_distance(even, odd)
    print(f"\nFID {distance:.6f} in {time.perf_counter() - start:.4f} s")
    assert distance == pytest.approx(14.306, abs=0.005)
    assert distance == pytest.approx(reference(even.double(), odd.double()), rel=1e-4)


@needs_inception
def test_the_result_says_how_far_fid_can_be_trusted(pandas: Tensor) -> None:
    result = compare_features(pandas[::2], pandas[1::2], resamples=50)
    low, high = result.interval
    assert low < result.fid < high
    assert (result.real, result.generated) == (50, 50)
    assert "biased with 50 images" in result.note
    # Two halves of one set: KID knows that they are of one kind, FID does not.
    assert abs(result.kid.mean) < 0.002
    assert result.fid > 10
    # A generator that plays back its training images has the best FID of all.
    assert frechet_distance(pandas, pandas) < 1e-3


@needs_inception
def test_features_are_those_of_pytorch_fid(photos: Path, pandas: Tensor) -> None:
    from pytorch_fid.fid_score import get_activations

    folder = FolderImages(photos)
    few = sorted(photos.iterdir())[:3]
    assert list(folder.names[:3]) == [path.name for path in few]
    network = pretrained.fid_inception()
    expected = get_activations(few, network, batch_size=3, num_workers=0)
    own_size = InceptionFeatures(progress=False)(folder.batch(range(3)))
    for features in (own_size, pandas[:3]):  # they are 256x256: nothing is resized
        np.testing.assert_allclose(features.numpy(), expected, rtol=1e-4, atol=1e-5)


@needs_inception
def test_fid_is_that_of_pytorch_fid_to_four_digits(photos: Path) -> None:
    """For photographs, for drawings against samples, and for two sets that are nearly the same."""
    pandas = load_images(photos, 256).batch(range(12))
    grain = torch.randint(-3, 4, pandas.shape, generator=torch.Generator().manual_seed(0))
    grainy = (pandas.short() + grain).clamp(0, 255).to(torch.uint8)
    demo = stored_file("demo")
    assert demo is not None
    faces = load_images("fluent-faces", 64).batch(range(12))
    samples = GeneratedImages.from_file(demo / "generator.safetensors", 12).batch(range(12))
    network, plain = InceptionFeatures(progress=False), pretrained.fid_inception()
    pairs = {}
    for first, second in ((pandas, grainy), (faces, samples)):
        for images in (first, second):
            with torch.inference_mode():
                expected = plain(images.float() / 255)[0].flatten(1)
            pairs[len(pairs)] = (network(images), expected.clone())
    for a, b in ((0, 1), (2, 3), (0, 2)):
        distance = frechet_distance(pairs[a][0], pairs[b][0])
        expected = frechet_distance(pairs[a][1], pairs[b][1])  # exact, and no minute of sqrtm
        assert distance == pytest.approx(expected, rel=1e-4), (a, b)


@needs_inception
def test_kept_features_belong_to_the_published_weights() -> None:
    # Folding changes the numbers in the network and not the features, so the key stays.
    assert InceptionFeatures().weights == pretrained.checksum(pretrained.fid_inception())


def test_pictures_are_divided_by_255_as_torchvision_does(tiny: TinyInception) -> None:
    white = torch.full((1, 3, 64, 64), 255, dtype=torch.uint8)
    features = InceptionFeatures()(white)
    torch.testing.assert_close(features, torch.tensor([[1.0, 1, 1, 0, 0, 0]]))


def test_real_features_are_computed_once(tiny: TinyInception, folder: Path) -> None:
    images = load_images(folder, 64)
    network = InceptionFeatures(progress=False)
    features = network.of_stored(images)
    file = feature_file(images)
    assert file.name == f"{images.fingerprint}-64.safetensors"
    assert file.is_file()
    tiny.largest_batch = 0
    assert torch.equal(network.of_stored(images), features)
    assert tiny.largest_batch == 0  # nothing went through the network
    # The same pictures at another size, and other pictures, have features of their own.
    assert feature_file(load_images(folder, 128)) != file
    Image.new("RGB", (64, 64), "yellow").save(folder / "blue.png")
    assert feature_file(load_images(folder, 64)) != file


class Constant(FeatureNetwork):
    """Features that are all one number."""

    def __init__(self, value: float, weights: str = "network 1") -> None:
        super().__init__(torch.nn.Identity(), weights, "features", "", "cpu", 2, progress=False)
        self.value = value

    def __call__(self, images: Tensor) -> Tensor:
        return torch.full((len(images), 4), self.value)


def test_stale_or_damaged_features_are_computed_again(folder: Path, own_cache: Path) -> None:
    images = load_images(folder, 64)
    old, new = torch.zeros(3, 4), torch.ones(3, 4)
    assert torch.equal(Constant(0).of_stored(images), old)
    assert torch.equal(Constant(1).of_stored(images), old)
    assert torch.equal(Constant(1, "network 2").of_stored(images), new)
    file = feature_file(images)
    file.write_bytes(file.read_bytes()[:40])
    assert torch.equal(Constant(0, "network 2").of_stored(images), old)
    save_file({"features": torch.zeros(2, 4)}, file, metadata={"weights": "network 2"})
    assert torch.equal(Constant(1, "network 2").of_stored(images), new)


def test_a_cache_that_cannot_be_written_only_warns(folder: Path, own_cache: Path) -> None:
    own_cache.write_text("a file where the folder should be")
    images = load_images(folder, 64)
    with pytest.warns(UserWarning, match="computed again next time"):
        features = Constant(0).of_stored(images)
    assert features.shape == (3, 4)


def test_one_image_on_a_side_is_refused() -> None:
    rows = torch.randn(5, 8)
    for sides in ((rows, rows[:1]), (rows[:1], rows)):
        with pytest.raises(UsageError, match="each side, and one has 1 "):
            compare_features(*sides)
        with pytest.raises(UsageError, match="each side, and one has 1 "):
            kernel_distance(*sides)


# Where the images come from


def test_folder_pictures_keep_their_own_sizes(tmp_path: Path, tiny: TinyInception) -> None:
    wide = Image.new("RGB", (80, 40), (255, 0, 0))
    wide.save(tmp_path / "a.png")
    Image.new("L", (30, 50), 255).save(tmp_path / "b.png")
    images = FolderImages(tmp_path)
    assert images.batch([0]).shape == (1, 3, 40, 80)
    assert images.batch([1]).shape == (1, 3, 50, 30)
    features = InceptionFeatures(batch_size=8, progress=False).of(images)
    torch.testing.assert_close(features[:, :3], torch.tensor([[1.0, 0, 0], [1, 1, 1]]))
    (tmp_path / "b.png").unlink()
    with pytest.raises(LabError, match=r"b\.png cannot be read at its own size"):
        images.batch([1])


def test_neighbours_of_one_size_go_together_and_all_stay_in_order(
    tmp_path: Path, tiny: TinyInception
) -> None:
    sides = [30, 30, 30, 40, 30, 40, 40]
    for number, side in enumerate(sides):
        Image.new("RGB", (side, side), (number, 0, 0)).save(tmp_path / f"{number}.png")
    batches = []
    tiny.register_forward_pre_hook(lambda _, args: batches.append(tuple(args[0].shape[::2])))
    features = InceptionFeatures(batch_size=2, progress=False).of(FolderImages(tmp_path))
    assert batches == [(2, 30), (1, 30), (1, 40), (1, 30), (2, 40)]
    torch.testing.assert_close(features[:, 0], torch.arange(7) / 255)


def test_grey_of_sixteen_bits_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    deep = np.full((16, 20), 257 * 100, dtype=np.uint16)
    deep[:, 10:] = 65535
    Image.fromarray(deep).save(tmp_path / "a.png")
    Image.fromarray(deep).save(tmp_path / "b.tif")
    images = FolderImages(tmp_path)
    for index in (0, 1):
        picture = images.batch([index])[0]
        assert picture.shape == (3, 16, 20)
        assert (picture[:, :, :10] == 100).all()
        assert (picture[:, :, 10:] == 255).all()
    # What was kept of such a folder before had been measured on white pictures.
    assert "own-size-2" in feature_file(images).name


def test_folders_that_cannot_be_measured_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="is empty"):
        FolderImages(tmp_path)
    Image.new("RGB", (64, 64)).save(tmp_path / "one.png")
    with pytest.raises(LabError, match="only one usable picture"):
        FolderImages(tmp_path)


@pytest.mark.parametrize("metadata", [False, True])
def test_generated_images_are_those_of_sampling_in_any_batch(
    tmp_path: Path, tiny: TinyInception, metadata: bool
) -> None:
    file = tmp_path / "generator.safetensors"
    config = ModelConfig(64, width=8, noise_dim=16, metadata=metadata, metadata_dim=6)
    save_generator(file, Generator(config))
    if metadata:
        values = torch.rand(5, 6, generator=torch.Generator().manual_seed(0))
        bank = MetadataBank(values, tuple("abcde"), "relu5_3", 256, "w", "letters", "f")
        bank.save(tmp_path / "metadata.safetensors")
    for mode in ("bank", "mix", "gaussian") if metadata else ("bank",):
        images = GeneratedImages.from_file(file, 7, seed=3, mode=mode)
        expected = sample_images(file, 7, seed=3, mode=mode).short()
        assert len(images) == 7
        assert (images.batch(range(7)).short() - expected).abs().max() <= 1
        assert (images.batch([5, 2]).short() - expected[[5, 2]]).abs().max() <= 1
    assert InceptionFeatures(batch_size=3, progress=False).of(images).shape == (7, 6)
    assert tiny.largest_batch == 3  # never all of them
    assert len(images.first(100)) == 100


def test_three_hundred_images_are_never_all_in_the_memory(
    tmp_path: Path, tiny: TinyInception
) -> None:
    config = ModelConfig(64, width=8, noise_dim=16, metadata=False)
    images = GeneratedImages(Generator(config).eval(), None, 300)
    made: list[weakref.ref[Tensor]] = []
    alive = []

    def watch(_: object, args: tuple[Tensor]) -> None:
        made.append(weakref.ref(args[0]))
        alive.append(sum(len(batch) for ref in made if (batch := ref()) is not None))

    tiny.register_forward_pre_hook(watch)
    features = InceptionFeatures(progress=False).of(images)
    assert features.shape == (300, 6)
    assert max(alive) <= 16
    assert len(alive) == 19


def test_a_set_in_files_is_read_batch_by_batch(folder: Path, tiny: TinyInception) -> None:
    loaded = load_images(folder, 64)
    on_disk = ImageSet(loaded.name, 64, loaded.names, loaded.fingerprint, folder=folder)
    network = InceptionFeatures(batch_size=2, progress=False)
    torch.testing.assert_close(network.of(on_disk), network.of(loaded))
    assert tiny.largest_batch == 2
