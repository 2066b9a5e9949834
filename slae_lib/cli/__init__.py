"""The command ``slae``: one module for each of its commands.

The heavy imports stand inside the commands, so that ``slae --help`` answers at once.
"""

import errno
import io
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import click

from slae_lib.cli.ablate import ablate
from slae_lib.cli.advise import advise
from slae_lib.cli.cost import cost
from slae_lib.cli.data import data
from slae_lib.cli.doctor import doctor
from slae_lib.cli.evaluate import evaluate
from slae_lib.cli.explore import interpolate, invert
from slae_lib.cli.export import export, push
from slae_lib.cli.metadata import metadata
from slae_lib.cli.options import restore_help
from slae_lib.cli.sample import sample
from slae_lib.cli.teaching import exam, marks, notebooks
from slae_lib.cli.train import train
from slae_lib.support.errors import LabError, UsageError, in_words
from slae_lib.support.files import write_error


class _Failure(click.ClickException):
    def __init__(self, error: LabError) -> None:
        super().__init__(str(error))
        self.exit_code = 2 if isinstance(error, UsageError) else 1  # type: ignore[misc]


class LabGroup(click.Group):
    """The group of commands; turns the lab's errors into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command.

        Raises:
            click.ClickException: in place of a `LabError`.
        """
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        try:
            with in_words("this", lambda: self._smaller(ctx)):
                return super().invoke(ctx)
        except LabError as error:
            raise _Failure(error) from error
        except PermissionError as error:  # of whatever path was given, in whatever it was used for
            words = f"{error.filename or 'A file'} cannot be used ({error.strerror}); "
            raise _Failure(LabError(words + "name another, or change its permissions.")) from error
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise _Failure(write_error(Path(error.filename or ""), error)) from error

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command line; what a terminal has no letter for is escaped and not a fault."""
        sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115 (`2>&-`)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        return super().main(*args, **options)

    def _smaller(self, ctx: click.Context) -> str:
        """Return what of a command's options makes its work smaller."""
        command = self.commands.get(ctx.invoked_subcommand or "")
        own = {option for it in (command.params if command else []) for option in it.opts}
        given = [option for option in SMALLER if option in own]
        return (
            f"make {' or '.join(given)} smaller"
            if given
            else "take smaller numbers, or close other programs"
        )


def _show_warning(message: Warning | str, category: type[Warning], *_: Any) -> None:
    # What this lab says to its user is a plain UserWarning; what libraries tell their developers
    # (deprecations and the like) is not for whoever trains a generator.
    if issubclass(category, UserWarning):
        click.echo(f"Warning: {message}", err=True)


SMALLER = (
    "--batch-size --width --resolution --noise-dim --count --images --samples --frames".split()
)
HELP = """SLAE Lab: train a few-shot GAN with spatial attention, and look inside it.

\b
First steps:
  slae doctor                        is everything there?
  slae train                         learn 93 faces in minutes on a CPU
  slae train --data MY_PICTURES      learn your own pictures
  slae advise runs/MY_RUN            when to stop, and does it copy?
  slae sample --run runs/MY_RUN      draw new ones
"""


@click.group(
    cls=LabGroup,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="slae-lib")
def main() -> None:
    """Run one of the lab's commands."""


MEASURING = (advise, evaluate, ablate, cost)
COURSE = (notebooks, marks, exam)
EXPLORING = (sample, interpolate, invert, export, push)
for command in (train, *EXPLORING, *MEASURING, data, metadata, *COURSE, doctor):
    main.add_command(command)
if __doc__ is None:  # python -OO has thrown the help away
    restore_help(main)
