"""A method as people write it among several: its name, and options of its own.

`vcast:tau=0.5,prune_at=1` is V-CAST with another `tau`, inside the encoder. So one command compares
a method with itself. Importing this imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evscli.errors import UsageError
from evscli.option import Option
from evscli.pruners.method import Pruner
from evscli.pruners.options import MethodOption, check_options, split_assignments
from evscli.pruners.registry import Method, method_names, pruner_of
from evscli.records import OptionValue

BLOCK = MethodOption(name="prune_at", kind=int, default=None, declared=Option("", least=0))
"""The block of the encoder, which is written like an option though no method has it."""


@dataclass(frozen=True, kw_only=True)
class MethodSpec:
    """A method, and what was written behind its name."""

    pruner: Pruner
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    """The options, not yet checked."""
    prune_at: int | None = None
    """The block of the encoder. None is where the run or the method says."""


def method_spec(method: Method) -> MethodSpec:
    """Return the method of `NAME`, `NAME:OPTION=VALUE,...`, a `Pruner` or a function.

    Raises UsageError for an unknown method, for options that are not NAME=VALUE or given twice, and
    for a block that is not a whole number of at least 0.
    """
    if not isinstance(method, str):
        return MethodSpec(pruner=pruner_of(method))
    name, colon, written = method.partition(":")
    if colon and method in method_names():
        name, colon = method, ""  # of a package that has a colon in it
    pruner = pruner_of(name)
    try:
        given = dict(split_assignments(written.split(","))) if colon else {}
    except UsageError as error:
        raise UsageError(f"method {method!r}: {error}") from None
    block = check_options(pruner.name, [BLOCK], {BLOCK.name: given.pop(BLOCK.name, None)})
    return MethodSpec(pruner=pruner, options=given, **block)  # type: ignore[arg-type]
