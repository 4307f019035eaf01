"""The values in a checkpoint's JSON files, and the checks that they can be used.

A wrong value is refused in one line that names the file, the key, the value and what fits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from evscli.errors import ModelError

LONGEST = 80
"""Characters of a value that a message shows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SavedValues:
    """Values of one file, or of one object nested in it."""

    model: str
    file: str
    values: Mapping[str, Any]
    within: str = ""
    """Keys that lead to the object, each with a dot behind it."""

    def refuse(self, key: str, value: object, reason: str, *, do: str = "correct it") -> ModelError:
        """Return the error for a value, whose `reason` goes on after it."""
        return ModelError(
            f"{self.model}: {self.file} has {self.within}{key} {shown(value)}, {reason}; {do}, or "
            "use the file of the model that this one was made from"
        )

    def check(self, key: str, value: object, want: Want) -> None:
        """Raise ModelError unless the value is what is wanted."""
        if not want.fits(value):
            raise self.refuse(key, value, f"which must be {want.words}")


@dataclass(frozen=True)
class Want:
    """A condition on a value, in words and as a test."""

    words: str
    fits: Callable[[Any], bool]

    def or_null(self) -> Want:
        """Return the condition that also accepts null."""
        return Want(f"{self.words}, or null", lambda value: value is None or self.fits(value))


def shown(value: object) -> str:
    """Return a value as JSON writes it, cut where it is long."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def is_number(value: object) -> bool:
    """Return whether the value is a finite number; true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def is_positive(value: object) -> bool:
    """Return whether the value is a finite number above 0."""
    return is_number(value) and value > 0  # type: ignore[operator]


def is_count(value: object) -> bool:
    """Return whether the value is a whole number above 0."""
    return isinstance(value, int) and is_positive(value)


def is_pair(value: object) -> bool:
    """Return whether the value is a list of two whole numbers above 0."""
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(is_count, value))


def is_three(value: object) -> bool:
    """Return whether the value is a list of three."""
    return isinstance(value, list | tuple) and len(value) == 3


def are_channels(value: object, each: Callable[[object], bool]) -> bool:
    """Return whether the value is one for all three channels, or a list of one for each."""
    if not isinstance(value, list | tuple):
        return each(value)
    return len(value) in (1, 3) and all(each(item) for item in value)


COUNT = Want("a whole number above 0", is_count)
POSITIVE = Want("a number above 0", is_positive)
SWITCH = Want("true or false", lambda value: isinstance(value, bool))
MEANS = Want("a number, or a list of 3 numbers", lambda value: are_channels(value, is_number))
DEVIATIONS = Want(
    "a number above 0, or a list of 3 of them", lambda value: are_channels(value, is_positive)
)
EACH_MEAN = Want(
    "a list of 3 numbers", lambda value: is_three(value) and are_channels(value, is_number)
)
EACH_DEVIATION = Want(
    "a list of 3 numbers above 0",
    lambda value: is_three(value) and are_channels(value, is_positive),
)
