"""The lines of tables and plots that tallies make, by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evscli.evaluation.selections import RANDOM, UNPRUNED
from evscli.evaluation.statistics.results import Series
from evscli.evaluation.statistics.tallies import Tally
from evscli.records import OptionValue


def series_names(tallies: Sequence[Tally]) -> dict[Series, str]:
    """Return a name for every line, in their order: the method, and the options that set it apart.

    A method that was run with one set of options is called by its name alone.
    """
    found = list(dict.fromkeys(tally.series for tally in tallies))
    return {
        (method, options): " ".join([method, *telling(method, options, found)])
        for method, options in found
    }


def telling(
    method: str, options: tuple[tuple[str, OptionValue], ...], found: Sequence[Series]
) -> list[str]:
    """Return the options as `name=value` that not every line of `method` has."""
    others = [set(given) for name, given in found if name == method]
    return [
        f"{name}={value}"
        for name, value in options
        if (name, value) not in set.intersection(*others)
    ]


def first_name(tallies: Sequence[Tally]) -> str | None:
    """Return the name of the line that others are compared with, where there are others.

    It has no number of frames, since each is compared with the one of its own number.
    """
    if all(tally.versus_first is None for tally in tallies):
        return None
    first = next(tally for tally in tallies if tally.method not in (UNPRUNED, RANDOM))
    names = series_names([replace(tally, num_frames=None) for tally in tallies])
    return names[replace(first, num_frames=None).series]


def several_frames(tallies: Sequence[Tally]) -> bool:
    """Return whether several numbers of frames are compared."""
    return len({tally.num_frames for tally in tallies}) > 1


def kinds_of(tallies: Sequence[Tally]) -> list[str]:
    """Return every kind once, in their order."""
    return list(dict.fromkeys(tally.kind for tally in tallies))
