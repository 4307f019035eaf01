"""The command that repeats a run, for its report."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evscli.option import option_fields


def repeated(
    command: str,
    inputs: Sequence[str] | None,
    *settings: Any,
    output: str | Path,
    blend: float = 0.0,
) -> str:
    """Return the command with its inputs and output, and every setting that is not usual."""
    words = [command, *map(shlex.quote, inputs or ())]
    for held in settings:
        kind: type = type(held)
        for field in option_fields(kind):
            value = getattr(held, field.name)
            if value == field.default:
                continue
            shown = value if isinstance(value, tuple) else [value]
            given = ["" if one is True else f" {shlex.quote(str(one))}" for one in shown]
            words += [f"{field.names[-1]}{one}" for one in given]
    if blend:
        words.append(f"--blend {blend:g}")
    return " ".join([*words, f"-o {shlex.quote(str(output))}"])
