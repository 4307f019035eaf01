"""Methods that other packages add, found by entry points. Importing this imports no torch.

An entry point of the group `evscli.pruners` has the method's name and leads to a `Pruner`. An
error of one package concerns its method alone, whatever happens while it is imported.
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
    """Return the names of the methods that installed packages add, in order. It imports none."""
    return tuple(_entry_points())


def load_plugin(name: str) -> Pruner:
    """Return the method that a package adds under `name`. Raises UsageError for a broken one."""
    loaded = _load(name)
    if isinstance(loaded, Pruner):
        return loaded
    raise UsageError(f"method {name!r} is broken: {loaded}")


def why_broken(name: str, *, taken: Container[str]) -> str | None:
    """Return why the method that a package adds under `name` cannot be used, or None."""
    if name in taken:
        return (
            f"{_whose(_entry_points()[name])} adds a method of the name of a built-in one, which "
            "stays: rename it there, or uninstall the package"
        )
    loaded = _load(name)
    return None if isinstance(loaded, Pruner) else loaded


@cache
def _entry_points() -> dict[str, tuple[EntryPoint, ...]]:
    """Return the entry points of each name. A package listed twice on the path counts once."""
    found: Iterable[EntryPoint] = entry_points(group=ENTRY_POINT_GROUP)
    by_name: dict[str, dict[tuple[str, str], EntryPoint]] = {}
    for point in sorted(found, key=lambda point: point.name):
        package = point.dist.name if point.dist else ""
        by_name.setdefault(point.name, {}).setdefault((package, point.value), point)
    return {name: tuple(points.values()) for name, points in by_name.items()}


@cache
def _load(name: str) -> Pruner | str:
    """Return the method, or the reason why it cannot be used."""
    points = _entry_points()[name]
    if len(points) > 1:
        return f"{_whose(points)} both add a method of this name: uninstall all but one"
    mend = f"repair or uninstall {_whose(points)}"
    try:
        pruner = points[0].load()
        problem = _problem(name, pruner)
    except (Exception, SystemExit) as error:  # importing a foreign module can raise anything
        line = (str(error).splitlines() or [""])[0]
        return f"{points[0].value} cannot be loaded ({type(error).__name__}: {line}): {mend}"
    if problem is not None:
        return f"{points[0].value} {problem}: {mend}"
    assert isinstance(pruner, Pruner)
    return replace(pruner, plugin=Plugin(distribution=_whose(points), module=points[0].module))


def _problem(name: str, pruner: object) -> str | None:
    """Return the defect of an entry point's object, if any. Raises whatever that object raises."""
    if not isinstance(pruner, Pruner):
        return f"is a {type(pruner).__name__}, not a Pruner"
    if pruner.name != name:
        return f"has the name {pruner.name!r}, but its entry point has {name!r}"
    json.dumps(pruner.describe())
    return None


def _whose(points: Iterable[EntryPoint]) -> str:
    """Return the names and versions of the packages."""
    packages = [
        f"{point.dist.name} {point.dist.version}" if point.dist else f"the package of {point.value}"
        for point in points
    ]
    return " and ".join(packages)
