"""`--debug`, and the tracebacks that a store keeps: where in the code a video failed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evscli.store import open_store
from evscli.store.failures import read_traceback
from tests.cli.in_process import run_here
from tests.evs import Result
from tests.videos import truncate, write_video

VCAST = ("--method", "vcast", "--budget", "0.3")
LINE = "error: clips/cut.mp4 is an MP4 or MOV file without a usable index"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a whole clip and one that is cut off."""
    clips = tmp_path_factory.mktemp("debug") / "clips"
    clips.mkdir()
    write_video(clips / "whole.mp4", frames=8)
    truncate(write_video(clips / "cut.mp4", frames=8))
    return clips.parent


def check_shown(result: Result) -> None:
    """The traceback, of the decoder too, above the one line."""
    lines = result.err.splitlines()
    (place,) = [number for number, line in enumerate(lines) if line.startswith(LINE)]
    above = lines[:place]
    assert "Traceback (most recent call last):" in above
    assert any(line.startswith("av.error.InvalidDataError: ") for line in above)
    assert '  File "evscli/video/container.py", line ' in "\n".join(above)


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_failing_video_is_shown_with_its_traceback(
    folder: Path, tmp_path: Path, workers: str
) -> None:
    given = ("prune", "clips", *VCAST, "--workers", workers, "--device", "cpu", "-o", tmp_path)
    result = run_here(*given, "--debug", cwd=folder)
    assert result.code == 3
    check_shown(result)
    assert "In the decoder process:" in result.err
    quiet = run_here(*given, "--retry-failed", cwd=folder)
    assert quiet.error.startswith(LINE)
    failure = open_store(tmp_path).failures["cut"]
    assert failure.attempt == 2
    for attempt in (1, 2):
        (there,) = [
            line["traceback"]
            for path in tmp_path.glob("tracebacks-*.jsonl")
            for line in map(json.loads, path.read_text().splitlines())
            if line["attempt"] == attempt
        ]
        assert there.startswith("Traceback")
        assert str(folder) not in there
    assert read_traceback(tmp_path, failure) == there
    for path in tmp_path.glob("failures-*.jsonl"):
        assert "traceback" not in path.read_text()


def test_what_ends_a_worker_is_shown_with_its_traceback(folder: Path, tmp_path: Path) -> None:
    given = ("prune", "clips", *VCAST, "--prune-at", "99", "--workers", "2", "--device", "cpu")
    result = run_here(*given, "--debug", "-o", tmp_path, cwd=folder)
    assert result.code == 2
    assert "In the worker process:" in result.err
    assert ", in check_blocks" in result.err
    assert "99" in result.err.splitlines()[-1]


@pytest.mark.parametrize(
    "command",
    ["compare", *(pytest.param(name, marks=pytest.mark.slow) for name in ("eval", "plan"))],
)
def test_other_commands_show_it_too(command: str, folder: Path, tmp_path: Path) -> None:
    given: tuple[str | Path, ...] = ("compare", "clips/cut.mp4", "--no-language", "-o", tmp_path)
    if command == "plan":
        given = ("plan", "clips", *VCAST)
    if command == "eval":
        asked = {"video": "clips/cut.mp4", "question": "what colour is the ball?"}
        line = json.dumps({**asked, "options": ["red", "blue"], "answer": "red"})
        (folder / "asked.jsonl").write_text(line)
        given = ("eval", "--questions", "asked.jsonl", "-o", tmp_path)
    result = run_here(*given, "--debug", cwd=folder)
    assert "av.error.InvalidDataError: " in result.err
    assert "Traceback" not in run_here(*given, cwd=folder).err


@pytest.mark.slow
def test_a_failed_video_can_be_inspected_and_its_event_says_all(
    folder: Path, tmp_path: Path
) -> None:
    result = run_here("prune", "clips", *VCAST, "--json", "-o", tmp_path, cwd=folder)
    events = map(json.loads, result.out.splitlines())
    (failed,) = [event for event in events if event["event"] == "failed"]
    shown = run_here("inspect", tmp_path, "cut", cwd=folder)
    assert shown.code == 0
    assert "\nfailed\tclips/cut.mp4 is an MP4 or MOV file" in shown.out
    assert "stage\topen, InvalidDataError" in shown.out
    assert failed["traceback"] in shown.out
    values = json.loads(run_here("inspect", tmp_path, "cut", "--json", cwd=folder).out)
    assert values["traceback"] == failed["traceback"]
    assert f"evs inspect {tmp_path} ID" in run_here("inspect", tmp_path, cwd=folder).out
    (tmp_path / "tracebacks-0.jsonl").unlink()
    assert "Traceback" not in run_here("inspect", tmp_path, "cut", cwd=folder).out
