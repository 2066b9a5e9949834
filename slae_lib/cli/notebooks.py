"""``slae notebooks``."""

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--student", is_flag=True, help="Leave out the solutions (made by nbgrader).")
@click.option("--otter", is_flag=True, help="The same, with autograders for Gradescope (Otter).")
def notebooks(folder: Path, student: bool, otter: bool) -> None:
    """Write the notebooks of the course into FOLDER; what is there is left as it is."""
    from slae_lib.course.editions import write_notebooks

    click.echo("\n".join(map(str, write_notebooks(folder, student=student, otter=otter))))
