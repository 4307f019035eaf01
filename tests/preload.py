"""What the fork server of `tests.evs` imports once: all of `evs`, which itself imports it late."""

import gc
from contextlib import suppress
from importlib import import_module
from pkgutil import walk_packages

import hypothesis  # noqa: F401 - what a child is to do is often defined in a module of tests
import pytest  # noqa: F401
from transformers.conversion_mapping import get_checkpoint_conversion_mapping

import evscli
from tests.once import save_repetitions

gc.disable()  # what is imported stays, and looking through it again and again takes a second
for module in walk_packages(evscli.__path__, "evscli."):
    with suppress(ModuleNotFoundError):  # vLLM need not be there
        import_module(module.name)

with suppress(ImportError):  # typer looks for it at every call
    from pydantic import TypeAdapter, types  # noqa: F401
save_repetitions()
get_checkpoint_conversion_mapping("qwen3_vl")  # the first call compiles a thousand patterns
gc.freeze()
gc.enable()
