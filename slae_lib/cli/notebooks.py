"""``slae notebooks``."""

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--student", is_flag=True, help="Leave out the solutions (made by nbgrader).")
@click.option("--language", default="en", show_default=True, help="Of the text, such as zh.")
def notebooks(folder: Path, student: bool, language: str) -> None:
    """Write the notebooks of the course into FOLDER; what is there is left as it is."""
    from slae_lib.course.editions import write_notebooks

    for path in write_notebooks(folder, student=student, language=language):
        click.echo(path)
