"""The tasks that are handed out to workers, the results that come back, and their sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from evscli.corpus.inputs import source_size
from evscli.errors import VideoError
from evscli.records import Failure, VideoInfo, VideoInput
from evscli.tracebacks import traceback_of

Outcome = VideoInfo | Failure


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A video that some stores still want."""

    video: VideoInput
    tries: Mapping[int, int]
    """The number of tries that are left for each store, by the store's number."""
    crashes: int = 0
    """The number of workers that died while they were at the video."""
    share: float = 1.0
    """The fraction of what is to be done of the video's source."""
    fault: VideoError | None = None
    """The reason why its source cannot be cut into segments; the video is then the first of
    them."""
    behind: int = 0
    """The number of tasks that come right behind it and may go through the tower with it."""
    alone: bool = False
    """Whether the video goes through the tower without others, as one that was tried before."""

    def again(self, store: int) -> Task | None:
        """Return the task for a store where it has just failed; None without tries left."""
        left = self.tries[store] - 1
        return replace(self.apart(), tries={store: left}) if left else None

    def apart(self) -> Task:
        """Return the task as one that is tried again."""
        return replace(self, behind=0, alone=True)

    def without(self, store: int) -> Task | None:
        """Return the task without one store; None where that was the last."""
        tries = {number: left for number, left in self.tries.items() if number != store}
        return replace(self, tries=tries) if tries else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """The outcome of one task in one of its stores."""

    task: Task
    store: int
    outcome: Outcome


@dataclass(kw_only=True)
class Summary:
    """The work of one run on one store, in numbers that do not grow with it."""

    pruned: int = 0
    skipped: int = 0
    """The number of videos that were in the store before."""
    failed: int = 0
    """The number of videos whose last try in this run failed."""
    failed_earlier: int = 0
    """The number of videos not tried in this run, because they failed in earlier ones."""
    tokens: int = 0
    """The visual tokens before pruning, of the videos pruned in this run."""
    kept: int = 0
    """The tokens kept, of the videos pruned in this run."""
    seconds: float = 0.0
    """The seconds of video pruned in this run."""

    def add(self, outcome: Outcome) -> None:
        """Count one video's result."""
        if isinstance(outcome, Failure):
            self.failed += 1
            return
        self.pruned += 1
        self.tokens += outcome.tokens
        self.kept += outcome.kept
        self.seconds += outcome.duration


def failure_of(video: VideoInput, error: VideoError) -> Failure:
    """Return the record of a video that failed."""
    return Failure(
        id=video.id,
        path=video.relative,
        stage=error.stage,
        kind=error.kind,
        message=str(error),
        size=file_size(video),
        traceback=traceback_of(error),
    )


def file_size(video: VideoInput) -> int | None:
    """Return the bytes of a video's file; None where the file cannot be read."""
    try:
        return source_size(video)
    except OSError:
        return None
