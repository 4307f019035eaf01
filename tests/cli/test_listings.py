from __future__ import annotations

from pathlib import Path

from tests.cli.in_process import run_here


def test_the_list_of_methods_says_which_to_take(tmp_path: Path) -> None:
    result = run_here("methods", cwd=tmp_path)
    assert result.code == 0
    assert result.out.startswith("surprise\tkeeps what neither")
    assert "take surprise" in result.err
    assert run_here("methods", "--json", cwd=tmp_path).err == ""
