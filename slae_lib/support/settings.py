"""Frozen dataclasses that check their own values; the command line is made from their fields."""

import dataclasses
import math
import pkgutil
import types
import typing
from collections.abc import Callable
from dataclasses import field
from typing import Any, ClassVar, Literal, NamedTuple

from slae_lib.support.errors import UsageError


class Range(NamedTuple):
    """Which numbers a field may have: the rule, in words, and whether a number keeps it."""

    words: str
    holds: Callable[[float], bool]


COUNT = Range("it has to be 1 or more", lambda number: number >= 1)
NOT_NEGATIVE = Range("it has to be 0 or more", lambda number: number >= 0)
POSITIVE = Range("it has to be greater than 0", lambda number: number > 0)
SHARE = Range("it has to lie in [0, 1]", lambda number: 0 <= number <= 1)
DECAY = Range("it has to lie in [0, 1)", lambda number: 0 <= number < 1)


def option(
    default: Any,
    text: str,
    within: Range | None = None,
    *,
    choices: str | None = None,
    after: str | None = None,
) -> Any:
    """Return a field with a default and the text that `slae COMMAND --help` shows.

    Args:
        default: of the field.
        text: what it means.
        within: the numbers that it may have; None, where that is a value too, is always one.
        choices: ``module:name`` of what holds the values it may have, where they are not known
            beforehand; looked up when another value than the default is checked.
        after: the field that it is listed after, where a subclass adds to what it inherits.
    """
    known = {"help": text, "within": within, "choices": choices, "after": after}
    return field(default=default, metadata=known)


def listed(config: Any) -> list[dataclasses.Field[Any]]:
    """Return the fields of a configuration in the order in which files and help list them."""
    found: list[dataclasses.Field[Any]] = []
    for one in dataclasses.fields(config):
        after = one.metadata["after"]
        place = len(found) if after is None else 1 + [f.name for f in found].index(after)
        found.insert(place, one)
    return found


def choices_of(place: str) -> list[str]:
    """Return the names that ``module:name``, a collection or a function that gives one, holds."""
    found = pkgutil.resolve_name(place)
    return list(found() if callable(found) else found)


class Settings:
    """Turn fields into a dictionary and back, and refuse what the type hints do not allow."""

    WITHOUT: ClassVar[dict[str, Any]] = {}
    """Fields that are gone, with the value that means what is done without them: old files."""

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for described in dataclasses.fields(self):  # type: ignore[arg-type]
            name, hint = described.name, hints[described.name]
            value = getattr(self, name)
            choices: Any = typing.get_args(hint) if typing.get_origin(hint) is Literal else None
            if described.metadata["choices"] and value != described.default:
                choices = choices_of(described.metadata["choices"])
            if choices is not None and value not in choices:
                raise UsageError(
                    f"{name} is {value!r}; choose one of {', '.join(map(str, choices))}."
                )
            if not _fits(value, hint):
                raise UsageError(f"{name} is {value!r}; it has to be {_words(hint)}.")
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"{name} is {value}; it has to be a finite number.")
            within = described.metadata["within"]
            if within is not None and value is not None and not within.holds(value):
                raise UsageError(f"{name} is {value}; {within.words}.")

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary that JSON can hold."""
        return {one.name: getattr(self, one.name) for one in listed(self)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> typing.Self:
        """Make the configuration from a dictionary.

        Raises:
            UsageError: for a field that does not exist here, with its name.
        """
        values = {k: v for k, v in values.items() if cls.WITHOUT.get(k, cls) != v}
        known = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(set(values) - known)
        if unknown:
            raise UsageError(
                f"{cls.__name__} has no field {', '.join(unknown)}; "
                "the file was written by another version of slae_lib."
            )
        return cls(**values)


def _fits(value: Any, hint: Any) -> bool:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(_fits(value, inner) for inner in typing.get_args(hint))
    if typing.get_origin(hint) is Literal:
        return value in typing.get_args(hint)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _words(hint: Any) -> str:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_words(inner) for inner in typing.get_args(hint))
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text"}.get(
        hint, "nothing" if hint is type(None) else str(hint)
    )
