"""``slae data fetch``."""

import click


@click.command("fetch")
@click.argument("name")
def data_fetch(name: str) -> None:
    """Download a data set that `slae data list` names, once."""
    from slae_lib.datasets.fetch import fetch
    from slae_lib.datasets.pictures import find_pictures

    folder = fetch(name, announce=click.echo)
    click.echo(f"{folder}: {len(find_pictures(folder))} pictures")
    click.echo(f"Train on them with: slae train --data {name}")
