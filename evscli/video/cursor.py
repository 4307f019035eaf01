"""A decoder standing somewhere in one video, which moves to a frame by the shortest exact way.

Knows one index and nothing about plans or pixels. The way is: go on where that is near; else seek
to the key frame before; where that does not lead to the frame, seek further back; at last start
at the beginning, as plain decoding does. So a frame is always the one that sequential decoding
gives, wherever a container's seeking lands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, dropwhile
from types import TracebackType

import av
import numpy as np
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from evscli.records import IntArray
from evscli.video.container import open_video
from evscli.video.index import VideoIndex

SEEK_PAYS_FROM = 5
"""Frames that a seek must skip to be worth it: the decoder it empties has to fill again. With
1280x720 H.264 on one thread, four cost as much as a seek."""

SKIPPABLE = frozenset({"h264"})
"""Codecs in which a frame marked as no reference is one for nothing at all: left undecoded, it
changes no other. In HEVC it may be one for a higher temporal layer."""

HERE = -1
"""A place to start from: where the decoder stands."""

BEGINNING = -2
"""A place to start from: the file opened again."""


class Cursor:
    """Gives the frames of one video by number; a context manager that closes the container.

    Only the numbers in `wanted` will be asked for.
    """

    def __init__(self, index: VideoIndex, *, wanted: IntArray, threads: int) -> None:
        self._index = index
        self._wanted = frozenset(index.pts[wanted].tolist())
        self._threads = threads
        self._seeks = len(index.keyframe_pts) > 0
        self._number = -1
        self._frame: VideoFrame | None = None
        self._container, self._stream = open_video(index.path, threads=threads)
        self._frames = self._read_on()
        self.error = "it never comes"
        """Why the last frame that was not given was not."""

    def __enter__(self) -> Cursor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._container.close()

    def frame(self, number: int) -> VideoFrame | None:
        """Frame `number` in presentation order; None where it is damaged or never comes."""
        if self._frame is not None and self._number == number:
            return self._frame
        for start in self._starts(number):
            self._go(start)
            if self._advance(number):
                return self._frame
        return None

    def _starts(self, number: int) -> Iterator[int]:
        """Where to start from, cheapest first: HERE, a group, groups further back, BEGINNING."""
        group = self._group(number)
        if self._number < number and self._is_near(group):
            yield HERE
        step = 0
        while self._seeks and group - step > 0:
            yield group - step
            step = 2 * step or 1
        yield BEGINNING

    def _group(self, number: int) -> int:
        """The last group whose key frame is shown no later than frame `number`; -1 if none is.

        Frames that follow a key frame in the file but are shown before it (open groups) count to
        the group before, which they are predicted from as well.
        """
        pts = self._index.pts[number]
        return int(np.searchsorted(self._index.keyframe_pts, pts, side="right")) - 1

    def _first_frame(self, group: int) -> int:
        """Number of the first frame shown from a group's key frame on."""
        return int(np.searchsorted(self._index.pts, self._index.keyframe_pts[group]))

    def _is_near(self, group: int) -> bool:
        if not self._seeks or group <= 0:
            return True
        return self._first_frame(group) < self._number + SEEK_PAYS_FROM

    def _go(self, start: int) -> None:
        if start == HERE:
            return
        stood, self._number, self._frame = self._number, -1, None
        if start == BEGINNING:
            self._container.close()
            self._container, self._stream = open_video(self._index.path, threads=self._threads)
            self._frames = self._read_on()
        else:
            passed = stood if stood < self._first_frame(start) else -1
            self._frames = self._read_group(start, passed)

    def _advance(self, number: int) -> bool:
        """Decode up to frame `number`; False where it is passed by, damaged or never comes."""
        try:
            while self._number < number:
                self._number, self._frame = next(self._frames)
        except StopIteration:
            return False
        except av.FFmpegError as error:
            self.error = str(error.strerror)
            return False
        if self._number == number and self._frame is not None and self._frame.is_corrupt:
            self.error = "its data is damaged"
            self._frame = None
        return self._number == number and self._frame is not None

    def _read_on(self) -> Iterator[tuple[int, VideoFrame]]:
        """(number, frame) from the beginning of the file."""
        if len(self._index.keyframe_pts) == 0:
            return enumerate(self._container.decode(self._stream))
        return self._decode(self._container.demux(self._stream), int(self._index.pts[0]))

    def _read_group(self, group: int, passed: int) -> Iterator[tuple[int, VideoFrame]]:
        """(number, frame) from where a seek to `group` lands; frame `passed` lies before it."""
        self._container.seek(int(self._index.keyframe_pts[group]), stream=self._stream)
        # Some containers land between key frames: nothing there can be decoded.
        packets = dropwhile(lambda p: not _is_start(p), self._container.demux(self._stream))
        first = next(packets, None)
        if first is None or first.pts is None:
            return
        if np.searchsorted(self._index.pts, first.pts) <= passed:
            # The seek went back although its key frame lay ahead: it would do so every time.
            self._seeks = False
        # What is shown before that key frame may lack the frames it is predicted from.
        frames = self._decode(chain([first], packets), first.pts)
        if not first.is_discard:
            landed = next(frames, None)
            if landed is None or not _is_clean(landed[1], first.pts):
                self._seeks = False
                return
            yield landed
        yield from frames

    def _decode(
        self, packets: Iterable[Packet[VideoStream]], earliest: int
    ) -> Iterator[tuple[int, VideoFrame]]:
        context = self._stream.codec_context
        skippable = context.name in SKIPPABLE
        for packet in packets:
            if skippable:
                context.skip_frame = "DEFAULT" if self._counts(packet) else "NONREF"
            for frame in packet.decode():
                if frame.pts is None or frame.pts < earliest:
                    continue
                number = int(np.searchsorted(self._index.pts, frame.pts))
                if number < self._index.frames and self._index.pts[number] == frame.pts:
                    yield number, frame

    def _counts(self, packet: Packet[VideoStream]) -> bool:
        """Whether a packet's frame must come out even if no other is predicted from it."""
        return packet.pts is None or packet.is_keyframe or packet.pts in self._wanted


def _is_start(packet: Packet[VideoStream]) -> bool:
    return packet.is_keyframe and packet.pts is not None


def _is_clean(frame: VideoFrame, pts: int) -> bool:
    """Whether a key frame is a picture of its own.

    With intra refresh, packets are marked as key frames where decoding may start but becomes
    exact only later, if at all.
    """
    return frame.pts == pts and frame.pict_type == PictureType.I
