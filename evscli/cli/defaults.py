"""Defaults of options from an `evs.toml` in the folder that a command is run in.

    model = "some/checkpoint"               # for every command that has the option
    [prune]
    budget = [0.1, 0.3]                     # for one command
    [train.mini]
    steps = 100

An option on the command line goes first, then its `EVS_*` variable, then this file.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import typer

from evscli.cli.notes import note
from evscli.errors import UsageError
from evscli.option import WANTED, value_text

DEFAULTS_FILE = Path("evs.toml")
MOST_BYTES = 1_000_000
"""The size above which a file is not read, since none with options is that large."""


class DefaultsContext(typer.Context):
    """The context of a command, with the defaults of the folder's file.

    They are looked up for a run only, so that help and completion work beside a faulty file.
    """

    @cached_property
    def _of_file(self) -> Mapping[str, Any]:
        found: Any = read_defaults(self.find_root().command.commands)  # type: ignore[attr-defined]
        for name in self.command_path.split()[1:]:
            found = found.get(name, {})
        return found  # type: ignore[no-any-return]

    def lookup_default(self, name: str, call: bool = True) -> Any:
        """Return the file's default of a parameter. Raises UsageError as `read_defaults` does."""
        del call
        return None if self.resilient_parsing else self._of_file.get(name)


def read_defaults(commands: Mapping[str, Any]) -> dict[str, Any]:
    """Return defaults for every command, by its parameters; empty where there is no file.

    `commands` are Typer's, by name. Raises UsageError for a file that cannot be read, for a name
    that is not an option, and for a variable of the environment that is nearly one.
    """
    singles = [*_single(commands)]
    variables = {str(one.envvar) for command in singles for one in command.params}
    for name in filter(re.compile("EVS_").match, os.environ):
        if difflib.get_close_matches(name, variables, n=1, cutoff=0.85):  # else another program's
            _check(name, variables, "the environment: no option has the variable")
    try:
        given = _read()
    except (OSError, ValueError, RecursionError) as error:
        link = f", a link to {DEFAULTS_FILE.readlink()}," if DEFAULTS_FILE.is_symlink() else ""
        raise UsageError(
            f"{DEFAULTS_FILE}{link} cannot be read ({error}); mend it or move it away"
        ) from None
    tables = {name: value for name, value in given.items() if isinstance(value, dict)}
    everywhere = {name: value for name, value in given.items() if name not in tables}
    known = {option for command in singles for option in _options(command)}
    for name in everywhere:
        _check(name, known, f"{DEFAULTS_FILE}: no command has an option")
    return _of_group(tables, commands, everywhere)


def _read() -> dict[str, Any]:
    """Return the content of the file. Raises OSError, ValueError and RecursionError."""
    try:
        DEFAULTS_FILE.lstat()
    except OSError:  # also in a folder that may not be looked into
        return {}
    note(f"{DEFAULTS_FILE} in this folder gives defaults")
    status = DEFAULTS_FILE.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
        raise ValueError(f"it is not a file of at most {MOST_BYTES:,} bytes")
    return tomllib.loads(DEFAULTS_FILE.read_text(encoding="utf-8-sig"))


def _of_group(
    tables: Mapping[str, Any],
    commands: Mapping[str, Any],
    everywhere: Mapping[str, Any],
    at: str = "",
) -> dict[str, Any]:
    """Return the defaults of several commands, whose `tables` are below the table `at`."""
    for name, table in tables.items():
        if name not in commands:
            raise UsageError(
                f"{DEFAULTS_FILE}: there is no command {name!r} for the table [{at}{name}]"
            )
        if not isinstance(table, dict):
            raise UsageError(
                f"{DEFAULTS_FILE}: {at}{name} must be a table of options, got {value_text(table)}"
            )
    defaults = {}
    for name, command in commands.items():
        own, below = tables.get(name, {}), getattr(command, "commands", None)
        if below:
            defaults[name] = _of_group(own, below, everywhere, f"{at}{name}.")
        else:
            words = f"{at}{name}".replace(".", " ")
            defaults[name] = _of_command(own, _options(command), everywhere, words)
    return defaults


def _of_command(
    own: Mapping[str, Any], known: Mapping[str, Any], everywhere: Mapping[str, Any], words: str
) -> dict[str, Any]:
    """Return the defaults of one command; a single value of a repeated option becomes a list."""
    for name in own:
        _check(name, set(known), f"{DEFAULTS_FILE}: evs {words} has no option")
    values = {**{name: value for name, value in everywhere.items() if name in known}, **own}
    return {known[name].name: _checked(known[name], name, value) for name, value in values.items()}


def _checked(option: Any, name: str, value: Any) -> Any:
    """Return a value as Typer takes it. Raises UsageError for one that cannot be typed."""
    values = value if option.multiple and isinstance(value, list) else [value]
    for one in values:
        if isinstance(one, (list, dict)) or isinstance(one, bool) != option.is_flag:
            kind = WANTED.get(option.type_descriptor.annotation, "text")
            raise UsageError(f"{DEFAULTS_FILE}: {name} must be {kind}, got {value_text(one)}")
    return values if option.multiple else value


def _single(commands: Mapping[str, Any]) -> Iterator[Any]:
    """Yield every command that is not a group of others."""
    for command in commands.values():
        below = getattr(command, "commands", None)
        yield from _single(below) if below else (command,)


def _options(command: Any) -> dict[str, Any]:
    """Return the parameters that have defaults by the names of their options without the dashes."""
    return {
        option.lstrip("-"): parameter
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and parameter.param_type_name == "option" and parameter.envvar
    }


def _check(name: str, known: set[str], fault: str) -> None:
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    raise UsageError(f"{fault} {name!r}{meant}")
