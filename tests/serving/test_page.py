"""docs/serving.md does what it says, as far as no serving engine is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.in_process import run_here
from tests.serving.page import blocks, commands

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_request_to_sglang_is_made_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sample_videos").mkdir()
    clip = "hard-cuts.mp4"
    (tmp_path / "sample_videos" / clip).symlink_to(ROOT / "sample_videos" / clip)
    prune, serve = commands("evs")
    assert run_here(*prune.split(), cwd=tmp_path).code == 0
    assert run_here(*serve.split(), "--show", cwd=tmp_path).code == 0
    asked: dict[str, Any] = {}

    class Engine:
        """An engine that remembers what it is asked."""

        def generate(self, **request: Any) -> None:
            asked.update(request)

    monkeypatch.chdir(tmp_path)
    (code,) = (block for block in blocks("python") if "sglang" in block)
    exec(compile(code, "docs/serving.md", "exec"), {"engine": Engine()})
    (item,) = asked["video_data"]
    assert item["format"] == "processor_output"
    assert item["mrope_positions"].shape == (3, len(asked["input_ids"]))
