"""Packages whose methods cannot be used are listed with their reasons and harm no other."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from evscli import added
from evscli.errors import UsageError
from evscli.pruners import broken_methods, get_pruner, list_pruners, prune, registry
from tests.pruners.videos import tokens

REASONS = {
    "missing": r"ModuleNotFoundError: No module named 'no_such_module'",
    "exits": r"SystemExit: bye",
    "raises": r"RuntimeError: no licence",
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
