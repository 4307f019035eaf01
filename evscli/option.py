"""How a value is given on a command line. Knows no command and no library for one.

A field of a dataclass, or a parameter of a command, says it in its annotation, so that its name,
default, type and help stand in one place:

    fps: Annotated[float | None, Option("Frames per second to sample.")] = None
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, get_args, get_origin, get_type_hints

from evscli.errors import UsageError


@dataclass(frozen=True)
class Option:
    """One option: its help, and where they differ from the field's its names and its values."""

    help: str
    names: tuple[str, ...] = ()
    """Names such as `--budget`; without any the field's name with dashes."""
    metavar: str | None = None
    """The word that stands for a value; without one the type."""
    least: int | None = None
    """The smallest value that is allowed."""
    below: int | None = None
    """All values that are allowed are below this one."""


@dataclass(frozen=True, kw_only=True)
class OptionField:
    """A field or parameter that is an option."""

    name: str
    type: Any
    default: Any
    """`dataclasses.MISSING` or `Parameter.empty` where the option must be given."""
    option: Option
    group: str

    @property
    def names(self) -> tuple[str, ...]:
        """What is typed before a value."""
        return self.option.names or (f"--{self.name.replace('_', '-')}",)

    @property
    def is_repeated(self) -> bool:
        """Whether it may be given several times."""
        return get_origin(self.type) is tuple

    def check(self, value: Any) -> None:
        """Raise UsageError for a value that is empty, too small or too large.

        An unset shell variable gives an empty text.
        """
        name, least, below = self.names[-1], self.option.least, self.option.below
        if isinstance(value, str) and not value.strip():
            raise UsageError(f"{name} is empty; give a value or leave the option out")
        if least is not None and value is not None and value < least:
            raise UsageError(f"{name} must be {least} or more, got {value}")
        if below is not None and value is not None and value >= below:
            raise UsageError(f"{name} must be below {below}, got {value}")


def option_of(name: str, annotation: Any, default: Any, *, group: str) -> OptionField | None:
    """What an annotation says of an option; None where it says nothing."""
    if get_origin(annotation) is None or not hasattr(annotation, "__metadata__"):
        return None
    option = next((one for one in annotation.__metadata__ if isinstance(one, Option)), None)
    if option is None:
        return None
    return OptionField(
        name=name, type=get_args(annotation)[0], default=default, option=option, group=group
    )


def option_fields(cls: Any) -> tuple[OptionField, ...]:
    """The options of a dataclass in its own order, under its heading `cls.GROUP`."""
    hints = get_type_hints(cls, include_extras=True)
    found = (
        option_of(field.name, hints[field.name], field.default, group=cls.GROUP)
        for field in fields(cls)
        if hasattr(cls, "GROUP")
    )
    return tuple(option for option in found if option is not None)


class Checked:
    """A dataclass of options that refuses values which are empty, too small or too large."""

    def __post_init__(self) -> None:
        """Raise UsageError for such a value."""
        for field in option_fields(type(self)):
            field.check(getattr(self, field.name))
