"""A method is one file: put into the folder it is listed, checked and used; nothing is edited."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from pkgutil import iter_modules

import pytest

from evscli.pruners import methods
from evscli.store import open_store
from tests.evs import Result, run_evs

DOCS = Path(__file__).parents[3] / "docs" / "methods.md"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file that the docs show, in a folder of its own."""
    examples = re.findall(r"```python\n(.*?)```", DOCS.read_text(), flags=re.DOTALL)
    (source,) = (example for example in examples if "\nPRUNER = " in example)
    path = tmp_path / "more" / "strongest.py"
    path.parent.mkdir()
    path.write_text(source)
    return path


def look_there_too(folder: str) -> None:
    """Take the files of `folder` for files of `evscli/pruners/methods`."""
    methods.__path__.append(folder)
    methods.built_in.cache_clear()


def run(file: Path, *command: str | Path) -> Result:
    return run_evs(*command, cwd=file.parents[1], before=partial(look_there_too, str(file.parent)))


def test_a_file_in_the_folder_is_listed_before_the_baselines(file: Path) -> None:
    rows = [line.split("\t") for line in run(file, "methods").out.splitlines()]
    names = [row[0] for row in rows]
    assert names.index("window-diff") < names.index("strongest") < names.index("norm")
    assert rows[names.index("strongest")] == [
        "strongest",
        "keeps the tokens with the largest sums of powers",
        "an example",
        "",
        "power: a whole number (default 2)",
    ]


def test_it_prunes_with_its_options_checked(file: Path, clip: Path) -> None:
    command = ("prune", clip, "--method", "strongest", "--budget", "0.25", "-o", "store")
    refused = run(file, *command, "--option", "power=0")
    assert refused.code == 2
    assert refused.error == (
        "error: option power of strongest must be at least 1, got 0: give 1 or more"
    )
    assert run(file, *command, "--option", "power=3").code == 0
    info = open_store(file.parents[1] / "store")["clip"].info
    assert (info.method, info.options) == ("strongest", {"power": 3})
    assert info.kept == round(info.tokens * 0.25)


def test_a_file_is_named_as_its_method() -> None:
    names = sorted(name.replace("-", "_") for name in methods.built_in())
    assert names == [module.name for module in iter_modules(methods.__path__)]
