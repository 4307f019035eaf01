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
"""A method by its name, as it is, or as a plain function."""


def get_pruner(name: str) -> Pruner:
    """The method called `name`.

    Raises UsageError that lists the methods for any other name, and for a broken one says why.
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
    """The method that is meant. Raises UsageError for what is none."""
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
    """Every method that can be used, the built-in ones first."""
    broken = broken_methods()
    found = [name for name in plugin_names() if name not in broken]
    return (*built_in().values(), *map(load_plugin, found))


def broken_methods() -> dict[str, str]:
    """The reason why a method that an installed package adds cannot be used, by its name."""
    reasons = {name: why_broken(name, taken=built_in()) for name in plugin_names()}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def method_names() -> tuple[str, ...]:
    """The name of every method, the built-in ones first; those of packages are not loaded."""
    return (*built_in(), *(name for name in plugin_names() if name not in built_in()))


def is_built_in(pruner: Pruner) -> bool:
    """Whether a method, which may be a copy from another process, comes with evs itself."""
    own = built_in().get(pruner.name)
    return own is not None and own.function is pruner.function
