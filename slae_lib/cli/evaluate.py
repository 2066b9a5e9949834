"""``slae evaluate``."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from slae_lib.cli.options import Decorator, choice, metadata_option, number, path, together
from slae_lib.config import RESOLUTIONS
from slae_lib.support.errors import LabError, UsageError

if TYPE_CHECKING:
    from slae_lib.cli.subjects import Folders, Subject


def run_option(required: bool) -> Decorator:
    """Return the option for what is measured."""
    return path("--run", "Folder of a finished run, or a generator.safetensors.", required=required)


DATA = click.option("--data", help="Training images  [default: what the run was trained on]")
SEED = click.option("--seed", type=int, default=0, show_default=True, help="Of all random choices.")
MODE = metadata_option(
    "Metadata of the generated images: bank, mix, gaussian or a picture's file name."
)
DEVICE = choice("--device", "auto", ["auto", "cpu"], "The accelerator if there is one, or the CPU.")
OUT = path(
    "--out", "JSON file; pictures go beside it  [default: evaluation-WHAT.json in the run's folder]"
)
SIDE = choice(
    "--side",
    64,
    [64, 128, 256],
    "Side length at which VGG-16 sees the images; small ones see through blur, and are fast.",
)
RESAMPLES = number("--resamples", 200, "Of the bootstrap interval.", least=2)
SEARCH = together(  # of latent back-tracking
    click.option(
        "--images",
        help="Held-out images to reconstruct, folder or name  [default: training images]",
    ),
    number("--targets", 8, "Images to reconstruct, spread over the set."),
    choice(
        "--distance",
        "lpips",
        ["lpips", "vgg", "l1"],
        "Calibrated LPIPS, uncalibrated VGG-16 distance, or L1; the result says which.",
    ),
    number("--steps", 200, "Of the search, from each start."),
    number("--restarts", 2, "Random starts for each image."),
)


@click.group()
def evaluate() -> None:
    """Measure a finished generator: FID, KID, novelty, back-tracking.

    On a CPU 5,000 images take a quarter of an hour: give --count 500 there, and compare like with
    like.

    FID is biased with few images, and FID and KID are lowest for a generator that copies its
    training images: read them beside novelty.
    """


@evaluate.command()
@run_option(required=False)
@DATA
@click.option("--real", help="Folder of pictures or name of a data set.")
@click.option("--fake", help="Folder of pictures or name of a data set.")
@choice(
    "--resolution",
    None,
    RESOLUTIONS,
    "Bring both folders to this size as training does  "
    "[default: every picture at its own size, as pytorch-fid]",
)
@number("--count", 5000, "Images to generate.", least=2)
@together(SEED, MODE, RESAMPLES, DEVICE, OUT)
def fid(**options: Any) -> None:
    """FID with its interval, and KID, which has no bias however few images there are.

    Either --run, against its training images, or --real and --fake.
    """
    _measure("fid", ["fid"], **options)


@evaluate.command()
@run_option(required=True)
@together(DATA, number("--count", 100, "Images to generate."), SEED, MODE, SIDE, DEVICE, OUT)
def novelty(count: int, **options: Any) -> None:
    """Nearest training images of samples; flags copies."""
    _measure("novelty", ["novelty"], samples=count, **options)


@evaluate.command()
@run_option(required=True)
@together(DATA, SEARCH)
@click.option("--optimise-metadata", is_flag=True, help="Search for metadata as well.")
@metadata_option(
    "Metadata of the starts: bank, mix, gaussian, a picture's file name, or target: that of each "
    "image itself."
)
@together(SEED, DEVICE, OUT)
def backtracking(mode: str, **options: Any) -> None:
    """Latent back-tracking: how near can the generator come to given images?"""
    own = mode == "target"
    mode = "bank" if own else mode
    _measure("backtracking", ["backtracking"], mode=mode, metadata_of_target=own, **options)


@evaluate.command("all")
@run_option(required=True)
@DATA
@number("--count", 5000, "Images to generate for FID and KID.", least=2)
@number("--samples", 100, "Images to generate for novelty.")
@together(SEARCH, SEED, MODE, SIDE, RESAMPLES, DEVICE, OUT)
def everything(**options: Any) -> None:
    """FID, KID, novelty and back-tracking; what cannot be measured is named and left out."""
    from slae_lib.datasets import load_images

    if options["images"] is not None:  # before an hour of measuring: are they there?
        load_images(options["images"], 64)
    _measure("all", ["fid", "novelty", "backtracking"], **options)


def _measure(what: str, measures: list[str], *, out: Path | None, **options: Any) -> None:
    """Take `measurements`, print the table, and write JSON and pictures.

    A measure that fails is named in the report, unless none can be taken at all.
    """
    from slae_lib.cli import measurements
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
        for name in measures:
            try:
                getattr(measurements, f"add_{name}")(report, subject, **options)
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
        for file in (out, *report.pictures):
            click.echo(f"  {file}")


def _subject(run: Path | None, data: str | None, **how: Any) -> "Subject | Folders":
    """Return what is measured: a generator with its training images, or two folders."""
    from slae_lib.cli.subjects import Folders, Subject

    real, fake, resolution = (how.get(name) for name in ("real", "fake", "resolution"))
    if run is not None and real is None and fake is None:
        if resolution is not None:
            raise UsageError("--resolution is for two folders; a run has its own.")
        return Subject(run, data, how["seed"], how["mode"], how["device"])
    if run is not None or real is None or fake is None:
        raise UsageError("Give either --run RUN, or both --real and --fake.")
    if data is not None:
        raise UsageError("--data belongs to --run; with --fake the other side is --real.")
    return Folders(real, fake, resolution, how["seed"], how["device"])
