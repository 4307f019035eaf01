from __future__ import annotations

import json
import re
from pathlib import Path

from evscli.models.registry import built_in
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


def test_a_family_is_shown_in_full(tmp_path: Path) -> None:
    shown = run_here("models", "qwen3_vl", cwd=tmp_path).out
    for key in ("frames", "positions", "disk", "served", "tested"):
        assert re.search(rf"^{key}\t\S", shown, flags=re.MULTILINE)
    assert json.loads(run_here("models", "internvl", "--json", cwd=tmp_path).out)["served"]
    result = run_here("models", "nowhere", cwd=tmp_path)
    assert result.code == 2
    assert "there is no family 'nowhere': give one of qwen2_5_vl" in result.error


def test_the_page_of_models_says_what_families_say() -> None:
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    for spec in built_in().values():
        cells = (
            f"`{spec.model_type}`",
            spec.frames,
            spec.positions,
            f"{2 + 2 * spec.planes} x width",
        )
        assert f"| {' | '.join(cells)} | {spec.served or '-'} | {spec.tested} |" in page
        assert spec.frames
        assert spec.positions
        assert spec.tested
