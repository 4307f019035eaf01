"""The methods by name, the built-in ones first. Importing it does not import torch."""

from __future__ import annotations

from collections.abc import Callable

from evscli.errors import UsageError
from evscli.pruners.method import Pruner, function_pruner
from evscli.pruners.methods import built_in
from evscli.pruners.options import closest
from evscli.pruners.plugins import load_plugin, plugin_names, why_broken
from evscli.records import KeptTokens

Method = str | Pruner | Callable[..., KeptTokens]
"""A method as its name, as a `Pruner`, or as a plain function."""


def get_pruner(name: str) -> Pruner:
    """Return the method called `name`.

    Raises UsageError with the list of methods for another name, and with the reason for a broken
    one.
    """
    if name in built_in():
        return built_in()[name]
    if name in plugin_names():
        return load_plugin(name)
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
    broken = broken_methods()
    found = [name for name in plugin_names() if name not in broken]
    return (*built_in().values(), *map(load_plugin, found))


def broken_methods() -> dict[str, str]:
    """Return the reasons why methods of installed packages cannot be used, by their names."""
    reasons = {name: why_broken(name, taken=built_in()) for name in plugin_names()}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def method_names() -> tuple[str, ...]:
    """Return the name of every method, built-in ones first. Those of packages are not loaded."""
    return (*built_in(), *(name for name in plugin_names() if name not in built_in()))


def is_built_in(pruner: Pruner) -> bool:
    """Whether a method, which may be a copy from another process, comes with evs itself."""
    own = built_in().get(pruner.name)
    return own is not None and own.function is pruner.function
