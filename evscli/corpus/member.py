"""A worker in a process of its own: asks for jobs over a link and sends back what came of them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Lock

import torch

from evscli.corpus.decoding.children import end_with_parent
from evscli.corpus.engine import Engine, MakePruner
from evscli.corpus.jobs import Job
from evscli.corpus.reconcile import take_over
from evscli.corpus.worker import prune_jobs
from evscli.errors import EvsError
from evscli.store import StoreWriter

LOOK_SECONDS = 0.2
"""How often somebody who waits for a job looks whether the worker has ended."""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What one worker is for."""

    make: MakePruner
    device: str
    folders: tuple[Path, ...]
    engine: Engine
    writer: int
    """Number under which it writes to every store."""


@dataclass(frozen=True, kw_only=True)
class Up:
    """The model is loaded, and the stores are open."""


@dataclass(frozen=True, kw_only=True)
class Want:
    """It has time for one job more."""


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


class Boss:
    """The other end of the link, for several threads."""

    def __init__(self, link: Connection) -> None:
        self._link = link
        self._sending = Lock()
        self._ended = Event()

    def tell(self, message: object) -> None:
        """Send something."""
        with self._sending:
            self._link.send(message)

    def __iter__(self) -> Iterator[Job]:
        """Jobs as they are handed out, until there are no more or the worker has ended."""
        while True:
            self.tell(Want())
            while not self._link.poll(LOOK_SECONDS):
                if self._ended.is_set():
                    return
            if (job := self._link.recv()) is None:
                return
            yield job

    def close(self) -> None:
        """Wait for no more jobs."""
        self._ended.set()


def work(link: Connection, assignment: Assignment) -> None:
    """The life of a worker process. SIGTERM ends it with everything finished kept."""
    end_with_parent()
    # Ctrl-C reaches the whole group of processes; what it means is decided by who hands out work.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    boss = Boss(link)
    with suppress(KeyboardInterrupt, ConnectionError):
        try:
            _work(boss, assignment)
        except EvsError as error:
            boss.tell(Stopped(error=error))
        except Exception as error:
            what = f"{type(error).__name__}: {error}; this is a defect of evs: report it"
            boss.tell(Stopped(error=EvsError(what)))
        else:
            boss.tell(Finished())


def _work(boss: Boss, assignment: Assignment) -> None:
    torch.set_num_threads(assignment.engine.threads)
    pruner = assignment.make(assignment.device)
    if assignment.engine.is_alone and assignment.writer == assignment.engine.numbers[0]:
        for folder, config in zip(assignment.folders, pruner.configs, strict=True):
            take_over(folder, config, but=assignment.engine.numbers)
    with ExitStack() as stack:
        writers = []
        for folder, config in zip(assignment.folders, pruner.configs, strict=True):
            writer = StoreWriter(folder, config, writer=assignment.writer)
            writers.append(stack.enter_context(writer))
            writer.flush()  # what a killed run left is in a manifest before work is handed out
        boss.tell(Up())
        results = prune_jobs(
            boss,
            pruner,
            writers,
            assignment.engine.decoders(),
            begun=lambda job: boss.tell(Begun(video=job.video.id)),
        )
        with closing(results):
            for done in results:
                boss.tell(done)
