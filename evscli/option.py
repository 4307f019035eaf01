"""The description of an option of a command line, whatever library parses it.

The annotation of a dataclass's field, or of a command's parameter, holds the description, so that
name, default, type and help stand in one place:

    fps: Annotated[float | None, Option("Frames per second to sample.")] = None
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf
from typing import Any, Literal, get_args, get_origin, get_type_hints

from evscli.errors import UsageError


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
        return get_origin(self.type) is tuple

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values that a `Literal` allows; empty for any other type."""
        return get_args(self.type) if get_origin(self.type) is Literal else ()

    def check(self, value: Any) -> None:
        """Raise UsageError for a value that is empty, not a choice, too small or too large.

        An unset shell variable gives an empty text.
        """
        name, least, below = self.names[-1], self.option.least, self.option.below
        above, choices = self.option.above, self.choices
        if isinstance(value, str) and not value.strip():
            raise UsageError(f"{name} is empty; give a value or leave the option out")
        if choices and value not in choices:
            raise UsageError(f"{name}: {value!r} is not one of {', '.join(map(repr, choices))}")
        if above is not None and value is not None and not above < value < inf:
            raise UsageError(f"{name} must be a number above {above}, got {value}")
        if least is not None and value is not None and value < least:
            raise UsageError(f"{name} must be {least} or more, got {value}")
        if below is not None and value is not None and value >= below:
            raise UsageError(f"{name} must be below {below}, got {value}")


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


def option_fields(cls: Any) -> tuple[OptionField, ...]:
    """Return the options of a dataclass in its own order, under its heading `cls.GROUP`."""
    hints = get_type_hints(cls, include_extras=True)
    found = (
        option_of(field.name, hints[field.name], field.default, group=cls.GROUP)
        for field in fields(cls)
        if hasattr(cls, "GROUP")
    )
    return tuple(option for option in found if option is not None)


class Checked:
    """A dataclass of options that refuses what no option allows, as `OptionField.check` does."""

    def __post_init__(self) -> None:
        """Raise UsageError for the first value that an option does not allow."""
        for field in option_fields(type(self)):
            field.check(getattr(self, field.name))
