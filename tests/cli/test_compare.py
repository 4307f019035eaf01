from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.in_process import run_here
from tests.evs import run_evs
from tests.videos import write_video

pytestmark = pytest.mark.slow

CHOSEN = ("--method", "vcast", "--budget", "0.25", "--budget", "40tok")


def test_one_video_is_compared_and_written(clip: Path, tmp_path: Path) -> None:
    result = run_evs("compare", clip, *CHOSEN, "-o", "out", cwd=tmp_path)
    assert result.code == 0, result.err
    head, *rows = [line.split("\t") for line in result.out.splitlines()]
    names = [(row[0], row[1]) for row in rows]
    assert names == [
        ("vcast", "0.25"),
        ("vcast", "40tok"),
        ("random", "0.25"),
        ("random", "40tok"),
    ]
    assert float(rows[0][head.index("kl")]) >= 0
    assert int(rows[1][head.index("kept")]) == 40
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == [f"compare.{form}" for form in ("json", "md", "png", "svg")]


@pytest.mark.usefixtures("without_plots")
def test_json_is_the_document_that_is_written(clip: Path, tmp_path: Path) -> None:
    result = run_here("compare", clip, *CHOSEN, "--no-language", "--json", cwd=tmp_path)
    assert result.code == 0, result.err
    assert result.out == (tmp_path / "evs-compare" / "compare.json").read_text()
    values = json.loads(result.out)
    assert values["model"] == "mini"
    assert values["selections"][0]["kl"] is None


@pytest.mark.usefixtures("without_plots")
def test_query_aware_methods_are_asked(clip: Path, tmp_path: Path) -> None:
    chosen = ("--method", "semvid", "--method", "cdpruner", "--budget", "0.25", "--no-language")
    refused = run_here("compare", clip, *chosen, cwd=tmp_path)
    assert (refused.code, "--query TEXT" in refused.error) == (2, True)
    result = run_here("compare", clip, *chosen, "--query", "the red ball", cwd=tmp_path)
    assert result.code == 0, result.err


@pytest.mark.usefixtures("without_plots")
def test_broken_videos_are_named_and_the_rest_compared(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_video(tmp_path / "in" / "good.mp4", frames=16)
    (tmp_path / "in" / "bad.mp4").write_text("no video")
    result = run_here("compare", "in", *CHOSEN, "--no-language", cwd=tmp_path)
    assert result.code == 3
    assert "bad.mp4" in result.error
    only = run_here("compare", "in/bad.mp4", *CHOSEN, "--no-language", "-o", "none", cwd=tmp_path)
    assert only.code == 1
    assert not (tmp_path / "none").exists()


def test_what_means_nothing_is_refused_before_any_work(clip: Path, tmp_path: Path) -> None:
    for arguments, words in (
        (("--budget", "2"), "at most 1, got 2"),
        (("--method", "stts", "--prune-at", "2"), "to look after block 1, not 2"),
        (("--prune-at", "3"), "not after 3"),
        (("--question", ""), "--question is empty"),
    ):
        result = run_here("compare", clip, *arguments, cwd=tmp_path)
        assert result.code == 2, (arguments, result)
        assert words in result.error.splitlines()[-1], (arguments, result.error)
