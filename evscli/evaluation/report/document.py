"""A result in every form of file: JSON, Markdown, and a plot as PNG and SVG."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.table import Table

from evscli.evaluation.report.plots import PLOT_FORMS, render
from evscli.store.durable import make_folder, replace_file
from evscli.tables import as_markdown

WIDE_TABLE = 100
"""The columns from which tables show everything. A page has as many."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Document:
    """The findings of an evaluation, for people and for programs. Its JSON is not rounded."""

    name: str
    """The name of the files without their endings."""
    title: str
    values: Mapping[str, Any]
    """The whole result as JSON values."""
    lines: Sequence[str]
    """The numbers of the result, tab-separated below a head."""
    tables: Callable[[int], Mapping[str, Table]]
    """The tables for a width in columns, by their titles."""
    remarks: Sequence[str]
    """The remarks below the tables on a page."""
    draw: Callable[[], Figure]

    @cached_property
    def json(self) -> str:
        """Return the values as indented JSON."""
        return json.dumps(self.values, indent=2)

    @property
    def markdown(self) -> str:
        """Return the tables as a page."""
        tables = self.tables(WIDE_TABLE).items()
        parts = [f"## {name}\n\n{as_markdown(table)}" for name, table in tables]
        return "\n".join([f"# {self.title}\n", *parts, *(f"{text}\n" for text in self.remarks)])

    def write(self, folder: Path) -> None:
        """Write a file of each form into `folder`, in place of older ones."""
        make_folder(folder)
        replace_file(folder / f"{self.name}.json", f"{self.json}\n".encode())
        replace_file(folder / f"{self.name}.md", self.markdown.encode())
        for form, file in render(self.draw, *PLOT_FORMS).items():
            replace_file(folder / f"{self.name}.{form}", file)
