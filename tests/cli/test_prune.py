from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evscli.bundled import MINI_NOTICE
from evscli.store import open_store
from tests.checkpoints import copy_mini
from tests.cli.in_process import run_here
from tests.evs import Running, run_evs
from tests.videos import write_video

VCAST = ("--method", "vcast", "--budget", "0.3")


def digests(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prune")
    (folder / "day").mkdir()
    write_video(folder / "a.mp4", frames=12, seed=1)
    write_video(folder / "day" / "b.mkv", frames=16, seed=2)
    return folder


@pytest.fixture
def videos(made: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copytree(made, tmp_path / "videos"))


def test_the_defining_command_prunes_one_video(tmp_path: Path, clip: Path) -> None:
    result = run_evs("prune", clip, *VCAST, cwd=tmp_path)
    assert result.code == 0, result.err
    record = open_store(tmp_path / "evs-out" / "mini-vcast-0.3")["clip"]
    assert record.info.kept == round(record.info.tokens * 0.3)
    assert f"{record.info.tokens:,} -> {record.info.kept:,}" in result.out
    assert f"note: {MINI_NOTICE}" in result.err


def test_a_repeated_run_is_byte_identical(tmp_path: Path, videos: Path) -> None:
    for name, run in (("one", run_here), ("two", run_evs)):
        assert run("prune", videos, *VCAST, "-o", name, cwd=tmp_path).code == 0
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


@pytest.mark.slow
def test_nothing_in_a_store_names_this_machine(tmp_path: Path, videos: Path) -> None:
    checkpoint = copy_mini(tmp_path / "my-model")
    run_here("prune", videos, *VCAST, "--model", checkpoint, "-o", "store", cwd=tmp_path)
    for path in (tmp_path / "store").iterdir():
        content = path.read_bytes()
        assert str(tmp_path).encode() not in content, path.name
        assert os.uname().nodename.encode() not in content, path.name


@pytest.mark.slow
def test_a_folder_gives_ids_below_it_and_a_second_run_skips_them(
    tmp_path: Path, videos: Path
) -> None:
    first = run_here("prune", videos, *VCAST, "-o", "store", cwd=tmp_path)
    assert first.code == 0
    assert sorted(open_store(tmp_path / "store")) == ["a", "day/b"]
    before = digests(tmp_path / "store")
    again = run_here("prune", videos, *VCAST, "-o", "store", cwd=tmp_path)
    assert again.code == 0
    assert "2 already done" in again.out
    assert digests(tmp_path / "store") == before


@pytest.mark.slow
def test_a_new_video_joins_a_finished_store(tmp_path: Path, videos: Path) -> None:
    run_here("prune", videos / "a.mp4", *VCAST, "-o", "store", cwd=tmp_path)
    result = run_here("prune", videos, *VCAST, "-o", "store", "--json", cwd=tmp_path)
    events = [json.loads(line) for line in result.out.splitlines()]
    assert [event["event"] for event in events] == ["start", "pruned", "progress", "summary"]
    assert events[0]["stores"] == [{"store": "store", "skipped": 1, "failed_earlier": 0}]
    assert events[1]["id"] == "day/b"
    assert (events[3]["pruned"], events[3]["skipped"]) == (1, 1)
    assert sorted(open_store(tmp_path / "store")) == ["a", "day/b"]


def test_a_failing_video_is_recorded_and_the_rest_go_on(tmp_path: Path, videos: Path) -> None:
    (videos / "a0.mp4").write_bytes(b"")
    result = run_here("prune", videos, *VCAST, "-o", "store", cwd=tmp_path)
    assert result.code == 3
    assert result.error.startswith("error: ")
    assert "a0.mp4" in result.error
    store = open_store(tmp_path / "store")
    assert sorted(store) == ["a", "day/b"]
    (failure,) = store.failures.values()
    assert (failure.id, failure.stage, failure.kind, failure.attempt) == (
        "a0",
        "open",
        "VideoError",
        1,
    )


@pytest.mark.slow
def test_a_mended_video_is_done_by_the_next_run(tmp_path: Path, videos: Path) -> None:
    good = (videos / "a.mp4").read_bytes()
    (videos / "a.mp4").write_bytes(b"")
    assert run_here("prune", videos, *VCAST, "-o", "store", cwd=tmp_path).code == 3
    (videos / "a.mp4").write_bytes(good)
    assert run_here("prune", videos, *VCAST, "-o", "store", cwd=tmp_path).code == 0
    assert sorted(open_store(tmp_path / "store")) == ["a", "day/b"]


def test_options_reach_the_method_and_the_record(tmp_path: Path, clip: Path) -> None:
    arguments = ("--method", "evs", "--budget", "0.5", "--option", "rule=paper", "--scores")
    result = run_here("prune", clip, *arguments, "-o", "store", cwd=tmp_path)
    assert result.code == 0, result.err
    record = open_store(tmp_path / "store")["clip"]
    assert record.info.options["rule"] == "paper"
    assert record.scores is not None


@pytest.mark.slow
def test_pixel_scores_need_no_second_decode_and_are_deterministic(
    tmp_path: Path, clip: Path
) -> None:
    arguments = ("--method", "evs", "--budget", "0.5", "--option", "space=rgb")
    for name in ("one", "two"):
        assert run_here("prune", clip, *arguments, "-o", name, cwd=tmp_path).code == 0
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_sampling_overrides_the_processor(tmp_path: Path, clip: Path) -> None:
    run_here("prune", clip, *VCAST, "--num-frames", "10", "-o", "store", cwd=tmp_path)
    record = open_store(tmp_path / "store")["clip"]
    assert len(record.source_index) == 10
    assert record.info.grid_thw[0] == 5


@pytest.mark.slow
def test_sigterm_keeps_what_is_finished(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for number in range(16):
        write_video(folder / f"{number:02}.mp4", frames=16, seed=number)
    arguments = ("prune", folder, *VCAST, "-o", "store", "--model", "mini")
    running = Running(*arguments, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while running.out.read_text().count("\n") < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.send(signal.SIGTERM)
    result = running.wait()
    assert result.code == 130, result
    finished = set(open_store(tmp_path / "store"))
    assert len(finished) >= 3
    again = run_here(*arguments, cwd=tmp_path)
    assert f"{len(finished)} already done" in again.out
    assert len(open_store(tmp_path / "store")) == 16


def test_the_installed_script_answers() -> None:
    script = Path(sys.executable).parent / "evs"
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("evs ")


@pytest.mark.slow
def test_a_store_dtype_is_kept_to_and_its_loss_is_told(tmp_path: Path, clip: Path) -> None:
    arguments = ("prune", clip, *VCAST, "-o", "store", "--json", "--segment", "9", "--store-dtype")
    result = run_here(*arguments, "int8", cwd=tmp_path)
    assert result.code == 0, result.err
    (told,) = (json.loads(line) for line in result.out.splitlines() if '"store_dtype"' in line)
    assert (told["event"], told["store_dtype"], told["video"]) == (
        "store_dtype",
        "int8",
        "clip@0-9",
    )
    assert 0 < told["logit_difference"] < 1
    assert 0 <= told["kl"] < 0.1
    before = digests(tmp_path / "store")
    assert run_here(*arguments, "int8", cwd=tmp_path).code == 0
    assert digests(tmp_path / "store") == before
    other = run_here(*arguments, "float8", cwd=tmp_path)
    assert other.code == 1
    assert 'selection.store_dtype is "int8" there and "float8" now' in other.error
    answered = run_here("ask", "store", "what happens first?", cwd=tmp_path)
    assert answered.code == 0, answered.err
