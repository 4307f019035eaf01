"""A decoder standing somewhere in one video, which moves to a frame by the shortest exact way.

Knows one index and nothing about plans or pixels. The way is: go on where that is near; else seek
to the key frame before; where that does not lead to the frame, seek further back; at last start
at the beginning, as plain decoding does. So a frame is always the one that sequential decoding
gives, wherever a container's seeking lands, and none where that one is damaged.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, dropwhile
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from av.video.frame import PictureType, VideoFrame

from evscli.records import IntArray
from evscli.video.container import open_video
from evscli.video.events import Event, decode_counted, decode_timed, demuxed
from evscli.video.judge import Shown, file_order, judge
from evscli.video.timeline import VideoIndex

if TYPE_CHECKING:
    from evscli.video.events import VideoPacket

SEEK_PAYS_FROM = 5
"""Frames that a seek must skip to be worth it: the decoder it empties has to fill again. With
1280x720 H.264 on one thread, four cost as much as a seek."""

HERE = -1
"""A place to start from: where the decoder stands."""

BEGINNING = -2
"""A place to start from: the file opened again."""


class Cursor:
    """Gives the frames of one video by number; a context manager that closes the container.

    Only the numbers in `wanted` will be asked for.
    """

    def __init__(self, index: VideoIndex, *, wanted: IntArray) -> None:
        self._index = index
        self._order = file_order(index.places)
        self._wanted = frozenset(index.pts[wanted].tolist())
        self._skips = index.is_even and not len(index.damaged)
        self._seeks = len(index.keyframe_pts) > 0
        self._number = -1
        self._shown: Shown | None = None
        self._container, self._stream = open_video(index.path)
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
        if self._shown is not None and self._shown.number == number:
            return self._shown.frame
        for start in self._starts(number):
            self._go(start)
            if self._advance(number):
                assert self._shown is not None
                return self._shown.frame
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
        stood, self._number, self._shown = self._number, -1, None
        if start == BEGINNING:
            self._container.close()
            self._container, self._stream = open_video(self._index.path)
            self._frames = self._read_on()
        else:
            passed = stood if stood < self._first_frame(start) else -1
            self._frames = judge(self._read_group(start, passed), self._order)

    def _advance(self, number: int) -> bool:
        """Decode up to frame `number`; False where it is passed by, damaged or never comes."""
        while self._number < number:
            shown = next(self._frames, None)
            if shown is None:
                return False
            self._number = shown.number
            self._shown = shown if shown.is_whole else None
        if self._number == number and self._shown is None:
            self.error = "its data, or that of a frame it is predicted from, is damaged"
        return self._shown is not None and self._number == number

    def _read_on(self) -> Iterator[Shown]:
        """The frames from the beginning of the file."""
        packets = demuxed(self._container.demux(self._stream))
        if len(self._index.places) == 0:
            events = decode_counted(self._stream.codec_context, packets)
        else:
            events = self._decode(packets, int(self._index.pts[0]))
        return judge(events, self._order)

    def _read_group(self, group: int, passed: int) -> Iterator[Event]:
        """What comes from where a seek to `group` lands; frame `passed` lies before it."""
        self._container.seek(int(self._index.keyframe_pts[group]), stream=self._stream)
        # Some containers land between key frames: nothing there can be decoded.
        all_packets = demuxed(self._container.demux(self._stream))
        packets = dropwhile(lambda p: not _is_start(p), all_packets)
        first = next(packets, None)
        if first is None or first.pts is None:
            return
        if not self._was_scanned(first):
            self._seeks = False  # the container makes times up after a seek
            return
        if np.searchsorted(self._index.pts, first.pts) <= passed:
            # The seek went back although its key frame lay ahead: it would do so every time.
            self._seeks = False
        # What is shown before that key frame may lack the frames it is predicted from.
        events = self._decode(chain([first], packets), first.pts)
        if not first.is_discard:
            landed = next(events, None)
            if landed is None or (landed.frame and not _is_clean(landed.frame, first.pts)):
                self._seeks = False
                return
            yield landed
        yield from events

    def _was_scanned(self, key: VideoPacket) -> bool:
        """Whether a key packet has the time and the place at which the scan saw one."""
        keys = self._index.keyframe_pts
        assert key.pts is not None
        found = int(np.searchsorted(keys, key.pts))
        if found == len(keys) or keys[found] != key.pts:
            return False
        return bool(self._index.keyframe_pos[found] == (-1 if key.pos is None else key.pos))

    def _decode(self, packets: Iterator[VideoPacket], earliest: int) -> Iterator[Event]:
        # Where a frame that others rest on is missing, a decoder makes one up from what it has.
        wanted = self._counts if self._skips else None
        context, pts = self._stream.codec_context, self._index.pts
        return decode_timed(context, packets, pts, earliest=earliest, wanted=wanted)

    def _counts(self, packet: VideoPacket) -> bool:
        """Whether a packet's frame must come out even if no other is predicted from it."""
        return packet.pts is None or packet.is_keyframe or packet.pts in self._wanted


def _is_start(packet: VideoPacket) -> bool:
    return packet.is_keyframe and packet.pts is not None


def _is_clean(frame: VideoFrame, pts: int) -> bool:
    """Whether a key frame is a picture of its own.

    With intra refresh, packets are marked as key frames where decoding may start but becomes
    exact only later, if at all.
    """
    return frame.pts == pts and frame.pict_type == PictureType.I
