"""The lines of a table or plot: tallies of one method and its options, and what they are called."""

from __future__ import annotations

from collections.abc import Sequence

from evscli.evaluation.statistics.results import Tally
from evscli.records import OptionValue

Series = tuple[str, tuple[tuple[str, OptionValue], ...]]
"""Method, options by name."""


def series_of(tally: Tally) -> Series:
    """The line that a tally belongs to."""
    return tally.method, tuple(sorted(tally.options.items()))


def series_names(tallies: Sequence[Tally]) -> dict[Series, str]:
    """A name for every line, in their order: the method, and the options that tell it from others.

    A method that was run with one set of options is called by its name alone.
    """
    found = list(dict.fromkeys(map(series_of, tallies)))
    return {
        (method, options): " ".join([method, *telling(method, options, found)])
        for method, options in found
    }


def telling(
    method: str, options: tuple[tuple[str, OptionValue], ...], found: Sequence[Series]
) -> list[str]:
    """The options as `name=value` that not every line of `method` has."""
    others = [set(given) for name, given in found if name == method]
    return [
        f"{name}={value}"
        for name, value in options
        if (name, value) not in set.intersection(*others)
    ]


def kinds_of(tallies: Sequence[Tally]) -> list[str]:
    """Every kind once, in their order."""
    return list(dict.fromkeys(tally.kind for tally in tallies))
