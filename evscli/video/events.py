"""The events of a decoder, and the separation of whole frames from damaged ones.

There is one event for every frame that comes, and one for every packet that fails. A packet that
cannot be decoded does not end the decoding, since the frames after it may be whole.

A decoder flags the frame whose own data is damaged and none of those that are predicted from it.
So damage is carried on: a frame is damaged where a packet that did not decode well lies
between the key frame it rests on and itself, in the order of the file. Frames shown before a key
frame and stored behind it rest on both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

import av
import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from evscli.records import IntArray
from evscli.video.skipping import Admits, skipping

if TYPE_CHECKING:
    from av.video.stream import VideoStream

    VideoPacket = Packet[VideoStream]

NO_PLACES: IntArray = np.empty(0, dtype=np.int64)
"""The places of frames whose order in the file is unknown, and taken for that of the decoder."""

ANY_PLACE = 2**62
"""A number of frames that no video reaches."""


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
    if wanted is not None:
        packets = _needed(skipping(context), packets, wanted)
    last = -1
    for packet in packets:
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


def _needed(
    admits: Admits, packets: Iterable[VideoPacket], wanted: Callable[[VideoPacket], bool]
) -> Iterator[VideoPacket]:
    return (packet for packet in packets if admits(packet, wanted(packet)))


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
    except (av.FFmpegError, IndexError):  # the second is a stream that was not there before
        yield cast("VideoPacket", av.Packet())


def _number(pts: IntArray, time: int | None, earliest: int) -> int | None:
    """Return the number of the frame shown at a time; None where there is none, or too early."""
    if time is None or time < earliest:
        return None
    number = int(np.searchsorted(pts, time))
    return number if number < len(pts) and pts[number] == time else None


class Shown(NamedTuple):
    """One frame in presentation order."""

    number: int
    frame: VideoFrame
    is_whole: bool


@dataclass(frozen=True, kw_only=True)
class FileOrder:
    """The places of the packets of frames in a file, by the number of the frame."""

    place: Sequence[int] | IntArray
    """The place of a frame's packet; places ascend in the order of the packets."""
    known_after: Sequence[int] | IntArray
    """The frame after which no frame that this one may be predicted from is still to come."""


def file_order(places: IntArray) -> FileOrder:
    """Return the order of frames whose packets lie at `places` [N], or `NO_PLACES`."""
    if not len(places):
        return FileOrder(place=range(ANY_PLACE), known_after=range(ANY_PLACE))
    in_file = np.argsort(places)
    known_after = np.empty_like(in_file)
    known_after[in_file] = np.maximum.accumulate(in_file)
    return FileOrder(place=places, known_after=known_after)


def judge(events: Iterable[Event], order: FileOrder) -> Iterator[Shown]:
    """Yield the frames of `events`, each as soon as it is known whether it is whole."""
    waiting: deque[Event] = deque()
    faults: list[int] = []
    key = -1
    for event in events:
        if event.frame is None or event.frame.is_corrupt:
            faults.append(int(order.place[event.number]))
        if event.frame is None:
            continue
        waiting.append(event)
        while waiting and order.known_after[waiting[0].number] <= event.number:
            shown, key = _settle(waiting.popleft(), order, faults, key)
            yield shown
    while waiting:
        shown, key = _settle(waiting.popleft(), order, faults, key)
        yield shown


def is_key(frame: VideoFrame) -> bool:
    """Return whether a frame is a picture of its own, decoded from where decoding can start."""
    return bool(frame.key_frame) and frame.pict_type == PictureType.I


def _settle(event: Event, order: FileOrder, faults: list[int], key: int) -> tuple[Shown, int]:
    """Judge a frame; return it and the place of the last whole key frame from there on."""
    number, frame, _ = event
    assert frame is not None
    place = int(order.place[number])
    if is_key(frame) and place not in faults:
        key = place
        faults[:] = [fault for fault in faults if fault > key]
    is_whole = not any(key <= fault <= place for fault in faults)
    return Shown(number, frame, is_whole), key
