"""The command that repeats a run, for its report."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from evscli.option import option_fields


def repeated(command: str, inputs: Sequence[str] | None, *settings: Any) -> str:
    """Return the command with its inputs, and every setting of dataclasses that is not usual."""
    words = [command, *map(shlex.quote, inputs or ())]
    for held in settings:
        kind: type = type(held)
        for field in option_fields(kind):
            value = getattr(held, field.name)
            if value != field.default:
                shown = value if isinstance(value, tuple) else [value]
                words += [f"{field.names[-1]} {shlex.quote(str(one))}" for one in shown]
    return " ".join(words)
