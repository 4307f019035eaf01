"""The pruning of many videos on this machine, into one store for each selection.

A finished video is skipped, a failing one is recorded and the rest go on. One device is used by
this process itself, several by a worker process each.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from evscli.corpus.executors.engine import Engine, Listener, MakePruner
from evscli.corpus.executors.pool import Backend, HandleKind, WorkerPool
from evscli.corpus.executors.processes import ProcessBackend
from evscli.corpus.executors.pruning import prune_tasks
from evscli.corpus.executors.queue import TaskQueue
from evscli.corpus.executors.worker import remarks_of
from evscli.corpus.resume import Backlog, StoreState, read_state, recover_orphans
from evscli.corpus.segments import Cutter, lost_segments, segment_tasks, uncut
from evscli.corpus.tasks import Summary, Task, failure_of
from evscli.errors import DeviceLostError, StoreError, VideoError
from evscli.records import VideoInput
from evscli.store import StoreWriter

logger = logging.getLogger(__name__)


def prune_corpus(
    videos: Sequence[VideoInput],
    make: MakePruner,
    folders: Sequence[Path],
    *,
    listener: Listener,
    engine: Engine,
) -> list[Summary]:
    """Prune the videos that the stores `folders`, one for each selection, do not hold yet.

    Only the engine's share of `videos` is done. Everything finished is kept whatever ends the run.
    Raises StoreError where a store cannot be written, MismatchError before any work where one holds
    another configuration or another source under the same id, and what `make` raises.
    """
    mine = engine.share.of(videos)
    if engine.segment is None:  # more workers than videos find no work
        engine = replace(engine, devices=engine.devices[: max(1, len(mine))])
    run = CorpusRun(videos=mine, make=make, folders=folders, listener=listener, engine=engine)
    return _prune_here(run) if len(engine.devices) == 1 else prune_by_pool(run, ProcessBackend())


@dataclass(frozen=True, kw_only=True)
class CorpusRun:
    """The videos of a run, the stores they are pruned into, and the machinery."""

    videos: Sequence[VideoInput]
    make: MakePruner
    folders: Sequence[Path]
    listener: Listener
    engine: Engine

    @contextmanager
    def begun(self, states: Sequence[StoreState]) -> Iterator[tuple[TaskQueue, int]]:
        """Report the tasks left to the listener; yield their queue and the number of files.

        Raises MismatchError.
        """
        summaries, engine = [Summary() for _ in states], self.engine
        backlog = Backlog(
            states=states,
            summaries=summaries,
            retries=engine.retries,
            check_sources=engine.check_sources,
        )
        if engine.segment is None:
            tasks = backlog.tasks(self.videos)
            self.listener.begin(tasks, summaries)
            yield TaskQueue(tasks, summaries, block=engine.block), len(tasks)
            return
        left = uncut(self.videos, engine.segment, backlog)
        self.listener.begin([Task(video=video, tries={}) for video in left], summaries)
        with Cutter(engine.segment, engine.decoder()) as cutter:
            to_come = segment_tasks(cutter.cut(left), engine.segment, backlog)
            queue = TaskQueue(to_come, summaries, block=engine.block, stop=cutter.stop)
            yield queue, len(left)

    def refuse_lost(self) -> None:
        """Raise StoreError where a video, or a segment of it, is neither in a store nor failed."""
        for folder in self.folders:
            state, segment = read_state(folder), self.engine.segment
            if segment is None:
                known = state.finished.keys() | state.failed.keys()
                lost = [video for video in self.videos if video.id not in known]
            else:
                lost = lost_segments(self.videos, segment, state)
            if lost:
                raise StoreError(
                    f"{len(lost)} videos are neither in {folder} nor among its failures, the first "
                    f"is {lost[0].path}: run the same command again, which does them"
                )


def prune_by_pool(run: CorpusRun, backend: Backend[HandleKind]) -> list[Summary]:
    """Have several workers prune the videos. Raises as `prune_corpus` does."""
    pool = WorkerPool(backend, run.make, run.folders, run.engine)
    with pool, run.begun([read_state(folder) for folder in run.folders]) as (queue, _):
        for done in pool.results(queue):
            run.listener.done(done, again=queue.settle(done))
    run.refuse_lost()
    return queue.summaries


def _prune_here(run: CorpusRun) -> list[Summary]:
    engine = run.engine
    pruner = run.make(engine.devices[0])
    stores = [*zip(run.folders, pruner.configs, strict=True)]
    if engine.is_alone:
        recover_orphans(stores, but=engine.numbers)
    with ExitStack() as stack:
        writers = [
            stack.enter_context(StoreWriter(folder, config, writer=engine.numbers[0]))
            for folder, config in stores
        ]
        for remark in remarks_of(writers):
            logger.warning("%s", remark)
        states = [StoreState(finished=store.finished, failed=store.failed) for store in writers]
        queue, tasks = stack.enter_context(run.begun(states))
        if not tasks:
            return queue.summaries
        decoders = engine.decoders(most=None if engine.segment else tasks)
        at = deque[Sequence[Task]](maxlen=1)
        results = prune_tasks(queue, pruner, writers, decoders, begun=at.append)
        with closing(results), recorded_loss(at, writers):
            for done in results:
                run.listener.done(done, again=queue.settle(done))
    return queue.summaries


@contextmanager
def recorded_loss(
    begun: Sequence[Sequence[Task]], writers: Sequence[StoreWriter]
) -> Iterator[None]:
    """Record a failure of the last tasks of `begun` where the device is lost.

    The next run then goes on behind these videos, which may be what the device cannot do.
    """
    try:
        yield
    except DeviceLostError as error:
        failed = VideoError(str(error), stage="encode", kind=type(error).__name__)
        failed.__cause__ = error
        for task in begun[-1]:
            failure = failure_of(task.video, failed)
            for number in task.tries:
                if task.video.id not in writers[number].finished:
                    writers[number].fail(failure)
        raise
