"""Defaults of options from an `evs.toml` in the folder that a command is run in.

    model = "some/checkpoint"               # for every command that has the option
    [prune]
    budget = [0.1, 0.3]                     # for one command

An option on the command line goes first, then its `EVS_*` variable, then this file.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
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
    options = {name: _options(command) for name, command in commands.items()}
    everywhere = {name: value for name, value in given.items() if not isinstance(value, dict)}
    for name in everywhere:
        _check(name, {option for known in options.values() for option in known}, "any command")
    defaults: dict[str, Any] = {}
    for command, known in options.items():
        own = given.get(command, {})
        for name in own:
            _check(name, set(known), f"evs {command}")
        values = {**{n: v for n, v in everywhere.items() if n in known}, **own}
        defaults[command] = {
            known[name].name: [value]
            if known[name].multiple and not isinstance(value, list)
            else value
            for name, value in values.items()
        }
    for name, value in given.items():
        if isinstance(value, dict) and name not in commands:
            raise UsageError(
                f"{DEFAULTS_FILE}: there is no command {name!r} for the table [{name}]"
            )
    return defaults


def _options(command: Any) -> dict[str, Any]:
    """Return the parameters of a command by the names of their options, without the dashes."""
    return {
        option.lstrip("-"): parameter
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and parameter.param_type_name == "option"
    }


def _check(name: str, known: set[str], where: str) -> None:
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    raise UsageError(f"{DEFAULTS_FILE}: {where} has no option {name!r}{meant}")
