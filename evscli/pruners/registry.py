"""The methods by name, the built-in ones first. Importing it does not import torch.

Other packages add methods by entry points of the group `evscli.pruners`: each has the method's name
and leads to a `Pruner`. An error of one package concerns its method alone, whatever happens while
it is imported.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from evscli.errors import UsageError
from evscli.pruners.method import Plugin, Pruner, function_pruner
from evscli.pruners.methods import built_in
from evscli.pruners.options import closest
from evscli.records import KeptTokens

ENTRY_POINT_GROUP = "evscli.pruners"

Method = str | Pruner | Callable[..., KeptTokens]
"""A method as its name, as a `Pruner`, or as a plain function."""


def get_pruner(name: str) -> Pruner:
    """Return the method called `name`.

    Raises UsageError with the list of methods for another name, and with the reason for a broken
    one.
    """
    if name in built_in():
        return built_in()[name]
    if name in _entry_points():
        loaded = _load(name)
        if isinstance(loaded, Pruner):
            return loaded
        raise UsageError(f"method {name!r} is broken: {loaded}")
    known = method_names()
    raise UsageError(
        f"there is no method {name!r}{closest(name, known)}: choose from {', '.join(known)}"
    )


def pruner_of(method: Method) -> Pruner:
    """Return the method of a name, a `Pruner` or a function. Raises UsageError for all else."""
    if isinstance(method, Pruner):
        return method
    if isinstance(method, str):
        return get_pruner(method)
    if callable(method):
        return function_pruner(method)
    raise UsageError(
        f"a method must be a name, a Pruner or a function, got {type(method).__name__}: "
        "give one of these"
    )


def list_pruners() -> tuple[Pruner, ...]:
    """Return every method that can be used, the built-in ones first."""
    added = (_load(name) for name in _entry_points() if name not in built_in())
    return (*built_in().values(), *(one for one in added if isinstance(one, Pruner)))


def broken_methods() -> dict[str, str]:
    """Return the reasons why methods of installed packages cannot be used, by their names."""
    loaded = {name: _taken(name) if name in built_in() else _load(name) for name in _entry_points()}
    return {name: reason for name, reason in loaded.items() if isinstance(reason, str)}


def method_names() -> tuple[str, ...]:
    """Return the name of every method, built-in ones first. Those of packages are not loaded."""
    return (*built_in(), *(name for name in _entry_points() if name not in built_in()))


def is_built_in(pruner: Pruner) -> bool:
    """Whether a method, which may be a copy from another process, comes with evs itself."""
    own = built_in().get(pruner.name)
    return own is not None and own.function is pruner.function


@cache
def _entry_points() -> dict[str, tuple[EntryPoint, ...]]:
    """Return the entry points of each name, in order; a package listed twice counts once."""
    found: Iterable[EntryPoint] = entry_points(group=ENTRY_POINT_GROUP)
    by_name: dict[str, dict[tuple[str, str], EntryPoint]] = {}
    for point in sorted(found, key=lambda point: point.name):
        package = point.dist.name if point.dist else ""
        by_name.setdefault(point.name, {}).setdefault((package, point.value), point)
    return {name: tuple(points.values()) for name, points in by_name.items()}


def _taken(name: str) -> str:
    return (
        f"{_whose(_entry_points()[name])} adds a method of the name of a built-in one, which "
        "stays: rename it there, or uninstall the package"
    )


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
