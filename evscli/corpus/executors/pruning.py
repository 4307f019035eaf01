"""The work on one device: videos are encoded and pruned, and written in a thread meanwhile."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from itertools import chain, islice
from typing import Protocol

from evscli.corpus.decoding.ahead import DecodeAhead, Planner
from evscli.corpus.decoding.sizing import Decoders
from evscli.corpus.decoding.wire import Request
from evscli.corpus.executors.groups import PruneResult, TellBegun, prune_block
from evscli.corpus.tasks import Done, Outcome, Task, failure_of
from evscli.encoders import VideoEncoder
from evscli.errors import DeviceLostError, VideoError
from evscli.pipeline import PlannedVideo, VideoPruner, plan_indexed
from evscli.records import SourceInfo, VideoInput
from evscli.store import StoreWriter
from evscli.video import VideoIndex

BUFFER_BYTES = 512 << 20
"""The bytes of decoded pixels that may wait for their turn."""

UNWRITTEN = 2
"""The number of pruned videos that may wait to be written."""


class TaskSource(Protocol):
    """The source of tasks."""

    def __iter__(self) -> Iterator[Task]:
        """Yield tasks; it may wait for results before it yields more."""

    def close(self) -> None:
        """End all waiting for a task."""


def prune_tasks(
    tasks: TaskSource,
    pruner: VideoPruner,
    writers: Sequence[StoreWriter],
    decoders: Decoders,
    *,
    begun: TellBegun = lambda _: None,
    buffer_bytes: int = BUFFER_BYTES,
) -> Generator[Done]:
    """Decode ahead, prune and write the videos of `tasks`, in their order.

    Yields every task's result in each of its stores once it is written; `begun` is called with each
    task at its turn, or with several that are encoded together. Closes `tasks` however it ends.
    Raises StoreError where a store cannot be written, and DeviceLostError once everything finished
    is.
    """
    requests = ((task, task.fault or request_of(task.video, pruner.encoder)) for task in tasks)
    planner = planner_of(pruner.encoder)
    ahead = DecodeAhead(requests, planner, decoders, buffer_bytes=buffer_bytes)
    with closing(ahead), Writing(writers) as writing, closing(tasks):
        videos = iter(ahead)
        while True:
            if not ahead.has_next():
                yield from writing.rest()
            if (first := next(videos, None)) is None:
                return
            block = chain([first], islice(videos, first.task.behind))
            try:
                for result in prune_block(block, pruner, begun):
                    yield from writing.put(*result)
            except DeviceLostError:
                yield from writing.rest()
                raise


def request_of(video: VideoInput, encoder: VideoEncoder) -> Request:
    """Return the request to a decoder process for a video."""
    return Request(video=video, chunk_frames=encoder.chunk_frames, resize=encoder.host_resize)


def planner_of(encoder: VideoEncoder) -> Planner:
    """Return a function that chooses frames for an encoder; several threads may call it."""
    # The rules are a processor of transformers, which promises nothing about threads.
    lock = threading.Lock()

    def plan(request: Request, source: SourceInfo, index: VideoIndex) -> PlannedVideo:
        with lock:
            return plan_indexed(request.video, source, index, encoder)

    return plan


class Writing(AbstractContextManager["Writing"]):
    """A thread that writes to stores, in order; use it in a `with` statement."""

    def __init__(self, writers: Sequence[StoreWriter]) -> None:
        self._writers = writers
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._under_way: deque[Future[Done]] = deque()

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def put(self, task: Task, store: int, result: PruneResult) -> Iterator[Done]:
        """Queue a result to be written; yield those that are. Raises StoreError."""
        self._under_way.append(self._thread.submit(self._write, task, store, result))
        while len(self._under_way) > UNWRITTEN or (self._under_way and self._under_way[0].done()):
            yield self._under_way.popleft().result()

    def rest(self) -> Iterator[Done]:
        """Wait for all results that are queued, and yield them."""
        while self._under_way:
            yield self._under_way.popleft().result()

    def _write(self, task: Task, store: int, result: PruneResult) -> Done:
        return Done(task=task, store=store, outcome=self._outcome(task, store, result))

    def _outcome(self, task: Task, store: int, result: PruneResult) -> Outcome:
        writer = self._writers[store]
        if isinstance(result, VideoError):
            failure = failure_of(task.video, result)
            return writer.fail(replace(failure, whole=True if task.fault else None))
        try:
            writer.add(result)
        except VideoError as error:
            return writer.fail(failure_of(task.video, error))
        return result.info
