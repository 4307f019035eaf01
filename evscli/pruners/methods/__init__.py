"""The built-in methods. Each file of this folder is one, and is found without being listed.

A file holds the method's options (a frozen dataclass, where it has any), its rule, its count where
it has one of its own, and a `PRUNER` that names them. Importing it must not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from evscli.pruners.method import Pruner


@cache
def built_in() -> Mapping[str, Pruner]:
    """Return the method of every file of this folder by its name, in the order of lists."""
    found = [import_module(f"{__name__}.{file.name}").PRUNER for file in iter_modules(__path__)]
    return {pruner.name: pruner for pruner in sorted(found, key=lambda one: (one.order, one.name))}
