"""The options of a method, and values checked against them.

A method declares them as the fields of a dataclass or as keyword-only parameters of its function,
each with an `evscli.option.Option`: the help, the range of whole numbers, and as metavar the
thing that is counted. Values come typed from Python or as text from the command line
(`--option name=value`). Importing this imports no torch.
"""

from __future__ import annotations

import difflib
import inspect
import math
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import partial
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from evscli.errors import UsageError
from evscli.option import WANTED, Option, option_of, plain_value
from evscli.records import OptionValue

RESERVED = frozenset({"prune_at", "num_frames"})
"""Names that stand beside a method's options and so cannot be one's."""
_NOTHING = Option("")


@dataclass(frozen=True, kw_only=True)
class MethodOption:
    """One option of a method."""

    name: str
    kind: type[bool] | type[int] | type[float] | type[str]
    default: OptionValue | None
    """The default value. It is None where the option is off unless given."""
    choices: tuple[str, ...] = ()
    """The allowed values. It is empty where any value of `kind` is allowed."""
    declared: Option = _NOTHING
    """The help and the range that the method's author gave."""

    @property
    def wanted(self) -> str:
        """The allowed values in words."""
        return f"one of {', '.join(self.choices)}" if self.choices else WANTED[self.kind]


def class_options(cls: type[Any]) -> tuple[MethodOption, ...]:
    """Return the fields of a dataclass as options, in order. Raises UsageError for a bad one."""
    names = getattr(sys.modules.get(cls.__module__), "__dict__", None)
    return tuple(_option(one.name, one.type, one.default, names) for one in fields(cls))


def function_options(function: Callable[..., object]) -> tuple[MethodOption, ...]:
    """Return the keyword-only parameters of `function` as options, in order.

    A parameter without an annotation has the type of its default. Raises UsageError for one whose
    type cannot be an option's, and for one without a default.
    """
    rule = function.func if isinstance(function, partial) else inspect.unwrap(function)
    names = getattr(rule, "__globals__", None)
    return tuple(
        _option(name, parameter.annotation, parameter.default, names)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    )


def _option(name: str, annotation: Any, default: Any, names: dict[str, Any] | None) -> MethodOption:
    """Return the option of a field or parameter, its annotation evaluated with `names`."""
    if default is MISSING or default is inspect.Parameter.empty:
        raise UsageError(f"option {name} of a method has no default: give it one")
    if name in RESERVED:
        raise UsageError(f"option {name} of a method has the name of another setting: rename it")
    if annotation is inspect.Parameter.empty:
        annotation = type(default)
    hint, full = (_hint(name, annotation, names, extras=extras) for extras in (False, True))
    field = option_of(name, full, default, group="")
    declared = _NOTHING if field is None else field.option
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(member for member in get_args(hint) if member is not types.NoneType)
    choices: tuple[str, ...] = ()
    if get_origin(hint) is Literal:
        choices, hint = get_args(hint), str
    elif hint not in WANTED:
        raise UsageError(
            f"option {name} of a method must be a bool, int, float, str or Literal, not {hint}: "
            "annotate it so"
        )
    return MethodOption(name=name, kind=hint, default=default, choices=choices, declared=declared)


def _hint(name: str, annotation: Any, names: dict[str, Any] | None, *, extras: bool) -> Any:
    """Return the type of an option, evaluating no annotation but its own. Raises UsageError."""
    alone = types.SimpleNamespace(__annotations__={name: annotation})
    try:
        return get_type_hints(alone, globalns=names, include_extras=extras)[name]
    except NameError as error:
        raise UsageError(
            f"option {name} of a method has an annotation that cannot be looked up "
            f"({error}): write it as bool, int, float, str or Literal"
        ) from None


def check_options(
    method: str, options: Iterable[MethodOption], given: Mapping[str, object]
) -> dict[str, OptionValue]:
    """Return every option of `method` that has a value: those given, typed, and the defaults.

    Raises UsageError for an unknown name and for a value of the wrong type or out of its range.
    """
    allowed = {option.name: option for option in options}
    for name in given:
        if name not in allowed:
            raise UsageError(_unknown_option(method, name, allowed))
    values = {name: option.default for name, option in allowed.items()}
    values |= {
        name: _typed(method, allowed[name], value)
        for name, value in given.items()
        if value is not None
    }
    return {name: value for name, value in values.items() if value is not None}


def split_assignments(texts: Iterable[str]) -> dict[str, str]:
    """Return `["tau=0.5", ...]` as `{"tau": "0.5", ...}`. Raises UsageError for other texts."""
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise UsageError(f"option {text!r} must be NAME=VALUE: write it as in tau=0.5")
        if name in values:
            raise UsageError(f"option {name!r} is given twice: give it once")
        values[name] = value
    return values


def closest(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` for the known name most like `name`, else an empty text."""
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def _unknown_option(method: str, name: str, allowed: Mapping[str, MethodOption]) -> str:
    found = f"method {method!r} has no option {name!r}{closest(name, allowed)}"
    if not allowed:
        return f"{found}: it takes no options, so leave it out"
    return f"{found}: choose from {', '.join(allowed)}"


def _typed(method: str, option: MethodOption, value: object) -> OptionValue:
    typed = _from_text(option, value) if isinstance(value, str) else _from_value(option, value)
    if typed is None:
        raise UsageError(
            f"option {option.name!r} of method {method!r} must be {option.wanted}, "
            f"got {value!r}: give such a value"
        )
    _check_range(method, option, typed)
    return typed


def _check_range(method: str, option: MethodOption, value: Any) -> None:
    where, declared = f"option {option.name} of {method} must be", option.declared
    if declared.least is not None and value < declared.least:
        raise UsageError(
            f"{where} at least {declared.least}, got {value}: give {declared.least} or more"
        )
    if declared.below is not None and value >= declared.below:
        raise UsageError(f"{where} below {declared.below}, got {value}: give less")


def _from_text(option: MethodOption, text: str) -> OptionValue | None:
    if option.choices or option.kind is str:
        return text if not option.choices or text in option.choices else None
    if option.kind is bool:
        return {"true": True, "false": False}.get(text.lower())
    try:
        return _from_value(option, option.kind(text))
    except ValueError:
        return None


def _from_value(option: MethodOption, value: object) -> OptionValue | None:
    """Return `value` where its type fits; a whole number fits a float, a bool does not."""
    try:
        typed: Any = plain_value(option.kind, value)
        return typed if option.kind is not float else float(typed) if math.isfinite(typed) else None
    except (ValueError, OverflowError):
        return None
