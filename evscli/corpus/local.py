"""Prunes many videos one after the other, into one store for each selection.

A finished video is skipped, a failing one is recorded and the rest go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from evscli.corpus.progress import Progress
from evscli.errors import MismatchError, UsageError, VideoError
from evscli.pipeline import VideoPruner
from evscli.provenance import source_info
from evscli.records import Failure, Origin, VideoInfo, VideoInput
from evscli.store import StoreWriter, check_id


@dataclass(kw_only=True)
class Summary:
    """What one run did."""

    pruned: list[VideoInfo] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        """Visual tokens before pruning, of the videos pruned in this run."""
        return sum(info.tokens for info in self.pruned)

    @property
    def kept(self) -> int:
        """Visual tokens after pruning, of the videos pruned in this run."""
        return sum(info.kept for info in self.pruned)

    @property
    def seconds(self) -> float:
        """Seconds of video pruned in this run."""
        return sum(info.duration for info in self.pruned)

    def add(self, result: VideoInfo | Failure) -> None:
        """Count one video's result."""
        if isinstance(result, Failure):
            self.failed.append(result)
        else:
            self.pruned.append(result)


Report = Callable[[int, VideoInfo | Failure | str], None]
"""Called once per store and video: with the store's number and what was kept, why it failed, or the
id of a skipped one."""


def split_finished(
    videos: Sequence[VideoInput],
    finished: Mapping[str, Origin],
    *,
    check_sources: bool = False,
) -> tuple[list[VideoInput], list[VideoInput]]:
    """(videos still to do, videos already in the store).

    Finished means the same id and size, with `check_sources` also the same hash. Raises
    MismatchError where the store holds another source or query under the same id.
    """
    done = [video for video in videos if video.id in finished]
    for video in done:
        refuse_changed(video, finished[video.id], check_sources=check_sources)
    return [video for video in videos if video.id not in finished], done


def refuse_changed(video: VideoInput, stored: Origin, *, check_sources: bool) -> None:
    """Raise MismatchError where `video` is not what the store was made from."""
    size, source = video.path.stat().st_size, stored.source
    if size != source.size:
        changed = f"has {size:,} bytes, the stored one had {source.size:,}"
    elif check_sources and source_info(video).sha256 != source.sha256:
        changed = "has other content than the stored one"
    elif stored.query is not None and video.query != stored.query:
        raise MismatchError(
            f"{video.path} was pruned by the query {stored.query!r} under the id {video.id!r}, and "
            f"now it is {video.query!r}; prune it into another store with -o, or ask the same"
        )
    else:
        return
    raise MismatchError(
        f"{video.path} {changed} under the id {video.id!r}; "
        "prune it into another store with -o, or restore the old file"
    )


def prune_corpus(
    videos: Sequence[VideoInput],
    pruner: VideoPruner,
    folders: Sequence[Path],
    *,
    report: Report,
    check_sources: bool = False,
) -> list[Summary]:
    """Prune into the stores `folders`, one for each selection, what they do not hold yet, in order.

    `report` is called once per video and store, with the store's number. Everything finished is
    kept whatever ends the run. Raises StoreError where a store cannot be written, and
    MismatchError before any work where one holds another configuration or another source under the
    same id.
    """
    summaries = [Summary() for _ in folders]
    with ExitStack() as stack:
        writers = [
            stack.enter_context(StoreWriter(folder, config))
            for folder, config in zip(folders, pruner.configs, strict=True)
        ]
        todo = _still_to_do(videos, writers, check_sources=check_sources)
        for video in videos:
            for number, summary in enumerate(summaries):
                if number not in todo.get(video.id, ()):
                    summary.skipped.append(video.id)
                    report(number, video.id)
        work = [video for video in videos if video.id in todo]
        with closing(Progress(work)) as progress:
            for video in work:
                failed = False
                for number, result in prune_one(video, pruner, writers, todo[video.id]):
                    failed = failed or isinstance(result, Failure)
                    summaries[number].add(result)
                    with progress.paused():
                        report(number, result)
                progress.advance(video, failed=failed)
    return summaries


def _still_to_do(
    videos: Sequence[VideoInput], writers: Sequence[StoreWriter], *, check_sources: bool
) -> dict[str, list[int]]:
    """For each video that any store lacks, the numbers of these stores."""
    missing: dict[str, list[int]] = {}
    for number, writer in enumerate(writers):
        todo, _ = split_finished(videos, writer.finished, check_sources=check_sources)
        for video in todo:
            missing.setdefault(video.id, []).append(number)
    return missing


def prune_one(
    video: VideoInput, pruner: VideoPruner, writers: Sequence[StoreWriter], which: Sequence[int]
) -> Iterator[tuple[int, VideoInfo | Failure]]:
    """Prune one video into the stores numbered `which`, or record there why that failed."""
    left = list(which)
    try:
        refuse_id(video)
        for number, result in pruner.prune(video, which):
            left.remove(number)
            if isinstance(result, VideoError):
                yield number, writers[number].fail(failure_of(video, result))
            else:
                writers[number].add(result)
                yield number, result.info
    except VideoError as error:
        for number in left:
            yield number, writers[number].fail(failure_of(video, error))


def refuse_id(video: VideoInput) -> None:
    """Raise VideoError for a file whose name cannot be an id."""
    try:
        check_id(video.id)
    except UsageError as error:
        raise VideoError(str(error), stage="open") from error


def failure_of(video: VideoInput, error: VideoError) -> Failure:
    """What is recorded of a video that failed."""
    cause = error.__cause__ or error
    return Failure(
        id=video.id,
        path=video.path.relative_to(video.root).as_posix(),
        stage=error.stage,
        kind=type(cause).__name__,
        message=str(error),
    )
