"""Options that the commands of ``slae evaluate`` share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from slae_lib.config import RESOLUTIONS

PATH = click.Path(path_type=Path)
Decorated = Callable[..., Any]

RUN = click.option("--run", type=PATH, help="Folder of a finished run, or a generator.safetensors.")
NEEDED_RUN = click.option(
    "--run",
    type=PATH,
    required=True,
    help="Folder of a finished run, or a generator.safetensors.",
)
DATA = click.option("--data", help="Training images  [default: what the run was trained on]")
SEED = click.option("--seed", type=int, default=0, show_default=True, help="Of all random choices.")
MODE = click.option(
    "--metadata",
    "mode",
    default="bank",
    show_default=True,
    help="Metadata of the generated images: bank, mix, gaussian or a picture's file name.",
)
DEVICE = click.option(
    "--device",
    type=click.Choice(["auto", "cpu"]),
    default="auto",
    show_default=True,
    help="The accelerator if there is one, or the CPU.",
)
OUT = click.option(
    "--out",
    type=PATH,
    help="JSON file; pictures go beside it  [default: evaluation-WHAT.json in the run's folder]",
)
SIDE = click.option(
    "--side",
    type=click.Choice([64, 128, 256]),
    default=64,
    show_default=True,
    help="Side length at which VGG-16 sees the images; small ones see through blur, and are fast.",
)
RESAMPLES = click.option(
    "--resamples",
    type=click.IntRange(2),
    default=200,
    show_default=True,
    help="Of the bootstrap interval.",
)


def count_option(
    name: str, default: int, text: str, least: int = 1
) -> Callable[[Decorated], Decorated]:
    """Return an option for a whole number of ``least`` or more."""
    return click.option(
        name, type=click.IntRange(least), default=default, show_default=True, help=text
    )


def comparison_options(command: Decorated) -> Decorated:
    """Add the options of a comparison: of a run with its data, or of two folders."""
    for option in (
        OUT,
        DEVICE,
        MODE,
        SEED,
        count_option("--count", 5000, "Images to generate.", least=2),
        click.option(
            "--resolution",
            type=click.Choice(RESOLUTIONS),
            help="Bring both folders to this size as training does  "
            "[default: every picture at its own size, as pytorch-fid]",
        ),
        click.option("--fake", help="Folder of pictures or name of a data set."),
        click.option("--real", help="Folder of pictures or name of a data set."),
        DATA,
        RUN,
    ):
        command = option(command)
    return command


def search_options(command: Decorated) -> Decorated:
    """Add the options of latent back-tracking."""
    for option in (
        count_option("--restarts", 2, "Random starts for each image."),
        count_option("--steps", 200, "Of the search, from each start."),
        click.option(
            "--distance",
            type=click.Choice(["lpips", "vgg", "l1"]),
            default="lpips",
            show_default=True,
            help="Calibrated LPIPS, uncalibrated VGG-16 distance, or L1; the result says which.",
        ),
        count_option("--targets", 8, "Images to reconstruct, spread over the set."),
        click.option(
            "--images",
            help="Held-out images to reconstruct, folder or name  [default: training images]",
        ),
    ):
        command = option(command)
    return command
