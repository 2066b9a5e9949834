"""The door to pretrained weights: what it accepts, what it refuses, and that it adds nothing.

VGG-16 has random weights here, in a `TORCH_HOME` of its own; only the test of Inception needs the
real file and is skipped where that is missing.
"""

import dataclasses
import hashlib
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from slae_lib.support import pretrained
from slae_lib.support.errors import UsageError
from slae_lib.support.pretrained import MissingWeightsError, WeightsFile


def weights_needed(*files: WeightsFile) -> pytest.MarkDecorator:
    missing = [file.file_name for file in files if not file.is_present()]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not in TORCH_HOME")


@pytest.fixture(scope="session")
def random_state() -> dict[str, Tensor]:
    """VGG-16's features with random weights, and a stub where the classifier would be."""
    from torchvision.models import vgg16

    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in vgg16().features.state_dict().items()}
    state = {}
    for name, shape in shapes.items():
        deviation = (2 / shape[1:].numel()) ** 0.5 if len(shape) > 1 else 0.1
        state[f"features.{name}"] = torch.randn(shape, generator=generator) * deviation
    return state | {"classifier.0.bias": torch.zeros(3)}


@pytest.fixture(scope="session")
def random_home(random_state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `TORCH_HOME` that holds only the random VGG-16, under the name of the original one."""
    home = tmp_path_factory.mktemp("torch-home")
    file = home / "hub" / "checkpoints" / pretrained.VGG16.file_name
    file.parent.mkdir(parents=True)
    torch.save(random_state, file)
    return home


@pytest.fixture
def random_vgg(random_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(random_home))
    monkeypatch.setenv("SLAE_OFFLINE", "1")


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for weights in an empty `TORCH_HOME`, offline."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("SLAE_OFFLINE", "1")
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def images(count: int, side: int, seed: int) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


# What is known about the files


def test_addresses_are_those_of_the_libraries() -> None:
    from pytorch_fid.inception import FID_WEIGHTS_URL
    from torchvision.models import VGG16_Weights

    assert pretrained.VGG16.url == VGG16_Weights.IMAGENET1K_FEATURES.url
    assert pretrained.VGG16_TORCHVISION.url == VGG16_Weights.IMAGENET1K_V1.url
    assert pretrained.FID_INCEPTION.url == FID_WEIGHTS_URL


def test_file_names_end_with_the_beginning_of_the_checksum() -> None:
    for file in pretrained.WEIGHTS:
        assert file.file_name.endswith(f"-{file.sha256}.pth")


def test_relu_names_are_the_relus_of_vgg16(random_vgg: None) -> None:
    features = pretrained.vgg16_features()
    relus = [index for index, layer in enumerate(features) if isinstance(layer, nn.ReLU)]
    assert list(pretrained.VGG16_RELU_NAMES.values()) == relus
    group, position, names = 1, 1, []
    for layer in features:
        if isinstance(layer, nn.ReLU):
            names.append(f"relu{group}_{position}")
            position += 1
        if isinstance(layer, nn.MaxPool2d):
            group, position = group + 1, 1
    assert list(pretrained.VGG16_RELU_NAMES) == names


def test_importing_loads_none_of_the_heavy_libraries() -> None:
    code = (
        "import slae_lib.support.pretrained, sys; "
        "print({'torchvision', 'lpips', 'pytorch_fid'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "set()", result.stderr


# VGG-16


def test_vgg16_is_the_file_without_its_classifier(
    random_vgg: None, random_state: dict[str, Tensor]
) -> None:
    features = pretrained.vgg16_features()
    assert len(features) == 31
    for name, value in features.state_dict().items():
        assert torch.equal(value, random_state[f"features.{name}"])
    assert not any(layer.training for layer in features.modules())
    assert not any(parameter.requires_grad for parameter in features.parameters())


def test_a_hook_sees_what_the_layer_returned(random_vgg: None) -> None:
    features = pretrained.vgg16_features()
    seen: list[Tensor] = []
    features[28].register_forward_hook(lambda *arguments: seen.append(arguments[-1]))
    result = features[:30](pretrained.normalise_for_vgg16(images(1, 32, 0)))
    assert seen[0].min() < 0
    assert torch.equal(seen[0].relu(), result)


def test_loading_draws_no_random_numbers(random_vgg: None) -> None:
    before = torch.get_rng_state()
    pretrained.vgg16_features()
    pretrained.perceptual_distance("vgg")
    assert torch.equal(torch.get_rng_state(), before)


def test_vgg16_gets_0_to_255_with_the_mean_colour_of_imagenet_taken_off() -> None:
    # The mean that the Caffe models of 2014 were published with: 123, 117, 104.
    mean = torch.tensor([123.0, 117.0, 104.0]).view(1, 3, 1, 1)
    black_and_white = torch.tensor([-1.0, 1.0]).view(1, 1, 1, 2).expand(2, 3, 1, 2)
    expected = torch.tensor([0.0, 255.0]).view(1, 1, 1, 2) - mean
    result = pretrained.normalise_for_vgg16(black_and_white)
    torch.testing.assert_close(result, expected.expand(2, 3, 1, 2), atol=0.01, rtol=0)


def test_vgg16_gets_what_torchvision_would_give_it() -> None:
    from torchvision.models import VGG16_Weights

    transforms = VGG16_Weights.IMAGENET1K_FEATURES.transforms(crop_size=64, resize_size=64)
    pictures = images(2, 64, 0)
    expected = transforms((pictures + 1) / 2)
    torch.testing.assert_close(pretrained.normalise_for_vgg16(pictures), expected)


def test_a_checksum_belongs_to_the_network_and_not_to_its_file(
    random_vgg: None, random_state: dict[str, Tensor], checkpoints: Path
) -> None:
    torch.save(
        dict(reversed(random_state.items())) | {"more": torch.ones(2)},
        checkpoints / pretrained.VGG16.file_name,
        _use_new_zipfile_serialization=False,
    )
    features = pretrained.vgg16_features()
    first = pretrained.checksum(features)
    features[0].bias[0] += 1
    assert len(first) == 64
    assert pretrained.checksum(features) != first
    features[0].bias.copy_(random_state["features.0.bias"])
    assert pretrained.checksum(features) == first


# Files that are missing or wrong


@pytest.mark.parametrize("file", pretrained.WEIGHTS, ids=lambda file: file.file_name)
def test_a_missing_file_is_a_sentence_with_address_name_and_folder(
    file: WeightsFile, checkpoints: Path
) -> None:
    assert not file.is_present()
    with pytest.raises(MissingWeightsError) as caught:
        file.load()
    sentence = str(caught.value)
    for part in (file.url, file.file_name, str(checkpoints), f"{file.size / 1e6:.0f} MB"):
        assert part in sentence
    assert "\n" not in sentence
    assert list(checkpoints.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda good: good[: len(good) // 2], id="truncated"),
        pytest.param(lambda good: b"", id="empty"),
        pytest.param(lambda good: b"<html>Please log in.</html>", id="web page"),
        pytest.param(lambda good: b"\x80\x02}q\x00.", id="no tensors"),
        pytest.param(lambda good: b"\x80\x02]q\x00.", id="no dictionary"),
    ],
)
def test_a_damaged_file_is_a_sentence_that_names_it(
    content, random_home: Path, checkpoints: Path
) -> None:
    name = pretrained.VGG16.file_name
    good = (random_home / "hub" / "checkpoints" / name).read_bytes()
    (checkpoints / name).write_bytes(content(good))
    with pytest.raises(MissingWeightsError, match="delete it") as caught:
        pretrained.vgg16_features()
    assert str(checkpoints / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_another_network_is_refused(
    random_state: dict[str, Tensor], checkpoints: Path
) -> None:
    wrong = random_state | {"features.0.weight": torch.zeros(64, 1, 3, 3)}
    torch.save(wrong, checkpoints / pretrained.VGG16.file_name)
    torch.save(random_state, checkpoints / pretrained.FID_INCEPTION.file_name)
    for load in (pretrained.vgg16_features, pretrained.fid_inception):
        with pytest.raises(MissingWeightsError, match="does not hold"):
            load()


class _Attack:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_a_file_of_weights_cannot_run_code(checkpoints: Path, tmp_path: Path) -> None:
    torch.save(_Attack(tmp_path / "ran"), checkpoints / pretrained.VGG16.file_name)
    with pytest.raises(MissingWeightsError, match="delete it"):
        pretrained.vgg16_features()
    assert not (tmp_path / "ran").exists()


# Downloads


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder and the address under which a server on loopback shows it."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    folder = tmp_path_factory.mktemp("site")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_download_goes_into_torch_home_if_its_checksum_fits(
    site: tuple[Path, str], checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLAE_OFFLINE")
    monkeypatch.setenv("no_proxy", "*")
    folder, address = site
    torch.save({"a": torch.arange(3)}, folder / "tiny.pth")
    digest = hashlib.sha256((folder / "tiny.pth").read_bytes()).hexdigest()
    file = dataclasses.replace(pretrained.VGG16, url=f"{address}/tiny.pth", sha256=digest[:8])
    assert file.load()["a"].tolist() == [0, 1, 2]
    assert file.path() == checkpoints / "tiny.pth"
    assert file.is_present()

    file.path().unlink()
    wrong = dataclasses.replace(file, sha256="00000000")
    with pytest.raises(MissingWeightsError, match="checksum") as caught:
        wrong.load()
    assert wrong.url in str(caught.value)
    assert not wrong.is_present()

    gone = dataclasses.replace(file, url=f"{address}/gone.pth")
    with pytest.raises(MissingWeightsError, match="404"):
        gone.load()


# Perceptual distances


def by_hand(
    features: nn.Sequential, scaled: tuple[Tensor, Tensor], weights: list[Tensor]
) -> Tensor:
    """LPIPS, equation 1 of Zhang et al. (2018), written down again."""
    total = torch.zeros(len(scaled[0]))
    for index, weight in zip((3, 8, 15, 22, 29), weights, strict=True):
        one, other = (functional.normalize(features[: index + 1](x), dim=1) for x in scaled)
        total += ((one - other) ** 2 * weight.view(1, -1, 1, 1)).sum(dim=1).mean(dim=(1, 2))
    return total


def test_the_uncalibrated_distance_is_the_formula_with_weights_of_1(random_vgg: None) -> None:
    a, b = images(3, 32, 0), images(3, 32, 1)
    distance = pretrained.perceptual_distance("vgg")
    assert distance.name == "VGG-16 distance (uncalibrated)"
    scaled = pretrained.normalise_for_vgg16(a), pretrained.normalise_for_vgg16(b)
    expected = by_hand(pretrained.vgg16_features(), scaled, [torch.ones(1)] * 5)
    assert distance(a, b).shape == (3,)
    torch.testing.assert_close(distance(a, b), expected)
    assert torch.equal(distance(a, a), torch.zeros(3))


def test_the_calibrated_distance_is_lpips(
    random_state: dict[str, Tensor], checkpoints: Path
) -> None:
    import lpips

    torch.save(random_state, checkpoints / pretrained.VGG16_TORCHVISION.file_name)
    distance = pretrained.perceptual_distance("lpips")
    assert distance.name == "LPIPS"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False)
    for name, parameter in reference.net.named_parameters():  # slice3.10.weight
        parameter.copy_(random_state[f"features.{name.split('.', 1)[1]}"])
    a, b = images(3, 32, 0), images(3, 32, 1)
    torch.testing.assert_close(distance(a, b), reference(a, b).flatten(), atol=1e-6, rtol=1e-5)


def test_one_distance_is_never_given_for_the_other(random_vgg: None) -> None:
    with pytest.raises(MissingWeightsError, match=pretrained.VGG16_TORCHVISION.file_name):
        pretrained.perceptual_distance("lpips")
    with pytest.raises(UsageError, match="alex"):
        pretrained.perceptual_distance("alex")  # type: ignore[arg-type]


def test_a_distance_is_frozen_and_stays_in_evaluation_mode(
    random_state: dict[str, Tensor], checkpoints: Path
) -> None:
    torch.save(random_state, checkpoints / pretrained.VGG16_TORCHVISION.file_name)
    distance = pretrained.perceptual_distance("lpips")
    around = nn.Sequential(distance).train()
    assert not any(module.training for module in distance.modules())
    assert around.training
    assert not any(parameter.requires_grad for parameter in distance.parameters())


def test_making_a_distance_says_nothing(
    random_vgg: None, capfd: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pretrained.perceptual_distance("vgg")
    assert capfd.readouterr() == ("", "")


def test_the_gradient_is_finite_where_no_channel_fires(
    random_state: dict[str, Tensor], checkpoints: Path
) -> None:
    # The length of a zero vector has no derivative; on flat pictures relu5_3 often is zero.
    silent = random_state | {"features.28.bias": torch.full((512,), -1e6)}
    torch.save(silent, checkpoints / pretrained.VGG16.file_name)
    distance = pretrained.perceptual_distance("vgg")
    flat = torch.ones(1, 3, 32, 32, requires_grad=True)
    distance(flat, images(1, 32, 0)).sum().backward()
    assert flat.grad is not None
    assert flat.grad.isfinite().all()
    assert flat.grad.abs().max() > 0


# Inception


@weights_needed(pretrained.FID_INCEPTION)
def test_the_inception_is_pytorch_fids() -> None:
    from pytorch_fid.inception import InceptionV3

    ours, theirs = pretrained.fid_inception(), InceptionV3([3]).eval()
    pictures = (images(2, 64, 0) + 1) / 2
    (result,), (expected,) = ours(pictures), theirs(pictures)
    assert result.shape == (2, 2048, 1, 1)
    assert torch.equal(result, expected)
    assert not any(parameter.requires_grad for parameter in ours.parameters())
