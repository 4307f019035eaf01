"""Paths as a person gives them, and the folder in which relative ones begin."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from evscli.errors import EvsError, UsageError
from evscli.texts import one_line


def path_text(value: object, name: str) -> str:
    """Return a str or Path as a text. Raises UsageError for another type, or for a NUL in it."""
    text = str(value)
    if isinstance(value, str | Path) and "\0" not in text:
        with suppress(UnicodeEncodeError):
            os.fsencode(text)
            return text
    got = one_line(f"{value!r:.80}")
    raise UsageError(f"{name} must be a str or a Path without NUL characters, got {got}")


def folder_path(value: object, name: str) -> Path:
    """Return the folder that results are written to, `~` put in full. Raises UsageError.

    Addresses are for inputs alone.
    """
    text = path_text(value, name)
    if re.match("[a-z][a-z0-9+.-]*://", text):
        raise UsageError(
            f"{name} {text} is an address, and results go to a folder of this machine: name one, "
            "and copy it afterwards"
        )
    return Path(os.path.expanduser(text))  # noqa: PTH111 - an unknown user stays as it is


def check_current_folder() -> None:
    """Raise EvsError where the current folder was deleted: torch and new processes need one."""
    try:
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError:
        raise EvsError("the current folder was deleted; change to another, and run again") from None
