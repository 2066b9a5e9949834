"""``slae doctor``."""

import click


@click.command()
def doctor() -> None:
    """Check the installation: versions, device, weights, data, disk."""
    from slae_lib.doctor import examine

    failed = False
    for line in examine():
        click.echo(line)
        failed |= line.startswith("[FAIL]")
    if failed:
        raise click.ClickException("Mend the lines with [FAIL] first.")
