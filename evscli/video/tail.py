"""A test whether the end of a video decodes, without decoding the rest of it.

A recording that was cut off ends in packets that never become frames, and a repaired one keeps
them. No header states that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream

from evscli.video.events import decode_timed
from evscli.video.scan import Scan, ShownPacket

LAST_PACKETS = 17
"""The number of packets at the end whose frames must come: more than a decoder holds back."""


def tail_is_whole(stream: VideoStream, scan: Scan) -> bool:
    """Whether the last frames come without a fault, decoded from the last key packet on.

    Decoding starts one key packet earlier where frames shown before the last key frame are stored
    behind it: they rest on both. False is returned also where a group is too long to find out.
    """
    tail = scan.tail
    if tail.is_lost or not tail.packets or not scan.keys:
        return False
    last = sorted(scan.shown, key=lambda entry: entry.place)[-LAST_PACKETS:]
    key = scan.keys[-1].pts
    places = [entry.place for entry in scan.shown if entry.pts == key]
    leading = any(entry.pts < key and entry.place > min(places, default=0) for entry in last)
    if not leading or len(scan.keys) == 1:
        return _is_whole(stream, scan, tail.packets[tail.last_key :], key, last)
    return bool(tail.last_key) and _is_whole(stream, scan, tail.packets, scan.keys[-2].pts, last)


def _is_whole(
    stream: VideoStream,
    scan: Scan,
    packets: Sequence[Packet[VideoStream]],
    start: int,
    last: Sequence[ShownPacket],
) -> bool:
    """Whether the frames of the `last` packets come without a fault from the time `start` on."""
    context = stream.codec_context
    context.flush_buffers()
    pts = np.array(scan.pts, dtype=np.int64)
    expected = {entry.pts for entry in last if entry.pts >= start}

    def wanted(packet: Packet[VideoStream]) -> bool:
        return packet.pts is None or packet.is_keyframe or packet.pts in expected

    missing = set(expected)
    for event in decode_timed(context, packets, pts, earliest=start, wanted=wanted):
        if event.frame is None or event.frame.is_corrupt:
            return False
        missing.discard(int(pts[event.number]))
    return not missing
