"""A decoder with a position in one video, which moves to a frame by the shortest exact way.

It decodes on where the frame is near. Else it seeks to the key frame before; where that does not
lead to the frame, it seeks further back; at last it starts at the beginning, as plain decoding
does. So a frame is always the one that sequential decoding gives, wherever a container's seeking
lands. Where that one is damaged, no frame is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, dropwhile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.frame import PictureType, VideoFrame

from evscli.records import IntArray
from evscli.video.container import Opened, open_video
from evscli.video.events import (
    Event,
    Shown,
    decode_counted,
    decode_timed,
    demuxed,
    file_order,
    judge,
)
from evscli.video.timeline import VideoIndex

if TYPE_CHECKING:
    from evscli.video.events import VideoPacket

SEEK_PAYS_FROM = 5
"""The frames that a seek must skip to be worth it: it empties the decoder, which has to fill again.
With 1280x720 H.264 on one thread, four frames cost as much as a seek."""

HERE = -1
"""The start that stands for the decoder's present position."""

BEGINNING = -2
"""The start that stands for the beginning of the file, opened again."""


class Cursor:
    """A reader of one video's frames by number, and a context manager that closes the container.

    Every number that is asked for must be in `wanted`. `opens` opens the video.
    """

    def __init__(
        self,
        index: VideoIndex,
        *,
        wanted: IntArray,
        opens: Callable[[Path], Opened] = open_video,
    ) -> None:
        self._index = index
        self._opens = opens
        self._order = file_order(index.places)
        self._wanted = frozenset(index.pts[wanted].tolist())
        self._skips = index.is_even and not len(index.damaged)
        self._seeks = len(index.keyframe_pts) > 0
        self._number = -1
        self._shown: Shown | None = None
        self._container, self._stream = opens(index.path)
        self._frames = self._read_on()
        self.error = "it never comes"
        """The reason why the last missing frame was not given."""

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
        """Return frame `number` in presentation order, or None where it is damaged or missing."""
        if self._shown is not None and self._shown.number == number:
            return self._shown.frame
        for start in self._starts(number):
            self._go(start)
            if self._advance(number):
                assert self._shown is not None
                return self._shown.frame
        return None

    def _starts(self, number: int) -> Iterator[int]:
        """Yield the starts to try, cheapest first: HERE, a group, groups before it, BEGINNING."""
        group = self._group(number)
        if self._number < number and self._is_near(group):
            yield HERE
        step = 0
        while self._seeks and group - step > 0:
            yield group - step
            step = 2 * step or 1
        yield BEGINNING

    def _group(self, number: int) -> int:
        """Return the last group whose key frame is shown no later than frame `number`, or -1.

        Frames that follow a key frame in the file but are shown before it (open groups) count to
        the group before, from which they are predicted as well.
        """
        pts = self._index.pts[number]
        return int(np.searchsorted(self._index.keyframe_pts, pts, side="right")) - 1

    def _first_frame(self, group: int) -> int:
        """Return the number of the first frame that is shown from a group's key frame on."""
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
            self._container, self._stream = self._opens(self._index.path)
            self._frames = self._read_on()
        else:
            passed = stood if stood < self._first_frame(start) else -1
            self._frames = judge(self._read_group(start, passed), self._order)

    def _advance(self, number: int) -> bool:
        """Decode up to frame `number`; return False where it is passed, damaged or never comes."""
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
        """Return the frames from the beginning of the file on."""
        packets = demuxed(self._container.demux(self._stream))
        if len(self._index.places) == 0:
            events = decode_counted(self._stream.codec_context, packets)
        else:
            events = self._decode(packets, int(self._index.pts[0]))
        return judge(events, self._order)

    def _read_group(self, group: int, passed: int) -> Iterator[Event]:
        """Yield the events from where a seek to `group` lands; frame `passed` lies before it."""
        try:
            self._container.seek(int(self._index.keyframe_pts[group]), stream=self._stream)
        except av.FFmpegError:  # the format has no way to it, whatever it states about seeking
            self._seeks = False
            return
        # Some containers land between key frames, where nothing can be decoded.
        all_packets = demuxed(self._container.demux(self._stream))
        packets = dropwhile(lambda p: not _is_start(p), all_packets)
        first = next(packets, None)
        if first is None or first.pts is None:
            return
        if not self._was_scanned(first):
            self._seeks = False  # the container makes times up after a seek
            return
        if np.searchsorted(self._index.pts, first.pts) <= passed:
            # The seek went back although its key frame lay ahead, as it would every time.
            self._seeks = False
        # Frames shown before that key frame may lack the frames they are predicted from.
        events = self._decode(chain([first], packets), first.pts)
        if not first.is_discard:
            landed = next(events, None)
            if landed is None or (landed.frame and not _is_clean(landed.frame, first.pts)):
                self._seeks = False
                return
            yield landed
        yield from events

    def _was_scanned(self, key: VideoPacket) -> bool:
        """Return whether a key packet has the time and the place at which the scan found one."""
        keys = self._index.keyframe_pts
        assert key.pts is not None
        found = int(np.searchsorted(keys, key.pts))
        if found == len(keys) or keys[found] != key.pts:
            return False
        return bool(self._index.keyframe_pos[found] == (-1 if key.pos is None else key.pos))

    def _decode(self, packets: Iterator[VideoPacket], earliest: int) -> Iterator[Event]:
        # Where frames may be missing none is skipped: decoders make up what others rest on.
        wanted = self._counts if self._skips else None
        context, pts = self._stream.codec_context, self._index.pts
        return decode_timed(context, packets, pts, earliest=earliest, wanted=wanted)

    def _counts(self, packet: VideoPacket) -> bool:
        """Return whether a packet's frame must come out even if no other is predicted from it."""
        return packet.pts is None or packet.is_keyframe or packet.pts in self._wanted


def _is_start(packet: VideoPacket) -> bool:
    return packet.is_keyframe and packet.pts is not None


def _is_clean(frame: VideoFrame, pts: int) -> bool:
    """Return whether a key frame is a picture of its own.

    With intra refresh, packets are marked as key frames where decoding may start but becomes
    exact only later, if at all.
    """
    return frame.pts == pts and frame.pict_type == PictureType.I
