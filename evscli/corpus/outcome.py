"""The outcome of videos: one small record for each video and store, and their sums."""

from __future__ import annotations

from dataclasses import dataclass

from evscli.corpus.inputs import source_size
from evscli.errors import VideoError
from evscli.records import Failure, VideoInfo, VideoInput
from evscli.tracebacks import traceback_of

Outcome = VideoInfo | Failure


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
