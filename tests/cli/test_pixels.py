"""`--min-pixels`, `--max-pixels` and `--total-pixels`, from the command line to the shard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evscli import prune_video
from evscli.records import Sampling
from evscli.store import open_store
from tests.checkpoints import make_checkpoint
from tests.cli.in_process import run_here

EVS = ("--method", "evs", "--budget", "0.5")


@pytest.mark.slow
def test_pixels_asked_for_are_planned_pruned_and_recorded(tmp_path: Path, clip: Path) -> None:
    given = (clip, *EVS, "--max-pixels", "9000", "--total-pixels", "60000", "-o", "store")
    planned = run_here("plan", *given, "--no-calibrate", "--json", cwd=tmp_path)
    assert planned.code == 0, planned.err
    assert run_here("prune", *given, cwd=tmp_path).code == 0

    info = open_store(tmp_path / "store").info("clip")
    height, width = info.resized_size
    assert height * width <= 60000 / 8 < 9000
    assert json.loads(planned.out)["tokens"] == info.tokens
    run = json.loads((tmp_path / "store" / "run.json").read_text())
    asked = run["settings"]["encoder"]["sampling"]
    assert (asked["max_pixels"], asked["total_pixels"]) == (9000, 60000)
    assert "min_pixels" not in asked

    other = run_here("prune", clip, *EVS, "-o", "store", cwd=tmp_path)
    assert other.code == 1
    assert "encoder.sampling.max_pixels is 9000 there and absent now" in other.error


def test_pixels_are_taken_by_a_call_from_python(clip: Path) -> None:
    sampling = Sampling(min_pixels=30000, num_frames=4)
    record = prune_video(clip, method="evs", budget=0.5, sampling=sampling, device="cpu")

    height, width = record.info.resized_size
    assert 30000 <= height * width <= 36864


@pytest.mark.parametrize("command", ["prune", "plan"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--max-pixels", "0"), "--max-pixels must be 1 or more, got 0"),
        (("--min-pixels", "900", "--max-pixels", "800"), "--min-pixels 900 is more than --max-pix"),
        (("--total-pixels", "9"), "--total-pixels 9 is less than one token"),
    ],
)
def test_pixels_that_contradict_are_one_line_of_usage(
    command: str, given: tuple[str, ...], said: str, tmp_path: Path, clip: Path
) -> None:
    result = run_here(command, clip, *EVS, *given, cwd=tmp_path)

    assert result.code == 2
    assert said in result.error
    assert list(tmp_path.iterdir()) == []


def test_molmo2_says_that_its_frames_have_one_size(tmp_path: Path, clip: Path) -> None:
    model = make_checkpoint(tmp_path / "model", "molmo2")

    result = run_here("prune", clip, *EVS, "--model", model, "--max-pixels", "9999", cwd=tmp_path)

    assert result.code == 2
    assert "says nothing to this model, which sees every frame at 126x126" in result.error
