"""The training run: batch after batch, with reports and checkpoints at intervals."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from time import perf_counter
from typing import Any, Generic

import torch

from evscli.provenance import processor_name, provenance
from evscli.train.checkpoint import (
    CHECKPOINT_FILE,
    Checkpoint,
    TrainingProgress,
    TrainingReport,
    load_checkpoint,
    save_checkpoint,
    unreadable,
)
from evscli.train.drawing import batches, lost_processes_named
from evscli.train.task import CPU, B, Learned, Learns, Plan, TrainingError, TrainingTask

REPORT_EVERY = 50
"""The number of steps between two reports."""

CHECKPOINT_EVERY = 200
"""The number of steps between two checkpoints. A kill loses at most a few minutes of work."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained(TrainingProgress):
    """A run that is finished or was stopped between two steps."""

    learner: Learns[Any]


@dataclass
class Window:
    """The results since the last report."""

    kinds: Sequence[str]
    losses: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    asked: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    left_out: list[str] = field(default_factory=list)

    def add(self, learned: Learned) -> None:
        """Count one step."""
        for name, loss in learned.losses.items():
            self.losses[name].append(loss)
        self.left_out += learned.left_out
        for kind, right in zip(learned.kinds, learned.right, strict=True):
            self.asked[kind] += 1
            self.right[kind] += right

    def report(self, step: int) -> TrainingReport:
        """Return mean losses, and the accuracy by kind on batches that are new to the learner.

        There is no accuracy where it is not known whether answers were right.
        """
        report: TrainingReport = {
            "step": step,
            "loss": {name: round(sum(v) / len(v), 4) for name, v in self.losses.items()},
        }
        if self.kinds:
            right, asked = self.right, self.asked
            report["accuracy"] = {
                kind: round(right[kind] / asked[kind], 4) for kind in self.kinds if asked[kind]
            }
            report["overall"] = round(right.total() / max(1, asked.total()), 4)
        return report | ({"left_out": self.left_out} if self.left_out else {})


class TrainingRun(Generic[B]):
    """A run under way, from the checkpoint in `folder` or from its start."""

    def __init__(self, task: TrainingTask[B], folder: Path, device: torch.device) -> None:
        self.plan, self.kinds, self.folder = task.plan, task.kinds, folder
        self.leads = task.leads
        found = load_checkpoint(folder, self.plan)
        self.learner = task.make_learner(device)
        if found is not None:
            try:
                self.learner.restore(found.tensors)
            except (KeyError, RuntimeError) as error:  # a tensor is missing, or of another shape
                raise unreadable(folder / CHECKPOINT_FILE, error) from error
        begun = found or TrainingProgress()
        self.step, self.spent, self.history = begun.step, begun.seconds, begun.history
        self.machines, self.algorithms = begun.machines, begun.algorithms
        self.moved = False
        if self.step < self.plan.total:  # no machine is noted where no steps are left
            self._sign(machine(device))
        self.window = Window(self.kinds)
        self.seconds, self.began = self.spent, perf_counter()

    def _sign(self, here: dict[str, Any]) -> None:
        """Record the machine and the version of the next steps."""
        self.moved = self.machines[-1:] not in ([], [here])
        if self.machines[-1:] != [here]:
            self.machines.append(here)
        if self.algorithms[-1:] != [self.plan.algorithm]:
            self.algorithms.append(self.plan.algorithm)

    def learn(self, batch: B) -> None:
        """Do the next step."""
        learned = self.learner.step(self.step, batch)
        refuse_nan(learned, self.step)
        self.window.add(learned)
        self.step += 1
        self.seconds = self.spent + perf_counter() - self.began

    def report(self) -> TrainingReport:
        """Report the results since the last report, and add them to the history."""
        report, self.window = self.window.report(self.step), Window(self.kinds)
        self.history.append(report)
        return report

    def save(self) -> None:
        """Replace the checkpoint, in the process that leads."""
        if not self.leads:
            return
        checkpoint = Checkpoint(**self.progress(), tensors=self.learner.state())
        save_checkpoint(self.folder, self.plan, checkpoint)

    def progress(self) -> dict[str, Any]:
        """Return the fields of `TrainingProgress` as they are now."""
        return {each.name: getattr(self, each.name) for each in fields(TrainingProgress)}


def machine(device: torch.device) -> dict[str, Any]:
    """Return the machine's part of what the bits of the weights depend on."""
    return {
        "processor": processor_name(),
        "device": str(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def train(
    task: TrainingTask[B],
    folder: Path,
    *,
    on_resume: Callable[[TrainingRun[B]], None] = lambda _: None,
    on_report: Callable[[TrainingReport], None] = lambda _: None,
    on_step: Callable[[int], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    device: torch.device = CPU,
    processes: int = 1,
    until: int | None = None,
    report_every: int = REPORT_EVERY,
    checkpoint_every: int = CHECKPOINT_EVERY,
) -> Trained:
    """Train by the plan of `task`, going on from the checkpoint in `folder` where there is one.

    Every batch is new, so the reported accuracy is one on new questions. `processes` draw batches
    ahead; `until` and `stop` (called after every step) end early, with a checkpoint. Raises
    UsageError where the folder holds another run, TrainingError where the loss is no longer a
    number, no step had an example, or a process that draws was killed.
    """
    run = TrainingRun(task, folder, device)
    if run.step:
        on_resume(run)
    total = task.plan.total
    last = min(until or total, total)
    with lost_processes_named():
        for batch in batches(task.batches, run.step, last, processes):
            run.learn(batch)
            ending = run.step == last or task.in_any(stop())  # all end after the same step
            if run.step % report_every == 0 or ending:
                on_report(run.report())
            if run.step == total:
                refuse_nothing_learned(run.history)
            if run.step % checkpoint_every == 0 or ending:
                run.save()
            on_step(run.step)
            if ending:
                break
    return Trained(**run.progress(), learner=run.learner)


def training_report(plan: Plan, trained: Trained, *, command: str) -> dict[str, Any]:
    """Return a finished run as JSON values.

    `hours` are those of all sessions, `machines` those it was trained on and `algorithms` the
    versions of the training. `history` holds mean losses and accuracies of the steps since the
    entry before, on batches that were new to the learner.
    """
    return {
        "trained_by": command,
        "plan": plan.values(),
        "steps": trained.step,
        "hours": round(trained.seconds / 3600, 5),
        "machines": trained.machines,
        "algorithms": trained.algorithms,
        "finished_with": provenance(device=str(trained.learner.device)),
        "history": trained.history,
    }


def refuse_nothing_learned(history: Sequence[TrainingReport]) -> None:
    """Raise TrainingError where no step of a whole run had an example to learn from.

    A video of one temporal patch, in which no window has a predecessor, has a loss of exactly 0.
    """
    if not any(loss for entry in history for loss in entry["loss"].values()):
        reasons = (reason for entry in history for reason in entry.get("left_out", ()))
        raise TrainingError(
            f"no example of any step can be learned from ({next(reasons, 'there is none')}); give "
            "others, or another --context or --rate-dist"
        )


def refuse_nan(learned: Learned, step: int) -> None:
    """Raise TrainingError where a loss is not finite."""
    if not math.isfinite(sum(learned.losses.values())):
        raise TrainingError(
            f"the loss of step {step + 1} is not a number; start again in another folder with a "
            "lower rate or another seed"
        )
