"""Anything can be trained that brings a plan, a learner and batches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from evscli.errors import UsageError
from evscli.train.checkpoint import load_checkpoint
from evscli.train.drawing import batches, lost_processes_named
from evscli.train.learner import Pass
from evscli.train.loop import TrainingError, train
from evscli.train.task import TrainingTask
from tests.store.processes import finish, start
from tests.train.adding import Adder, Sums, adder, adding
from tests.train.drawn import draw_in_forks


@dataclass(frozen=True)
class Steady:
    """A plan of one rate."""

    steps: int = 8
    rate: float = 0.05
    more: int = 0
    weight_decay: float = 0.0
    algorithm: int = 1

    @property
    def total(self) -> int:
        return self.steps + self.more

    def rate_at(self, step: int) -> float:  # noqa: ARG002
        return self.rate

    def values(self) -> dict[str, float | str]:
        return {"rate": self.rate, "more": self.more, "algorithm": self.algorithm}


def task(**plan: Any) -> TrainingTask[Tensor]:
    return adding(Steady(**plan))


def test_another_learner_learns_reports_and_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole = train(task(steps=40), tmp_path / "whole", processes=0, report_every=10)
    losses = [report["loss"]["sum"] for report in whole.history]
    assert losses[-1] < 0.2 * losses[0]
    assert whole.history[-1]["accuracy"]["near"] == whole.history[-1]["overall"] > 0.5
    for until in (13, 40):
        broken = train(task(steps=40), tmp_path / "broken", processes=0, until=until)
    one, other = (trained.learner.state() for trained in (whole, broken))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_checkpoint_of_one_plan_is_not_anothers(tmp_path: Path) -> None:
    train(task(), tmp_path, processes=0, until=1)
    assert load_checkpoint(tmp_path, Steady()) is not None
    with pytest.raises(UsageError, match=r"rate 0\.05 there, 0\.1 asked"):
        load_checkpoint(tmp_path, Steady(rate=0.1))


def test_a_learner_that_asks_nothing_has_no_accuracy(tmp_path: Path) -> None:
    class Silent(Adder):
        def look(self, number: int, batch: Tensor) -> Pass:
            seen = super().look(number, batch)
            return Pass(total=seen.total, losses=seen.losses)

    silent = partial(adder, Steady(), kind=Silent)
    quiet = TrainingTask(plan=Steady(), make_learner=silent, batches=Sums())
    (report,) = train(quiet, tmp_path, processes=0, until=2).history
    assert report.keys() == {"step", "loss"}


def draw_while_killing() -> None:
    for _ in batches(Sums(), 0, 1000, processes=1):
        for process in active_children():
            process.kill()


def lose_the_process_that_draws() -> None:
    """In a process of its own: torch raises wherever it is when it hears of the death."""
    draw_in_forks()
    words = r"is gone .*go on from the last checkpoint"
    with pytest.raises(TrainingError, match=words), lost_processes_named():
        draw_while_killing()


@pytest.mark.slow
def test_a_process_that_is_killed_is_one_clear_error() -> None:
    finish(start(lose_the_process_that_draws))


class Refusing(Sums):
    """Rows of which the third cannot be drawn."""

    def __getitem__(self, step: int) -> Tensor:
        if step == 2:
            raise UsageError("no row 2")
        return super().__getitem__(step)


def draw_what_is_refused() -> None:
    draw_in_forks()
    drawn = []
    try:
        drawn += [*batches(Refusing(), 0, 1000, processes=1)]
    except UsageError as error:
        assert str(error) == "no row 2"  # noqa: PT017
        assert not active_children()  # although the traceback is still there
    else:
        raise AssertionError


@pytest.mark.slow
def test_an_error_in_a_process_that_draws_is_raised_as_it_is() -> None:
    finish(start(draw_what_is_refused))


@pytest.mark.parametrize(
    "text",
    ["shapes do not fit", "Caught RuntimeError in DataLoader worker process 0.\nOriginal shapes"],
)
def test_other_errors_are_not_taken_for_it(text: str) -> None:
    with pytest.raises(RuntimeError, match="shapes"), lost_processes_named():
        raise RuntimeError(text)


def test_nothing_left_to_draw_starts_no_process() -> None:
    assert list(batches(Sums(), 1000, 1000, processes=1)) == []
