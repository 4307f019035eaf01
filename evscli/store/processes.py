"""Parallel processes that do one work on many items.

A process that dies loses only the item that it was at.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Generic, TypeVar

from evscli.child import Child, how_it_ended

T = TypeVar("T")
R = TypeVar("R")

CPU_SHARE = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True)
class Died:
    """The answer for an item whose process ended before it had a result."""

    how: str
    """The end of the process: `SIGBUS`, or `exit code 1`."""


def usable_cores() -> int:
    """Return the number of cores that this process may use, within the grant of its container."""
    cores = len(os.sched_getaffinity(0))
    with suppress(OSError, ValueError):  # not Linux's control groups; "max" is not a number
        quota, period = map(int, CPU_SHARE.read_text().split())
        cores = min(cores, max(1, -(-quota // period)))
    return cores


def in_processes(
    work: Callable[[T], R], items: Sequence[T], *, processes: int
) -> Iterator[tuple[int, R | Died]]:
    """Yield `(number of the item, work(item))` for all items, as they come.

    `work`, items and results are pickled. An exception that `work` raises is raised here. However
    this ends, no process is left.
    """
    todo, workers = iter(enumerate(items)), list[_Worker[T, R]]()
    try:
        # All are started before the first is waited for to take its item.
        for _ in range(min(processes, len(items))):
            workers.append(_Worker(work))
        for worker in workers:
            worker.give(*next(todo))
        while workers:
            for worker in _ready(workers):
                answer = worker.answer()
                yield worker.number, answer
                if isinstance(answer, Died):
                    workers.remove(worker)
                    workers.append(worker := _Worker(work))
                if (item := next(todo, None)) is not None:
                    worker.give(*item)
                else:
                    worker.end()
                    workers.remove(worker)
    finally:
        for worker in workers:
            worker.end()


class _Worker(Child, Generic[T, R]):
    """One process, and the number of the item that it is at."""

    def __init__(self, work: Callable[[T], R]) -> None:
        super().__init__(_serve, work)

    def give(self, number: int, item: T) -> None:
        self.number = number
        self.send(item)

    def answer(self) -> R | Died:
        try:
            answer: Any = self.pipe.recv()
        except (EOFError, ConnectionError):
            return Died(how_it_ended(self.end(grace=None)))
        if isinstance(answer, Exception):
            raise answer
        result: R = answer
        return result


def _ready(workers: Sequence[_Worker[T, R]]) -> list[_Worker[T, R]]:
    """Return the workers that have answered or died, after waiting for the first."""
    ready = wait([worker.pipe for worker in workers])
    return [worker for worker in workers if worker.pipe in ready]


def _serve(connection: Connection, work: Callable[[Any], Any]) -> None:
    """Answer items until the other side is gone."""
    while True:
        try:
            item = connection.recv()
        except EOFError:
            return
        try:
            answer = work(item)
        except Exception as error:
            answer = error
        connection.send(answer)
