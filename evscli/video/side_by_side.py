"""The frames of one video decoded by several threads, each with a source of its own.

A cursor gives the frames of a sequential decode wherever it starts, so that a plan can be cut into
stretches. They are cut at key frames, where no frame is decoded twice for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack
from threading import Condition, Thread
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from evscli.records import IntArray
from evscli.video.timeline import VideoIndex

Source = TypeVar("Source")
Pixels = NDArray[np.uint8]
Piece = tuple[int, Pixels]
"""The position of its first frame in the plan, and the pixels."""

CONCEALED = {"av1", "h264", "mpeg2video", "mpeg4", "vp9"}
"""The codecs whose decoders give the same pixels wherever they start, also where damage goes
unnoticed. Others show what they decoded before, or what their memory held: of these HEVC, VP8,
MJPEG and MS MPEG-4 are known, so that pixels would depend on which thread decoded which frame."""

WAITING = 2
"""The pieces of one stretch that may wait for their use."""


class Closed(Exception):  # noqa: N818 - it ends a thread and is not an error
    """The error that ends a thread whose frames are not wanted any more."""


def stretches(index: VideoIndex, wanted: IntArray, least: int) -> list[range]:
    """Cut the positions of `wanted [F]` at key frames, into stretches of at least `least` frames.

    There is one stretch where frames are damaged, no key frames are known, or the codec is none
    of `CONCEALED`.
    """
    ends = [len(wanted)]
    if len(index.keyframe_pts) and not len(index.damaged) and index.codec in CONCEALED:
        groups = np.searchsorted(index.keyframe_pts, index.pts[wanted], side="right")
        ends = [*(np.flatnonzero(np.diff(groups)) + 1).tolist(), len(wanted)]
    found, start = list[range](), 0
    for end in ends:
        if end - start >= least or (end == len(wanted) and end > start):
            found.append(range(start, end))
            start = end
    return found


class SideBySide(Generic[Source]):
    """Stretches of a plan that threads decode; iterate over it once, then close it."""

    def __init__(
        self,
        parts: Sequence[range],
        opens: Callable[[], AbstractContextManager[Source]],
        decode: Callable[[Source, range], Pixels],
        *,
        threads: int,
        piece: int,
    ) -> None:
        """Start `threads`, each of which decodes with a source that it `opens`.

        `decode` returns the pixels of some positions, `piece` at a time. Threads are at most a
        stretch each ahead of the one that is used, and in each `WAITING` pieces wait.
        """
        self._parts, self._opens, self._decode, self._piece = parts, opens, decode, piece
        self._changed = Condition()
        self._items: list[deque[Piece | BaseException | None]] = [deque() for _ in parts]
        self._claimed = self._at = 0
        self._closed = False
        self._threads = [Thread(target=self._run, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def __iter__(self) -> Generator[Piece]:
        """Yield all pieces in order. Raises what `opens` or `decode` raised, at its place."""
        for number in range(len(self._parts)):
            while (item := self._take(number)) is not None:
                yield item

    def close(self) -> None:
        """End all threads; one that decodes ends with its piece."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _take(self, number: int) -> Piece | None:
        with self._changed:
            self._at = number
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._items[number])
            item = self._items[number].popleft()
            self._changed.notify_all()
        if isinstance(item, BaseException):
            raise item
        return item

    def _run(self) -> None:
        """Decode the stretches that one thread claims."""
        try:
            with ExitStack() as stack:
                source = None
                while (number := self._claim()) is not None:
                    try:
                        source = source or stack.enter_context(self._opens())
                        self._decode_part(source, number)
                    except Closed:
                        raise
                    except BaseException as error:
                        self._put(number, error)
                        return
        except Closed:
            pass

    def _decode_part(self, source: Source, number: int) -> None:
        part = self._parts[number]
        for start in range(part.start, part.stop, self._piece):
            some = range(start, min(start + self._piece, part.stop))
            self._put(number, (start, self._decode(source, some)))
        self._put(number, None)

    def _claim(self) -> int | None:
        """Return the next stretch, once it is near enough to the one that is used."""
        with self._changed:
            ahead = len(self._threads)
            self._changed.wait_for(lambda: self._closed or self._claimed <= self._at + ahead)
            if self._closed:
                raise Closed
            if self._claimed == len(self._parts):
                return None
            self._claimed += 1
            return self._claimed - 1

    def _put(self, number: int, item: Piece | BaseException | None) -> None:
        """Queue an item of a stretch, once there is room. Raises Closed."""
        items = self._items[number]
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(items) < WAITING)
            if self._closed:
                raise Closed
            items.append(item)
            self._changed.notify_all()
