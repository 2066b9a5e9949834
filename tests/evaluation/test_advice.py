"""Advice: the right word for curves made by hand, for copies, collapse and what came too early."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from inception_doubles import TinyInception
from scipy import stats
from torch import Tensor

from slae_lib.datasets import ImageSet, load_images
from slae_lib.evaluation import fid
from slae_lib.evaluation.advice import Measured, advise, copying, judge, measure, trend

AT = list(range(200, 2200, 200))  # ten generators, of which the last five count


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SLAE_OFFLINE", "1")
    monkeypatch.setattr(fid, "fid_inception", TinyInception)


def curve(values: list[float], spread: float = 0.0, samples: int = 100) -> Tensor:
    """What the samples add, as far from each curve's value as ``spread``: (T, N)."""
    signs = torch.ones(samples)
    signs[::2] = -1
    return torch.tensor(values)[:, None] + spread * signs


@pytest.mark.parametrize(
    ("last", "word"),
    [
        ([100.0, 90, 80, 70, 60], "falls"),
        ([60.0, 70, 80, 90, 100], "rises"),
        ([80.0, 80.5, 79.5, 80.5, 79.5], "flat"),
        ([100.0, 60, 110, 50, 80], "not decided"),
    ],
)
def test_the_last_half_of_a_curve_has_its_word(last: list[float], word: str) -> None:
    first = [0.0, 500, 0, 500, 0]  # what was before says nothing
    found = trend(AT, curve([*first, *last]))
    assert (found["word"], found["count"], found["first"]) == (word, 5, 1200)


def test_the_change_is_along_the_line_and_its_noise_is_students() -> None:
    last = [100.0, 88, 83, 69, 60]
    found = trend(AT, curve([0.0] * 5 + last))
    line = stats.linregress(AT[5:], last)
    assert found["change"] == pytest.approx(800 * line.slope)
    assert found["noise"] == pytest.approx(800 * line.stderr * stats.t.ppf(0.975, 3))


def test_a_change_counts_just_beyond_the_luck_of_the_draw() -> None:
    at, slope = [0, 100, 200], torch.ones(100)
    slope[::2] = -1
    luck = stats.norm.ppf(0.975) * float(slope.double().std()) / 10

    def word(change: float) -> str:
        # The change of each sample from the first generator to the last: `change`, give or take 1.
        each = change + slope.double()
        return trend(at, torch.stack([0 * each, each / 2, each]) + 50, flat=0)["word"]

    assert word(-1.01 * luck) == "falls"
    assert word(-0.99 * luck) == "not decided"
    assert word(0.99 * luck) == "not decided"
    assert word(1.01 * luck) == "rises"


def test_what_all_samples_have_in_common_over_time_is_no_noise() -> None:
    assert trend(AT, curve([100.0 - 3 * i for i in range(10)], spread=50))["word"] == "falls"


def test_flat_is_what_surely_changes_less_than_one_in_twenty() -> None:
    assert trend([0, 1, 2], curve([100.0, 102.4, 104.8]))["word"] == "flat"
    assert trend([0, 1, 2], curve([100.0, 102.7, 105.4]))["word"] == "rises"


def test_two_generators_are_no_trend() -> None:
    assert trend([10, 20], curve([9.0, 1.0]))["word"] == "too few"
    assert trend([10, 20, 30], curve([9.0, 5.0, 1.0]))["word"] == "falls"


def test_copies_are_more_than_the_pictures_copy_each_other() -> None:
    assert copying(0, 100, 0, 93) == "no sign"
    assert copying(8, 100, 7, 93) == "no sign"  # so many as the pictures themselves
    assert copying(5, 100, 0, 93) == "not decided"
    assert copying(9, 100, 0, 93) == "yes"
    assert copying(64, 64, 0, 4) == "yes"


def made(**changes: Any) -> Measured:
    """Ten healthy generators of 50 samples against 60 pictures, KID falling from 0.5 to 0.05."""
    values = [0.05 * (10 - i) for i in range(10)]
    nearest = (torch.arange(50) % 30).repeat(10, 1)
    usual = Measured(
        AT,
        curve(values, 0.01, 50),
        [0.9] * 10,
        torch.zeros(10, 50, dtype=torch.bool),
        torch.full((10, 50), 0.9),
        nearest,
        torch.zeros(60, dtype=torch.bool),
    )
    return usual._replace(**changes)


def said(found: Measured, seen: int = 16_000, augment: str = "translation", **more: Any) -> str:
    numbers = judge(found, seen, augment, **more)
    for row in numbers["generators"]:
        row["file"] = f"kept/{row['iteration']}"
    return "\n".join(f"{about}: {text}" for about, text in advise({**numbers, "resume": "RESUME"}))


def test_a_healthy_run_that_learns_is_trained_on() -> None:
    words = said(made(halves=0.004))
    assert "Use: kept/2000: of 10 kept generators, 10 of them neither copying nor " in words
    assert "it has the least KID x 1000, 50.0 ± 2.8; two halves of the real pictures, 4.0." in words
    assert "Copies: no sign: 0 of 50 samples of iteration 2,000" in words
    assert (
        "Longer: helps: over the last 5 kept generators, from iteration 1,200 on, KID x 1000 "
        in words
    )
    assert "Next: Train on: RESUME." in words
    assert words.count("Next") == 1


def test_a_run_that_no_longer_learns_has_nothing_to_change() -> None:
    words = said(made(kid=curve([0.5] * 5 + [0.05, 0.0503, 0.0497, 0.0503, 0.05], 0.001, 50)))
    assert "gains nothing" in words
    assert "Nothing that these numbers ask for" in words
    assert "RESUME" not in words


def test_the_generator_before_the_copies_is_used_though_copies_have_a_lower_kid() -> None:
    ratios = torch.full((10, 50), 0.9)
    ratios[6:, :30] = 0.3
    words = said(made(ratios=ratios))
    assert "Use: kept/1200: of 10 kept generators, 6 of them neither copying" in words
    assert "Copies: yes: 30 of 50 samples of iteration 2,000" in words
    assert (
        "It copies, which lowers KID as well: begin anew with --augment color,translation " in words
    )
    assert "or with more than 60 pictures" in words
    assert "RESUME" not in words


def test_the_generator_before_a_collapse_is_used() -> None:
    words = said(made(diversity=[0.9] * 8 + [0.3, 0.2]))
    assert "Use: kept/1600: of 10 kept generators, 8 of them neither copying" in words
    assert "collapsed: the last samples differ 0.20 times as much" in words
    few = torch.zeros(10, 50, dtype=torch.long)  # different enough, but near to one picture
    assert "and 1 of 60 pictures are their nearest" in said(made(nearest=few))


def test_grey_squares_at_first_are_no_collapse() -> None:
    grey = torch.ones(10, 50, dtype=torch.bool)
    early = made(diversity=[0.01 * i for i in range(10)], broken=grey)
    words = said(early, seen=1_600)
    assert "Too early: it has seen 1,600 images" in words
    assert "RESUME" in words
    assert "has collapsed" not in words
    assert "of 10 kept generators, all with samples alike or copied, it has" in words
    late = said(early, seen=8_000)
    assert "has collapsed" in late
    assert "Against broken samples" not in late  # first it has to draw different ones
    # Alike, but as good as pictures: that is a collapse, however early.
    assert "has collapsed" in said(early._replace(broken=~grey), seen=1_600)


def test_generators_within_noise_of_the_best_are_named() -> None:
    luck = torch.randn(10, 50, generator=torch.Generator().manual_seed(0)) / 10
    luck -= luck.mean(dim=1, keepdim=True)
    values = torch.tensor([0.9] * 7 + [0.10, 0.11, 0.9])[:, None]
    words = said(made(kid=values + luck))
    assert "Use: kept/1600" in words
    assert "No worse beyond noise: iteration 1,800." in words


def test_a_discriminator_that_wins_and_broken_samples_are_answered() -> None:
    assert "its loss is 40% of a blind one's" in said(made(), loss=0.4)
    assert "wins" not in said(made(), loss=0.5)
    broken = torch.zeros(10, 50, dtype=torch.bool)
    broken[:, :20] = True
    assert "--augment color,translation gave the fewest" in said(made(broken=broken))
    assert "gave the fewest" not in said(made(broken=broken), augment="color,translation")
    broken[:, 9:] = False  # 18 %: of real pictures, so many are by luck
    assert "gave the fewest" not in said(made(broken=broken))


def test_without_kid_the_fewest_broken_samples_decide() -> None:
    broken = torch.ones(10, 50, dtype=torch.bool)
    for row in range(10):
        broken[row, : 5 * row] = False
    words = said(made(kid=None, broken=broken))
    assert "Use: kept/2000" in words
    assert "the least broken samples in 1,000, 100.0 ± " in words
    assert "KID" not in words
    assert "helps" in words


def pictures(images: Tensor, name: str) -> ImageSet:
    names = tuple(f"{index:03}.png" for index in range(len(images)))
    return ImageSet(name, images.shape[-1], names, f"{name}-{len(images)}", images=images)


@pytest.fixture(scope="module")
def faces() -> Tensor:
    return load_images("fluent-faces", 64).batch(range(93))


def test_copies_and_mirrored_copies_are_found_without_vgg(faces: Tensor, no_weights: None) -> None:
    training = pictures(faces[:40], "training")
    winking = faces[:40][[i for i in range(40) if differs(faces[i])]][:6]
    new = faces[60:66]
    generators: Any = {
        1: pictures(new, "new"),
        2: pictures(winking, "same"),
        3: pictures(winking.flip(3), "mirrored"),
    }
    found = measure(generators, training, torch.device("cpu"))
    copied = (found.ratios < 0.6).sum(dim=1).tolist()
    assert copied[1:] == [6, 6]
    assert copied[0] < 6
    assert found.ratios[1].max() == found.ratios[2].max() == 0
    assert found.nearest[1].tolist() == found.nearest[2].tolist()
    assert found.kid is not None
    (sentence,) = found.missing
    assert "cannot be judged" in sentence
    assert "vgg16" in sentence


def differs(face: Tensor) -> bool:
    """Whether a face is another one when it is mirrored."""
    return bool((face.float() - face.flip(2).float()).abs().mean() > 2)


def test_kid_is_held_against_halves_of_the_pictures(faces: Tensor, no_weights: None) -> None:
    training = pictures(faces[:40], "training")
    generators: Any = {1: pictures(255 - faces[:12], "negatives"), 2: pictures(faces[50:62], "new")}
    found = measure(generators, training, torch.device("cpu"))
    assert found.kid is not None
    assert found.halves is not None
    assert float(found.kid[0].mean()) > 10 * found.halves
    assert float(found.kid[1].mean()) < 0.1 * float(found.kid[0].mean())
    assert not math.isnan(found.diversity[0])
