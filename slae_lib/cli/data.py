"""``slae data``."""

import re
import warnings
from datetime import datetime
from pathlib import Path

import click

from slae_lib.cli.options import choice, path
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
        here = "yes" if info.folder.is_dir() else "no"
        licence = re.split("[,;]", info.licence)[0]  # `slae data show` has the rest
        click.echo(f"{name:<25} {info.images or '?':>6}  {here:<4}  {licence:<25}  {info.title}")
    click.echo("\nAny folder of pictures can be used as well: --data FOLDER")


@data.command("show")
@click.argument("data")
@choice("--resolution", 64, RESOLUTIONS, "")
@path("--out", "Write a sheet of the pictures to this file.")
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
    place = "memory" if images.in_memory else "the cache" if images.decoded else "files"
    click.echo(f"  kept in      {place}")
    click.echo(f"  fingerprint  {images.fingerprint}")
    if out is not None:
        shown = min(len(images), ON_SHEET)
        part = f", the first {shown} of {len(images)}" if shown < len(images) else ""
        for file in save_images(images.batch(range(shown)), out):
            click.echo(f"  sheet        {file}{part}")


@data.command("fetch")
@click.argument("name")
def data_fetch(name: str) -> None:
    """Download a data set that `slae data list` names, once."""
    from slae_lib.datasets.fetch import fetch
    from slae_lib.datasets.find import find_pictures

    folder = fetch(name, announce=click.echo)
    click.echo(f"{folder}: {len(find_pictures(folder))} pictures")
    click.echo(f"Train on them with: slae train --data {name}")


@data.group("cache")
def data_cache() -> None:
    """Look at what is kept of picture folders, so that the next start is fast.

    An index of each, and its decoded pictures. Those unused for longest go when all together are
    more than 10 GB or a quarter of the free disk; SLAE_CACHE_LIMIT=20 allows 20 GB, 0 none. A file
    counts as unchanged while its size and time stay the same: if one is not, `clear` the folder.
    """


@data_cache.command("list")
def data_cache_list() -> None:
    """List what is kept, the most recently used first."""
    from slae_lib.datasets.cache import all_kept, limit, room

    total = 0
    click.echo(f"{'px':>5}  {'pictures':>8}  {'MB':>8}  {'last used':<16}  {'':<7}  folder")
    for folder, pictures, resolution, size, used in all_kept():
        total += size
        click.echo(
            f"{resolution or 'index':>5}  {pictures:>8}  {size / 1e6:>8.1f}  "
            f"{datetime.fromtimestamp(used):%Y-%m-%d %H:%M}  {_state(folder):<7}  {folder}"
        )
    click.echo(f"\n{total / 1e9:.2f} GB in {room()}, of {limit() / 1e9:.1f} GB at most")


def _state(folder: Path) -> str:
    from slae_lib.datasets.cache import read_index, stamps_of
    from slae_lib.datasets.find import find_pictures
    from slae_lib.support.errors import LabError

    with warnings.catch_warnings(action="ignore"):
        try:
            stamps = stamps_of(folder, find_pictures(folder))
            return "current" if read_index(folder).stamps == stamps else "stale"
        except LabError:
            return "gone"


@data_cache.command("clear")
@click.argument("data", required=False)
@click.option("--all", "everything", is_flag=True, help="Of all folders.")
def data_cache_clear(data: str | None, everything: bool) -> None:
    """Delete what is kept of a data set or folder; the pictures themselves stay."""
    from slae_lib.datasets import DATA_SETS
    from slae_lib.datasets.cache import clear
    from slae_lib.support.errors import UsageError

    if everything == (data is not None):
        raise UsageError("Name a data set or a folder, or say --all.")
    folder = None
    if data is not None:
        folder = DATA_SETS[data].folder if data in DATA_SETS else Path(data).expanduser()
    click.echo(f"{clear(folder) / 1e6:.1f} MB deleted")
