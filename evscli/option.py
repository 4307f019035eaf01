"""The description of an option of a command line, whatever library parses it.

The annotation of a dataclass's field, or of a command's parameter, holds the description, so that
name, default, type and help stand in one place:

    fps: Annotated[float | None, Option("Frames per second to sample.")] = None
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from math import inf, isfinite
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from evscli.errors import UsageError
from evscli.texts import one_line

WANTED = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
"""The types of most values in words."""


@dataclass(frozen=True)
class Option:
    """One option: its help, and its names and values where they differ from the field's."""

    help: str
    names: tuple[str, ...] = ()
    """The names, such as `--budget`. The default is the field's name with dashes."""
    metavar: str | None = None
    """The word that stands for a value in the help. The default is the type."""
    above: int | None = None
    """The value above which all allowed values lie. Infinity is none of them."""
    least: int | None = None
    """The smallest value that is allowed."""
    below: int | None = None
    """The value below which all allowed values lie."""
    typed: bool = False
    """Whether the value must be typed, and no variable or file has a default for it."""


@dataclass(frozen=True, kw_only=True)
class OptionField:
    """A field or parameter that is an option."""

    name: str
    type: Any
    default: Any
    """The default, or `dataclasses.MISSING` or `Parameter.empty` where a value must be given."""
    option: Option
    group: str
    """The heading of the help under which the option stands."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names that are typed before a value."""
        return self.option.names or (f"--{self.name.replace('_', '-')}",)

    @property
    def is_repeated(self) -> bool:
        """Whether the option may be given several times."""
        return get_origin(types_of(self.type)[0]) is tuple

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values that a `Literal` allows; empty for any other type."""
        return get_args(self.type) if get_origin(self.type) is Literal else ()

    def check(self, given: Any) -> Any:
        """Return the value as `plain_value` does.

        Raises UsageError for a value of another type, and for one that is empty, not a choice, too
        small or too large. An unset shell variable gives an empty text.
        """
        name, least, below = self.names[-1], self.option.least, self.option.below
        above, choices = self.option.above, self.choices
        try:
            value = plain_value(self.type, given)
        except (ValueError, TypeError, OverflowError):
            if choices:
                fault = f": {value_text(given)} is not one of {', '.join(map(repr, choices))}"
            else:
                fault = f" must be {kind_text(self.type)}, got {value_text(given)}"
            raise UsageError(f"{name}{fault}") from None
        if value == () != self.default or (isinstance(value, str) and not value.strip()):
            raise UsageError(f"{name} is empty; give a value or leave the option out")
        for one in value if self.is_repeated else () if value is None else (value,):
            if above is not None and not above < one < inf:
                raise UsageError(f"{name} must be a number above {above}, got {value_text(one)}")
            if isinstance(one, float) and not isfinite(one):
                raise UsageError(f"{name} must be a finite number, got {value_text(one)}")
            if least is not None and one < least:
                raise UsageError(f"{name} must be {least} or more, got {value_text(one)}")
            if below is not None and one >= below:
                raise UsageError(f"{name} must be below {below}, got {value_text(one)}")
        return value


def plain_value(kind: Any, value: Any) -> Any:
    """Return a value of the type `kind`, its numbers as Python's own.

    Numbers of numpy are numbers, a whole number is a `float` too, and a bool is neither. A tuple is
    made of any iterable; a text, or any other value, is its only item. Raises ValueError,
    TypeError or OverflowError for a value of another type.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if len(types_of(kind)) > 1:
        for one in inner:
            with suppress(ValueError):
                return plain_value(one, value)
    elif origin is tuple:
        several = isinstance(value, Iterable) and not isinstance(value, str | Mapping)
        return tuple(plain_value(inner[0], item) for item in (value if several else (value,)))
    elif origin is Mapping and isinstance(value, Mapping):
        return {
            plain_value(inner[0], key): plain_value(inner[1], item) for key, item in value.items()
        }
    elif kind in (int, float):
        if isinstance(value, Real if kind is float else Integral) and not isinstance(value, bool):
            number = float(value) if kind is float else value
            # A whole number stays one, since settings with 2 and 2.0 have two fingerprints.
            return int(value) if isinstance(value, Integral) else number
    elif value in inner if origin is Literal else kind is Any or isinstance(value, origin or kind):
        return value
    raise ValueError


def types_of(kind: Any) -> tuple[Any, ...]:
    """Return the types that a union allows, of which a command line gives the first, or `kind`."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def kind_text(kind: Any) -> str:
    """Return the values of a type in words."""
    if len(kinds := types_of(kind)) > 1:
        return " or ".join(kind_text(one) for one in kinds if one is not NoneType)
    if get_origin(kind) is tuple:
        return kind_text(get_args(kind)[0])
    return WANTED.get(kind, f"a {kind.__name__}")


def value_text(value: object) -> str:
    """Return a value for a message, on one line."""
    try:
        return one_line(repr(value))
    except ValueError:  # Python writes no more than 4,300 digits
        return "a number of too many digits"


def option_of(name: str, annotation: Any, default: Any, *, group: str) -> OptionField | None:
    """Return the option that an annotation describes, or None where it describes none."""
    if get_origin(annotation) is None or not hasattr(annotation, "__metadata__"):
        return None
    option = next((one for one in annotation.__metadata__ if isinstance(one, Option)), None)
    if option is None:
        return None
    return OptionField(
        name=name, type=get_args(annotation)[0], default=default, option=option, group=group
    )


@cache
def option_fields(cls: Any) -> tuple[OptionField, ...]:
    """Return the options of a dataclass in its own order, under its heading `cls.GROUP`."""
    hints = get_type_hints(cls, include_extras=True)
    found = (
        option_of(field.name, hints[field.name], field.default, group=cls.GROUP)
        for field in fields(cls)
        if hasattr(cls, "GROUP")
    )
    return tuple(option for option in found if option is not None)


@cache
def held_dataclasses(cls: Any) -> Mapping[str, Any]:
    """Return the dataclasses that a dataclass holds, by field."""
    return {name: kind for name, kind in get_type_hints(cls).items() if is_dataclass(kind)}


class Checked:
    """A dataclass of options, or of such dataclasses, that takes what its annotations state.

    Numbers are kept as Python's own, and several values as a tuple.
    """

    EXCLUSIVE: ClassVar[tuple[str, ...]] = ()
    """The options of which at most one may be given."""

    def __post_init__(self) -> None:
        """Raise UsageError for the first value that a field does not allow."""
        cls: Any = type(self)
        for name, kind in held_dataclasses(cls).items():
            if not isinstance(held := getattr(self, name), kind):
                raise UsageError(f"{name} must be {kind_text(kind)}, got {value_text(held)}")
        for field in option_fields(cls):
            object.__setattr__(self, field.name, field.check(getattr(self, field.name)))
        given = [name for name in self.EXCLUSIVE if getattr(self, name) not in (None, ())]
        if len(given) > 1:
            names = " and ".join(f"--{name.replace('_', '-')}" for name in given)
            raise UsageError(f"{names} exclude each other; give one of them")

    @classmethod
    def replaced(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return other values for options that the others leave without use, as far as they do.

        They take the place of a file's and of the environment's; what is typed is refused. Raises
        UsageError.
        """
        del given
        return {}
