"""Figures in pages for people: each is checked against the results, and rewritten from them.

A quote is a sentence of a page, with a field in place of every figure:
`{decode[60 16 ours]:.1f} s` is `0.8 s` in the page. Line breaks may fall anywhere between words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from string import Formatter
from typing import Any

from benchmarks.harness import results

NUMBER = r"(-?(?:\d[\d,]*)(?:\.\d+)?(?:e-?\d+)?)"
NAME = r"(\S[^|]*?)"


MACHINE = {"processor", "cores"}
"""The names that a quote may hold beside figures."""


def quoted(name: str, pages: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the figures of one benchmark that pages quote."""
    fields = {field for quotes in pages.values() for quote in quotes for field in fields_of(quote)}
    parts = (field.rstrip("]").split("[") for field in fields)
    return {figure for benchmark, figure in parts if benchmark == name} - MACHINE


def fields_of(quote: str) -> list[str]:
    """Return every `benchmark[figure]` of a quote."""
    return [field for _, field, _, _ in Formatter().parse(quote) if field]


def figures(quotes: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Return the figures and the machine of every benchmark that is quoted."""
    fields = [field for quote in quotes for field in fields_of(quote)]
    known: dict[str, Mapping[str, Any]] = {}
    for name in {field.partition("[")[0] for field in fields}:
        result = asdict(results.read(name))
        known[name] = {**result, **result["figures"]}
    return known


def pattern(quote: str) -> re.Pattern[str]:
    """Return a pattern that finds a quote whatever its figures are. A group is a figure."""
    found = ""
    for text, field, form, _ in Formatter().parse(quote):
        found += "".join(
            r"\s+" if part.isspace() else re.escape(part) for part in re.split(r"(\s+)", text)
        )
        if field is not None:
            found += NUMBER if form else NAME
    return re.compile(found)


def wanted(quote: str, known: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the figures of a quote as they should stand. Raises KeyError."""
    fields = [(field, form) for _, field, form, _ in Formatter().parse(quote) if field]
    return [f"{{{field}:{form}}}".format(**known) for field, form in fields]


def problems(page: str, quotes: Sequence[str]) -> list[str]:
    """Return a line for every quote that the page does not have, or has with other figures."""
    known, lines = figures(quotes), []
    for quote in quotes:
        match, right = pattern(quote).search(page), wanted(quote, known)
        if match is None:
            lines.append(f"not there, so change it in benchmarks/harness/pages.py too: {quote!r}")
        elif list(match.groups()) != right:
            lines.append(f"{match[0]!r} should have {', '.join(right)}")
    return lines


def rewritten(page: str, quotes: Sequence[str]) -> str:
    """Return the page with the figures that the results have now."""
    known = figures(quotes)
    for quote in quotes:
        if match := pattern(quote).search(page):
            for number, right in reversed([*enumerate(wanted(quote, known), 1)]):
                page = page[: match.start(number)] + right + page[match.end(number) :]
    return page


def rewrite(root: Path, pages: Mapping[str, Sequence[str]]) -> list[str]:
    """Rewrite the pages below `root` and return the names of those that changed."""
    names = []
    for name, quotes in pages.items():
        before = (root / name).read_text()
        after = rewritten(before, quotes)
        if after != before:
            (root / name).write_text(after)
            names.append(name)
    return names
