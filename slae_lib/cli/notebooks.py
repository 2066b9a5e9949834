"""``slae notebooks``."""

from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--student", is_flag=True, help="Leave out the solutions (made by nbgrader).")
@click.option("--otter", is_flag=True, help="The same, with autograders for Gradescope (Otter).")
@click.option("--language", default="en", show_default=True, help="Of the text, such as zh.")
def notebooks(folder: Path, **edition: Any) -> None:
    """Write the notebooks of the course into FOLDER; what is there is left as it is."""
    from slae_lib.course.editions import write_notebooks

    click.echo("\n".join(map(str, write_notebooks(folder, **edition))))
