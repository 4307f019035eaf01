"""Paths as a person gives them, and the folder in which relative ones begin."""

from __future__ import annotations

import os
from pathlib import Path

from evscli.errors import EvsError, UsageError
from evscli.texts import one_line


def path_text(value: object, name: str) -> str:
    """Return a str or Path as a text. Raises UsageError for another type, or for a NUL in it."""
    if not isinstance(value, str | Path) or "\0" in str(value):
        got = one_line(f"{value!r:.80}")
        raise UsageError(f"{name} must be a str or a Path without NUL characters, got {got}")
    return str(value)


def check_current_folder() -> None:
    """Raise EvsError where the current folder was deleted: torch and new processes need one."""
    try:
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError:
        raise EvsError("the current folder was deleted; change to another, and run again") from None
