"""``slae notebooks``, and for teachers ``slae marks`` and ``slae exam``."""

from pathlib import Path
from typing import Any

import click

from slae_lib.cli.options import PATH


@click.command()
@click.argument("folder", type=PATH)
@click.option("--student", is_flag=True, help="Leave out the solutions (made by nbgrader).")
@click.option("--otter", is_flag=True, help="The same, with autograders for Gradescope (Otter).")
@click.option("--language", default="en", show_default=True, help="Of the text, such as zh.")
def notebooks(folder: Path, **edition: Any) -> None:
    """Write the notebooks of the course into FOLDER; what is there is left as it is."""
    from slae_lib.course.editions import write_notebooks

    click.echo("\n".join(map(str, write_notebooks(folder, **edition))))


@click.command()
@click.argument("course", type=PATH)
@click.option(
    "--format", "layout", type=click.Choice(["plain", "canvas", "moodle"]), default="plain"
)
@click.option("--out", type=PATH, default="marks.csv", show_default=True)
def marks(course: Path, layout: str, out: Path) -> None:
    """Write the marks of the nbgrader course in folder COURSE as a table for a platform.

    What is missing, not graded yet or waits for your look has no points, and not 0.
    """
    from slae_lib.course.marks import write_marks

    for line in write_marks(course, out, layout):
        click.echo(line)
    click.echo(out)


@click.command()
@click.option("--seed", required=True, help="Any text that nobody guesses; it makes the numbers.")
@click.option("--lessons", required=True, help='Numbers of lessons, such as "02 03".')
@click.option("--out", type=PATH, default="exam.md", show_default=True)
def exam(seed: str, lessons: str, out: Path) -> None:
    """Write a sheet of three questions for each lesson, and beside it the answers."""
    from slae_lib.course.exams import write_exam

    for path in write_exam(seed, lessons.split(), out):
        click.echo(path)
