"""``slae evaluate``."""

import shlex
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from slae_lib.cli.evaluate_options import (
    COMPARISON,
    DATA,
    DEVICE,
    MODE,
    OUT,
    RESAMPLES,
    SEARCH,
    SEED,
    SIDE,
    metadata_option,
    number,
    run_option,
    together,
)
from slae_lib.support.errors import LabError, UsageError

if TYPE_CHECKING:
    from slae_lib.cli.report import Report
    from slae_lib.cli.subjects import Folders, Subject


@click.group()
def evaluate() -> None:
    """Measure a finished generator: FID, KID, novelty, back-tracking.

    On a CPU 5,000 images take a quarter of an hour: give --count 500 there, and compare like with
    like.

    FID is biased with few images, and FID and KID are lowest for a generator that copies its
    training images: read them beside novelty.
    """


@evaluate.command()
@COMPARISON
@RESAMPLES
def fid(count: int, resamples: int, **subject: Any) -> None:
    """FID with its interval, and KID beside it.

    Either --run, against its training images, or --real and --fake.
    """
    from slae_lib.cli.measurements import add_fid

    _measure("fid", {"fid": partial(add_fid, count=count, resamples=resamples)}, **subject)


@evaluate.command()
@COMPARISON
def kid(count: int, **subject: Any) -> None:
    """KID, which has no bias however few images there are.

    Either --run, against its training images, or --real and --fake.
    """
    from slae_lib.cli.measurements import add_kid

    _measure("kid", {"kid": partial(add_kid, count=count)}, **subject)


@evaluate.command()
@run_option(required=True)
@together(DATA, number("--count", 100, "Images to generate."), SEED, MODE, SIDE, DEVICE, OUT)
def novelty(count: int, side: int, **subject: Any) -> None:
    """Nearest training images of samples; flags copies."""
    from slae_lib.cli.measurements import add_novelty

    _measure("novelty", {"novelty": partial(add_novelty, count=count, side=side)}, **subject)


@evaluate.command()
@run_option(required=True)
@together(DATA, SEARCH)
@click.option("--optimise-metadata", is_flag=True, help="Search for metadata as well.")
@metadata_option(
    "Metadata of the starts: bank, mix, gaussian, a picture's file name, or target: that of each "
    "image itself."
)
@together(SEED, DEVICE, OUT)
def backtracking(mode: str, optimise_metadata: bool, **options: Any) -> None:
    """Latent back-tracking: how near can the generator come to given images?"""
    from slae_lib.cli.measurements import add_backtracking

    of_target = mode == "target"
    search = _search(options)
    search |= {"optimise_metadata": optimise_metadata, "metadata_of_target": of_target}
    measures = {"backtracking": partial(add_backtracking, **search)}
    _measure("backtracking", measures, mode="bank" if of_target else mode, **options)


@evaluate.command("all")
@run_option(required=True)
@DATA
@number("--count", 5000, "Images to generate for FID and KID.", least=2)
@number("--samples", 100, "Images to generate for novelty.")
@together(SEARCH, SEED, MODE, SIDE, RESAMPLES, DEVICE, OUT)
def everything(count: int, samples: int, side: int, resamples: int, **options: Any) -> None:
    """FID, KID, novelty and back-tracking; what cannot be measured is named and left out."""
    from slae_lib.cli.measurements import add_backtracking, add_fid, add_novelty
    from slae_lib.datasets import load_images

    search = _search(options)
    if search["images"] is not None:  # before an hour of measuring: are they there?
        load_images(search["images"], 64)
    measures = {
        "fid": partial(add_fid, count=count, resamples=resamples),
        "novelty": partial(add_novelty, count=samples, side=side),
        "backtracking": partial(add_backtracking, **search),
    }
    _measure("all", measures, **options)


def _search(options: dict[str, Any]) -> dict[str, Any]:
    """Take what `SEARCH` adds out of ``options``."""
    return {
        name: options.pop(name) for name in ("images", "targets", "distance", "steps", "restarts")
    }


def _measure(
    what: str,
    measures: "Mapping[str, Callable[[Report, Any], None]]",
    *,
    out: Path | None,
    **options: Any,
) -> None:
    """Take measures, print the table, and write JSON and pictures.

    A measure that fails is named in the report, unless none can be taken at all.
    """
    from slae_lib.cli.report import Report
    from slae_lib.support.files import check_still_there, check_writable

    subject = _subject(**options)
    out = out or subject.default_out(what)
    there = out is not None and out.parent.is_dir()
    if out is not None:
        check_writable(out)
    report = Report(shlex.join(["slae", *sys.argv[1:]]), subject.facts())
    missing: list[LabError] = []
    try:
        for name, measure in measures.items():
            try:
                measure(report, subject)
            except LabError as problem:
                report.add_missing(name, str(problem))
                missing.append(problem)
    except BaseException:  # stopped, or no memory: what is measured took its time
        if report.rows:
            click.echo(report.table())
        raise
    if len(missing) == len(measures):
        raise missing[0]
    # The numbers first: whatever cannot be written or drawn, they are not lost.
    click.echo(report.table())
    if out is not None:
        check_still_there(out.parent, there)
        report.save(out)
        report.draw(out)
        click.echo("\nMade:")
        for path in (out, *report.pictures):
            click.echo(f"  {path}")


def _subject(
    *,
    run: Path | None,
    data: str | None,
    seed: int,
    mode: str,
    device: str,
    real: str | None = None,
    fake: str | None = None,
    resolution: int | None = None,
) -> "Subject | Folders":
    """Return what is measured: a generator with its training images, or two folders."""
    from slae_lib.cli.subjects import Folders, Subject

    if run is not None and real is None and fake is None:
        if resolution is not None:
            raise UsageError("--resolution is for two folders; a run has its own.")
        return Subject(run, data, seed, mode, device)
    if run is not None or real is None or fake is None:
        raise UsageError("Give either --run RUN, or both --real and --fake.")
    if data is not None:
        raise UsageError("--data belongs to --run; with --fake the other side is --real.")
    return Folders(real, fake, resolution, seed, device)
