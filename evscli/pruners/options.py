"""A method's options: the keyword-only parameters of its function, and values checked against them.

Values come typed from Python or as text from the command line (`--option name=value`). Knows no
method and no tensor. Imports no torch.
"""

from __future__ import annotations

import difflib
import inspect
import math
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from evscli.errors import UsageError
from evscli.records import OptionValue

_WANTED = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


@dataclass(frozen=True, kw_only=True)
class MethodOption:
    """One option of a method."""

    name: str
    kind: type[bool] | type[int] | type[float] | type[str]
    default: OptionValue | None
    """None where the option is off unless given."""
    choices: tuple[str, ...] = ()
    """The allowed values; empty where any value of `kind` goes."""

    @property
    def wanted(self) -> str:
        """The allowed values in words."""
        return f"one of {', '.join(self.choices)}" if self.choices else _WANTED[self.kind]


def function_options(function: Callable[..., object]) -> tuple[MethodOption, ...]:
    """The keyword-only parameters of `function`, in its own order.

    One without an annotation has the type of its default. Raises UsageError for one that is of no
    type of an option, or has no default.
    """
    return tuple(
        _option(name, _hint(function, parameter), parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    )


def _hint(function: Callable[..., object], parameter: inspect.Parameter) -> Any:
    """The type of a parameter; only its own annotation must be one that can be looked up."""
    if parameter.default is parameter.empty:
        raise UsageError(f"option {parameter.name} of a method has no default: give it one")
    if parameter.annotation is parameter.empty:
        return type(parameter.default)
    rule = function.func if isinstance(function, partial) else inspect.unwrap(function)
    alone = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    try:
        hints = get_type_hints(alone, globalns=getattr(rule, "__globals__", None))
    except NameError as error:
        raise UsageError(
            f"option {parameter.name} of a method has an annotation that is not known when it runs "
            f"({error}): write it as bool, int, float, str or Literal"
        ) from None
    return hints[parameter.name]


def check_options(
    method: str, options: Iterable[MethodOption], given: Mapping[str, object]
) -> dict[str, OptionValue]:
    """Every option of `method` that has a value: the ones given, typed, and the defaults.

    Raises UsageError for an unknown name and for a value of the wrong type.
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
    """`["tau=0.5", ...]` as `{"tau": "0.5", ...}`; raises UsageError for other text or a repeat."""
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
    """` (did you mean 'x'?)` for the known name most like `name`, else nothing."""
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def _option(name: str, hint: Any, default: OptionValue | None) -> MethodOption:
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(member for member in get_args(hint) if member is not types.NoneType)
    if get_origin(hint) is Literal:
        return MethodOption(name=name, kind=str, default=default, choices=get_args(hint))
    if hint not in _WANTED:
        raise UsageError(
            f"option {name} of a method must be a bool, int, float, str or Literal, not {hint}: "
            "annotate it so"
        )
    return MethodOption(name=name, kind=hint, default=default)


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
    return typed


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
    """`value` where its type fits the option; a whole number goes for a float, a bool does not."""
    if option.kind is bool or isinstance(value, bool):
        return value if option.kind is bool and isinstance(value, bool) else None
    if option.kind is float and isinstance(value, int | float):
        return float(value) if math.isfinite(value) else None
    return value if option.kind is int and isinstance(value, int) else None
