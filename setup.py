"""The part of the build that pyproject.toml cannot say: the README as an archive's description."""

import re
from pathlib import Path

from setuptools import setup

NOTE = "\n\nPages and files that are named here are in the source archive."


def description(readme: str) -> str:
    """`readme` for where no file lies beside it: no pictures, and files by their names alone."""
    text = re.sub(r"^!\[[^]]*\]\((?!\w+:)[^)]*\)\n\n?", "", readme, flags=re.MULTILINE)
    text = re.sub(r"\[([^]]*)\]\((?!\w+:|#)([^)#]*)[^)]*\)", as_name, text)
    title, rest = text.split("\n", 1)
    return title + NOTE + "\n" + rest


def as_name(link: re.Match[str]) -> str:
    """A link in words: what it says, and the file that it leads to."""
    text, path = link.groups()
    return str(text) if text == path else f"{text} (`{path}`)"


setup(
    long_description=description(Path(__file__).with_name("README.md").read_text(encoding="utf-8")),
    long_description_content_type="text/markdown",
)
