"""What one device does: encodes and prunes decoded videos, and writes them while the next is due.

It knows one encoder and its stores; whose turn a video is and what is said of it is others' work.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Protocol

from evscli.corpus.decoding.ahead import DecodeAhead, DecodedVideo, Planner
from evscli.corpus.decoding.process import DecoderProcess
from evscli.corpus.decoding.wire import Request
from evscli.corpus.inputs import refuse_name
from evscli.corpus.outcome import Outcome, failure_of
from evscli.corpus.tasks import Done, Task
from evscli.encoders import VideoEncoder
from evscli.errors import VideoError
from evscli.pipeline import PlannedVideo, VideoPruner, plan_indexed, resized_here
from evscli.records import PrunedVideo, SourceInfo, VideoInput
from evscli.store import StoreWriter
from evscli.video import VideoIndex

BUFFER_BYTES = 512 << 20
"""Decoded pixels that may wait for their turn."""

UNWRITTEN = 2
"""Pruned videos that may wait to be written."""

CRASHES = 2
"""Workers that may die at a video before it is taken for the cause."""

PruneResult = PrunedVideo | VideoError
"""What is to be written, or why there is nothing."""


class TaskSource(Protocol):
    """Whoever hands out tasks."""

    def __iter__(self) -> Iterator[Task]:
        """Jobs; it may wait for results before it gives more."""

    def close(self) -> None:
        """Let nobody wait for a task any longer."""


def prune_tasks(
    tasks: TaskSource,
    pruner: VideoPruner,
    writers: Sequence[StoreWriter],
    decoders: Sequence[DecoderProcess],
    *,
    begun: Callable[[Task], None] = lambda _: None,
    buffer_bytes: int = BUFFER_BYTES,
) -> Generator[Done]:
    """Decode ahead, prune and write the videos of `tasks`, in their order.

    Yields every task's result in each of its stores once it is written; `begun` is told whose turn
    it is. Closes `tasks` however it ends. Raises StoreError where a store cannot be written.
    """
    requests = ((task, task.fault or request_of(task.video, pruner.encoder)) for task in tasks)
    planner = planner_of(pruner.encoder)
    ahead = DecodeAhead(requests, planner, decoders, buffer_bytes=buffer_bytes)
    with closing(ahead), Writing(writers) as writing, closing(tasks):
        videos = iter(ahead)
        while True:
            if not ahead.has_next():
                yield from writing.rest()
            if (decoded := next(videos, None)) is None:
                return
            begun(decoded.task)
            for number, result in _prune(decoded, pruner):
                yield from writing.put(decoded.task, number, result)
            decoded.drop()


def request_of(video: VideoInput, encoder: VideoEncoder) -> Request:
    """What a decoder process is asked for."""
    return Request(video=video, chunk_frames=encoder.chunk_frames, resize=encoder.host_resize)


def planner_of(encoder: VideoEncoder) -> Planner:
    """Chooses frames for an encoder; may be called from several threads."""
    # The rules are a processor of transformers, which promises nothing about threads.
    lock = threading.Lock()

    def plan(request: Request, source: SourceInfo, index: VideoIndex) -> PlannedVideo:
        with lock:
            return plan_indexed(request.video, source, index, encoder)

    return plan


def _prune(decoded: DecodedVideo[Task], pruner: VideoPruner) -> Iterator[tuple[int, PruneResult]]:
    """The results of one video for each of its stores; its own failure is every one's."""
    task = decoded.task
    left = [*task.tries]
    try:
        task.video.raise_fault()
        refuse_name(task.video)
        refuse_suspect(task)
        planned = decoded.planned()
        frames = resized_here(pruner.encoder, planned, decoded.frames)
        for number, result in pruner.prune_planned(planned, left[:], frames=frames):
            left.remove(number)
            yield number, result
    except VideoError as error:
        yield from ((number, error) for number in left)


def refuse_suspect(task: Task) -> None:
    """Raise VideoError for a video during which worker after worker died."""
    if task.crashes >= CRASHES:
        raise VideoError(
            f"{task.video.name}: {task.crashes} workers died while they were at it; is there "
            "enough memory? Try it alone with --retry-failed, or re-encode it with ffmpeg",
            stage="encode",
            kind="Crashed",
        )


class Writing:
    """Writes to stores in a thread of its own, in order; use it in a `with` statement."""

    def __init__(self, writers: Sequence[StoreWriter]) -> None:
        self._writers = writers
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._under_way: deque[Future[Done]] = deque()

    def __enter__(self) -> Writing:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def put(self, task: Task, store: int, result: PruneResult) -> Iterator[Done]:
        """Have a result written; yields those that are. Raises StoreError."""
        self._under_way.append(self._thread.submit(self._write, task, store, result))
        while len(self._under_way) > UNWRITTEN or (self._under_way and self._under_way[0].done()):
            yield self._under_way.popleft().result()

    def rest(self) -> Iterator[Done]:
        """Wait for all others."""
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
