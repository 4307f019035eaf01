from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from evscli.bundled import MINI_NOTICE
from tests.checkpoints import make_checkpoint
from tests.cli.in_process import run_here
from tests.evs import Result, run_evs
from tests.videos import truncate, write_video

pytestmark = pytest.mark.slow

FILES = ("accuracy.json", "accuracy.md", "accuracy.png", "accuracy.svg")
SMALL = ("--method", "vcast", "--budget", "0.25", "--num-frames", "8")


def line(video: str, **changes: Any) -> dict[str, Any]:
    return {
        "video": video,
        "question": "what color is the ball?",
        "options": ["red", "blue", "green"],
        "answer": "red",
        **changes,
    }


def write(folder: Path, *lines: Mapping[str, Any]) -> Path:
    path = folder / "list.jsonl"
    path.write_text("".join(f"{json.dumps(value)}\n" for value in lines))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos and three questions about them."""
    folder = tmp_path_factory.mktemp("questions")
    for number, name in enumerate(("short.mp4", "long.mp4")):
        write_video(folder / name, frames=24 * (number + 1), seed=number)
    scenes = {"question": "how many scenes are there?", "options": ["1", "4"], "kind": "count"}
    write(
        folder,
        line("short.mp4", kind="color"),
        line("short.mp4", **scenes, answer="1"),
        line("long.mp4", **scenes, answer=1),
    )
    return folder


def run(folder: Path, *arguments: str | Path, output: str = "out") -> Result:
    return run_here("eval", "--questions", "list.jsonl", "-o", output, *arguments, cwd=folder)


@pytest.fixture(scope="module")
def first(folder: Path) -> Result:
    """What a run printed that wrote into the folder `first`."""
    result = run(folder, *SMALL, "--seed", "5", output="first")
    assert result.code == 0, result
    return result


def test_questions_about_two_videos_become_lines_json_and_plots(
    folder: Path, first: Result
) -> None:
    result = first
    head, *rows = (row.split("\t") for row in result.out.splitlines())
    assert head[:2] == ["kind", "method"]
    assert [(row[0], row[1]) for row in rows] == [
        (kind, method)
        for kind in ("all", "color", "count")
        for method in ("none", "vcast", "random")
    ]
    document = json.loads((folder / "first" / "accuracy.json").read_text())
    assert (document["model"], document["questions"], document["videos"]) == ("mini", 3, 2)
    everything = [row for row in document["tallies"] if row["kind"] == "all"]
    assert [(row["asked"], row["videos"]) for row in everything] == [(3, 2)] * 3
    assert everything[1]["kept_fraction"] == pytest.approx(0.25, abs=0.01)
    assert [row[5] for row in rows] == [f"{row['accuracy']:.4f}" for row in document["tallies"]]
    assert (folder / "first" / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    assert b"</svg>" in (folder / "first" / "accuracy.svg").read_bytes()
    page = (folder / "first" / "accuracy.md").read_text()
    assert page.startswith("# mini: accuracy against tokens kept, 3 questions about 2 videos\n")
    assert "## All questions" in page
    assert "| vcast | 0.25 |" in page
    assert "## Right answers by kind of question" in page
    assert f"note: {MINI_NOTICE}" in result.err
    assert "are in first" in result.err


@pytest.mark.usefixtures("first")
def test_the_same_command_gives_the_same_files_in_place_of_older_ones(folder: Path) -> None:
    (folder / "again").mkdir()
    (folder / "again" / "accuracy.json").write_text("old")
    given = ("--questions", "list.jsonl", *SMALL, "--seed", "5", "--json", "-o", "again")
    result = run_evs("eval", *given, cwd=folder)
    assert result.code == 0, result
    assert result.out == (folder / "again" / "accuracy.json").read_text()
    for name in FILES:
        assert (folder / "again" / name).read_bytes() == (folder / "first" / name).read_bytes()
    assert sorted(path.name for path in (folder / "again").iterdir()) == sorted(FILES)


@pytest.mark.usefixtures("without_plots")
def test_another_checkpoint_can_be_asked(folder: Path, tmp_path: Path) -> None:
    model = make_checkpoint(tmp_path / "tiny", "qwen2_5_vl")
    result = run(folder, *SMALL, "--model", model, "--per-token", "--json", output="tiny")
    assert result.code == 0, result
    document = json.loads(result.out)
    assert (document["model"], document["option_score"]) == ("tiny", "mean log-likelihood")


@pytest.mark.usefixtures("without_plots")
def test_methods_and_budgets_may_be_repeated_or_left_out(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "short.mp4", tmp_path)
    write(tmp_path, line("short.mp4"))
    repeated = ("--method", "evs", "--method", "vcast", "--budget", "0.5", "--budget", "0.1")
    few = ("--num-frames", "4", "--json")
    document = json.loads(run(tmp_path, *repeated, *few).out)
    found = [(r["method"], r["budget"]) for r in document["tallies"] if r["kind"] == "all"]
    assert found == [
        ("none", 1.0),
        *((method, budget) for method in ("evs", "vcast", "random") for budget in (0.1, 0.5)),
    ]
    document = json.loads(run(tmp_path, *few).out)
    assert len([r for r in document["tallies"] if r["kind"] == "all"]) == 1 + 3 * 4


@pytest.mark.usefixtures("without_plots")
def test_a_video_that_fails_is_listed_and_the_code_says_so(folder: Path, tmp_path: Path) -> None:
    truncate(write_video(tmp_path / "half.mp4"))
    shutil.copy(folder / "long.mp4", tmp_path)
    write(tmp_path, line("half.mp4"), line("long.mp4"))
    result = run(tmp_path, *SMALL)
    assert result.code == 3
    assert "error: " in result.err
    assert "half.mp4" in result.err
    document = json.loads((tmp_path / "out" / "accuracy.json").read_text())
    assert [failure["id"] for failure in document["failures"]] == ["half.mp4"]
    assert document["tallies"][0]["videos"] == 1


def test_where_every_video_fails_nothing_is_written(tmp_path: Path) -> None:
    truncate(write_video(tmp_path / "half.mp4"))
    write(tmp_path, line("half.mp4"))
    result = run(tmp_path, *SMALL)
    assert (result.code, result.out) == (1, "")
    assert "half.mp4" in result.error
    assert not (tmp_path / "out").exists()


USAGE: dict[str, tuple[tuple[str, ...], str]] = {
    "unknown method": (("--method", "vcst"), "'vcst'"),
    "budget 0": (("--budget", "0"), "above 0"),
    "budget text": (("--budget", "half"), "'half'"),
    "unknown option": (("--option", "tua=1"), "did you mean 'tau'"),
    "empty folder name": (("-o", ""), "--output is empty"),
    "folder is a file": (("-o", "list.jsonl"), "name another with -o"),
    "fault in the list": ((), "list.jsonl:1: missing 'question'"),
}


@pytest.mark.parametrize("fault", USAGE)
def test_a_wrong_call_fails_before_a_model_is_looked_for(fault: str, tmp_path: Path) -> None:
    arguments, words = USAGE[fault]
    write(tmp_path, {"video": "gone.mp4", "options": [], "answer": 0})
    result = run_here(
        "eval", "--questions", "list.jsonl", "--model", "./gone", *arguments, cwd=tmp_path
    )
    assert result.code == 2, result
    assert words in result.error
    assert [path.name for path in tmp_path.iterdir()] == ["list.jsonl"]


def test_a_word_the_model_does_not_know_is_named_with_its_line(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copy(folder / "long.mp4", tmp_path)
    write(tmp_path, line("long.mp4", question="is it a zeppelin?"))
    result = run(tmp_path, *SMALL)
    assert result.code == 2
    assert "list.jsonl:1: mini does not know 'zeppelin'" in result.error


def test_many_videos_need_a_named_model(tmp_path: Path) -> None:
    for number in range(21):
        (tmp_path / f"{number}.mp4").touch()
    write(tmp_path, *(line(f"{number}.mp4") for number in range(21)))
    result = run(tmp_path, *SMALL)
    assert (result.code, "21 videos but no --model" in result.error) == (2, True)
