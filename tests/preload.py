"""What the fork server of `tests.evs` imports once: all of `evs`, which itself imports it late."""

from contextlib import suppress
from importlib import import_module
from pkgutil import walk_packages

import evscli

for module in walk_packages(evscli.__path__, "evscli."):
    import_module(module.name)

with suppress(ImportError):  # typer looks for it at every call
    from pydantic import TypeAdapter, types  # noqa: F401
