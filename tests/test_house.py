"""The house stays easy to take over: small files, small functions, documents that are true."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from statistics import median

import evscli

PACKAGE = Path(evscli.__file__).parent
ROOT = Path(__file__).parents[1]
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FILE = 320
MOST_LINES = 27_000
"""Lines of the package that are not blank."""


def functions() -> list[int]:
    """Return the lines of every function."""
    trees = (ast.parse(path.read_text()) for path in FILES)
    nodes = (node for tree in trees for node in ast.walk(tree))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node.end_lineno - node.lineno + 1 for node in nodes if isinstance(node, kinds)]


def test_files_and_functions_are_small() -> None:
    lines = {path: path.read_text().splitlines() for path in FILES}

    assert {path.name for path, text in lines.items() if len(text) >= LONGEST_FILE} == set()
    assert median(functions()) < 10
    assert sum(bool(line.strip()) for text in lines.values() for line in text) <= MOST_LINES


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from evscli.cli import run; run(['--help'], debug=False); "
        "heavy = {'torch', 'transformers', 'numpy', 'av', 'importlib.metadata'}; "
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "prune" in done.stdout


def test_the_walk_of_the_contributing_page_is_there() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    steps = re.findall(r"^\d+\. `(evscli/\S+\.py)`:((?:.|\n   +)*)", page, re.MULTILINE)

    assert 5 < len(steps) <= 10
    for path, text in steps:
        code = (ROOT / path).read_text()
        named = re.findall(r"`([A-Za-z_.]+)`", text)
        assert named
        missing = [name for name in named if name.split(".")[-1] not in code]
        assert not missing, f"{path} does not know {missing}"
