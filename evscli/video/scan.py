"""One pass over the packets of an opened video: the raw facts an index is made of.

Knows nothing about what the facts are for, and judges only whether they are complete.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.format import Flags as FormatFlags
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from evscli.video.container import open_video

STATES_LENGTH = frozenset({"matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "flv"})
"""Formats whose header states a length; for others FFmpeg estimates it from the data present."""


@dataclass(kw_only=True)
class Scan:
    """What one pass found. Times are in units of `time_base`, in presentation order."""

    time_base: Fraction
    pts: list[int] = field(default_factory=list)
    keyframe_pts: list[int] = field(default_factory=list)
    """Times that decoding can start at, those of packets that are not shown included."""
    last_duration: int = 0
    """Of the last frame; 0 where unknown."""
    first_frame: VideoFrame | None = None
    tells_frames_apart: bool = True
    """Whether every frame has a time of its own that also survives decoding."""
    stated_seconds: float = 0.0
    """Length by the header; 0 where it states none."""
    end_seconds: float = 0.0
    """End of the last packet of any stream."""

    @property
    def is_cut_short(self) -> bool:
        """Whether the data clearly ends before the header says.

        A header counts the last frame's duration, packets need not, and a last frame may stand
        as long as the longest of the others. So twice the longest step between frames may be
        missing; and in any case a second, or a tenth of a clip shorter than ten seconds.
        """
        gap = max((late - early for early, late in pairwise(self.pts)), default=0)
        allowed = max(2 * gap * float(self.time_base), min(1.0, 0.1 * self.stated_seconds))
        return self.stated_seconds - self.end_seconds > allowed


def scan_packets(container: InputContainer, stream: VideoStream) -> Scan:
    """Demux everything, decoding only up to the first frame. Raises av.FFmpegError if damaged."""
    assert stream.time_base is not None
    scan = Scan(time_base=stream.time_base)
    shown: list[tuple[int, int]] = []
    for packet in container.demux():
        scan.end_seconds = max(scan.end_seconds, _end_seconds(packet))
        if packet.stream_index != stream.index:
            continue
        if scan.first_frame is None:
            scan.first_frame = next(iter(stream.decode(packet)), None)
        if packet.pts is not None:
            _note(scan, shown, packet)
    scan.tells_frames_apart = _tells_frames_apart(container, scan, shown)
    scan.stated_seconds = _stated_seconds(container, stream)
    _settle(scan, shown)
    return scan


def count_frames(path: Path) -> Scan:
    """Decode everything, for a file whose packet times do not tell its frames apart.

    The frames' own times are kept where they ascend, else frame n is put at n / fps.
    """
    container, stream = open_video(path)
    with container:
        assert stream.time_base is not None
        scan = Scan(time_base=stream.time_base, tells_frames_apart=False)
        times: list[int | None] = []
        for frame in container.decode(stream):
            scan.first_frame = scan.first_frame or frame
            times.append(frame.pts)
        known = [time for time in times if time is not None]
        if len(known) < len(times) or any(late < early for early, late in pairwise(known)):
            scan.time_base = 1 / (stream.average_rate or stream.guessed_rate or Fraction(24))
            known = list(range(len(times)))
    scan.pts = known
    return scan


def _note(scan: Scan, shown: list[tuple[int, int]], packet: Packet[Stream]) -> None:
    assert packet.pts is not None
    if packet.is_keyframe:
        scan.keyframe_pts.append(packet.pts)
    if not packet.is_discard:
        shown.append((packet.pts, packet.duration or 0))


def _tells_frames_apart(
    container: InputContainer, scan: Scan, shown: list[tuple[int, int]]
) -> bool:
    """False for formats that store no presentation times, equal times, and clocks set back."""
    is_raw = container.format.flags & cast(int, FormatFlags.no_timestamps.value)
    stores_no_times = container.format.name == "avi" or bool(is_raw)
    ascending = all(early < late for early, late in pairwise(scan.keyframe_pts))
    distinct = len({pts for pts, _ in shown}) == len(shown)
    return bool(shown) and ascending and distinct and not stores_no_times


def _settle(scan: Scan, shown: list[tuple[int, int]]) -> None:
    """Put the frames in order; what comes before the first decodable frame is never shown."""
    if scan.first_frame is None or not shown:
        return
    start = scan.first_frame.pts
    ordered = sorted(entry for entry in shown if start is None or entry[0] >= start)
    scan.pts = [pts for pts, _ in ordered]
    scan.last_duration = ordered[-1][1] if ordered else 0


def _end_seconds(packet: Packet[Stream]) -> float:
    if packet.pts is None or packet.time_base is None:
        return 0.0
    return float((packet.pts + (packet.duration or 0)) * packet.time_base)


def _stated_seconds(container: InputContainer, stream: VideoStream) -> float:
    if container.format.name == "avi":
        return float(stream.frames / (stream.average_rate or 24))
    if container.format.name in STATES_LENGTH and container.duration:
        return container.duration / av.time_base
    return 0.0
