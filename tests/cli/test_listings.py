from __future__ import annotations

import json
from pathlib import Path

from tests.cli.in_process import run_here


def test_the_list_of_methods_says_which_to_take(tmp_path: Path) -> None:
    result = run_here("methods", cwd=tmp_path)
    assert result.code == 0
    assert result.out.startswith("surprise\tkeeps what neither")
    assert "take surprise" in result.err
    assert run_here("methods", "--json", cwd=tmp_path).err == ""


def test_one_method_is_shown_with_the_help_of_its_options(tmp_path: Path) -> None:
    result = run_here("methods", "surprise", cwd=tmp_path)
    assert result.code == 0
    assert "Parts that add up: outlier (V-CAST's), rarity" in result.out
    (one,) = json.loads(run_here("methods", "evs", "--json", cwd=tmp_path).out)
    assert one["options"]["window"]["help"].startswith("Cells")
    wrong = run_here("methods", "surprize", cwd=tmp_path)
    assert (wrong.code, "did you mean 'surprise'" in wrong.err) == (2, True)
