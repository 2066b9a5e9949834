"""Which kept generator to use, whether it copies, whether longer training helps, what to change.

All kept generators of a run draw from the same noise, so that what their samples have in common
drops out of every comparison. A difference counts where it is beyond its noise; where it is not,
the answer is "not decided".
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from scipy import stats
from torch import Tensor

from slae_lib.datasets import ImageSet
from slae_lib.evaluation.fid import InceptionFeatures
from slae_lib.evaluation.intervals import CONFIDENCE, FEWEST
from slae_lib.evaluation.kid import contributions, polynomial_mmd
from slae_lib.evaluation.novelty import (
    VggFeatures,
    flagged,
    neighbours_of_features,
    neighbours_of_pixels,
    small_pixels,
)
from slae_lib.support.errors import UsageError
from slae_lib.support.pretrained import MissingWeightsError
from slae_lib.training.diversity import USUAL, are_broken, diversity
from slae_lib.training.recorder import compared, reduced
from slae_lib.training.sampling import GeneratedImages
from slae_lib.training.start import FEW_IMAGES

COLLAPSED = 0.5  # of the real pictures' own diversity
FEW_NEAREST = 0.1  # of the different nearest pictures that chance would give
FLAT = 0.05  # of KID: a change that surely is less is none
CERTAIN, POSSIBLE = 0.01, 0.05  # how rarely chance alone may flag so many copies
WINNING = 0.5  # of the loss of a blind discriminator
AUGMENTS = "translation color,translation color,translation,cutout".split()
_END = (1 + CONFIDENCE) / 2
ADVICE = tomllib.loads((Path(__file__).parent / "advice.toml").read_text("utf-8"))["advice"]


def half_interval(each: Tensor) -> float:
    """Return half of the 95 % interval of the mean of ``each`` (N,), N at least 2."""
    return float(stats.norm.ppf(_END) * each.double().std() / math.sqrt(len(each)))


def trend(at: Sequence[int], each: Tensor, flat: float = FLAT) -> dict[str, Any]:
    """Say whether a measure "falls" or "rises" over the last half of ``at``, beyond its noise.

    Or it is "flat", "not decided", or there are "too few". The noise, half of a 95 % interval, is
    that of which samples were drawn, or Student's of the generators' scatter around the line,
    whichever is larger. How another seed of the training would go is not in it.

    Args:
        at: T iterations, rising.
        each: (T, N), what each of the N samples adds; the measure is the mean over them.
        flat: a change that surely is less than this share of the measure is none.
    """
    count = max(FEWEST, (len(at) + 1) // 2)
    if len(at) < FEWEST:
        return {"word": "too few", "count": len(at), "first": at[0], "change": 0.0, "noise": 0.0}
    x, rows = torch.tensor(at[-count:]).double(), each[-count:].double()
    x, span = x - x.mean(), at[-1] - at[-count]
    slopes = x @ rows / x.square().sum()  # (N,) least squares, whose mean is the measure's slope
    rest = rows.mean(dim=1) - rows.mean() - slopes.mean() * x
    scatter = (rest.square().sum() / (count - 2) / x.square().sum()).sqrt()
    noise = span * max(half_interval(slopes), float(stats.t.ppf(_END, count - 2) * scatter))
    change = span * float(slopes.mean())
    word = "falls" if change < 0 else "rises"
    if abs(change) + noise < flat * abs(float(rows.mean())):
        word = "flat"
    elif abs(change) <= noise:
        word = "not decided"
    return {"word": word, "count": count, "first": at[-count], "change": change, "noise": noise}


def advise(numbers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return group and sentence of what holds in the table of advice for what `judge` found."""
    said = [one for one in ADVICE if numbers.get(one["when"])]
    return [(one["about"], one["say"].format(**numbers)) for one in said]


def copying(copied: int, samples: int, expected: int, training: int) -> str:
    """Say whether samples copy more often than training pictures are near to each other.

    By Fisher's exact test of how many are flagged, of ``samples`` and of ``training`` pictures,
    each against all others: "yes", "not decided" or "no sign".
    """
    table = [[copied, samples - copied], [expected, training - expected]]
    chance = stats.fisher_exact(table, alternative="greater").pvalue
    return "yes" if chance < CERTAIN else "not decided" if chance < POSSIBLE else "no sign"


class Measured(NamedTuple):
    """What T kept generators are worth, by N samples of each, against the training pictures."""

    iterations: list[int]
    kid: Tensor | None  # (T, N) `contributions`; None without Inception
    diversity: list[float]
    broken: Tensor  # (T, N)
    ratios: Tensor  # (T, N) of the distances to the nearest and the second nearest picture
    nearest: Tensor  # (T, N) the number of the nearest
    own_flags: Tensor  # which training pictures are flagged as copies of others
    halves: float | None = None  # KID that 95 of 100 pairs of halves of them stay below
    missing: tuple[str, ...] = ()  # a sentence for each network that is not there


def measure(
    generators: Mapping[int, GeneratedImages], training: ImageSet, device: torch.device
) -> Measured:
    """Hold samples of generators, all of one seed, against three or more training pictures.

    Without the weights of Inception there is no KID; without VGG-16 copies are found in pixels.

    Raises:
        UsageError: if there are fewer pictures.
    """
    if len(training) < 3:
        raise UsageError(
            f"{training.name} has {len(training)} pictures, and without a third nothing says how "
            "near is near; train on more."
        )
    missing: list[str] = []

    def network(kind: type[Any], what: str) -> Any:
        try:
            return kind(device=device)
        except MissingWeightsError as problem:
            missing.append(f"{what} cannot be judged: {problem}")

    inception = network(InceptionFeatures, "KID")
    vgg = network(VggFeatures, "What no pixel shows of copies")
    # KID compares all pairs, of which a large set has too many.
    known = inception and inception.of_stored(training)[:: -(-len(training) // 1000)]
    real, pixels = compared(training), small_pixels(training)
    kid, own, broken, drawn, features = [], [], [], [], []
    for iteration, images in generators.items():
        count = range(len(images))
        once, names = images.batch(count), tuple(map(str, count))
        samples = ImageSet(f"iteration {iteration:,}", once.shape[-1], names, "", images=once)
        kid += [contributions(known, inception.of(samples))] if inception else []
        features += [vgg.of(samples)] if vgg else []
        own.append(diversity(reduced(once), real))
        broken.append(are_broken(reduced(once), real))
        drawn.append(small_pixels(samples))
    # All at once, for the training pictures' distances among themselves are the same for all.
    near = [neighbours_of_pixels(torch.cat(drawn), pixels, mirror) for mirror in (False, True)]
    if vgg:
        near.append(neighbours_of_features(torch.cat(features), vgg.of_stored(training)))
    ratios, by = torch.stack([one.ratios for one in near]).min(dim=0)
    nearest = torch.stack([one.nearest for one in near]).gather(0, by[None])
    found = Measured(
        iterations=list(generators),
        kid=torch.stack(kid) if kid else None,
        diversity=own,
        broken=torch.stack(broken),
        ratios=ratios.reshape(len(own), -1),
        nearest=nearest.reshape(len(own), -1),
        own_flags=flagged(*(one.training_ratios for one in near)),
        missing=tuple(missing),
    )
    if not inception or len(known) < 4:
        return found
    source = torch.Generator().manual_seed(0)
    orders = [torch.randperm(len(known), generator=source) for _ in range(100)]
    pairs = torch.tensor([polynomial_mmd(*known[order].chunk(2)) for order in orders])
    return found._replace(halves=float(pairs.quantile(CONFIDENCE)))


def judge(found: Measured, seen: int, augment: str, loss: float = 1.0) -> dict[str, Any]:
    """Return what the table of advice speaks of, by name, but for files and how to resume.

    Args:
        found: what was measured.
        seen: images that the last generator has learned from.
        augment: the augmentation of the run.
        loss: of the discriminator lately; 1 is that of a blind one.
    """
    worth = 1000 * (found.broken.double() if found.kid is None else found.kid)
    (total, samples), training = worth.shape, len(found.own_flags)
    expected = int(found.own_flags.sum())
    fewest = FEW_NEAREST * training * (1 - (1 - 1 / training) ** samples)
    rows: list[dict[str, Any]] = []
    for i, iteration in enumerate(found.iterations):
        own, broken = found.diversity[i], float(found.broken[i].double().mean())
        flags, different = int(flagged(found.ratios[i]).sum()), len(found.nearest[i].unique())
        row: dict[str, Any] = {"iteration": iteration, "diversity": own, "broken": broken}
        row |= {"value": float(worth[i].mean()), "noise": half_interval(worth[i]), "flags": flags}
        row |= {"copies": copying(flags, samples, expected, training), "copied": flags / samples}
        rows += [row | {"different": different, "collapsed": own < COLLAPSED or different < fewest}]
    whole = [i for i in range(total) if not rows[i]["collapsed"]]
    good = [i for i in whole if rows[i]["copies"] != "yes"]
    # KID alone would choose the one that copies most. Of equal ones the last: it learned longest.
    pool = good or whole or range(total)
    best = min(reversed(pool), key=lambda i: rows[i]["value"])
    more = {i: worth[i] - worth[best] for i in pool if i != best}
    tied = [i for i, each in more.items() if float(each.mean()) <= half_interval(each)]
    last, line = rows[-1], trend(found.iterations, worth, FLAT if found.kid is not None else 0)
    shown = last if last["copies"] != "no sign" else rows[best]
    copies = last["copies"] == "yes"
    # At first all samples are alike as well, but look like no picture.
    began = last["broken"] < 0.5 or last["diversity"] < max(found.diversity) / 2
    collapsed, chance = last["collapsed"] and (began or seen >= FEW_IMAGES), 1 - USUAL
    early = seen < FEW_IMAGES and not copies and not collapsed
    much = chance + 2 * math.sqrt(chance * USUAL / samples)  # so many new real ones: by luck
    has = set(augment.split(",")) - {"none", ""}
    stronger = [f"--augment {one}" for one in AUGMENTS if {*one.split(",")} > has] or ["--flip"]
    halves = f"; two halves of the real pictures, {1000 * found.halves:.1f}" if found.halves else ""
    asked = {
        "collapsed": collapsed,
        "copying": copies,
        "early": early,
        "go on": line["word"] == "falls" and not (early or copies or collapsed),
        "winning": loss < WINNING,
        "smeared": rows[best]["broken"] > much and not ("color" in has or early or collapsed),
    }
    numbers: dict[str, Any] = {"generators": rows, "best": rows[best], "last": last, **asked}
    numbers |= {"shown": shown, line["word"]: True, "well": not any(asked.values()), **line}
    numbers |= {"measure": "KID x 1000" if found.kid is not None else "broken samples in 1,000"}
    fit = f"{len(good)} of them neither copying nor collapsed"
    alone = fit if good else "all with samples alike or copied"
    numbers |= {"among": f"of {total} kept generators, {alone}, it", "always": True}
    numbers |= {"tied": ", ".join(f"{found.iterations[i]:,}" for i in tied), "halves": halves}
    numbers |= {"samples": samples, "training": training, "expected": expected, "loss": loss}
    numbers |= {"copies": shown["copies"], "less": -line["change"], "stronger": stronger[0]}
    return numbers | {"seen": seen, "few": FEW_IMAGES}
