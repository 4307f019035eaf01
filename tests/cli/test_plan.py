"""`evs plan` says what `evs prune` then does, and leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evscli.cli.plan_report import time_pairs, time_values
from evscli.corpus.estimate.duration import Duration
from evscli.corpus.executors.engine import Engine
from evscli.store import open_store
from tests.cli.in_process import run_here
from tests.evs import Result, run_evs
from tests.faults import install
from tests.videos import truncate, write_video

SELECTIONS = ("--method", "evs", "--method", "vcast", "--budget", "0.3", "--budget", "20tok/s")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good videos, and bad ones among them."""
    folder = tmp_path_factory.mktemp("plan") / "videos"
    (folder / "day").mkdir(parents=True)
    write_video(folder / "a.mp4", frames=48)
    truncate(write_video(folder / "cut.mp4", frames=48))
    write_video(folder / "day" / "b.mkv", frames=100, size=(128, 96), seed=1)
    (folder / "empty.mp4").touch()
    write_video(folder / "segfault.mp4", frames=16)
    return folder


def document(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.out)
    return found


def written(store: Path) -> int:
    return sum(
        path.stat().st_size for name in ("shard-*", "manifest-*") for path in store.glob(name)
    )


@pytest.mark.slow
def test_a_plan_is_what_a_run_then_does(videos: Path, tmp_path: Path) -> None:
    given = (videos, *SELECTIONS, "--processes", "2", "-o", "stores")
    planned = run_evs("plan", *given, "--json", cwd=tmp_path, before=install)
    assert planned.code == 3, planned.err
    assert list(tmp_path.iterdir()) == []
    said = document(planned)
    assert run_evs("prune", *given, cwd=tmp_path, before=install).code == 3
    assert len(said["stores"]) == 4
    for row in said["stores"]:
        store = open_store(tmp_path / row["store"])
        infos = [store.info(key) for key in store]
        assert row["kept"] == sum(info.kept for info in infos)
        assert row["tokens"] == said["tokens"] == sum(info.tokens for info in infos)
        assert row["bytes"] == pytest.approx(written(store.path), rel=0.005)
        sources = sum(info.source.size for info in infos)
        assert row["of_source"] == pytest.approx(row["bytes"] / sources)
        failed = {key: failure.stage for key, failure in store.failures.items()}
        assert failed == {each["id"]: each["stage"] for each in said["failures"]}
    assert said["seconds"] == pytest.approx(sum(info.duration for info in infos))
    assert (said["videos"], said["looked_into"], said["exact"]) == (5, 5, True)
    assert said["time"]["videos"] == 2
    assert said["time"]["seconds"] > said["time"]["load"] > 0
    assert said["time"]["decoders"] >= 1
    assert said["time"]["bound"] in {"decode", "encode"}

    again = run_evs("plan", *given, cwd=tmp_path, before=install)
    assert again.code == 0
    assert "2 of 5 are done already, 3 failed earlier (--retry-failed" in again.out
    assert "nothing left to do" in again.out
    write_video(videos / "c.mp4", frames=32)
    try:
        left = run_here("plan", *given, "--no-calibrate", "--json", cwd=tmp_path)
    finally:
        (videos / "c.mp4").unlink()
    assert (document(left)["to_do"], document(left)["time"]) == (1, None)
    assert {row["done"] for row in document(left)["stores"]} == {2}


@pytest.mark.parametrize(
    ("decode", "expected"),
    [
        (25.0, "10 would keep 2 workers busy; with 4 decoders decoding takes longer than encoding"),
        (5.0, "10 would keep 2 workers busy; with 4 decoders encoding and pruning takes longer"),
    ],
)
def test_people_see_how_many_decoders_the_workers_need(decode: float, expected: str) -> None:
    duration = Duration(videos=2, load=7, decode=decode, encode=10, write=1, cores=2, decoders=10)
    engine = Engine(devices=("cuda:0", "cuda:1"), processes=4)
    prepared: Any = SimpleNamespace(engine=engine)
    pairs = dict(time_pairs(duration, prepared))
    assert expected in pairs["decoders"]
    assert time_values(duration)["bound"] == ("decode" if decode > 10 else "encode")


@pytest.mark.slow
def test_segments_and_store_dtypes_are_planned_as_they_are_made(
    videos: Path, tmp_path: Path
) -> None:
    some = (videos / "a.mp4", videos / "day" / "b.mkv")
    given = (*some, "--method", "vcast", "--budget", "0.3", "--segment", "1.5", "-o", "store")
    given = (*given, "--store-dtype", "int8")
    said = document(run_here("plan", *given, "--no-calibrate", "--json", cwd=tmp_path))
    assert run_here("prune", *given, cwd=tmp_path).code == 0
    store = open_store(tmp_path / "store")
    assert list(store) == ["a@0-1.5", "a@1.5-3", "b@0-1.5", "b@1.5-3", "b@3-4.5"]
    (row,) = said["stores"]
    assert row["kept"] == sum(store.info(key).kept for key in store)
    assert row["bytes"] == pytest.approx(written(store.path), rel=0.005)
    sources = sum(path.stat().st_size for path in some)
    assert row["of_source"] == pytest.approx(row["bytes"] / sources)
    assert said["token_bytes"] == 3 * (128 + 4)
    again = run_here("plan", *given, cwd=tmp_path)
    assert "5 segments are done already" in again.out


@pytest.mark.slow
def test_a_store_of_another_configuration_is_refused_as_by_a_run(
    videos: Path, tmp_path: Path
) -> None:
    chosen = ("--method", "evs", "-o", "store")
    assert run_here("prune", videos / "a.mp4", *chosen, "--budget", "0.5", cwd=tmp_path).code == 0
    result = run_here("plan", videos, *chosen, "--budget", "0.3", cwd=tmp_path)
    assert result.code == 1
    assert "holds another configuration: selection.budget is 0.5 there and 0.3 now" in result.error


def test_people_see_the_sample_the_totals_and_what_cannot_be_read(
    videos: Path, tmp_path: Path
) -> None:
    result = run_here("plan", videos, "--sample", "4", "--no-calibrate", cwd=tmp_path)
    assert result.code == 3
    assert (
        result.out == run_here("plan", videos, "--sample", "4", "--no-calibrate", cwd=tmp_path).out
    )
    assert "sample\t4 of 5 videos, chosen by hash; totals are estimates" in result.out
    assert "failed\tempty (open): " in result.out
    assert "a token\t768 bytes on disk (bfloat16, width 128, 2 DeepStack planes)" in result.out
    assert "time" not in result.out
    assert list(tmp_path.iterdir()) == []


def test_no_readable_video_is_a_failure(videos: Path, tmp_path: Path) -> None:
    result = run_here("plan", videos / "empty.mp4", cwd=tmp_path)
    assert result.code == 1
    assert "failed\tempty (open): " in result.out
    assert "1 of 1 cannot be read" in result.out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--sample", "two"), "--sample 'two' is not a number of videos"),
        (("--engine", "ray"), "leave --engine and --address out"),
        (("--budget", "0.3"), "method 'none' keeps every token"),
        (("-o", "taken"), "cannot write into taken"),
        (("--prune-at", "3"), "leave --prune-at out"),
    ],
)
def test_bad_options_are_one_line(
    videos: Path, tmp_path: Path, options: tuple[str, str], words: str
) -> None:
    (tmp_path / "taken").touch()
    result = run_here("plan", videos, *options, cwd=tmp_path)
    assert result.code == 2
    assert words in result.error
