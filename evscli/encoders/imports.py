"""Classes of the installed transformers by `module:name`, without torchvision."""

from __future__ import annotations

import builtins
import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from threading import Lock
from types import ModuleType
from typing import Any

from transformers.utils import is_torchvision_available

from evscli.errors import ModelError

_IMPORT = Lock()


def import_class(name: str) -> Any:
    """The class that `module:name` stands for, where its module may want torchvision for pixels."""
    module, _, attribute = name.partition(":")
    with _IMPORT:
        if module in sys.modules or is_torchvision_available():
            return getattr(import_module(module), attribute)
        return getattr(_import_without_torchvision(module), attribute)


class _Absent:
    """Stands for a package that is not there, as far as attributes go."""

    def __getattr__(self, _name: str) -> _Absent:
        return _Absent()


def _import_without_torchvision(name: str) -> ModuleType:
    """Import a module that imports torchvision at its top and needs it only for pixels.

    Only this one module is shown a stand-in, by an import function of its own, so no other
    module or thread ever sees it.
    """
    spec = find_spec(name)
    if spec is None or spec.loader is None:
        raise ModelError(f"this transformers has no {name}; install transformers 5.18 or later")
    module = module_from_spec(spec)
    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _import_or_stand_in}
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _import_or_stand_in(name: str, *rest: Any, **named: Any) -> Any:
    if name.partition(".")[0] == "torchvision":
        return _Absent()
    return builtins.__import__(name, *rest, **named)
