"""One run as a whole: its options, the videos that they find, and the pruner that they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from evscli.job.encoding import Encoding
from evscli.job.execution import Execution
from evscli.job.reading import Reading
from evscli.job.selection import Selection
from evscli.job.storage import Storage
from evscli.option import Checked
from evscli.records import Sampling, VideoInput

if TYPE_CHECKING:
    from evscli.corpus.inputs import LeftOut
    from evscli.pruners import PruneRequest


@dataclass(frozen=True, kw_only=True)
class Pruning(Checked):
    """The reading, encoding and pruning of videos, wherever the tokens go."""

    selection: Selection
    """The methods, budgets and options."""
    reading: Reading = Reading()
    """The ids of videos, and the policy about damaged ones."""
    sampling: Sampling = Sampling()
    """The choice of frames and their size."""
    encoding: Encoding = Encoding()
    """The checkpoint, its device and its arithmetic."""

    @cached_property
    def requests(self) -> tuple[PruneRequest, ...]:
        """The checked selections. Raises as `Selection.requests` does."""
        return self.selection.requests(own_scorer=self.encoding.own_scorer)

    def find_videos(
        self, inputs: Sequence[str], *, left_out: Callable[[LeftOut], None] = lambda _: None
    ) -> list[VideoInput]:
        """Find the videos of `inputs` by `corpus.inputs.find_videos`, and give them their queries.

        Raises as that does, and UsageError for a question that is needed and missing, for inputs
        that no method uses, and for many videos without a model.
        """
        from evscli.corpus.inputs import find_videos

        found = find_videos(inputs, ids=self.reading.ids, left_out=left_out)
        videos = [replace(video, query=video.query or self.selection.query) for video in found]
        self.check(videos)
        return videos

    def check(self, videos: Sequence[VideoInput]) -> None:
        """Raise UsageError where the job does not suit the videos."""
        from evscli.pruners.request import check_given

        asked = any(video.query for video in videos)
        check_given(self.requests, asked=asked, scorer=self.selection.scorer)
        self.encoding.check_named(len(videos))

    def resolved(self) -> Self:
        """Return a copy with the checkpoint found, once for all that use it. Raises ModelError."""
        return replace(self, encoding=self.encoding.resolved())


@dataclass(frozen=True, kw_only=True)
class Job(Pruning):
    """One run over a corpus: its pruning, its stores, and the execution of the work."""

    storage: Storage = Storage()
    """The stores and their contents."""
    execution: Execution = Execution()
    """The workers, decoders and retries of the run."""

    def check(self, videos: Sequence[VideoInput]) -> None:
        """Raise UsageError where the job does not suit the videos, or itself."""
        if self.storage.segment is not None:
            from evscli.corpus.segments import check_segment

            check_segment(self.storage.segment, videos)
        super().check(videos)

    @property
    def folders(self) -> list[Path]:
        """The store of every selection."""
        return self.storage.folders(self.encoding.files.name, self.requests)
