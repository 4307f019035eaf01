"""The life of a worker: it asks for tasks and reports their results.

The driver decides how messages travel.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from evscli.corpus.executors.engine import Engine, MakePruner
from evscli.corpus.executors.pruning import TaskSource, prune_tasks
from evscli.corpus.resume import recover_orphans
from evscli.corpus.tasks import Done
from evscli.errors import DeviceLostError, EvsError, StoreBusyError
from evscli.installed import broken_package
from evscli.records import RunConfig
from evscli.scratch import share_memory
from evscli.store import StoreWriter
from evscli.tracebacks import note_traceback, traceback_of

LOCK_SECONDS = 120.0
"""The seconds within which a dead worker's lock must be free: file servers release it late."""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """The assignment of one worker."""

    make: MakePruner
    device: str
    folders: tuple[Path, ...]
    engine: Engine
    writer: int
    """The number under which it writes to every store."""
    replaces: bool = False
    """Whether it replaces a worker that has died."""


@dataclass(frozen=True, kw_only=True)
class Up:
    """The message that the model is loaded and the stores are open."""

    remarks: tuple[str, ...] = ()
    """The remarks on these stores."""


@dataclass(frozen=True, kw_only=True)
class TaskWanted:
    """The message that the worker has time for one task more."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """The message that the worker begins a video, or several that it encodes together."""

    videos: tuple[str, ...]
    """Their ids."""


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """The message that the worker cannot go on."""

    error: EvsError


@dataclass(frozen=True, kw_only=True)
class Lost:
    """The message that the worker's process cannot use its device any more, and ends."""

    error: DeviceLostError


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The message that the worker has no more tasks and has written everything."""


Message = Up | TaskWanted | Begun | Done | Stopped | Lost | Finished


class Driver(TaskSource, Protocol):
    """The source of one worker's tasks and the receiver of its messages, for several threads."""

    def send(self, message: Message) -> None:
        """Send a message. Raises KeyboardInterrupt where the worker shall end at once."""


def work(driver: Driver, assignment: Assignment) -> None:
    """Do the tasks that are handed out; KeyboardInterrupt ends it, with everything finished kept.

    An error that keeps it from going on is sent to the driver, and a device that is lost too.
    """
    with suppress(KeyboardInterrupt, ConnectionError):
        try:
            _work(driver, assignment)
        except DeviceLostError as error:
            note_traceback(error, traceback_of(error), process="worker")
            driver.send(Lost(error=error))
        except Exception as error:
            driver.send(Stopped(error=_stopping(error)))
        else:
            driver.send(Finished())


def _stopping(error: Exception) -> EvsError:
    """Return the error that ended a worker, as it is sent to the driver."""
    what = f"{type(error).__name__}: {error}; this is a defect of evs: report it"
    said = error if isinstance(error, EvsError) else EvsError(broken_package(error) or what)
    note_traceback(said, traceback_of(error), process="worker")
    return said


def _work(driver: Driver, assignment: Assignment) -> None:
    torch.set_num_threads(assignment.engine.threads)
    share_memory(len(assignment.engine.devices) or 1)
    pruner = assignment.make(assignment.device)
    stores = [*zip(assignment.folders, pruner.configs, strict=True)]
    if assignment.engine.is_alone and assignment.writer == assignment.engine.numbers[0]:
        recover_orphans(stores, but=assignment.engine.numbers)
    until = time.monotonic() + (LOCK_SECONDS if assignment.replaces else 0.0)
    with ExitStack() as stack:
        writers = [_open(stack, *store, assignment.writer, until) for store in stores]
        driver.send(Up(remarks=remarks_of(writers)))
        results = prune_tasks(
            driver,
            pruner,
            writers,
            assignment.engine.decoders(),
            begun=lambda tasks: driver.send(Begun(videos=tuple(one.video.id for one in tasks))),
        )
        with closing(results):
            for done in results:
                driver.send(done)


def remarks_of(writers: Iterable[StoreWriter]) -> tuple[str, ...]:
    """Return the remarks on stores that were opened."""
    return tuple(writer.remark for writer in writers if writer.remark is not None)


def _open(
    stack: ExitStack, folder: Path, config: RunConfig, number: int, until: float
) -> StoreWriter:
    """Open a store once its lock is free, at the latest at `until`, by `time.monotonic`."""
    while True:
        try:
            writer = stack.enter_context(StoreWriter(folder, config, writer=number))
        except StoreBusyError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.2)
        else:
            writer.flush()  # what a killed run left is in a manifest before work is handed out
            return writer
