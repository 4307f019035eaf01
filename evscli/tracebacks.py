"""Tracebacks as texts that travel between processes and may be stored.

An error carries the traceback of another process as a note (PEP 678), which pickling keeps.
"""

from __future__ import annotations

import re
import sys
import traceback
from functools import cache
from pathlib import Path

from evscli.texts import one_line, without_secrets

MOST_CHARACTERS = 8000
"""The most characters of a text. The middle of a longer one is left out."""

_FILE = re.compile(r'(?<=^  File ")[^"\n]+(?=", line )', re.MULTILINE)
_ADDRESS = re.compile(r"https?://[^\s'\"<>)]+")


def traceback_of(error: BaseException) -> str:
    """Return the traceback of an error, the first cause first, of at most `MOST_CHARACTERS`.

    Files of code are named below the folder in which Python finds them, and web addresses are
    without the passwords and signatures that they may hold.
    """
    text = "".join(traceback.format_exception(error)).rstrip()
    text = _FILE.sub(lambda found: _below_path(found[0]), text)
    text = _ADDRESS.sub(lambda found: without_secrets(found[0]), text)
    text = "\n".join(map(one_line, text.split("\n")))
    if len(text) <= MOST_CHARACTERS:
        return text
    half = MOST_CHARACTERS // 2 - 10
    return f"{text[:half].rstrip()}\n  ...\n{text[-half:].lstrip()}"


def note_traceback(error: BaseException, text: str, *, process: str) -> None:
    """Attach to an error the traceback that it had in another process."""
    error.add_note(f"\nIn the {process} process:\n\n{text}")


def _below_path(file: str) -> str:
    """Return the path of a file below the folder in which Python finds it."""
    for folder in _folders(tuple(sys.path)):
        if file.startswith(folder):
            return file[len(folder) :]
    return file


@cache
def _folders(path: tuple[str, ...]) -> list[str]:
    """Return the folders of `sys.path`, the innermost first."""
    return sorted((f"{Path(folder).resolve()}/" for folder in path), key=len, reverse=True)
