"""The cutting of long videos into segments, a little ahead of the work on them.

The length of a video shows only when its timeline is read, which a decoder process does: a damaged
file can crash that process alone.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import count
from math import inf

from evscli.corpus.decoding.process import DecoderProcess
from evscli.corpus.inputs.names import span_id
from evscli.corpus.resume import Backlog, Retries, StoreState, refuse_changed
from evscli.corpus.tasks import Task
from evscli.errors import UsageError, VideoError
from evscli.records import Failure, Origin, VideoInput
from evscli.video import VideoIndex
from evscli.video.parts import segment_span, segments

AHEAD = 8
"""The most videos that are cut before their turn."""

LEAST_SECONDS = 0.1
STOP_POLL_SECONDS = 0.05

LEAST_FRAMES = 2
"""The least frames of a segment: the families' processors put as many into a temporal patch."""


@dataclass(frozen=True, kw_only=True)
class CutVideo:
    """One video and its segments."""

    video: VideoInput
    parts: Sequence[VideoInput] = ()
    fault: VideoError | None = None
    """The reason why the video cannot be cut; there are no `parts` then."""


class Cutter(AbstractContextManager["Cutter"]):
    """A thread that cuts videos every `seconds`; use it in a `with` statement."""

    def __init__(self, seconds: float, decoder: DecoderProcess) -> None:
        self.seconds = seconds
        self._decoder = decoder
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._under_way: deque[Future[CutVideo]] = deque()

    def __exit__(self, *_: object) -> None:
        """Stop cutting, and end the decoder process."""
        self.stop()
        while any(cut.running() for cut in self._under_way):
            self._decoder.interrupt()  # a child may have been starting until now
            time.sleep(STOP_POLL_SECONDS)
        self._decoder.kill()

    def stop(self) -> None:
        """End all waiting for cuts: those under way come to nothing."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._decoder.interrupt()

    def cut(self, videos: Iterable[VideoInput]) -> Iterator[CutVideo]:
        """Yield the parts of every video, in the order of `videos`. Raises EvsError."""
        for video in videos:
            self._under_way.append(self._thread.submit(self._cut, video))
            if len(self._under_way) > AHEAD:
                yield self._next()
        while self._under_way:
            yield self._next()

    def _next(self) -> CutVideo:
        cut = self._under_way[0].result()
        self._under_way.popleft()
        return cut

    def _cut(self, video: VideoInput) -> CutVideo:
        try:
            index = self._decoder.look_into(video)
        except VideoError as error:
            return CutVideo(video=video, fault=error)
        return CutVideo(video=video, parts=cut_video(video, index, self.seconds))


def cut_video(video: VideoInput, index: VideoIndex, seconds: float) -> list[VideoInput]:
    """Return the segments of a whole video."""
    spans = segments(index, seconds, least=LEAST_FRAMES)
    return [replace(part_of(video, *span), segments=len(spans)) for span in spans]


def part_of(video: VideoInput, start: float, end: float) -> VideoInput:
    """Return a segment of a whole video."""
    return replace(video, id=span_id(video.id, start, end), start=start, end=end)


def whole_id(part: str) -> str:
    """Return the id of the video that a segment is of."""
    return part.rpartition("@")[0]


def check_segment(seconds: float, videos: Iterable[VideoInput]) -> None:
    """Raise UsageError for a bad length of segments, or a video that is already a part of one."""
    if not LEAST_SECONDS <= seconds < inf:
        raise UsageError(
            f"--segment {seconds:g} is not a length of segments: give seconds, {LEAST_SECONDS:g} "
            "or more"
        )
    for video in videos:
        if video.is_part:
            raise UsageError(
                f"{video.id}: a list with start and end names the parts itself; leave out "
                "--segment, or these columns"
            )


def uncut(videos: Iterable[VideoInput], seconds: float, backlog: Backlog) -> list[VideoInput]:
    """Return the videos of which a store may lack segments; count the segments of the others.

    Raises MismatchError as `Backlog.tasks` does.
    """
    tallies = [tally_of(state) for state in backlog.states]
    left = []
    for video in videos:
        for tally in tallies:
            tally.refuse_changed(video, check_sources=backlog.check_sources)
        first = part_of(video, 0.0, seconds)
        counts = [tally.settled(first, backlog.retries) for tally in tallies]
        if None in counts:
            left.append(video)
            continue
        for summary, (finished, failed) in zip(
            backlog.summaries, filter(None, counts), strict=True
        ):
            summary.skipped += finished
            summary.failed_earlier += failed
    return left


def lost_segments(
    videos: Iterable[VideoInput], seconds: float, state: StoreState
) -> list[VideoInput]:
    """Return the videos of which a segment is neither in a store nor has failed."""
    tally, never = tally_of(state), Retries(attempts=0)
    return [v for v in videos if tally.settled(part_of(v, 0.0, seconds), never) is None]


def segment_tasks(cuts: Iterable[CutVideo], seconds: float, backlog: Backlog) -> Iterator[Task]:
    """Yield the tasks of videos that are cut; count segments that need none.

    A video that cannot be cut has one task, which fails: its first segment that a store lacks.
    """
    for cut in cuts:
        fault = cut.fault
        parts = cut.parts if fault is None else [first_left(cut.video, seconds, backlog.states)]
        tasks = backlog.tasks(parts, compared=True)
        for task in tasks:
            # It would fail again within this run.
            tries = task.tries if fault is None else dict.fromkeys(task.tries, 1)
            yield replace(task, share=1 / len(tasks), fault=fault, tries=tries)


def first_left(video: VideoInput, seconds: float, states: Sequence[StoreState]) -> VideoInput:
    """Return the first segment that a store lacks, whether the video is that long or not."""
    parts = (part_of(video, *segment_span(number, seconds)) for number in count())
    return next(part for part in parts if any(part.id not in state.finished for state in states))


@dataclass(frozen=True, kw_only=True)
class SegmentTally:
    """The segments in a store, counted by the id of the whole video."""

    some: Mapping[str, tuple[str, Origin]]
    """The id and origin of one finished segment of each video."""
    finished: Mapping[str, int]
    failed: Mapping[str, Sequence[Failure]]
    """The failures of segments that are not finished."""

    def refuse_changed(self, video: VideoInput, *, check_sources: bool) -> None:
        """Raise MismatchError where finished segments are of another source than `video`."""
        if video.id in self.some:
            name, origin = self.some[video.id]
            part = origin.part
            assert part is not None, "every video of a store with segments is one"
            stored = replace(video, id=name, start=part.start, end=part.end)
            refuse_changed(stored, origin, check_sources=check_sources)

    def settled(self, first: VideoInput, retries: Retries) -> tuple[int, int] | None:
        """Return the numbers (finished, failed) of a video's segments; None where some are left.

        `first` is its first segment.
        """
        name = whole_id(first.id)
        failures = self.failed.get(name, ())
        given_up = sum(not retries.left(failure, first) for failure in failures)
        if name in self.some:
            part = self.some[name][1].part
            if part and part.segments == self.finished[name] + given_up:
                return self.finished[name], given_up
        elif given_up and any(failure.whole for failure in failures):
            return 0, given_up
        return None


def tally_of(state: StoreState) -> SegmentTally:
    """Return the counted segments of a store."""
    failed: dict[str, list[Failure]] = {}
    for name, failure in state.failed.items():
        if name not in state.finished:
            failed.setdefault(whole_id(name), []).append(failure)
    return SegmentTally(
        some={whole_id(name): (name, origin) for name, origin in state.finished.items()},
        finished=Counter(map(whole_id, state.finished)),
        failed=failed,
    )
