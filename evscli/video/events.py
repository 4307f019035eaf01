"""The events of a decoder: one for every frame that comes, and one for every packet that fails.

A packet that cannot be decoded does not end the decoding, since the frames after it may be whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, cast

import av
import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from evscli.records import IntArray

if TYPE_CHECKING:
    from av.video.stream import VideoStream

    VideoPacket = Packet[VideoStream]

SKIPPABLE = frozenset({"h264"})
"""Codecs in which no frame depends on one that is marked as a non-reference, so that it may stay
undecoded. In HEVC, frames of a higher temporal layer may depend on it."""


class Event(NamedTuple):
    """One frame that came out of a decoder, or one packet that gave none but an error."""

    number: int
    """The number of the frame, or of a failed packet's frame, in presentation order."""
    frame: VideoFrame | None
    error: str = ""


def decode_timed(
    context: VideoCodecContext,
    packets: Iterable[VideoPacket],
    pts: IntArray,
    *,
    earliest: int,
    wanted: Callable[[VideoPacket], bool] | None = None,
) -> Iterator[Event]:
    """Yield the events of packets whose times distinguish frames: `pts` [N], those of the timeline.

    Frames shown before the time `earliest` are left out, since they may lack frames from which they
    are predicted, and so are frames that come behind a later one, as after a loss of data. Where
    the codec allows, packets that are not `wanted` are decoded only if others need them.
    """
    skippable = wanted is not None and context.name in SKIPPABLE
    last = -1
    for packet in packets:
        if skippable and wanted is not None:
            context.skip_frame = "DEFAULT" if wanted(packet) else "NONREF"
        try:
            frames = context.decode(packet)
        except av.FFmpegError as error:
            number = _number(pts, packet.pts, earliest)
            if number is not None:
                yield Event(number, None, str(error.strerror))
            continue
        for frame in frames:
            number = _number(pts, frame.pts, earliest)
            if number is not None and number > last:
                last = number
                yield Event(number, frame)


def decode_counted(context: VideoCodecContext, packets: Iterable[VideoPacket]) -> Iterator[Event]:
    """Yield the events of packets from the beginning of a file, frames numbered as they come.

    A failed packet has the number of the frame that comes next.
    """
    number = 0
    for packet in packets:
        try:
            frames = context.decode(packet)
        except av.FFmpegError as error:
            yield Event(number, None, str(error.strerror))
            continue
        for frame in frames:
            yield Event(number, frame)
            number += 1


def demuxed(packets: Iterator[VideoPacket]) -> Iterator[VideoPacket]:
    """Yield packets as far as the demuxer gets, and always a last one that empties the decoder."""
    try:
        yield from packets
    except av.FFmpegError:
        yield cast("VideoPacket", av.Packet())


def _number(pts: IntArray, time: int | None, earliest: int) -> int | None:
    """Return the number of the frame shown at a time; None where there is none, or too early."""
    if time is None or time < earliest:
        return None
    number = int(np.searchsorted(pts, time))
    return number if number < len(pts) and pts[number] == time else None
