"""The pruning of many videos on this machine, into one store for each selection.

A finished video is skipped, a failing one is recorded and the rest go on. One device is used by
this process itself, several by a worker process each.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from evscli.corpus.executors.engine import Engine, Listener, MakePruner
from evscli.corpus.executors.processes import ProcessBackend
from evscli.corpus.executors.pruning import prune_tasks
from evscli.corpus.executors.run import CorpusRun, prune_by_pool
from evscli.corpus.outcome import Summary
from evscli.corpus.reconcile import recover_orphans
from evscli.records import VideoInput
from evscli.store import StoreWriter


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
    run = CorpusRun(
        videos=engine.share.of(videos),
        make=make,
        folders=folders,
        listener=listener,
        engine=engine,
    )
    return _prune_here(run) if len(engine.devices) == 1 else prune_by_pool(run, ProcessBackend())


def _prune_here(run: CorpusRun) -> list[Summary]:
    engine = run.engine
    pruner = run.make(engine.devices[0])
    stores = [*zip(run.folders, pruner.configs, strict=True)]
    if engine.is_alone:
        for folder, config in stores:
            recover_orphans(folder, config, but=engine.numbers)
    with ExitStack() as stack:
        writers = [
            stack.enter_context(StoreWriter(folder, config, writer=engine.numbers[0]))
            for folder, config in stores
        ]
        queue, tasks = stack.enter_context(run.begun(writers))
        if not tasks:
            return queue.summaries
        decoders = engine.decoders(most=None if engine.segment else tasks)
        with closing(prune_tasks(queue, pruner, writers, decoders)) as results:
            for done in results:
                run.settle(queue, done)
    return queue.summaries
