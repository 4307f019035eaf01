"""What a decoder makes of packets, one event for every frame that comes and every one that fails.

A packet that cannot be decoded does not end the decoding: what comes after it may be whole. Knows
the frames of a timeline by their numbers, and no container.
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
"""Codecs in which a frame marked as no reference is one for nothing at all: left undecoded, it
changes no other. In HEVC it may be one for a higher temporal layer."""


class Event(NamedTuple):
    """One frame that came out of a decoder, or one packet that gave none but an error."""

    number: int
    """Of the frame, in presentation order; of a failed packet that of its frame."""
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
    """Events of packets whose times tell frames apart; `pts` [N] are those of the timeline.

    What is shown before the time `earliest` is left out, and may lack what it is predicted from; so
    is what comes behind a later frame, as after a loss of data. Where the codec allows, packets
    that are not `wanted` are decoded only if others need them.
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
    """Events of packets from the beginning of a file, frames numbered as they come.

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
    """The same packets, as far as the demuxer gets, and always one that empties the decoder."""
    try:
        yield from packets
    except av.FFmpegError:
        yield cast("VideoPacket", av.Packet())


def _number(pts: IntArray, time: int | None, earliest: int) -> int | None:
    """The frame shown at that time; None where the timeline has none, or it is too early."""
    if time is None or time < earliest:
        return None
    number = int(np.searchsorted(pts, time))
    return number if number < len(pts) and pts[number] == time else None
