"""Typer commands made of functions whose parameters are options, or dataclasses of options.

The help has a heading for every dataclass.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, is_dataclass
from functools import wraps
from types import GenericAlias
from typing import Annotated, Any, get_args, get_type_hints

import typer
from typer.core import TyperCommand, TyperOption

from evscli.errors import UsageError
from evscli.option import OptionField, option_fields, option_of
from evscli.paths import check_current_folder

ARGUMENTS, OTHERS = "Arguments", "Options"
"""The headings of the parameters outside all dataclasses."""


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Return a function for Typer that has the options of every dataclass among the parameters.

    A dataclass may hold others. The call raises UsageError for a parameter that its option does not
    allow, and what the dataclasses raise.
    """
    hints = get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)
    own = {
        name: option
        for name, parameter in signature.parameters.items()
        if (option := option_of(name, hints[name], parameter.default, group=OTHERS)) is not None
    }
    filled = _dataclasses(hints)
    flat: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        if name in filled:
            flat += map(_parameter, _all_options(filled[name]))
        elif name in own:
            flat.append(_parameter(own[name]))
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            flat.append(parameter.replace(annotation=hints[name], kind=kind))

    @wraps(function)
    def run(**given: Any) -> None:
        made = {name: _fill(cls, given) for name, cls in filled.items()}
        for name, option in own.items():
            option.check(given[name])
        function(**made, **{**given, **_values(own.values(), given)})

    run.__signature__ = signature.replace(parameters=flat)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in flat}
    return run


def _all_options(cls: type) -> list[OptionField]:
    nested = [option for inner in _inner(cls).values() for option in _all_options(inner)]
    return [*option_fields(cls), *nested]


def _inner(cls: type) -> dict[str, type]:
    """Return the dataclasses that a dataclass holds, by field."""
    return _dataclasses(get_type_hints(cls))


def _dataclasses(hints: dict[str, Any]) -> dict[str, type]:
    return {
        name: hint for name, hint in hints.items() if isinstance(hint, type) and is_dataclass(hint)
    }


def _fill(cls: type, given: dict[str, Any]) -> Any:
    """Make a dataclass of the values given for it, and remove them from `given`."""
    values = _values(option_fields(cls), given)
    for name in values:
        del given[name]
    return cls(**values, **{name: _fill(inner, given) for name, inner in _inner(cls).items()})


def _values(options: Iterable[OptionField], given: dict[str, Any]) -> dict[str, Any]:
    """Return the values of these options, tuples where Typer has lists."""
    return {
        option.name: tuple(given[option.name] or ()) if option.is_repeated else given[option.name]
        for option in options
    }


def _parameter(option: OptionField) -> inspect.Parameter:
    """Return an option as a parameter for Typer."""
    declared = typer.Option(
        *option.names,
        metavar=option.option.metavar,
        help=option.option.help,
        rich_help_panel=option.group,
    )
    default = inspect.Parameter.empty if option.default is MISSING else option.default
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=[*default] if isinstance(default, tuple) else default,
        annotation=Annotated[_typer_type(option), declared],
    )


def _typer_type(option: OptionField) -> Any:
    """Return the type for Typer, which takes lists where a frozen dataclass has tuples."""
    return GenericAlias(list, get_args(option.type)[:1]) if option.is_repeated else option.type


class GroupedCommand(TyperCommand):
    """A command whose help has a heading for every group of options.

    The environment variable `EVS_MAX_FRAMES` gives the default of `--max-frames`, and likewise for
    every other option.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        for parameter in self.params:
            if isinstance(parameter, TyperOption):
                parameter.envvar = variable_of(parameter.opts)
                parameter.show_envvar = False

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; an error names the variable that gives the value, if one does."""
        with _naming_variables(self, ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an error names the variables that give the values it is about."""
        check_current_folder()
        with _naming_variables(self, ctx):
            return super().invoke(ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the groups in the order of their first options."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                heading, (names, text) = _heading(parameter), record
                shown = names.partition(" <")[0] if heading == ARGUMENTS else names
                groups.setdefault(heading, []).append((shown, text))
        for heading, records in sorted(groups.items(), key=lambda group: group[0] == OTHERS):
            with formatter.section(heading):
                formatter.write_dl(records)


@contextmanager
def _naming_variables(command: TyperCommand, ctx: Any) -> Iterator[None]:
    """Add, to an error about options, the variables of the environment that give their values."""
    try:
        yield
    except (UsageError, typer.BadParameter) as error:
        bad = getattr(error, "param", None)
        named = bad.opts if bad else re.findall(r"(?<![\w-])--?[a-z][a-z-]*", str(error))
        variables = [
            str(one.envvar)
            for one in command.params
            if {*one.opts} & {*named}
            and getattr(ctx.get_parameter_source(one.name), "name", None) == "ENVIRONMENT"
        ]
        if not variables:
            raise
        said = f"{str(error).rstrip('.')} (from the environment: {', '.join(variables)})"
        if isinstance(error, UsageError):
            error.args = (said,)
        else:
            error.message = said
        raise


def variable_of(names: Sequence[str]) -> str:
    """Return the environment variable for the default of an option with these names."""
    longest = max(names, key=len)
    return f"EVS_{longest.lstrip('-').replace('-', '_').upper()}"


def _heading(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return ARGUMENTS
    return getattr(parameter, "rich_help_panel", None) or OTHERS
