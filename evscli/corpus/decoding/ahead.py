"""Videos decoded ahead of their use, several at a time, handed out in the order asked for.

Every lane has a thread, a decoder process and a limit of bytes that wait for their use. The items
in a lane are in order too, so the oldest video is never held up by later ones. There are few lanes
at first and more where their user has to wait for them.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Generic, TypeVar

from evscli.corpus.decoding.process import DecoderProcess
from evscli.corpus.decoding.sizing import Decoders, Watch, enough
from evscli.corpus.decoding.wire import Request
from evscli.errors import VideoError
from evscli.pipeline import PlannedVideo
from evscli.records import FrameChunk, FramePlan, SourceInfo
from evscli.video import VideoIndex
from evscli.video.side_by_side import Closed

logger = logging.getLogger(__name__)

TaskKind = TypeVar("TaskKind")
Planner = Callable[[Request, SourceInfo, VideoIndex], PlannedVideo]
DecodedItem = PlannedVideo | FrameChunk | BaseException | None


LANE_BYTES = 128 << 20
"""The most bytes that wait in one lane, so that a long video takes little memory: it has one."""


class Lane:
    """The chunks that one decoder process has sent and that are not used yet."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        """The most bytes that wait here; a single chunk may be larger."""
        self.changed = threading.Condition()
        self.held = 0
        """The bytes that wait for their use."""
        self.clock = clock
        self.waited = 0.0
        """The seconds, by the clock, that the user of its items has waited for them."""
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
        self.lane = lane
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
        with self.lane.changed:
            self._dropped = True
            self.lane.held -= sum(map(size_of, self._items))
            self._items.clear()
            self.lane.changed.notify_all()

    def put(self, item: DecodedItem) -> None:
        """Queue an item for its use, once there is room. Raises Closed."""
        lane, size = self.lane, size_of(item)
        with lane.changed:
            lane.changed.wait_for(lambda: lane.closed or self._dropped or lane.has_room(size))
            if lane.closed:
                raise Closed
            if not self._dropped:
                self._items.append(item)
                lane.held += size
                lane.changed.notify_all()

    def _get(self) -> PlannedVideo | FrameChunk | None:
        lane, began = self.lane, self.lane.clock()
        with lane.changed:
            lane.changed.wait_for(lambda: lane.closed or self._items)
            lane.waited += lane.clock() - began
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
        decoders: Decoders,
        *,
        buffer_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start decoding. `tasks` are taken as processes come free; `plan` chooses the frames.

        `tasks` may block. An error in place of a request is that of its video, which is not
        decoded. At most `buffer_bytes` of pixels wait for their use, LANE_BYTES of each process.
        `clock` returns the seconds by which waiting is measured.
        """
        self._tasks = iter(tasks)
        self._plan = plan
        self._claiming = threading.Lock()
        self._order: queue.SimpleQueue[DecodedVideo[TaskKind] | BaseException | None]
        self._order = queue.SimpleQueue()
        self._decoders = decoders
        self._clock = clock
        self._buffer_bytes = buffer_bytes
        self._running: list[tuple[Lane, DecoderProcess, threading.Thread]] = []
        self._begin_lanes(decoders.first)

    def __iter__(self) -> Iterator[DecodedVideo[TaskKind]]:
        """Yield the videos in the order of the tasks. Raises what `tasks` raised."""
        while (video := self._order.get()) is not None:
            if isinstance(video, BaseException):
                raise video
            self._size(video)
            yield video

    @property
    def _lanes(self) -> list[Lane]:
        return [lane for lane, _, _ in self._running]

    def _size(self, video: DecodedVideo[TaskKind]) -> None:
        """Begin further lanes where the encoder has waited for those that there are."""
        lanes, most = self._lanes, self._decoders.most
        waited = sum(lane.waited for lane in lanes)
        share = self._watch.next(waited, newest=video.lane is lanes[-1])
        if share is None or (count := min(most, enough(len(lanes), share))) <= len(lanes):
            return
        if any(2 * lane.held > self._limit(count) for lane in lanes):
            return  # one is ahead as it is, and a further one would soon have to wait too
        logger.info("the encoder waited %.0f%% of the time: %d decoders now", 100 * share, count)
        self._begin_lanes(count)

    def _begin_lanes(self, count: int) -> None:
        """Have `count` lanes, which share the room for pixels equally."""
        limit, further = self._limit(count), count - len(self._lanes)
        for lane in self._lanes:
            lane.limit = limit
        for lane in [Lane(limit, self._clock) for _ in range(further)]:
            process = self._decoders.make()
            thread = threading.Thread(target=self._run, args=(lane, process), daemon=True)
            self._running.append((lane, process, thread))
            thread.start()
        self._watch = Watch(count, self._clock)

    def _limit(self, count: int) -> int:
        return min(LANE_BYTES, self._buffer_bytes // count)

    def has_next(self) -> bool:
        """Return whether the next video is known; it may still be decoded."""
        return not self._order.empty()

    def close(self) -> None:
        """Stop decoding at once; no process is left."""
        self._order.put(None)
        for lane, process, _ in self._running:
            lane.close()
            process.interrupt()
        for _, _, thread in self._running:
            if thread.is_alive():
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
