"""Options that the commands of ``slae evaluate`` share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from slae_lib.config import RESOLUTIONS

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
PATH = click.Path(path_type=Path)


def together(*options: Decorator) -> Decorator:
    """Return a decorator that adds ``options`` to a command, in this order."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def run_option(required: bool) -> Decorator:
    """Return the option for what is measured."""
    words = "Folder of a finished run, or a generator.safetensors."
    return click.option("--run", type=PATH, required=required, help=words)


def number(name: str, default: int, words: str, least: int = 1) -> Decorator:
    """Return an option for a whole number of ``least`` or more."""
    kind = click.IntRange(least)
    return click.option(name, type=kind, default=default, show_default=True, help=words)


def choice(name: str, default: Any, choices: list[Any], words: str) -> Decorator:
    """Return an option for one of ``choices``."""
    kind = click.Choice(choices)
    return click.option(name, type=kind, default=default, show_default=True, help=words)


def metadata_option(words: str) -> Decorator:
    """Return the option for where metadata comes from."""
    return click.option("--metadata", "mode", default="bank", show_default=True, help=words)


DATA = click.option("--data", help="Training images  [default: what the run was trained on]")
SEED = click.option("--seed", type=int, default=0, show_default=True, help="Of all random choices.")
MODE = metadata_option(
    "Metadata of the generated images: bank, mix, gaussian or a picture's file name."
)
DEVICE = choice("--device", "auto", ["auto", "cpu"], "The accelerator if there is one, or the CPU.")
OUT = click.option(
    "--out",
    type=PATH,
    help="JSON file; pictures go beside it  [default: evaluation-WHAT.json in the run's folder]",
)
SIDE = choice(
    "--side",
    64,
    [64, 128, 256],
    "Side length at which VGG-16 sees the images; small ones see through blur, and are fast.",
)
RESAMPLES = number("--resamples", 200, "Of the bootstrap interval.", least=2)
COMPARISON = together(  # of a run with its data, or of two folders
    run_option(required=False),
    DATA,
    click.option("--real", help="Folder of pictures or name of a data set."),
    click.option("--fake", help="Folder of pictures or name of a data set."),
    click.option(
        "--resolution",
        type=click.Choice(RESOLUTIONS),
        help="Bring both folders to this size as training does  "
        "[default: every picture at its own size, as pytorch-fid]",
    ),
    number("--count", 5000, "Images to generate.", least=2),
    SEED,
    MODE,
    DEVICE,
    OUT,
)
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
