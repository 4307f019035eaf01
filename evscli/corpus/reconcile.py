"""The state of stores for the inputs of a run, before it and after it."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from evscli.corpus.segments import lost_segments
from evscli.errors import StoreBusyError, StoreError
from evscli.records import Failure, Origin, RunConfig, VideoInput
from evscli.store import StoreWriter
from evscli.store.catalogue import read_catalogue
from evscli.store.failures import read_failures
from evscli.store.schema import list_writers, staging_folder


@dataclass(frozen=True, kw_only=True)
class StoreSnapshot:
    """The finished and failed videos of a store at one moment."""

    finished: Mapping[str, Origin]
    failed: Mapping[str, Failure]


def read_state(folder: Path) -> StoreSnapshot:
    """Return the state of a store, empty where there is none. Raises StoreError."""
    if not folder.exists():
        return StoreSnapshot(finished={}, failed={})
    finished = read_catalogue(folder, keep=attrgetter("origin")).finished
    return StoreSnapshot(finished=finished, failed=read_failures(folder))


def recover_orphans(folder: Path, config: RunConfig, *, but: Container[int]) -> None:
    """Put into shards the videos that killed runs of other writer numbers left without one.

    The numbers in `but`, and runs that are alive, are left alone. One of several runs that begin at
    a time must not call it: it would hold their numbers for a moment. Raises StoreError.
    """
    for writer in list_writers(folder) if folder.is_dir() else ():
        if writer not in but and staging_folder(folder, writer).exists():
            with suppress(StoreBusyError), StoreWriter(folder, config, writer=writer):
                pass


def refuse_lost(
    videos: Sequence[VideoInput], folders: Sequence[Path], *, segment: float | None = None
) -> None:
    """Raise StoreError where a video, or a segment of it, is neither in a store nor has failed."""
    for folder in folders:
        state = read_state(folder)
        if segment is None:
            lost = [v for v in videos if v.id not in state.finished and v.id not in state.failed]
        else:
            lost = lost_segments(videos, segment, state)
        if lost:
            raise StoreError(
                f"{len(lost)} videos are neither in {folder} nor among its failures, the first is "
                f"{lost[0].path}: run the same command again, which does them"
            )
