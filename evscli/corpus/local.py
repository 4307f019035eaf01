"""Prunes many videos one after the other into one store.

A finished video is skipped, a failing one is recorded and the rest go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from evscli.corpus.progress import Progress
from evscli.errors import MismatchError, UsageError, VideoError
from evscli.pipeline import VideoPruner
from evscli.provenance import source_info
from evscli.records import Failure, SourceInfo, VideoInfo, VideoInput
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


Report = Callable[[VideoInfo | Failure | str], None]
"""Called once per video: with what was kept, why it failed, or the id of a skipped one."""


def split_finished(
    videos: Sequence[VideoInput],
    finished: Mapping[str, SourceInfo],
    *,
    check_sources: bool = False,
) -> tuple[list[VideoInput], list[VideoInput]]:
    """(videos still to do, videos already in the store).

    Finished means the same id and size, with `check_sources` also the same hash. Raises
    MismatchError where the store holds another source under the same id.
    """
    done = [video for video in videos if video.id in finished]
    for video in done:
        refuse_changed(video, finished[video.id], check_sources=check_sources)
    return [video for video in videos if video.id not in finished], done


def refuse_changed(video: VideoInput, stored: SourceInfo, *, check_sources: bool) -> None:
    """Raise MismatchError where `video` is not the file that the store was made from."""
    size = video.path.stat().st_size
    changed = f"has {size:,} bytes, the stored one had {stored.size:,}"
    if size == stored.size:
        if not check_sources or source_info(video).sha256 == stored.sha256:
            return
        changed = "has other content than the stored one"
    raise MismatchError(
        f"{video.path} {changed} under the id {video.id!r}; "
        "prune it into another store with -o, or restore the old file"
    )


def prune_corpus(
    videos: Sequence[VideoInput],
    pruner: VideoPruner,
    folder: Path,
    *,
    report: Report,
    check_sources: bool = False,
) -> Summary:
    """Prune into the store `folder` what it does not hold yet, in order.

    `report` is called once per video. Everything finished is kept whatever ends the run. Raises
    StoreError where the store cannot be written, and MismatchError before any work where it holds
    another configuration or another source under the same id.
    """
    summary = Summary()
    with StoreWriter(folder, pruner.config) as writer:
        todo, done = split_finished(videos, writer.finished, check_sources=check_sources)
        for video in done:
            summary.skipped.append(video.id)
            report(video.id)
        with closing(Progress(todo)) as progress:
            for video in todo:
                result = prune_one(video, pruner, writer)
                summary.add(result)
                with progress.paused():
                    report(result)
                progress.advance(video, failed=isinstance(result, Failure))
    return summary


def prune_one(video: VideoInput, pruner: VideoPruner, writer: StoreWriter) -> VideoInfo | Failure:
    """Prune and store one video, or record why that failed."""
    try:
        refuse_id(video)
        record = pruner(video)
    except VideoError as error:
        return writer.fail(failure_of(video, error))
    writer.add(record)
    return record.info


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
