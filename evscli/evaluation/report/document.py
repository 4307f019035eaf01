"""A result in every form in which it is written: JSON, Markdown, and a plot as PNG and SVG."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.table import Table

from evscli.evaluation.report.plots import FORMS, render
from evscli.store.durable import make_folder, replace_file
from evscli.tables import as_markdown

WIDE = 100
"""Columns of a terminal from which tables show all that they have; a page has as many."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Document:
    """What was found out, for people and for programs. Nothing is rounded in its JSON."""

    name: str
    """What the files are called, without their endings."""
    title: str
    values: Mapping[str, Any]
    """All of it as JSON values."""
    lines: Sequence[str]
    """Its numbers, tab-separated below a head."""
    tables: Callable[[int], Mapping[str, Table]]
    """The tables for a width in columns, by what they show."""
    remarks: Sequence[str]
    """What stands below the tables on a page."""
    draw: Callable[[], Figure]

    @cached_property
    def json(self) -> str:
        """The values as indented JSON."""
        return json.dumps(self.values, indent=2)

    @property
    def markdown(self) -> str:
        """The tables as a page."""
        tables = self.tables(WIDE).items()
        parts = [f"## {name}\n\n{as_markdown(table)}" for name, table in tables]
        return "\n".join([f"# {self.title}\n", *parts, *(f"{text}\n" for text in self.remarks)])

    def write(self, folder: Path) -> None:
        """Write a file of each form into `folder`, in place of older ones."""
        make_folder(folder)
        replace_file(folder / f"{self.name}.json", f"{self.json}\n".encode())
        replace_file(folder / f"{self.name}.md", self.markdown.encode())
        for form in FORMS:
            replace_file(folder / f"{self.name}.{form}", render(self.draw, form))
