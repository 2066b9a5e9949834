"""``slae metadata``."""

from pathlib import Path

import click

from slae_lib.cli.options import PATH, path
from slae_lib.support.errors import UsageError


@click.group()
def metadata() -> None:
    """Extract VGG-16 metadata of images and look at it."""


@metadata.command("extract")
@click.option("--data", required=True, help="Name of a data set or a folder of pictures.")
@click.option("--layer", default="relu5_3", show_default=True, help="A relu of VGG-16.")
@path("--out", "File  [default: where training looks for it]")
def metadata_extract(data: str, layer: str, out: Path | None) -> None:
    """Extract the metadata of every picture with VGG-16, once.

    Training does the same by itself the first time it meets a data set.
    """
    from slae_lib.datasets import load_images
    from slae_lib.datasets.store import cached_file, extract
    from slae_lib.metadata import RESOLUTION

    images = load_images(data, RESOLUTION)
    bank = extract(images, layer)
    goal = out or cached_file(images, layer)
    bank.save(goal)
    click.echo(f"{goal}: {len(bank)} pictures, {bank.values.shape[1]} numbers each")


@metadata.command("show")
@click.argument("file", type=PATH)
@click.option("--neighbours", "picture", help="Name of a picture: show the ones most like it.")
def metadata_show(file: Path, picture: str | None) -> None:
    """Show what a metadata file holds."""
    from slae_lib.datasets.bank import MetadataBank

    bank = MetadataBank.load(file)
    values = bank.values
    click.echo(f"pictures     {len(bank)} of {bank.data_name}")
    click.echo(f"layer        {bank.layer} of VGG-16, {values.shape[1]} channels")
    click.echo(f"resolution   {bank.resolution} px")
    click.echo(f"raw values   mean {values.mean():.3f}, deviation {values.std():.3f}")
    click.echo(f"weights      {bank.weights}")
    click.echo(f"fingerprint  {bank.data_fingerprint}")
    if picture is not None:
        if picture not in bank.names:
            raise UsageError(f"{file} has no picture {picture!r}; its first is {bank.names[0]!r}.")
        row = values[bank.names.index(picture)]
        cosines, indices = bank.nearest(row, 6)
        for index, cosine in zip(indices.tolist(), cosines.tolist(), strict=True):
            click.echo(f"  {cosine:.3f}  {bank.names[index]}")
