"""Digests of the source of a method of one's own, so that an edited one does not reuse old tokens.

A store cannot record values that a method was given while Python runs, so it takes only methods
that follow from files. Importing this imports no torch.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from inspect import isfunction, unwrap
from pathlib import Path
from types import ModuleType
from typing import Any

from evscli.errors import UsageError
from evscli.pruners.method import Pruner, nearest_count

SUFFIXES = (*SOURCE_SUFFIXES, *EXTENSION_SUFFIXES)
"""The endings of files that Python imports as code."""


def source_digests(pruner: Pruner) -> dict[str, str]:
    """Return the SHA-256 of a method's code, in hex, by package or lone module.

    Files are read as they are now. Raises UsageError for a method without a file, as one made in a
    notebook, or with values of its own, as a closure.
    """
    if pruner.plugin is None and not isfunction(pruner.function):
        raise _refused(pruner, f"is a {type(pruner.function).__name__}, not a function")
    if pruner.plugin is None and unwrap(pruner.function).__closure__:
        raise _refused(pruner, "is a function that uses variables of another one")
    roots = [_root(pruner, name) for name in sorted(_modules(pruner))]
    return {name: _digest(pruner, module) for name, module in roots}


def _modules(pruner: Pruner) -> set[str]:
    """Return the modules in which a method is defined."""
    rules: list[Any] = [pruner.function, pruner.option_type or pruner.function]
    if pruner.expected_count is not nearest_count:  # else it has no count of its own
        rules.append(pruner.expected_count)
    names = {getattr(rule, "__module__", None) or type(rule).__module__ for rule in rules}
    if pruner.plugin is not None:
        return names | {pruner.plugin.module}
    return names - {"functools"}


def _root(pruner: Pruner, name: str) -> tuple[str, ModuleType]:
    """Return the outermost package of a module that has files of its own, or the module itself."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        outer = ".".join(parts[:length])
        module = sys.modules.get(outer)
        if outer != "__main__" and module is not None and getattr(module, "__file__", None):
            return outer, module
    raise _refused(pruner, f"is defined in {name}, which is not an imported file")


def _digest(pruner: Pruner, module: ModuleType) -> str:
    try:
        files = {relative: path.read_bytes() for relative, path in _files(module)}
    except OSError as error:
        raise _refused(pruner, f"has source that cannot be read ({error})") from None
    listed = [[name, hashlib.sha256(data).hexdigest()] for name, data in sorted(files.items())]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def _files(module: ModuleType) -> Iterator[tuple[str, Path]]:
    """Yield the code files of a package by their path in it, or a lone module's one."""
    if not hasattr(module, "__path__"):
        path = Path(str(module.__file__))
        yield path.name, path
        return
    for folder in map(Path, module.__path__):
        for path in folder.rglob("*"):
            relative = path.relative_to(folder)
            hidden = any(part.startswith(".") for part in relative.parts)
            if path.name.endswith(SUFFIXES) and not hidden and path.is_file():
                yield relative.as_posix(), path


def _refused(pruner: Pruner, why: str) -> UsageError:
    return UsageError(
        f"method {pruner.name!r} {why}, so a store could not detect its changes: put it in a "
        "module of its own and import it from there"
    )
