from __future__ import annotations

import json
from pathlib import Path

import pytest

from evscli import open_store, prune_video
from evscli.records import Sampling
from tests.cli.in_process import run_here
from tests.video.test_damage import overwrite
from tests.videos import truncate, write_video

PRUNE = ("--method", "evs", "--budget", "0.5", "--model", "mini")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole clip, one that was cut off, and one with a damaged key frame in the middle."""
    folder = tmp_path_factory.mktemp("clips")
    write_video(folder / "whole.mp4", frames=60)
    truncate(write_video(folder / "cut.ts", frames=60), keep=0.7)
    overwrite(write_video(folder / "hole.mp4", frames=60, gop=20), key=1)
    return folder


@pytest.mark.slow
def test_a_recording_that_was_cut_off_is_trimmed_and_noted_everywhere(
    clips: Path, tmp_path: Path
) -> None:
    run = run_here("prune", clips / "cut.ts", *PRUNE, "-o", "store", cwd=tmp_path)
    assert run.code == 0
    note = "The video is damaged: "
    assert f"note: cut: {note}" in run.err
    assert "not decode; " in run.err
    assert note in " ".join(run_here("inspect", "store", "cut", cwd=tmp_path).out.split())
    assert note in open_store(tmp_path / "store")["cut"].info.notes[0]
    refused = run_here(
        "prune", clips / "cut.ts", *PRUNE, "--damaged", "fail", "-o", "other", cwd=tmp_path
    )
    assert refused.code == 1
    assert "--damaged trim" in refused.err


@pytest.mark.slow
def test_skip_takes_what_the_default_fails_into_the_same_store(clips: Path, tmp_path: Path) -> None:
    first = run_here("prune", clips, *PRUNE, "-o", "store", cwd=tmp_path)
    assert first.code == 3
    assert "hole.mp4" in first.err
    assert "--damaged skip" in first.err
    again = run_here(
        "prune", clips, *PRUNE, "-o", "store", "--damaged", "skip", "--retry-failed", cwd=tmp_path
    )
    assert again.code == 0
    info = open_store(tmp_path / "store")["hole"].info
    assert (info.damaged_frames, info.source_frames) == (20, 60)
    shown = json.loads(run_here("inspect", "store", "hole", "--json", cwd=tmp_path).out)
    assert "20 frames are damaged" in json.dumps(shown)
    drawn = run_here("visualize", "store", "hole", "-o", "hole.mp4", cwd=tmp_path)
    assert drawn.code == 0, drawn.err


@pytest.mark.slow
def test_segments_of_a_damaged_video_fail_alone(clips: Path, tmp_path: Path) -> None:
    options = ("--segment", "0.8", "--json", "-o", "store")
    run = run_here("prune", clips / "hole.mp4", *PRUNE, *options, cwd=tmp_path)
    assert run.code == 3
    assert sorted(open_store(tmp_path / "store")) == ["hole@0-0.8", "hole@2.4-3.2"]


@pytest.mark.slow
def test_sampling_by_time_is_recorded_and_makes_a_store_of_its_own(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.mkv", pts=[*range(0, 500, 40), 3000, 3040, 4000])
    by_time = ("--sample-by", "time", "-o", "store")
    assert run_here("prune", clip, *PRUNE, *by_time, cwd=tmp_path).code == 0
    record = open_store(tmp_path / "store")["clip"]
    run = json.loads((tmp_path / "store" / "run.json").read_text())
    assert run["settings"]["encoder"]["sampling"]["by"] == "time"
    for words in (("store",), ("store", "clip")):
        assert "sampling\tby time, fps " in run_here("inspect", *words, cwd=tmp_path).out
    steps = record.prompt_times.diff()
    assert steps.min() == pytest.approx(float(steps.max()), abs=0.002)
    other = run_here("prune", clip, *PRUNE, "-o", "store", cwd=tmp_path)
    assert other.code == 1
    assert 'encoder.sampling.by is "time" there and absent now' in other.err
    planned = json.loads(run_here("plan", clip, *PRUNE, *by_time, "--json", cwd=tmp_path).out)
    assert planned is not None
    once = prune_video(clip, method="evs", budget=0.5, sampling=Sampling(by="time"))
    assert once.source_index.tolist() == record.source_index.tolist()
    assert once.embeds.equal(record.embeds)
