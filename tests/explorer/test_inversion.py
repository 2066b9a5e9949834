"""Inversion: what is found is stored, makes the picture, and is held against training pictures."""

from pathlib import Path

import pytest
import torch
from explorer_run import faces
from PIL import Image

from slae_lib.course.stored import demo_run
from slae_lib.datasets import ImageSet
from slae_lib.evaluation.backtracking import L1Distance
from slae_lib.explorer.directions import SHARES, directions
from slae_lib.explorer.figures.inversion import write_inversion
from slae_lib.explorer.inversion import Inversion, Neighbour, invert, training_or_none
from slae_lib.explorer.latents import Latents
from slae_lib.explorer.search import distance_at_hand
from slae_lib.losses import l1_distance
from slae_lib.support.errors import LabError
from slae_lib.support.images import to_float, to_uint8
from slae_lib.support.pretrained import MissingWeightsError
from slae_lib.training.sampling import GeneratedImages

HAPPY, SMILE = "1f600.webp", "1f642.webp"


@pytest.fixture(scope="module")
def samples() -> GeneratedImages:
    return GeneratedImages.from_file(demo_run() / "generator.safetensors", 1)


@pytest.fixture(scope="module")
def training() -> ImageSet:
    return faces()


def picture(training: ImageSet, name: str) -> torch.Tensor:
    return training.batch([training.names.index(name)])[0]


@pytest.fixture(scope="module")
def found(samples: GeneratedImages, training: ImageSet) -> Inversion:
    return invert(samples, picture(training, HAPPY), HAPPY, L1Distance(), training, 30, 1)


def test_the_latent_makes_the_reconstruction(samples: GeneratedImages, found: Inversion) -> None:
    with torch.no_grad():
        made = samples.generator(found.latent.noise, found.latent.metadata).image
    assert torch.equal(to_uint8(made)[0], found.reconstruction)
    assert found.distance == pytest.approx(float(l1_distance(made, to_float(found.target)[None])))
    assert found.distance < 0.7 * found.start


def test_metadata_is_searched_for_as_well(samples: GeneratedImages, found: Inversion) -> None:
    assert samples.bank is not None
    assert found.latent.metadata is not None
    assert float((samples.bank.rows() - found.latent.metadata).norm(dim=1).min()) > 0.1


def test_the_nearest_training_picture_is_another_one(training: ImageSet, found: Inversion) -> None:
    assert found.known
    assert found.neighbour is not None
    assert found.neighbour.name != HAPPY
    target = to_float(found.target)
    others = [index for index, name in enumerate(training.names) if name != HAPPY]
    table = l1_distance(to_float(training.batch(others)), target[None])
    assert found.neighbour.distance == pytest.approx(float(table.min()))
    assert found.neighbour.name == training.names[others[int(table.argmin())]]


def test_a_stranger_is_none_of_the_training_pictures(
    samples: GeneratedImages, training: ImageSet
) -> None:
    target = picture(training, SMILE).clone()
    target[0, 30, 30] ^= 1  # the smallest difference that there is
    found = invert(samples, target, "smile", L1Distance(), training, 1, 1)
    assert not found.known
    assert found.neighbour is not None
    assert found.neighbour.name == SMILE
    assert "comes no nearer to it than any training picture is" in found.meaning


@pytest.mark.parametrize(
    ("known", "distance", "words"),
    [
        (True, 0.1, "0.10 of that distance: near enough to say that it holds this one."),
        (True, 0.8, "than the nearest other training picture is, 0.80 of that distance: too far"),
        (True, 1.0, "no nearer to it than the nearest other training picture is: nothing says"),
        (False, 0.1, "than any training picture is, 0.10 of that distance: near enough to call"),
        (False, 0.8, "0.80 of that distance: too far to call it covered, unseen."),
        (False, 1.2, "no nearer to it than any training picture is: a copy would do as well."),
    ],
)
def test_distances_are_said_to_mean_copying_or_covering(
    known: bool, distance: float, words: str
) -> None:
    blank = torch.zeros(3, 8, 8, dtype=torch.uint8)
    latent = Latents(torch.zeros(1, 2), None, ("a.png",))
    near = Neighbour(blank, "b.png", 1.0)
    made = Inversion(latent, blank, blank, "LPIPS", distance, 2.0, known, near)
    assert words in made.meaning
    assert made.told()[-1] == made.meaning
    assert any("LPIPS" in line for line in made.told())


def test_a_latent_is_changed_from_the_reconstruction_to_its_goal(
    samples: GeneratedImages, training: ImageSet, found: Inversion
) -> None:
    made = directions(samples, found.latent, training)
    assert [direction.name is None for direction in made] == [False, False, False, True]
    assert samples.bank is not None
    for direction in made:
        assert direction.images.shape == (len(SHARES), 3, 64, 64)
        assert int((direction.images[0].int() - found.reconstruction.int()).abs().max()) <= 1
        assert not torch.equal(direction.images[0], direction.images[-1])
    first = made[0]
    assert first.name is not None
    assert first.goal is not None
    assert torch.equal(first.goal, picture(training, first.name))
    row = samples.bank.rows([samples.bank.names.index(first.name)])
    with torch.no_grad():
        end = to_uint8(samples.generator(found.latent.noise, row).image)[0]
    assert int((first.images[-1].int() - end.int()).abs().max()) <= 1


@pytest.mark.parametrize("known", [True, False])
def test_an_inversion_is_a_latent_and_two_pictures(
    samples: GeneratedImages, training: ImageSet, found: Inversion, tmp_path: Path, known: bool
) -> None:
    if not known:
        found = invert(samples, found.target, HAPPY, L1Distance(), None, 1, 1)
        assert "Without the training pictures" in found.meaning
    paths = write_inversion(tmp_path, found, samples, training if known else None)
    assert [path.name for path in paths] == ["latent.safetensors", "inverted.png", "changed.png"]
    stored = Latents.load(paths[0], samples)
    assert torch.equal(stored.noise, found.latent.noise)
    assert stored.names == (HAPPY,)
    with Image.open(paths[1]) as inverted, Image.open(paths[2]) as changed:
        assert inverted.width > (1200 if known else 900)
        assert changed.width > 1000


def test_the_distance_is_the_best_whose_weights_are_there(
    no_weights: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLAE_OFFLINE", "1")
    with pytest.warns(UserWarning, match="no LPIPS") as warned:
        found = distance_at_hand(None, torch.device("cpu"))
    assert found.name == "L1 distance (not perceptual)"
    assert len(warned) == 2
    with pytest.raises(MissingWeightsError):
        distance_at_hand("vgg", torch.device("cpu"))


def test_the_uncalibrated_distance_comes_before_l1(
    random_vgg: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLAE_OFFLINE", "1")
    with pytest.warns(UserWarning, match="VGG-16's, uncalibrated, and no LPIPS: VGG-16 with"):
        found = distance_at_hand(None, torch.device("cpu"))
    assert found.name == "VGG-16 distance (uncalibrated)"


def test_training_pictures_that_are_gone_are_left_out_with_the_reason() -> None:
    def gone() -> ImageSet:
        raise LabError("They are gone.")

    with pytest.warns(UserWarning, match=r"is left out: They are gone\."):
        assert training_or_none(gone) is None
