"""The separation of whole frames from damaged ones, as a decoder gives them.

A decoder flags the frame whose own data is damaged and none of those that are predicted from it.
So damage is carried on: a frame is damaged where a packet that did not decode well lies
between the key frame it rests on and itself, in the order of the file. Frames shown before a key
frame and stored behind it rest on both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from av.video.frame import PictureType, VideoFrame

from evscli.records import IntArray
from evscli.video.events import Event

NO_PLACES: IntArray = np.empty(0, dtype=np.int64)
"""The places of frames whose order in the file is unknown, and taken for that of the decoder."""

ANY_PLACE = 2**62
"""A number of frames that no video reaches."""


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
    """Whether a frame is a picture of its own, decoded from a point where decoding can start."""
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
