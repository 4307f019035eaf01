"""Checkpoints that are there as a whole, of this run, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from evscli.errors import UsageError
from evscli.mini.training.plan import TRAINING_ALGORITHM, TrainingPlan
from evscli.store import durable
from evscli.train.checkpoint import CHECKPOINT_FILE, Checkpoint, load_checkpoint, save_checkpoint

PLAN = TrainingPlan(steps=10, tokens=7)


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(
        step=step,
        seconds=1.5 * step,
        history=[{"step": step, "loss": {"answer": 0.25}}],
        machines=[{"processor": "any", "threads": 2}],
        algorithms=[TRAINING_ALGORITHM],
        tensors={
            "weights/a": torch.full((3, 2), step + 0.123456789),
            "adamw/0/step": torch.tensor(float(step)),
            "weights/half": torch.full((2,), step, dtype=torch.bfloat16),
        },
    )


def load(folder: Path, plan: TrainingPlan = PLAN) -> Checkpoint:
    found = load_checkpoint(folder, plan)
    assert found is not None
    return found


def test_what_was_saved_is_found_again(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    assert load_checkpoint(folder, PLAN) is None
    for step in (3, 4):
        save_checkpoint(folder, PLAN, checkpoint(step))
    found, saved = load(folder), checkpoint(4)
    assert (found.step, found.seconds, found.history) == (4, 6.0, saved.history)
    assert found.machines == saved.machines
    assert found.tensors.keys() == saved.tensors.keys()
    for name, value in saved.tensors.items():
        assert found.tensors[name].dtype == value.dtype
        assert torch.equal(found.tensors[name], value)
    assert [path.name for path in folder.iterdir()] == [CHECKPOINT_FILE]


def test_the_same_checkpoint_is_the_same_file(tmp_path: Path) -> None:
    for name in "ab":
        save_checkpoint(tmp_path / name, PLAN, checkpoint(3))
    assert (tmp_path / "a" / CHECKPOINT_FILE).read_bytes() == (
        tmp_path / "b" / CHECKPOINT_FILE
    ).read_bytes()


def test_a_save_that_fails_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(tmp_path, PLAN, checkpoint(3))

    def full(_path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable, "sync_file", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(tmp_path, PLAN, checkpoint(4))
    assert load(tmp_path).step == 3
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT_FILE]


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_a_torn_checkpoint_is_refused(tmp_path: Path, kept: int) -> None:
    save_checkpoint(tmp_path, PLAN, checkpoint(3))
    path = tmp_path / CHECKPOINT_FILE
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(
        UsageError, match=rf"{CHECKPOINT_FILE} cannot be read .*remove it to start again"
    ):
        load_checkpoint(tmp_path, PLAN)


@pytest.mark.parametrize("record", [None, {}, {"plan": PLAN.values(), "step": 3}, [1], "text"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, record: Any) -> None:
    metadata = None if record is None else {"evs": json.dumps(record)}
    save_file({"a": torch.zeros(2)}, tmp_path / CHECKPOINT_FILE, metadata)
    with pytest.raises(UsageError, match="cannot be read"):
        load_checkpoint(tmp_path, PLAN)


@pytest.mark.parametrize("step", [-5, PLAN.total + 1])
def test_a_step_that_the_run_does_not_have_is_refused(tmp_path: Path, step: int) -> None:
    save_checkpoint(tmp_path, PLAN, checkpoint(step))
    with pytest.raises(UsageError, match=f"cannot be read .it is of step {step} of {PLAN.total}"):
        load_checkpoint(tmp_path, PLAN)


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT_FILE).mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        load_checkpoint(tmp_path, PLAN)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 2}, "seed 1 there, 2 asked"),
        ({"rate": 0.5}, r"rate 0\.002 there, 0\.5 asked"),
        ({"steps": 20, "looks": 2}, "steps 10 there, 20 asked"),
        ({"view": "first-frame"}, "view whole there, first-frame asked"),
    ],
)
def test_another_run_is_refused_with_what_differs(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    save_checkpoint(tmp_path, PLAN, checkpoint(3))
    with pytest.raises(UsageError, match=f"another training run .*{words}.*another folder"):
        load_checkpoint(tmp_path, replace(PLAN, **change))


def test_more_steps_may_be_asked_for_until_they_begin(tmp_path: Path) -> None:
    longer = replace(PLAN, more=8)
    save_checkpoint(tmp_path, PLAN, checkpoint(PLAN.steps))
    assert load_checkpoint(tmp_path, longer) is not None
    save_checkpoint(tmp_path, longer, checkpoint(PLAN.steps + 1))
    assert load_checkpoint(tmp_path, longer) is not None
    for other in (PLAN, replace(PLAN, more=9)):
        with pytest.raises(UsageError, match=f"more 8 there, {other.more} asked"):
            load_checkpoint(tmp_path, other)


def test_what_a_former_version_has_finished_may_go_on_with_more_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer = replace(PLAN, more=8)
    save_checkpoint(tmp_path / "half", PLAN, checkpoint(PLAN.steps - 1))
    save_checkpoint(tmp_path / "whole", PLAN, checkpoint(PLAN.steps))
    monkeypatch.setattr("evscli.mini.training.plan.TRAINING_ALGORITHM", 99)
    found = load_checkpoint(tmp_path / "whole", longer)
    assert found is not None
    assert found.algorithms == [TRAINING_ALGORITHM]
    with pytest.raises(UsageError, match=r"algorithm \d+ there, 99 asked"):
        load_checkpoint(tmp_path / "half", longer)


def test_a_run_of_another_version_of_the_training_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(tmp_path, PLAN, checkpoint(3))
    monkeypatch.setattr("evscli.mini.training.plan.TRAINING_ALGORITHM", 99)
    with pytest.raises(UsageError, match=r"algorithm \d+ there, 99 asked"):
        load_checkpoint(tmp_path, PLAN)
