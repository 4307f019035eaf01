"""Methods that other packages add, found by entry points. Imports no torch.

An entry point of the group `evscli.pruners` has the method's name and leads to a `Pruner`. What is
wrong with one package concerns its method alone, whatever happens while it is imported.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from evscli.errors import UsageError
from evscli.pruners.method import Plugin, Pruner

ENTRY_POINT_GROUP = "evscli.pruners"


def plugin_names() -> tuple[str, ...]:
    """The names of the methods that installed packages add, in order; nothing is imported."""
    return tuple(_entry_points())


def load_plugin(name: str) -> Pruner:
    """The method that a package adds under `name`. Raises UsageError where it is broken."""
    loaded = _load(name)
    if isinstance(loaded, Pruner):
        return loaded
    raise UsageError(f"method {name!r} is broken: {loaded}")


def why_broken(name: str, *, taken: Container[str]) -> str | None:
    """Why the method that a package adds under `name` cannot be used, where it cannot."""
    if name in taken:
        return (
            f"{_whose(_entry_points()[name])} adds a method of the name of a built-in one, which "
            "stays: rename it there, or uninstall the package"
        )
    loaded = _load(name)
    return None if isinstance(loaded, Pruner) else loaded


@cache
def _entry_points() -> dict[str, tuple[EntryPoint, ...]]:
    """The entry points of each name; a package that is listed twice on the path is one."""
    found: Iterable[EntryPoint] = entry_points(group=ENTRY_POINT_GROUP)
    by_name: dict[str, dict[tuple[str, str], EntryPoint]] = {}
    for point in sorted(found, key=lambda point: point.name):
        package = point.dist.name if point.dist else ""
        by_name.setdefault(point.name, {}).setdefault((package, point.value), point)
    return {name: tuple(points.values()) for name, points in by_name.items()}


@cache
def _load(name: str) -> Pruner | str:
    """The method, or why it cannot be used."""
    points = _entry_points()[name]
    if len(points) > 1:
        return f"{_whose(points)} both add a method of this name: uninstall all but one"
    mend = f"repair or uninstall {_whose(points)}"
    try:
        pruner = points[0].load()
        problem = _problem(name, pruner)
    except (Exception, SystemExit) as error:  # whatever a foreign module does when imported
        line = (str(error).splitlines() or [""])[0]
        return f"{points[0].value} cannot be loaded ({type(error).__name__}: {line}): {mend}"
    if problem is not None:
        return f"{points[0].value} {problem}: {mend}"
    assert isinstance(pruner, Pruner)
    return replace(pruner, plugin=Plugin(distribution=_whose(points), module=points[0].module))


def _problem(name: str, pruner: object) -> str | None:
    """What is wrong with the object of an entry point; raises whatever it raises when asked."""
    if not isinstance(pruner, Pruner):
        return f"is a {type(pruner).__name__} and no Pruner"
    if pruner.name != name:
        return f"calls itself {pruner.name!r} and not {name!r} as its entry point does"
    json.dumps(pruner.describe())
    return None


def _whose(points: Iterable[EntryPoint]) -> str:
    """Names and versions of the packages."""
    packages = [
        f"{point.dist.name} {point.dist.version}" if point.dist else f"whoever adds {point.value}"
        for point in points
    ]
    return " and ".join(packages)
