"""Typer commands made of functions whose parameters are options, or dataclasses of options.

The help has a heading for every dataclass.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import MISSING, is_dataclass
from functools import wraps
from textwrap import wrap
from types import GenericAlias, NoneType
from typing import Annotated, Any, get_args, get_type_hints

import typer
from typer.core import TyperArgument, TyperCommand, TyperOption

from evscli.cli.defaults import DefaultsContext
from evscli.errors import UsageError
from evscli.option import OptionField, held_dataclasses, option_fields, option_of, types_of
from evscli.paths import check_current_folder

SOURCES = ("COMMANDLINE", "ENVIRONMENT", "DEFAULT_MAP", "DEFAULT")
"""The sources of values by rank, as Typer names them. The third is a file."""

RANKS: ContextVar[Mapping[str, int]] = ContextVar("ranks")
"""The ranks of the sources of the command's values, by parameter; 0 is what is typed."""

TYPED = "-"
"""The mark, in place of a variable, of an option that has none."""

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
    filled: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
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
        checked = {name: option.check(given[name]) for name, option in own.items()}
        function(**made, **{**given, **checked})

    run.__signature__ = signature.replace(parameters=flat)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in flat}
    return run


def _all_options(cls: type) -> list[OptionField]:
    nested = [one for inner in held_dataclasses(cls).values() for one in _all_options(inner)]
    return [*option_fields(cls), *nested]


def _fill(cls: Any, given: dict[str, Any]) -> Any:
    """Make a dataclass of the values given for it, and remove them from `given`.

    A value is left out that one of a higher rank excludes, and a default of the environment or of
    a file that has no use.
    """
    values, ranks = {one.name: given.pop(one.name) for one in option_fields(cls)}, RANKS.get()
    excluding = {one.name: () if one.is_repeated else None for one in option_fields(cls)}
    excluding = {name: none for name, none in excluding.items() if name in cls.EXCLUSIVE}
    given_ranks = (ranks[name] for name in excluding if values[name] not in (None, [], ()))
    highest = min(given_ranks, default=0)
    values |= {name: none for name, none in excluding.items() if ranks[name] > highest}
    if defaults := {name for name in values if SOURCES[ranks[name]] in SOURCES[1:3]}:
        values |= {name: left for name, left in cls.replaced(values).items() if name in defaults}
    held = {name: _fill(inner, given) for name, inner in held_dataclasses(cls).items()}
    return cls(**values, **held)


def _parameter(option: OptionField) -> inspect.Parameter:
    """Return an option as a parameter for Typer."""
    declared = typer.Option(
        *option.names,
        metavar=option.option.metavar,
        help=option.option.help,
        envvar=TYPED if option.option.typed else None,
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
    kinds = types_of(option.type)
    if option.is_repeated:
        return GenericAlias(list, types_of(get_args(kinds[0])[0])[:1])
    return kinds[0] | None if NoneType in kinds else kinds[0]


class GroupedCommand(TyperCommand):
    """A command whose help has a heading for every group of options.

    The environment variable `EVS_MAX_FRAMES` gives the default of `--max-frames`, and likewise for
    every other option; behind it comes the file of `defaults.py`.
    """

    context_class = DefaultsContext

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        for parameter in self.params:
            if isinstance(parameter, TyperOption):
                typed = parameter.envvar == TYPED
                parameter.envvar = None if typed else variable_of(parameter.opts)
                parameter.show_envvar = False

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; an error names the variable that gives the value, if one does."""
        with _naming_variables(self, ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an error names the variables that give the values it is about."""
        check_current_folder()
        sources = {name: ctx.get_parameter_source(name).name for name in ctx.params}
        RANKS.set({name: SOURCES.index(source) for name, source in sources.items()})
        with _naming_variables(self, ctx):
            return super().invoke(ctx)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage; arguments are written there as they are in the help."""
        arguments = [one for one in self.get_params(ctx) if isinstance(one, TyperArgument)]
        return ["[OPTIONS]", *(one.display_name_raw for one in arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the groups in the order of their first options."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                heading, (names, text) = _heading(parameter), record
                shown = names.partition(" <")[0] if heading == ARGUMENTS else names
                groups.setdefault(heading, []).append((_broken(shown, formatter.width), text))
        for heading, records in sorted(groups.items(), key=lambda group: group[0] == OTHERS):
            with formatter.section(heading):
                formatter.write_dl(records, col_max=min(30, formatter.width - 24))


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


def _broken(names: str, width: int) -> str:
    """Return the names of an option and its choices, broken behind a choice to fit the width."""
    lines = wrap(names.replace("|", "| "), width - 8) if len(names) > width - 2 else [names]
    return "\n      ".join(lines).replace("| ", "|")


def _heading(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return ARGUMENTS
    return getattr(parameter, "rich_help_panel", None) or OTHERS
