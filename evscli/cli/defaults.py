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
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evscli.errors import UsageError

DEFAULTS_FILE = Path("evs.toml")


def read_defaults(commands: Mapping[str, Any]) -> dict[str, Any]:
    """Return defaults for every command, by its parameters; empty where there is no file.

    `commands` are Typer's, by name. Raises UsageError for a file that cannot be read, and for a
    name that is not an option.
    """
    try:
        given = tomllib.loads(DEFAULTS_FILE.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            f"{DEFAULTS_FILE} cannot be read ({error}); mend it or move it away"
        ) from None
    tables = {name: value for name, value in given.items() if isinstance(value, dict)}
    everywhere = {name: value for name, value in given.items() if name not in tables}
    known = {option for command in _single(commands) for option in _options(command)}
    for name in everywhere:
        _check(name, known, "no command has an option")
    return _of_group(tables, commands, everywhere)


def _of_group(
    tables: Mapping[str, Any],
    commands: Mapping[str, Any],
    everywhere: Mapping[str, Any],
    at: str = "",
) -> dict[str, Any]:
    """Return the defaults of several commands, whose `tables` are below the table `at`."""
    for name in tables:
        if name not in commands:
            raise UsageError(
                f"{DEFAULTS_FILE}: there is no command {name!r} for the table [{at}{name}]"
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
        _check(name, set(known), f"evs {words} has no option")
    values = {**{name: value for name, value in everywhere.items() if name in known}, **own}
    return {
        known[name].name: [value] if known[name].multiple and not isinstance(value, list) else value
        for name, value in values.items()
    }


def _single(commands: Mapping[str, Any]) -> Iterator[Any]:
    """Yield every command that is not a group of others."""
    for command in commands.values():
        below = getattr(command, "commands", None)
        yield from _single(below) if below else (command,)


def _options(command: Any) -> dict[str, Any]:
    """Return the parameters of a command by the names of their options, without the dashes."""
    return {
        option.lstrip("-"): parameter
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and parameter.param_type_name == "option"
    }


def _check(name: str, known: set[str], fault: str) -> None:
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    raise UsageError(f"{DEFAULTS_FILE}: {fault} {name!r}{meant}")
