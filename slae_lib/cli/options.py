"""How options are written, and those that are made from the fields of the configurations."""

import ast
import dataclasses
import inspect
import textwrap
import types
import typing
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import click

from slae_lib.support.settings import choices_of, listed

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
PATH = click.Path(path_type=Path)


def path(name: str, words: str, **more: Any) -> Decorator:
    """Return an option for a file or a folder; ``more`` goes to `click.option`, as below."""
    return click.option(name, type=PATH, help=words, **more)


def number(name: str, default: Any, words: str, least: int = 1, **more: Any) -> Decorator:
    """Return an option for a whole number of ``least`` or more."""
    kind = click.IntRange(least)
    return click.option(name, type=kind, default=default, show_default=True, help=words, **more)


def choice(name: str, default: Any, choices: Iterable[Any], words: str, **more: Any) -> Decorator:
    """Return an option for one of ``choices``."""
    kind = click.Choice(list(choices))
    return click.option(name, type=kind, default=default, show_default=True, help=words, **more)


def metadata_option(words: str) -> Decorator:
    """Return the option for where metadata comes from."""
    return click.option("--metadata", "mode", default="bank", show_default=True, help=words)


def together(*options: Decorator) -> Decorator:
    """Return a decorator that adds ``options`` to a command, in this order."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


DATA_SET = click.option(
    "--data",
    default="fluent-faces",
    show_default=True,
    help="Name of a data set (see `slae data list`) or a folder of pictures.",
)


class SectionedCommand(click.Command):
    """A command whose help lists its options in sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, those without a section first."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                title = getattr(parameter, "section", "Options")
                sections.setdefault(title, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def restore_help(command: click.Command) -> None:
    """Read the help of a command, and of those below it, from the source again."""
    if command.help is None and command.callback is not None:
        source = textwrap.dedent(inspect.getsource(command.callback))
        function = ast.parse(source).body[0]
        command.help = ast.get_docstring(function)  # type: ignore[arg-type]
    for below in getattr(command, "commands", {}).values():
        restore_help(below)


class SpreadCommand(click.Command):
    """A command that takes ``--option 1 2 3`` for ``--option 1 --option 2 --option 3``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the name of an option that may be given several times before each value."""
        several = {
            name
            for parameter in self.params
            if isinstance(parameter, click.Option) and parameter.multiple
            for name in parameter.opts
        }
        spread: list[str] = []
        current, values = None, 0
        for argument in args:
            if argument.startswith("-"):
                name, equals, _ = argument.partition("=")
                current, values = (name if name in several else None), len(equals)
            elif current is not None:
                values += 1
                if values > 1:
                    spread.append(current)
            spread.append(argument)
        return super().parse_args(ctx, spread)


class SpreadGroup(SpreadCommand, click.Group):
    """The same for a command that has commands of its own."""


class LateChoice(click.Choice[str]):
    """One of names that stand elsewhere, looked up when a command runs: that may need torch.

    Args:
        place: ``module:name`` of what holds them, as for `slae_lib.support.settings.choices_of`.
    """

    case_sensitive = True

    def __init__(self, place: str) -> None:
        self.place = place

    @property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names there are now."""
        return tuple(choices_of(self.place))


class SectionOption(click.Option):
    """An option that knows the section of the help it belongs to."""

    def __init__(self, *names: Any, section: str, **options: Any) -> None:
        super().__init__(*names, **options)
        self.section = section


def config_options(
    config: type, section: str, without: Iterable[str] = (), usual: Any = None
) -> Decorator:
    """Return a decorator that adds an option for every field of a configuration.

    An option that is not given is None, so that a preset can speak.

    Args:
        config: a dataclass whose fields carry ``metadata["help"]``.
        section: title in the help.
        without: fields that get no option.
        usual: a configuration whose values the help shows as defaults.
    """
    hints = typing.get_type_hints(config)

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for field in reversed(listed(config)):
            if field.name in without:
                continue
            name = field.name.replace("_", "-")
            hint = hints[field.name]
            if typing.get_origin(hint) in (typing.Union, types.UnionType):  # of it and None
                hint = next(kind for kind in typing.get_args(hint) if kind is not type(None))
            choices, value = field.metadata["choices"], getattr(usual, field.name, None)
            shown = ("no", "yes")[value] if isinstance(value, bool) else value
            default = "" if value is None else f"  [default: {shown}]"
            declaration = f"--{name}/--no-{name}" if hint is bool else f"--{name}"
            option = click.option(
                declaration,
                field.name,
                cls=SectionOption,
                section=section,
                type=LateChoice(choices) if choices else _click_type(hint),
                default=None,
                help=f"{field.metadata['help']}.{default}",
            )
            command = option(command)
        return command

    return decorate


def given(config: type, values: dict[str, Any]) -> dict[str, Any]:
    """Return those of ``values`` that are fields of ``config`` and were given."""
    names = {field.name for field in dataclasses.fields(config)}
    return {name: value for name, value in values.items() if name in names and value is not None}


def _click_type(hint: Any) -> Any:
    if typing.get_origin(hint) is Literal:
        return click.Choice(typing.get_args(hint))  # choices keep their type: 64 stays a number
    return {int: click.INT, float: click.FLOAT, bool: click.BOOL, str: click.STRING}[hint]
