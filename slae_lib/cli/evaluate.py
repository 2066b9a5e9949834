"""``slae evaluate``."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from slae_lib.cli.evaluate_options import (
    DATA,
    DEVICE,
    MODE,
    NEEDED_RUN,
    OUT,
    RESAMPLES,
    SEED,
    SIDE,
    comparison_options,
    count_option,
    search_options,
)
from slae_lib.support.errors import LabError, UsageError

if TYPE_CHECKING:
    from slae_lib.cli.measurements import Features
    from slae_lib.cli.report import Report
    from slae_lib.evaluation.backtracking import DistanceKind


@click.group()
def evaluate() -> None:
    """Measure a finished generator: FID, KID, novelty, back-tracking.

    On a CPU 5,000 images take half an hour: give --count 500 there, and compare like with like.

    FID is biased with few images, and FID and KID are lowest for a generator that copies its
    training images: read them beside novelty.
    """


@evaluate.command()
@comparison_options
@RESAMPLES
def fid(resamples: int, **options: Any) -> None:
    """FID with its interval, and KID beside it.

    Either --run, against its training images, or --real and --fake.
    """
    from slae_lib.evaluation.fid import compare_features

    (real, generated), report, out = _features("fid", **options)
    report.add_fid(compare_features(real, generated, resamples, options["seed"]))
    _finish(report, out)


@evaluate.command()
@comparison_options
def kid(**options: Any) -> None:
    """KID, which has no bias however few images there are.

    Either --run, against its training images, or --real and --fake.
    """
    from slae_lib.evaluation.kid import kernel_distance

    (real, generated), report, out = _features("kid", **options)
    report.add_kid(kernel_distance(real, generated, seed=options["seed"]))
    _finish(report, out)


@evaluate.command()
@NEEDED_RUN
@DATA
@count_option("--count", 100, "Images to generate.")
@SEED
@MODE
@SIDE
@DEVICE
@OUT
def novelty(count: int, side: int, out: Path | None, **options: Any) -> None:
    """Nearest training images of samples; flags copies."""
    from slae_lib.cli.measurements import Subject, add_novelty

    subject = Subject(**options)
    out = _checked(out or subject.default_out("novelty"))
    report = subject.report(_command())
    add_novelty(report, subject, count, side)
    _finish(report, out)


@evaluate.command()
@NEEDED_RUN
@DATA
@search_options
@click.option("--optimise-metadata", is_flag=True, help="Search for metadata as well.")
@click.option(
    "--metadata",
    "mode",
    default="bank",
    show_default=True,
    help="Metadata of the starts: bank, mix, gaussian, a picture's file name, or target: that of "
    "each image itself.",
)
@SEED
@DEVICE
@OUT
def lpips(
    images: str | None,
    targets: int,
    distance: "DistanceKind",
    steps: int,
    restarts: int,
    optimise_metadata: bool,
    mode: str,
    out: Path | None,
    **options: Any,
) -> None:
    """Latent back-tracking: how near can the generator come to given images?"""
    from slae_lib.cli.measurements import Subject, add_backtracking
    from slae_lib.evaluation.backtracking import Search

    of_target = mode == "target"
    subject = Subject(mode="bank" if of_target else mode, **options)
    out = _checked(out or subject.default_out("lpips"))
    report = subject.report(_command())
    add_backtracking(
        report,
        subject,
        images=images,
        targets=targets,
        distance=distance,
        restarts=restarts,
        search=Search(steps=steps, optimise_metadata=optimise_metadata),
        metadata_of_target=of_target,
    )
    _finish(report, out)


@evaluate.command("all")
@NEEDED_RUN
@DATA
@count_option("--count", 5000, "Images to generate for FID and KID.", least=2)
@count_option("--samples", 100, "Images to generate for novelty.")
@search_options
@SEED
@MODE
@SIDE
@RESAMPLES
@DEVICE
@OUT
def everything(
    count: int,
    samples: int,
    images: str | None,
    targets: int,
    distance: "DistanceKind",
    steps: int,
    restarts: int,
    side: int,
    resamples: int,
    out: Path | None,
    **options: Any,
) -> None:
    """FID, KID, novelty and back-tracking; what cannot be measured is named and left out."""
    from slae_lib.cli.measurements import (
        Subject,
        add_backtracking,
        add_novelty,
        features_of_run,
    )
    from slae_lib.datasets import load_images
    from slae_lib.evaluation.backtracking import Search
    from slae_lib.evaluation.fid import compare_features

    subject = Subject(**options)
    target = _checked(out or subject.default_out("all"))
    report = subject.report(_command())
    if images is not None:  # before an hour of measuring: are they there?
        load_images(images, subject.samples.resolution)

    def measure_fid() -> None:
        features = features_of_run(subject, count)
        report.add_fid(compare_features(*features, resamples, options["seed"]))

    def measure_backtracking() -> None:
        add_backtracking(
            report,
            subject,
            images=images,
            targets=targets,
            distance=distance,
            restarts=restarts,
            search=Search(steps=steps),
        )

    missing = []
    try:
        for name, measure in (
            ("fid", measure_fid),
            ("novelty", lambda: add_novelty(report, subject, samples, side)),
            ("backtracking", measure_backtracking),
        ):
            try:
                measure()
            except LabError as problem:
                report.add_missing(name, str(problem))
                missing.append(problem)
    except BaseException:  # stopped, or no memory: what is measured took its time
        if report.rows:
            click.echo(report.table())
        raise
    if len(missing) == 3:
        raise missing[0]
    _finish(report, target)


def _features(
    what: str,
    *,
    run: Path | None,
    data: str | None,
    real: str | None,
    fake: str | None,
    resolution: int | None,
    count: int,
    seed: int,
    mode: str,
    device: str,
    out: Path | None,
) -> tuple["Features", "Report", Path | None]:
    """Return the Inception features of both sides, a report to fill, and where it goes."""
    from slae_lib.cli.measurements import Subject, features_of_folders, features_of_run
    from slae_lib.cli.report import Report
    from slae_lib.training.sampling import check_seed

    check_seed(seed)
    if run is not None and real is None and fake is None:
        if resolution is not None:
            raise UsageError("--resolution is for two folders; a run has its own.")
        subject = Subject(run, data, seed, mode, device)
        out = _checked(out or subject.default_out(what))
        report = subject.report(_command())
        return features_of_run(subject, count), report, out
    if run is not None or real is None or fake is None:
        raise UsageError("Give either --run RUN, or both --real and --fake.")
    if data is not None:
        raise UsageError("--data belongs to --run; with --fake the other side is --real.")
    if out is not None:
        _checked(out)
    report = Report(_command(), {"seed": seed})
    return features_of_folders(real, fake, resolution, device, report), report, out


def _checked(out: Path) -> Path:
    """Return ``out``; refuse it before anything is measured if it cannot be written."""
    from slae_lib.support.files import check_writable

    check_writable(out)
    return out


def _finish(report: "Report", out: Path | None) -> None:
    # The numbers first: whatever cannot be written or drawn, they are not lost.
    click.echo(report.table())
    if out is not None:
        report.save(out)
        report.draw(out)
        click.echo("\nMade:")
        for path in (out, *report.pictures):
            click.echo(f"  {path}")


def _command() -> str:
    return shlex.join(["slae", *sys.argv[1:]])
