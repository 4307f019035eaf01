"""Nothing that is named is passed over in silence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from evscli.store import open_store
from tests.cli.in_process import run_here
from tests.corpus.inputs.tar_files import write_tar
from tests.evs import Result
from tests.videos import write_video

PRUNE = ("--method", "vcast", "--budget", "0.3", "-o", "store")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "a.mp4", frames=8, size=(48, 64))


@pytest.fixture
def clips(tmp_path: Path, video: Path) -> Path:
    """A folder as git-annex or DVC leaves it where some files were not fetched."""
    folder = tmp_path / "clips"
    folder.mkdir()
    shutil.copy(video, folder / "a.mp4")
    shutil.copy(video, folder / "e.vob")
    for name in "bcd":
        (folder / f"{name}.mp4").symlink_to(f"/not/fetched/{name}.mp4")
    for name in ("notes.txt", "more.txt", "cover.jpg", "README", ".hidden"):
        (folder / name).touch()
    return folder


def events(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.out.splitlines()]


@pytest.mark.slow
def test_links_that_lead_nowhere_fail_and_other_files_are_named(
    tmp_path: Path, clips: Path
) -> None:
    planned = run_here("plan", clips, *PRUNE, "--no-calibrate", cwd=tmp_path)
    assert planned.code == 3
    assert "left out\t4 files: 2 .txt, 1 .jpg, 1 without an ending" in planned.out
    assert planned.out.count("which is not there; fetch what it leads to") == 3
    result = run_here("prune", clips, *PRUNE, cwd=tmp_path)
    assert result.code == 3
    assert (
        "note: 4 files were left out: 2 .txt, 1 .jpg, 1 without an ending"
        in result.err.splitlines()
    )
    errors = [line for line in result.err.splitlines() if line.startswith("error: ")]
    for name, error in zip("bcd", errors, strict=True):
        assert error.startswith(f"error: {clips}/{name}.mp4 is a link to /not/fetched/{name}.mp4, ")
    store = open_store(tmp_path / "store")
    assert (list(store), sorted(store.failures)) == (["a", "e"], ["b", "c", "d"])
    again = run_here("prune", clips, *PRUNE, "--json", cwd=tmp_path)
    assert again.code == 3
    first, started, *_ = events(again)
    kinds = {".txt": 2, ".jpg": 1, "without an ending": 1}
    assert first == {"event": "left_out", "files": 4, "kinds": kinds}
    assert (started["event"], started["videos"]) == ("start", 0)
    left = json.loads(run_here("plan", clips, *PRUNE, "--no-calibrate", "--json", cwd=tmp_path).out)
    assert left["left_out"] == kinds


def test_where_nothing_is_there_nothing_is_done(tmp_path: Path, clips: Path) -> None:
    result = run_here("prune", *(clips / f"{name}.mp4" for name in "bcd"), *PRUNE, cwd=tmp_path)
    assert result.code == 1
    assert result.err.count("error: ") == 3


def test_a_missing_file_of_a_list_is_one_failure(tmp_path: Path, video: Path) -> None:
    shutil.copy(video, tmp_path / "here.mp4")
    (tmp_path / "list.txt").write_text("gone.mp4\nhere.mp4\nmore.tar\n")
    result = run_here("prune", "list.txt", *PRUNE, cwd=tmp_path)
    assert result.code == 3
    assert (
        "error: the list list.txt line 1: no such file: ./gone.mp4; correct the path" in result.err
    )
    store = open_store(tmp_path / "store")
    assert (list(store), sorted(store.failures)) == (["here"], ["gone", "more"])


@pytest.mark.slow
def test_ids_that_clash_are_told_apart_and_a_store_keeps_to_its_rule(
    tmp_path: Path, video: Path
) -> None:
    members = {"0000.mp4": video.read_bytes(), "0000.json": b"{}"}
    for number in range(2):
        write_tar(tmp_path / f"shard-{number}.tar", members)
    given = ("prune", "shard-*.tar", *PRUNE)
    refused = run_here(*given, cwd=tmp_path)
    assert refused.code == 2
    assert "1 id names several videos: '0000' (shard-0.tar/0000.mp4, shard-1" in refused.error
    assert "give --ids tar" in refused.error
    assert run_here(*given, "--ids", "tar", cwd=tmp_path).code == 0
    assert list(open_store(tmp_path / "store")) == ["shard-0/0000", "shard-1/0000"]
    before = {path.name: path.read_bytes() for path in (tmp_path / "store").iterdir()}
    again = run_here(*given, "--ids", "tar", cwd=tmp_path)
    assert "2 already done" in again.out
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "store").iterdir()}
    planned = run_here("plan", *given[1:], "--ids", "tar", "--no-calibrate", cwd=tmp_path)
    assert "2 of 2 are done already" in planned.out
    for command in ("prune", "plan"):
        other = run_here(command, "shard-0.tar", *PRUNE, cwd=tmp_path)
        assert other.code == 1
        assert 'ids is "tar" there and absent now' in other.error
