"""Objects that other packages add by entry points, such as methods and model families.

An error of one package concerns its object alone, whatever happens while it is imported.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from typing import Generic, TypeVar

from evscli.texts import first_line, one_line

_warn_once = cache(logging.getLogger(__name__).warning)
"""The function that logs a text once, although every group of entry points meets its cause."""

T = TypeVar("T")


@dataclass(frozen=True)
class Added(Generic[T]):
    """The objects of one group of entry points, whose names are the objects' own."""

    group: str
    """The group, such as `evscli.pruners`."""
    kind: type[T]
    """The class of the objects."""
    noun: str
    """The word for an object in messages."""
    name_of: Callable[[T], str]
    """The function that returns an object's own name."""
    check: Callable[[T], object] = lambda _: None
    """The function that raises anything for an object that cannot be used."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names that installed packages add, in order; nothing is imported."""
        return tuple(points_of(self.group))

    def load(self, name: str) -> T | str:
        """Return the object called `name`, or the reason why it cannot be used."""
        points = points_of(self.group)[name]
        if len(points) > 1:
            return (
                f"{self.packages(name)} both add a {self.noun} of this name: uninstall all but one"
            )
        (point,), mend = points, f"repair or uninstall {self.packages(name)}"
        try:
            with redirect_stdout(sys.stderr):  # what a module prints is no part of a JSON document
                loaded = point.load()
                problem = self._problem(name, loaded)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # importing a foreign module can raise anything
            line = one_line(f"{type(error).__name__}: {first_line(error)}")
            return f"{point.value} cannot be loaded ({line}): {mend}"
        return loaded if problem is None else f"{point.value} {problem}: {mend}"

    def packages(self, name: str) -> str:
        """Return the names and versions of the packages that add `name`."""
        points = points_of(self.group)[name]
        return " and ".join(
            _title(point.dist) or f"the package of {point.value}" for point in points
        )

    def module(self, name: str) -> str:
        """Return the module that `name` leads to."""
        return points_of(self.group)[name][0].module

    def _problem(self, name: str, loaded: object) -> str | None:
        if not isinstance(loaded, self.kind):
            return f"is a {type(loaded).__name__}, not a {self.kind.__name__}"
        if self.name_of(loaded) != name:
            return f"has the name {self.name_of(loaded)!r}, but its entry point has {name!r}"
        self.check(loaded)
        return None


@cache
def points_of(group: str) -> dict[str, tuple[EntryPoint, ...]]:
    """Return the entry points of each name, in order; a package listed twice counts once."""
    try:
        found: Iterable[EntryPoint] = entry_points(group=group)
    except Exception:  # the list of one package cannot be read, and hides those of all
        every, problems = read_each()
        for problem in problems:
            _warn_once(problem)
        found = [point for point in every if point.group == group]
    by_name: dict[str, dict[tuple[str | None, str], EntryPoint]] = {}
    for point in sorted(found, key=lambda point: point.name):
        by_name.setdefault(point.name, {}).setdefault((_title(point.dist), point.value), point)
    return {name: tuple(points.values()) for name, points in by_name.items()}


def read_each() -> tuple[list[EntryPoint], list[str]]:
    """Return the entry points of all packages, and a line on each whose list cannot be read."""
    found, problems = list[EntryPoint](), list[str]()
    for package in distributions():
        try:
            found += package.entry_points
        except Exception as error:
            named = _title(package) or f"a package in {package.locate_file('')}"
            reason = f"the entry points of {named} cannot be read ({first_line(error)})"
            problems.append(f"{reason}: repair or uninstall it")
    return found, problems


def _title(package: Distribution | None) -> str | None:
    """Return the name and version of a package; None where it has no METADATA to read."""
    try:
        return f"{package.name} {package.version}" if package and package.name else None
    except Exception:
        return None
