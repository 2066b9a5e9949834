"""``slae data``."""

import re
from pathlib import Path

import click

from slae_lib.config import RESOLUTIONS

ON_SHEET = 400  # pictures that `slae data show --out` draws at most


@click.group()
def data() -> None:
    """Look at data sets."""


@data.command("list")
def data_list() -> None:
    """List the data sets that the lab knows by name."""
    from slae_lib.datasets import DATA_SETS

    click.echo(f"{'name':<25} {'images':>6}  {'here':<4}  {'licence':<25}  title")
    for name, info in DATA_SETS.items():
        here = "yes" if info.builtin or info.folder.is_dir() else "no"
        licence = re.split("[,;]", info.licence)[0]  # `slae data show` has the rest
        click.echo(f"{name:<25} {info.images or '?':>6}  {here:<4}  {licence:<25}  {info.title}")
    click.echo("\nAny folder of pictures can be used as well: --data FOLDER")


@data.command("show")
@click.argument("data")
@click.option("--resolution", type=click.Choice(RESOLUTIONS), default=64, show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write a sheet of the pictures to this file."
)
def data_show(data: str, resolution: int, out: Path | None) -> None:
    """Show what the lab sees of a data set or folder, as it will train on it."""
    from slae_lib.datasets import DATA_SETS, load_images
    from slae_lib.training.sheet import check_sheet, save_images

    if out is not None:
        check_sheet(out)
    if data in DATA_SETS:
        info = DATA_SETS[data]
        click.echo(f"{info.title}\n  licence      {info.licence}\n  source       {info.source}")
    images = load_images(data, resolution)
    click.echo(f"  pictures     {len(images)}, at {resolution} px")
    click.echo(f"  first, last  {images.names[0]}, {images.names[-1]}")
    click.echo(f"  kept in      {'memory' if images.in_memory else 'files'}")
    click.echo(f"  fingerprint  {images.fingerprint}")
    if out is not None:
        shown = min(len(images), ON_SHEET)
        part = f", the first {shown} of {len(images)}" if shown < len(images) else ""
        for path in save_images(images.batch(range(shown)), out):
            click.echo(f"  sheet        {path}{part}")


@data.command("fetch")
@click.argument("name")
def data_fetch(name: str) -> None:
    """Download a data set that `slae data list` names, once."""
    from slae_lib.datasets.fetch import fetch
    from slae_lib.datasets.pictures import find_pictures

    folder = fetch(name, announce=click.echo)
    click.echo(f"{folder}: {len(find_pictures(folder))} pictures")
    click.echo(f"Train on them with: slae train --data {name}")
