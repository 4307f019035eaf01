"""The training run: batch after batch, a report now and then, a checkpoint now and then."""

from __future__ import annotations

import math
import signal
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from multiprocessing import resource_tracker
from pathlib import Path
from time import perf_counter
from typing import Any, Generic

import torch
from torch.utils.data import DataLoader, Dataset

from evscli.errors import EvsError
from evscli.provenance import processor_name
from evscli.train.checkpoint import Checkpoint, Progress, Report, load_checkpoint, save_checkpoint
from evscli.train.learner import Learned, Learner
from evscli.train.task import CPU, B, Task

REPORT_EVERY = 50
"""Steps."""

CHECKPOINT_EVERY = 200
"""Steps: a few minutes of work, at most, are lost by a kill."""


class TrainingError(EvsError):
    """Training that cannot go on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained(Progress):
    """A run that is finished or was stopped between two steps."""

    learner: Learner[Any]


@dataclass
class Window:
    """What was seen since the last report."""

    kinds: Sequence[str]
    losses: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    asked: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)

    def add(self, learned: Learned) -> None:
        """Count one step."""
        for name, loss in learned.losses.items():
            self.losses[name].append(loss)
        for kind, right in zip(learned.kinds, learned.right, strict=True):
            self.asked[kind] += 1
            self.right[kind] += right

    def report(self, step: int) -> Report:
        """Mean losses, and accuracy by kind on what was never seen before."""
        right, asked = self.right, self.asked
        return {
            "step": step,
            "loss": {name: round(sum(v) / len(v), 4) for name, v in self.losses.items()},
            "accuracy": {k: round(right[k] / asked[k], 4) for k in self.kinds if asked[k]},
            "overall": round(right.total() / max(1, asked.total()), 4),
        }


class Run(Generic[B]):
    """A run under way, where the checkpoint in `folder` left it or at its start."""

    def __init__(self, task: Task[B], folder: Path, device: torch.device) -> None:
        self.plan, self.kinds, self.folder = task.plan, task.kinds, folder
        found = load_checkpoint(folder, self.plan)
        self.learner = task.make_learner(device)
        self.step, self.spent, self.history = 0, 0.0, list[Report]()
        self.machines = list[dict[str, Any]]()
        self.algorithms = list[int]()
        if found is not None:
            self.learner.restore(found.tensors)
            self.step, self.spent, self.history = found.step, found.seconds, found.history
            self.machines, self.algorithms = found.machines, found.algorithms
        self.moved = False
        if self.step < self.plan.total:  # a finished run is made by nothing more
            self._sign(machine(device))
        self.window = Window(self.kinds)
        self.began = perf_counter()

    def _sign(self, here: dict[str, Any]) -> None:
        """Note down what the next steps are made with."""
        self.moved = self.machines[-1:] not in ([], [here])
        if self.machines[-1:] != [here]:
            self.machines.append(here)
        if self.algorithms[-1:] != [self.plan.algorithm]:
            self.algorithms.append(self.plan.algorithm)

    @property
    def seconds(self) -> float:
        """Time of all steps, over all sessions."""
        return self.spent + perf_counter() - self.began

    def learn(self, batch: B) -> None:
        """Do the next step."""
        learned = self.learner.step(self.step, batch)
        refuse_nan(learned, self.step)
        self.window.add(learned)
        self.step += 1

    def report(self) -> Report:
        """What was seen since the last report, now part of the history."""
        report, self.window = self.window.report(self.step), Window(self.kinds)
        self.history.append(report)
        return report

    def save(self) -> None:
        """Replace the checkpoint."""
        checkpoint = Checkpoint(**self.progress(), tensors=self.learner.state())
        save_checkpoint(self.folder, self.plan, checkpoint)

    def progress(self) -> dict[str, Any]:
        """The fields of `Progress` as they are now."""
        return {each.name: getattr(self, each.name) for each in fields(Progress)}


def machine(device: torch.device) -> dict[str, Any]:
    """What the bits of the weights depend on, beside the plan."""
    return {
        "processor": processor_name(),
        "device": str(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def train(
    task: Task[B],
    folder: Path,
    *,
    on_resume: Callable[[Run[B]], None] = lambda _: None,
    on_report: Callable[[Report], None] = lambda _: None,
    on_step: Callable[[int], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    device: torch.device = CPU,
    processes: int = 1,
    until: int | None = None,
    report_every: int = REPORT_EVERY,
    checkpoint_every: int = CHECKPOINT_EVERY,
) -> Trained:
    """Train by the plan of `task`, going on from the checkpoint in `folder` where there is one.

    Every batch is new, so the accuracy reported is that on what was never seen. `processes` draw
    batches ahead; `until` and `stop` (asked after every step) end early, with a checkpoint. Raises
    UsageError where the folder holds another run, TrainingError where the loss is no longer a
    number or a process that draws was killed.
    """
    run = Run(task, folder, device)
    if run.step:
        on_resume(run)
    total = task.plan.total
    last = min(until or total, total)
    with lost_processes_named():
        for batch in batches(task.batches, run.step, last, processes):
            run.learn(batch)
            ending = run.step == last or stop()
            if run.step % report_every == 0 or ending:
                on_report(run.report())
            if run.step % checkpoint_every == 0 or ending:
                run.save()
            on_step(run.step)
            if ending:
                break
    return Trained(**run.progress(), learner=run.learner)


def batches(data: Dataset[B], start: int, stop: int, processes: int) -> Iterator[B]:
    """Batches `start` to `stop`, drawn ahead by other processes."""
    if start >= stop:
        return iter(())
    loader = DataLoader(
        data,
        batch_size=None,
        sampler=range(start, stop),
        num_workers=processes,
        multiprocessing_context="spawn" if processes else None,
        prefetch_factor=4 if processes else None,
        worker_init_fn=one_thread if processes else None,
    )
    with interrupts_held():
        return iter(loader)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Processes started here never see a Ctrl-C: what it means is for this one to say."""
    resource_tracker.ensure_running()  # its start would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def lost_processes_named() -> Iterator[None]:
    """Raise TrainingError where a process that draws was killed; torch notices it anywhere."""
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as error:
        # A tensor under way is fetched from the process that made it, which may be gone by then.
        if isinstance(error, RuntimeError) and "DataLoader worker (pid" not in str(error):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrainingError(
            f"a process that draws the videos is gone ({reason}); check the memory, and give the "
            "same command again to go on from the last checkpoint"
        ) from error


def one_thread(_number: int) -> None:
    """Leave the cores to training."""
    torch.set_num_threads(1)


def refuse_nan(learned: Learned, step: int) -> None:
    """Raise TrainingError where a loss is not finite."""
    if not math.isfinite(sum(learned.losses.values())):
        raise TrainingError(
            f"the loss of step {step + 1} is not a number; start again in another folder with a "
            "lower rate or another seed"
        )
