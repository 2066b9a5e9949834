"""Which kept generator to use, whether it copies, whether longer training helps, what to change.

All kept generators of a run draw from the same noise, so that what their samples have in common
drops out of every comparison. A difference counts where it is beyond its noise; where it is not,
the answer is "not decided".
"""

import math
from collections.abc import Mapping, Sequence
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
_LAST = "over the last {count} kept generators, from iteration {first:,} on, {measure}"

# Group, what has to hold, sentence. Of what to change, more iterations, colours, and the loss of a
# discriminator that knows the pictures by heart stand in figures/results/README.md; augmentation
# and more pictures against collapse and copies in Zhao et al., "Differentiable Augmentation", and
# Karras et al., "Training GANs with Limited Data" (both 2020).
ADVICE = (
    ("Use", "use", "{best[file]}: {among} has the least {measure}, {best[value]:.1f} ± "
     "{best[noise]:.1f}{halves}."),
    ("Use", "tied", "No worse beyond noise: iteration {tied}."),
    ("Use", "use", "Its {samples} samples differ {best[diversity]:.2f} times as much from each "
     "other as the real pictures; {best[broken]:.0%} are broken, of new real pictures 10 %."),
    ("Copies", "use", "{copies}: {shown[flags]} of {samples} samples of iteration "
     "{shown[iteration]:,} are much nearer to one training picture than to any other; so are "
     "{expected} of the {training} training pictures among themselves."),
    ("Longer", "falls", f"helps: {_LAST} fell by {{less:.1f}} ± {{noise:.1f}}."),
    ("Longer", "rises", f"harms: {_LAST} rose by {{change:.1f}} ± {{noise:.1f}}."),
    ("Longer", "flat", f"gains nothing: {_LAST} changed by {{change:+.1f}} ± {{noise:.1f}}, less "
     "than 5 % of it."),
    ("Longer", "not decided", f"not decided: {_LAST} changed by {{change:+.1f}} ± {{noise:.1f}}."),
    ("Longer", "too few", "not decided: a trend takes three kept generators and there are {count}; "
     "a run keeps one every --sample-every iterations."),
    ("Next", "collapsed", "It has collapsed: the last samples differ {last[diversity]:.2f} times "
     "as much as the real pictures, and {last[different]} of {training} are their nearest; begin "
     "anew with {stronger}, or more pictures."),
    ("Next", "copying", "It copies: begin anew with {stronger} or more than {training} pictures, "
     "and stop earlier."),
    ("Next", "early", "Too early: it has seen {seen:,} images, and below {few:,} grey squares and "
     "blots are normal; {resume}."),
    ("Next", "go on", "Train on: {resume}."),
    ("Next", "winning", "The discriminator wins, as if it knew the pictures by heart: its loss is "
     "{loss:.0%} of a blind one's; begin anew with {stronger}, or more pictures."),
    ("Next", "smeared", "Against broken samples: --augment color,translation gave the fewest, "
     "1.1 %, of thirteen settings of the lab, and the blurriest faces."),
    ("Next", "well", "Nothing that these numbers ask for; another --seed tells what was luck."),
)  # fmt: skip


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


def copying(copied: int, samples: int, expected: int, training: int) -> str:
    """Say whether samples copy more often than training pictures are near to each other.

    By Fisher's exact test of how many are flagged, of ``samples`` and of ``training`` pictures,
    each against all others: "yes", "not decided" or "no sign".
    """
    table = [[copied, samples - copied], [expected, training - expected]]
    chance = stats.fisher_exact(table, alternative="greater").pvalue
    return "yes" if chance < CERTAIN else "not decided" if chance < POSSIBLE else "no sign"


class Measured(NamedTuple):
    """What T kept generators are worth, by N samples of each, against M training pictures."""

    iterations: list[int]
    kid: Tensor | None  # (T, N) `contributions`; None without Inception
    diversity: list[float]
    broken: Tensor  # (T, N)
    ratios: Tensor  # (T, N) of the distances to the nearest and the second nearest picture
    nearest: Tensor  # (T, N) the number of the nearest
    expected: int  # how many training pictures are flagged as copies of others
    training: int  # M
    halves: float | None = None  # KID that 95 of 100 pairs of halves of the pictures stay below
    missing: tuple[str, ...] = ()  # a sentence for each network that is not there


def measure(
    generators: Mapping[int, GeneratedImages], training: ImageSet, device: torch.device
) -> Measured:
    """Hold samples of generators, all of one seed, against the training pictures.

    Without the weights of Inception there is no KID; without VGG-16 copies are found in pixels.

    Raises:
        UsageError: if there are fewer than three pictures.
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
    vgg = network(VggFeatures, "Copies that no pixel shows")
    # KID compares all pairs, of which a large set has too many.
    known = inception and inception.of_stored(training)[:: -(-len(training) // 1000)]
    real, pixels = compared(training), small_pixels(training)
    kid, own, broken, drawn, features = [], [], [], [], []
    for iteration, images in generators.items():
        once = images.batch(range(len(images)))
        names = tuple(map(str, range(len(images))))
        samples = ImageSet(f"iteration {iteration:,}", once.shape[-1], names, "", images=once)
        kid += [contributions(known, inception.of(samples))] if inception else []
        features += [vgg.of(samples)] if vgg else []
        own.append(diversity(reduced(once), real))
        broken.append(are_broken(reduced(once), real))
        drawn.append(small_pixels(samples))
    # All at once, for the training pictures' distances among themselves are the same for all.
    found = [neighbours_of_pixels(torch.cat(drawn), pixels, mirror) for mirror in (False, True)]
    if vgg:
        found.append(neighbours_of_features(torch.cat(features), vgg.of_stored(training)))
    ratios, by = torch.stack([near.ratios for near in found]).min(dim=0)
    nearest = torch.stack([near.nearest for near in found]).gather(0, by[None])
    halves = None
    if inception and len(known) > 3:
        source = torch.Generator().manual_seed(0)
        orders = [torch.randperm(len(known), generator=source) for _ in range(100)]
        pairs = [polynomial_mmd(*known[order].chunk(2)) for order in orders]
        halves = float(torch.tensor(pairs).quantile(CONFIDENCE))
    return Measured(
        list(generators),
        torch.stack(kid) if kid else None,
        own,
        torch.stack(broken),
        ratios.reshape(len(own), -1),
        nearest.reshape(len(own), -1),
        int(flagged(*(near.training_ratios for near in found)).sum()),
        len(training),
        halves,
        tuple(missing),
    )


def judge(found: Measured, seen: int, augment: str, loss: float = 1.0) -> dict[str, Any]:
    """Return what `ADVICE` speaks of, by name, but for the files and how to resume.

    Args:
        found: what was measured.
        seen: images that the last generator has learned from.
        augment: the augmentation of the run.
        loss: of the discriminator lately; 1 is that of a blind one.
    """
    worth = 1000 * (found.broken.double() if found.kid is None else found.kid)
    samples, training = worth.shape[1], found.training
    fewest = FEW_NEAREST * training * (1 - (1 - 1 / training) ** samples)
    rows: list[dict[str, Any]] = []
    for i, iteration in enumerate(found.iterations):
        flags, different = int(flagged(found.ratios[i]).sum()), len(found.nearest[i].unique())
        rows.append(
            {
                "iteration": iteration,
                "value": float(worth[i].mean()),
                "noise": half_interval(worth[i]),
                "diversity": found.diversity[i],
                "broken": float(found.broken[i].double().mean()),
                "flags": flags,
                "copied": flags / samples,
                "copies": copying(flags, samples, found.expected, training),
                "different": different,
                "collapsed": found.diversity[i] < COLLAPSED or different < fewest,
            }
        )
    whole = [i for i, row in enumerate(rows) if not row["collapsed"]] or [*range(len(rows))]
    good = [i for i in whole if rows[i]["copies"] != "yes" and not rows[i]["collapsed"]]
    # KID alone would choose the one that copies most. Of equal ones the last: it learned longest.
    best = min(reversed(good or whole), key=lambda i: rows[i]["value"])
    more = {i: worth[i] - worth[best] for i in good or whole if i != best}
    tied = [i for i, each in more.items() if float(each.mean()) <= half_interval(each)]
    last, line = rows[-1], trend(found.iterations, worth, FLAT if found.kid is not None else 0)
    copies = last["copies"] == "yes"
    shown = last if last["copies"] != "no sign" else rows[best]
    # At first all samples are alike as well, but look like no picture.
    whole_ones = 2 * last["broken"] < 1 or 2 * last["diversity"] < max(found.diversity)
    collapsed = last["collapsed"] and (whole_ones or seen >= FEW_IMAGES)
    early = seen < FEW_IMAGES and not copies and not collapsed
    share, chance = rows[best]["broken"], 1 - USUAL
    much = chance + 2 * math.sqrt(chance * USUAL / samples)  # so many of real pictures: by luck
    stronger = [policy for policy in AUGMENTS if len(policy) > len(augment)]
    halves = found.halves and 1000 * found.halves
    numbers = {
        "generators": rows,
        "best": rows[best],
        "last": last,
        "shown": shown,
        "copies": shown["copies"],
        **line,
        "less": -line["change"],
        "measure": "KID x 1000" if found.kid is not None else "broken samples in 1,000",
        "among": f"of {len(rows)} kept generators, {len(good) or 'none'} of them good, it",
        "halves": f"; two halves of the real pictures, {halves:.1f}" if halves else "",
        "tied": ", ".join(f"{found.iterations[i]:,}" for i in tied),
        "samples": samples,
        "training": training,
        "expected": found.expected,
        "seen": seen,
        "few": FEW_IMAGES,
        "loss": loss,
        "stronger": f"--augment {stronger[0]}" if stronger else "--flip",
        "use": True,
        line["word"]: True,
        "collapsed": collapsed,
        "copying": copies,
        "early": early,
        "go on": line["word"] == "falls" and not (early or copies or collapsed),
        "winning": loss < WINNING,
        "smeared": share > much and "color" not in augment and not early,
    }
    asked = ("collapsed", "copying", "early", "go on", "winning", "smeared")
    return {**numbers, "well": not any(numbers[name] for name in asked)}
