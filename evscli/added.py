"""Objects that other packages add by entry points, such as methods and model families.

An error of one package concerns its object alone, whatever happens while it is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

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
            loaded = point.load()
            problem = self._problem(name, loaded)
        except (Exception, SystemExit) as error:  # importing a foreign module can raise anything
            line = (str(error).splitlines() or [""])[0]
            return f"{point.value} cannot be loaded ({type(error).__name__}: {line}): {mend}"
        return loaded if problem is None else f"{point.value} {problem}: {mend}"

    def packages(self, name: str) -> str:
        """Return the names and versions of the packages that add `name`."""
        points = points_of(self.group)[name]
        return " and ".join(
            f"{point.dist.name} {point.dist.version}"
            if point.dist
            else f"the package of {point.value}"
            for point in points
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
    found: Iterable[EntryPoint] = entry_points(group=group)
    by_name: dict[str, dict[tuple[str, str], EntryPoint]] = {}
    for point in sorted(found, key=lambda point: point.name):
        package = point.dist.name if point.dist else ""
        by_name.setdefault(point.name, {}).setdefault((package, point.value), point)
    return {name: tuple(points.values()) for name, points in by_name.items()}
