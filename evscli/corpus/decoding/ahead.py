"""Videos decoded ahead of their use, several at a time, handed out in the order asked for.

Every lane has a thread, a decoder process and a limit of bytes that wait for their use. The items
in a lane are in order too, so the oldest video is never held up by later ones.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Generic, TypeVar

from evscli.corpus.decoding.process import DecoderProcess
from evscli.corpus.decoding.wire import Request
from evscli.errors import VideoError
from evscli.pipeline import PlannedVideo
from evscli.records import FrameChunk, FramePlan, SourceInfo
from evscli.video import VideoIndex

TaskKind = TypeVar("TaskKind")
Planner = Callable[[Request, SourceInfo, VideoIndex], PlannedVideo]
DecodedItem = PlannedVideo | FrameChunk | BaseException | None


class Closed(Exception):  # noqa: N818 - it ends a thread and is not an error
    """The error that ends the thread of a lane, whose videos are not wanted any more."""


class Lane:
    """The chunks that one decoder process has sent and that are not used yet."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """The most bytes that wait here; a single chunk may be larger."""
        self.changed = threading.Condition()
        self.held = 0
        """The bytes that wait for their use."""
        self.closed = False

    def has_room(self, size: int) -> bool:
        """Return whether `size` more bytes may wait here."""
        return not self.held or self.held + size <= self.limit

    def close(self) -> None:
        """End all waiting for this lane."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()


class DecodedVideo(Generic[TaskKind]):
    """One video under way: its plan, then one pass over its frames."""

    def __init__(self, task: TaskKind, lane: Lane) -> None:
        self.task = task
        self._lane = lane
        self._items: deque[DecodedItem] = deque()
        self._dropped = False

    def planned(self) -> PlannedVideo:
        """Return its plan, once there is one. Raises VideoError where the video is at fault."""
        planned = self._get()
        assert isinstance(planned, PlannedVideo)
        return planned

    def frames(self) -> Generator[FrameChunk]:
        """Yield its frames as they come, once. Raises VideoError where the video is at fault."""
        while isinstance(chunk := self._get(), FrameChunk):
            yield chunk

    def drop(self) -> None:
        """Discard the frames that are left."""
        with self._lane.changed:
            self._dropped = True
            self._lane.held -= sum(map(size_of, self._items))
            self._items.clear()
            self._lane.changed.notify_all()

    def put(self, item: DecodedItem) -> None:
        """Queue an item for its use, once there is room. Raises Closed."""
        lane, size = self._lane, size_of(item)
        with lane.changed:
            lane.changed.wait_for(lambda: lane.closed or self._dropped or lane.has_room(size))
            if lane.closed:
                raise Closed
            if not self._dropped:
                self._items.append(item)
                lane.held += size
                lane.changed.notify_all()

    def _get(self) -> PlannedVideo | FrameChunk | None:
        lane = self._lane
        with lane.changed:
            lane.changed.wait_for(lambda: lane.closed or self._items)
            if lane.closed:
                raise Closed
            item = self._items.popleft()
            lane.held -= size_of(item)
            lane.changed.notify_all()
        if isinstance(item, BaseException):
            raise item
        return item


def size_of(item: DecodedItem) -> int:
    """Return the bytes of an item that count as waiting."""
    return item.pixels.nbytes if isinstance(item, FrameChunk) else 0


class DecodeAhead(Generic[TaskKind]):
    """Videos decoded ahead of their use by some processes; iterate over it once, then close it."""

    def __init__(
        self,
        tasks: Iterable[tuple[TaskKind, Request | VideoError]],
        plan: Planner,
        processes: Sequence[DecoderProcess],
        *,
        buffer_bytes: int,
    ) -> None:
        """Start decoding. `tasks` are taken as processes come free; `plan` chooses the frames.

        `tasks` may block. An error in place of a request is that of its video, which is not
        decoded. At most `buffer_bytes` of pixels wait for their use, shared by the processes.
        """
        self._tasks = iter(tasks)
        self._plan = plan
        self._claiming = threading.Lock()
        self._order: queue.SimpleQueue[DecodedVideo[TaskKind] | BaseException | None]
        self._order = queue.SimpleQueue()
        self._processes = processes
        self._lanes = [Lane(buffer_bytes // len(processes)) for _ in processes]
        self._threads = [
            threading.Thread(target=self._run, args=pair, daemon=True)
            for pair in zip(self._lanes, processes, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def __iter__(self) -> Iterator[DecodedVideo[TaskKind]]:
        """Yield the videos in the order of the tasks. Raises what `tasks` raised."""
        while (video := self._order.get()) is not None:
            if isinstance(video, BaseException):
                raise video
            yield video

    def has_next(self) -> bool:
        """Return whether the next video is known; it may still be decoded."""
        return not self._order.empty()

    def close(self) -> None:
        """Stop decoding at once; no process is left."""
        self._order.put(None)
        for lane, process in zip(self._lanes, self._processes, strict=True):
            lane.close()
            process.interrupt()
        for thread in self._threads:
            thread.join()

    def _run(self, lane: Lane, process: DecoderProcess) -> None:
        """Decode the tasks that one lane claims, in its thread."""
        try:
            while (claimed := self._claim(lane)) is not None:
                self._decode(process, *claimed)
        except Closed:
            pass
        finally:
            process.kill()

    def _claim(self, lane: Lane) -> tuple[DecodedVideo[TaskKind], Request | VideoError] | None:
        """Return the next task, and give it its place in the order at the same time."""
        with self._claiming:
            if lane.closed:
                raise Closed
            try:
                task, request = next(self._tasks)
            except BaseException as error:
                self._order.put(None if isinstance(error, StopIteration) else error)
                return None
            video = DecodedVideo(task, lane)
            self._order.put(video)
            return video, request

    def _decode(
        self, process: DecoderProcess, video: DecodedVideo[TaskKind], request: Request | VideoError
    ) -> None:
        if isinstance(request, VideoError):
            video.put(request)
            return

        def choose(source: SourceInfo, index: VideoIndex) -> FramePlan:
            planned = self._plan(request, source, index)
            video.put(planned)
            return planned.plan

        try:
            with closing(process.decode(request, choose)) as chunks:
                for chunk in chunks:
                    video.put(chunk)
        except Closed:
            raise
        except BaseException as error:
            video.put(error)
        else:
            video.put(None)
