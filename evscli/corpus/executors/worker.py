"""The life of a worker: asks for tasks and says what came of them.

It knows neither how it was started nor what carries its words: that is the driver's.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from evscli.corpus.executors.engine import Engine, MakePruner
from evscli.corpus.executors.pruning import TaskSource, prune_tasks
from evscli.corpus.reconcile import recover_orphans
from evscli.corpus.tasks import Done
from evscli.errors import EvsError, StoreBusyError
from evscli.installed import broken_torchvision
from evscli.pipeline import VideoPruner
from evscli.records import RunConfig
from evscli.store import StoreWriter
from evscli.tracebacks import note_traceback, traceback_of

LOCK_SECONDS = 120.0
"""In which the lock of a dead worker must be free: a file server gives a lost machine's up late."""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What one worker is for."""

    make: MakePruner
    device: str
    folders: tuple[Path, ...]
    engine: Engine
    writer: int
    """Number under which it writes to every store."""
    replaces: bool = False
    """Another one, that has died."""


@dataclass(frozen=True, kw_only=True)
class Up:
    """The model is loaded, and the stores are open."""


@dataclass(frozen=True, kw_only=True)
class TaskWanted:
    """It has time for one task more."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """It is at this video now."""

    video: str


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """It cannot go on."""

    error: EvsError


@dataclass(frozen=True, kw_only=True)
class Finished:
    """It was told that there is no more to do, and everything is written."""


Message = Up | TaskWanted | Begun | Done | Stopped | Finished


class Driver(TaskSource, Protocol):
    """Who hands out tasks to one worker, for several threads."""

    def send(self, message: Message) -> None:
        """Let it know something. Raises KeyboardInterrupt where the worker shall end at once."""


def work(driver: Driver, assignment: Assignment) -> None:
    """Do what is handed out until there is no more; KeyboardInterrupt ends it, all finished kept.

    What keeps it from going on is told to the driver.
    """
    with suppress(KeyboardInterrupt, ConnectionError):
        try:
            _work(driver, assignment)
        except Exception as error:
            driver.send(Stopped(error=_stopping(error)))
        else:
            driver.send(Finished())


def _stopping(error: Exception) -> EvsError:
    """What ended a worker, as it is told to the driver."""
    what = f"{type(error).__name__}: {error}; this is a defect of evs: report it"
    said = error if isinstance(error, EvsError) else EvsError(broken_torchvision(error) or what)
    note_traceback(said, traceback_of(error), process="worker")
    return said


def _work(driver: Driver, assignment: Assignment) -> None:
    torch.set_num_threads(assignment.engine.threads)
    pruner = assignment.make(assignment.device)
    if assignment.engine.is_alone and assignment.writer == assignment.engine.numbers[0]:
        for folder, config in zip(assignment.folders, pruner.configs, strict=True):
            recover_orphans(folder, config, but=assignment.engine.numbers)
    with ExitStack() as stack:
        writers = _open(stack, assignment, pruner)
        driver.send(Up())
        results = prune_tasks(
            driver,
            pruner,
            writers,
            assignment.engine.decoders(),
            begun=lambda task: driver.send(Begun(video=task.video.id)),
        )
        with closing(results):
            for done in results:
                driver.send(done)


def _open(stack: ExitStack, assignment: Assignment, pruner: VideoPruner) -> list[StoreWriter]:
    until = time.monotonic() + (LOCK_SECONDS if assignment.replaces else 0.0)
    writers = []
    for folder, config in zip(assignment.folders, pruner.configs, strict=True):
        writer = _claimed(stack, folder, config, assignment.writer, until)
        writer.flush()  # what a killed run left is in a manifest before work is handed out
        writers.append(writer)
    return writers


def _claimed(
    stack: ExitStack, folder: Path, config: RunConfig, number: int, until: float
) -> StoreWriter:
    while True:
        try:
            return stack.enter_context(StoreWriter(folder, config, writer=number))
        except StoreBusyError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.2)
