"""Packages whose methods cannot be used are listed with their reasons and harm no other."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from evscli import added
from evscli.cli import run
from evscli.errors import UsageError
from evscli.pruners import broken_methods, get_pruner, list_pruners, prune, registry
from tests.pruners.videos import tokens

REASONS = {
    "missing": r"ModuleNotFoundError: No module named 'no_such_module'",
    "exits": r"SystemExit: bye",
    "raises": r"RuntimeError: no licence",
    "leaves": r"cannot be loaded .BaseException: gone\\x1b.: ",
    "speechless": r"cannot be loaded .Speechless: Speechless.: ",
    "number": r"is a int, not a Pruner",
    "named": r"has the name 'evs', but its entry point has 'named'",
    "options": r"option k of a method must be a bool",
    "evs": r"name of a built-in one, which stays",
    "twice": r"both add a method of this name",
}


class TestBrokenPlugins:
    @pytest.fixture
    def installed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        imports = (
            "from dataclasses import replace\nfrom tests.pruners.test_own_methods import own\n"
        )
        sources = {
            "missing": "import no_such_module",
            "exits": "import sys; sys.exit('bye')",
            "raises": "raise RuntimeError('no licence')",
            "leaves": "raise BaseException('gone\\x1b')",
            "speechless": "class Speechless(Exception):\n"
            "    def __str__(self): raise RuntimeError\nraise Speechless",
            "number": "PRUNER = 3",
            "named": "from dataclasses import replace\nfrom evscli.pruners import get_pruner\n"
            "PRUNER = get_pruner('evs')",
            "options": f"{imports}"
            "def rule(tokens, inputs, budget, *, k: list = None): pass\n"
            "PRUNER = replace(own(rule), name='options')",
            "fine": f"{imports}PRUNER = replace(own(), name='fine')",
            "evs": "raise RuntimeError('never imported')",
        }
        for name, source in sources.items():
            (tmp_path / f"evs_test_{name}.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        points = {
            name: (EntryPoint(name=name, value=f"evs_test_{name}:PRUNER", group="evscli.pruners"),)
            for name in sources
        }
        points["twice"] = (*points["fine"], *points["evs"])
        monkeypatch.setattr(added, "points_of", lambda _group: points)
        registry._load.cache_clear()

    @pytest.mark.usefixtures("installed")
    def test_each_is_listed_with_its_reason_beside_those_that_work(self) -> None:
        broken = broken_methods()
        assert broken.keys() == REASONS.keys()
        for name, reason in REASONS.items():
            assert re.search(reason, broken[name]), broken[name]
            assert "\n" not in broken[name]
        names = [pruner.name for pruner in list_pruners()]
        assert names[-1] == "fine"
        assert names.count("evs") == 1

    @pytest.mark.usefixtures("installed")
    def test_asked_for_by_name_it_says_why_and_others_work(self) -> None:
        for name in REASONS.keys() - {"evs"}:
            with pytest.raises(UsageError, match=f"method '{name}' is broken: .*uninstall"):
                get_pruner(name)
        assert get_pruner("evs").paper.startswith("Efficient Video Sampling")
        assert prune(tokens(4, 3, 3), "fine", budget=0.5).count == 18


FINE = """
from dataclasses import replace
from tests.pruners.test_own_methods import own
print("welcome")
PRUNER = replace(own(), name="fine")
"""
INSTALLED = {
    "fine": ("[evscli.pruners]\nfine = evs_fine:PRUNER\n", "Name: evs-fine\nVersion: 1.0\n"),
    "nameless": ("[evscli.pruners]\nnameless = evs_gone:PRUNER\n", None),
    "latin": ("[evscli.pruners]\n# caf\xe9\n", "Name: evs-latin\nVersion: 2.0\n"),
    "torn": ("[evscli.pruners]\ntorn\n", "Name: evs-t\xe9rn\nVersion: 2.0\n"),
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with packages of which only one is as it should be."""
    (tmp_path / "evs_fine.py").write_text(FINE)
    for name, (points, about) in INSTALLED.items():
        folder = tmp_path / f"evs_{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "entry_points.txt").write_text(points, encoding="latin-1")
        if about is not None:
            (folder / "METADATA").write_text(f"Metadata-Version: 2.1\n{about}", encoding="latin-1")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "evs_fine", raising=False)
    caches = (added.points_of, added._warn_once, registry._load)
    for cached in caches:
        cached.cache_clear()
    yield tmp_path
    for cached in caches:
        cached.cache_clear()


def test_packages_that_cannot_be_read_are_noted_and_the_others_are_listed(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert run(["methods", "--json"], debug=False) == 0
    out, err = capsys.readouterr()
    first, _ = json.JSONDecoder().raw_decode(out)
    methods = {method["name"]: method.get("broken") for method in first}
    assert methods["fine"] is None
    assert methods["nameless"].endswith("repair or uninstall the package of evs_gone:PRUNER")
    notes = sorted(line for line in err.splitlines() if line != "welcome")
    assert len(notes) == 2
    assert notes[0].startswith(f"note: the entry points of a package in {site} cannot be read (")
    assert notes[1].startswith("note: the entry points of evs-latin 2.0 cannot be read ('utf-8'")
    assert notes[1].endswith("): repair or uninstall it")


@pytest.mark.usefixtures("site")
def test_what_a_package_prints_while_it_is_imported_is_no_part_of_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["methods", "--json"], debug=False) == 0
    out, err = capsys.readouterr()
    assert "fine" in [method["name"] for method in json.loads(out)]
    assert err.splitlines().count("welcome") == 1


def test_ctrl_c_while_a_package_is_imported_interrupts(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / "evs_fine.py").write_text("raise KeyboardInterrupt")
    assert run(["methods"], debug=False) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "interrupted: nothing was written"
