"""The training run: batch after batch, with reports and checkpoints at intervals."""

from __future__ import annotations

import atexit
import math
import os
import signal
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from multiprocessing import resource_tracker
from pathlib import Path
from threading import Thread
from time import perf_counter
from typing import Any, Generic

import torch
from torch.utils.data import DataLoader, Dataset

from evscli.child import end_with_parent, without_main
from evscli.errors import EvsError
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
        self.began = perf_counter()

    def _sign(self, here: dict[str, Any]) -> None:
        """Record the machine and the version of the next steps."""
        self.moved = self.machines[-1:] not in ([], [here])
        if self.machines[-1:] != [here]:
            self.machines.append(here)
        if self.algorithms[-1:] != [self.plan.algorithm]:
            self.algorithms.append(self.plan.algorithm)

    @property
    def seconds(self) -> float:
        """The seconds of all steps, over all sessions."""
        return self.spent + perf_counter() - self.began

    def learn(self, batch: B) -> None:
        """Do the next step."""
        learned = self.learner.step(self.step, batch)
        refuse_nan(learned, self.step)
        self.window.add(learned)
        self.step += 1

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


class Drawn(Dataset[B | EvsError]):
    """Batches, or in the place of one the error that it raised.

    A DataLoader would raise an error again with the traceback of its process as its message.
    """

    def __init__(self, data: Dataset[B]) -> None:
        self.data = data

    def __getitem__(self, step: int) -> B | EvsError:
        try:
            return self.data[step]
        except EvsError as error:
            return error


def batches(data: Dataset[B], start: int, stop: int, processes: int) -> Iterator[B]:
    """Yield batches `start` to `stop`, drawn ahead by other processes. Raises what they raise."""
    if start >= stop:
        return
    loader = DataLoader(
        Drawn(data),
        batch_size=None,
        sampler=range(start, stop),
        num_workers=processes,
        multiprocessing_context="spawn" if processes else None,
        prefetch_factor=4 if processes else None,
        worker_init_fn=begin_drawing if processes else None,
    )
    with interrupts_held(), without_main():
        drawn = iter(loader)
    try:
        for batch in drawn:
            if isinstance(batch, EvsError):
                raise batch
            yield batch
    finally:
        # A traceback may hold this frame for long. Where a process ends badly torch says so, too
        # late for anyone to mind.
        with suppress(RuntimeError):
            getattr(drawn, "_shutdown_workers", lambda: None)()
        del drawn


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hide Ctrl-C and SIGTERM from the processes started here. This process alone handles them."""
    resource_tracker.ensure_running()  # its start would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
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


def begin_drawing(_number: int) -> None:
    """Let a process that draws compute with one thread, so that training has the cores.

    A scheduler sends SIGTERM to the whole group: only that of the process that trains ends it.
    """
    end_with_parent()
    torch.set_num_threads(1)
    Thread(target=end_with_trainer, daemon=True).start()
    # Python would end the threads of libraries one by one, which some answer by an abort.
    atexit.register(os._exit, 0)


def end_with_trainer() -> None:
    """Wait for the SIGTERM of the process that trains, and end this process."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)


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
