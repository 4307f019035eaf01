"""The methods by name, the built-in ones first. Importing it does not import torch.

Other packages add methods by entry points of the group `evscli.pruners`: each has the method's name
and leads to a `Pruner`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from evscli.added import Added
from evscli.errors import UsageError
from evscli.pruners.method import Plugin, Pruner, function_pruner
from evscli.pruners.methods import built_in
from evscli.pruners.options import closest
from evscli.records import KeptTokens

ADDED = Added(
    group="evscli.pruners",
    kind=Pruner,
    noun="method",
    name_of=lambda pruner: pruner.name,
    check=lambda pruner: json.dumps(pruner.describe()),
)
"""The methods of other packages."""

Method = str | Pruner | Callable[..., KeptTokens]
"""A method as its name, as a `Pruner`, or as a plain function."""


def get_pruner(name: str) -> Pruner:
    """Return the method called `name`.

    Raises UsageError with the list of methods for another name, and with the reason for a broken
    one.
    """
    if name in built_in():
        return built_in()[name]
    if name in ADDED.names:
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
    added = (_load(name) for name in ADDED.names if name not in built_in())
    return (*built_in().values(), *(one for one in added if isinstance(one, Pruner)))


def broken_methods() -> dict[str, str]:
    """Return the reasons why methods of installed packages cannot be used, by their names."""
    loaded = {name: _taken(name) if name in built_in() else _load(name) for name in ADDED.names}
    return {name: reason for name, reason in loaded.items() if isinstance(reason, str)}


def method_names() -> tuple[str, ...]:
    """Return the name of every method, built-in ones first. Those of packages are not loaded."""
    return (*built_in(), *(name for name in ADDED.names if name not in built_in()))


def is_built_in(pruner: Pruner) -> bool:
    """Return whether a method, which may be a copy from another process, comes with evs itself."""
    own = built_in().get(pruner.name)
    return own is not None and own.function is pruner.function


def _taken(name: str) -> str:
    return (
        f"{ADDED.packages(name)} adds a method of the name of a built-in one, which stays: rename "
        "it there, or uninstall the package"
    )


@cache
def _load(name: str) -> Pruner | str:
    """Return the method, or the reason why it cannot be used."""
    loaded = ADDED.load(name)
    if isinstance(loaded, str):
        return loaded
    plugin = Plugin(distribution=ADDED.packages(name), module=ADDED.module(name))
    return replace(loaded, plugin=plugin)
