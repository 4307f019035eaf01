"""A method as people write it among several: its name, and options of its own.

`vcast:tau=0.5,prune_at=1` is V-CAST with another `tau`, inside the encoder. So one command compares
a method with itself. Importing this imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evscli.errors import UsageError
from evscli.pruners.method import Pruner
from evscli.pruners.options import split_assignments
from evscli.pruners.places import check_place
from evscli.pruners.registry import Method, method_names, pruner_of
from evscli.records import OptionValue, PruneAt

PLACE = "prune_at"
"""The place in the encoder, which is written like an option though no method has it."""


@dataclass(frozen=True, kw_only=True)
class MethodSpec:
    """A method, and what was written behind its name."""

    pruner: Pruner
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    """The options, not yet checked."""
    prune_at: PruneAt | None = None
    """The place in the encoder. None is where the run or the method says."""


def method_spec(method: Method) -> MethodSpec:
    """Return the method of `NAME`, `NAME:OPTION=VALUE,...`, a `Pruner` or a function.

    Raises UsageError for an unknown method, for options that are not NAME=VALUE or given twice, and
    for a place that is neither a block from 0 nor `input`.
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
    place: PruneAt | None = None
    if PLACE in given:
        place = check_place(f"option {PLACE} of method {pruner.name!r}", given.pop(PLACE))
    return MethodSpec(pruner=pruner, options=given, prune_at=place)
