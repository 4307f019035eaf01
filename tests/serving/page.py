"""The commands and the code of docs/serving.md."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()


def blocks(language: str = "") -> list[str]:
    """The fenced blocks of a language, or of none, in the order of the page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def commands(name: str) -> list[str]:
    """The lines of shell that begin with the name of a program, without it."""
    return re.findall(rf"^{name} (.*)$", "".join(blocks()), flags=re.MULTILINE)
