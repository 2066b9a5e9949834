"""Whole measurements, from a `Subject` or two folders of pictures to a `Report`.

This is what ``slae evaluate`` does: each function fills a report and draws its pictures. It is
given all options of the command, and takes those that are its own; what each of them means is said
where they are made, in `slae_lib.cli.evaluate`.
"""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from slae_lib.cli.report import Report
from slae_lib.cli.subjects import Folders, Subject
from slae_lib.datasets import ImageSet, load_images
from slae_lib.evaluation.backtracking import (
    DistanceKind,
    Search,
    backtrack,
    named_distance,
    own_metadata,
    starting_points,
)
from slae_lib.evaluation.fid import compare_features
from slae_lib.evaluation.intervals import FEWEST, Interval
from slae_lib.evaluation.novelty import CRITERION, Neighbours, VggFeatures, measure_novelty
from slae_lib.plotting.evaluation import novelty_figure, pairs_figure, reconstruction_figure
from slae_lib.support.pretrained import MissingWeightsError

SHOWN_PAIRS = 16


def add_fid(
    report: Report, subject: Subject | Folders, *, count: int, resamples: int, **_: Any
) -> None:
    """Measure FID with its interval, and KID beside it."""
    result = compare_features(*subject.features(count), resamples, subject.seed)
    interval, words = _interval(result.interval, result.generated, 3)
    values = {
        "fid": result.fid,
        "interval_95": interval,
        "interval_covers": "which images were generated, or are on the --fake side",
        "real_images": result.real,
        "generated_images": result.generated,
    }
    images = f"{result.real} real, {result.generated} generated"
    rows = [("images", images), ("FID", f"{result.fid:.3f}{words}")]
    report.add("fid", values, rows, result.note)
    kid = result.kid
    values = {
        "kid": kid.mean,
        "deviation": None if kid.whole else kid.deviation,
        "subsets": kid.subsets,
        "subset_size": kid.subset_size,
    }
    spread = f"deviation {1000 * kid.deviation:.3f} over {kid.subsets} subsets of"
    if kid.whole:
        spread = "no deviation: the only subset is the whole set of"
    words = f"{1000 * kid.mean:.3f}   {spread} {kid.subset_size}"
    report.add("kid", values, [("KID x 1000", words)])


def add_novelty(report: Report, subject: Subject, *, samples: int, side: int, **_: Any) -> None:
    """Measure the novelty of samples, to be drawn beside their nearest images."""
    drawn, training = subject.samples.first(samples), subject.training
    result = measure_novelty(drawn, training, VggFeatures(side, drawn.device))
    features, copied = result.features, result.copied
    values = {
        "samples": len(copied),
        "copied": int(copied.sum()),
        "copied_samples": copied.nonzero().flatten().tolist(),
        "expected_without_copying": result.expected,
        "criterion": CRITERION,
        "vgg16_side": side,
        "pixels": _neighbours(result.pixels, training.names),
        "features": _neighbours(features, training.names),
    }
    share = f"({float(copied.float().mean()):.0%}; {result.expected:.0%} expected without copying)"
    rows = [("flagged as copied", f"{values['copied']} of {len(copied)} samples {share}")]
    for found in (features, result.pixels):
        median, own = float(found.distances.median()), float(found.training.median())
        label = f"{found.measure.split(' ')[0]} distance"
        rows += [
            (label, f"median {median:.4f}   among training images {own:.4f}"),
            ("", f"{found.different} different nearest of {len(training)} training images"),
        ]
    report.add("novelty", values, rows, CRITERION)

    closest = features.distances.argsort()[:SHOWN_PAIRS]
    nearest = features.nearest[closest]
    report.drawings["pairs"] = lambda: pairs_figure(
        drawn.batch(closest),
        training.batch(nearest),
        features.distances[closest].tolist(),
        measure=features.measure,
        names=[training.names[index] for index in nearest.tolist()],
        copied=copied[closest].tolist(),
        title=f"The samples nearest to a training image ({len(closest)} of {samples})",
        attribution=training.attribution,
    )
    report.drawings["novelty"] = lambda: novelty_figure(result)


def add_backtracking(
    report: Report,
    subject: Subject,
    *,
    images: str | None,
    targets: int,
    distance: DistanceKind,
    steps: int,
    restarts: int,
    optimise_metadata: bool = False,
    metadata_of_target: bool = False,
    **_: Any,
) -> None:
    """Look for given images in the generator's range.

    Raises:
        MissingWeightsError: if the distance needs weights that cannot be had.
    """
    source = subject.samples
    try:
        measure = named_distance(distance, source.device)
    except MissingWeightsError as problem:
        if distance != "lpips":
            raise
        raise MissingWeightsError(
            f"{str(problem).rstrip('.')}; --distance vgg is the uncalibrated form, whose numbers "
            "are no LPIPS."
        ) from problem
    given = subject.training if images is None else load_images(images, source.resolution)
    count = min(targets, len(given))
    chosen = [index * len(given) // count for index in range(count)]
    names = [given.names[index] for index in chosen]
    pictures = given.batch(chosen).cpu()
    noise, metadata = starting_points(source, pictures, restarts)
    if metadata_of_target:
        metadata = own_metadata(source, pictures).expand(restarts, -1, -1)
        report.facts["metadata"] = "target"
    search = Search(steps=steps, optimise_metadata=optimise_metadata)
    result = backtrack(source.generator, pictures, measure, noise, metadata, search)
    known = _count_known(pictures, subject.training) if subject.knows_training else None
    interval, words = _interval(result.interval, count, 4)
    values = {
        "distance": result.distance_name,
        "mean": result.mean,
        "interval_95": interval,
        "mean_at_random_start": float(result.start.mean()),
        "data": given.name,
        "training_images_among_them": known,
        "restarts": restarts,
        **asdict(search),
        "noise_length": result.noise_length,
        "images": dict(zip(names, _rounded(result.distances), strict=True)),
    }
    rows = [
        ("reconstructed", f"{count} images of {given.name}"),
        (result.distance_name, f"{result.mean:.4f}{words}"),
        ("  at a random start", f"{values['mean_at_random_start']:.4f}"),
    ]
    note = (
        f"{known} of the {count} reconstructed images are training images, and those measure "
        "memory; give images that were held back with --images."
    )
    report.add("backtracking", values, rows, note if known else "")
    report.drawings["reconstructions"] = lambda: reconstruction_figure(
        pictures,
        result.reconstructions,
        result.distances.tolist(),
        distance_name=result.distance_name,
        names=names,
        attribution=given.attribution,
    )


def _count_known(pictures: Tensor, training: ImageSet) -> int:
    """Return how many of ``pictures`` are training images, pixel by pixel."""
    wanted = {picture.numpy().tobytes() for picture in pictures}
    found: set[bytes] = set()
    for indices in torch.arange(len(training)).split(64):
        found |= wanted & {image.numpy().tobytes() for image in training.batch(indices).cpu()}
    return sum(picture.numpy().tobytes() in found for picture in pictures)


def _interval(interval: Interval, count: int, digits: int) -> tuple[list[float] | None, str]:
    """Return an interval as JSON and in words, or nothing if it says nothing."""
    if count < FEWEST:
        return None, ""
    low, high = interval
    return [low, high], f"   95 % interval {low:.{digits}f} to {high:.{digits}f}"


def _neighbours(found: Neighbours, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "measure": found.measure,
        "median": float(found.distances.median()),
        "median_among_training": float(found.training.median()),
        "median_ratio": float(found.ratios.median()),
        "different_nearest": found.different,
        "nearest": [names[index] for index in found.nearest.tolist()],
        "distances": _rounded(found.distances),
        "ratios": _rounded(found.ratios),
    }


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 6) for value in values.tolist()]
