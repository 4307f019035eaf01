"""One pass over the packets of an opened video: the raw facts that an index is made of.

The pass judges only whether these facts are complete.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
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

from evscli.video.container import is_fragmented

STATES_LENGTH = frozenset(
    {"matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "flv", "gxf", "ivf", "mxf", "rm", "wtv"}
)
"""Formats whose header states a length; for others FFmpeg estimates it from the data present."""

BEGIN_ANYWHERE = frozenset({"mpegts", "mpeg"})
"""Formats of broadcasts: what comes before the first key packet cannot be decoded, and need not."""

MOST_UNREAD = 0.1
"""The largest share behind the last packet found, for a file that ends in packets."""

TAIL_BYTES = 128 << 20
"""The most bytes of packets that are held in memory."""

FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
"""The object's GUID as it lies in the file."""

HEADER_BYTES = 65536
"""The bytes that are searched. The object is among the first ones of the header."""

BROADCAST = 1
"""The flag of a file that was streamed, whose lengths are not valid."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownPacket:
    """One packet whose frame is shown. It is ordered by its time."""

    pts: int
    duration: int
    """The duration in units of the time base, or 0 where it is unknown."""
    place: int
    """The number of the packet among those of its stream in the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyPacket:
    """One packet at which decoding can start, also where its own frame is not shown."""

    pts: int
    pos: int
    """The byte in the file, or -1 where the format does not state it."""


@dataclass(kw_only=True)
class Tail:
    """The packets of the last two groups, as far as they fit into memory."""

    packets: list[Packet[VideoStream]] = field(default_factory=list)
    last_key: int = 0
    """The index in `packets` of the last group's first one; 0 where that is the only group."""
    size: int = 0
    """The size of all packets in bytes."""
    is_lost: bool = False
    """Whether the last group does not fit."""

    def begin_group(self) -> None:
        """Forget the group before the last one."""
        del self.packets[: self.last_key]
        self.last_key = len(self.packets)
        self.size = sum(packet.size for packet in self.packets)
        self.is_lost = False

    def add(self, packet: Packet[VideoStream]) -> None:
        """Keep a packet, or drop the whole group where it does not fit."""
        self.size += packet.size
        if self.size > TAIL_BYTES:
            self.packets.clear()
            self.last_key, self.is_lost = 0, True
        if not self.is_lost:
            self.packets.append(packet)


@dataclass(kw_only=True)
class Scan:
    """The facts that one pass found. Times are in units of `time_base`."""

    time_base: Fraction
    shown: list[ShownPacket] = field(default_factory=list)
    """The packets of shown frames, in presentation order once all are known."""
    keys: list[KeyPacket] = field(default_factory=list)
    tail: Tail = field(default_factory=Tail)
    first_frame: VideoFrame | None = None
    first_error: str | None = None
    """The decoder's error at a packet before the first frame."""
    broken: str | None = None
    """The demuxer's error where it could not go on."""
    tells_frames_apart: bool = True
    """Whether every frame has a time of its own that also survives decoding."""
    dts: list[int] = field(default_factory=list)
    """The decoding times of all packets that have one, in the order of the file."""
    stated_seconds: float = 0.0
    """The length by the header, or 0 where it states none."""
    end_seconds: float = 0.0
    """The time at which the last packet of any stream ends."""
    end_byte: int = 0
    """The byte at which the last packet ends, or 0 where the format does not state it."""

    @property
    def pts(self) -> list[int]:
        """The presentation times [N], ascending."""
        return [entry.pts for entry in self.shown]

    @property
    def is_cut_short(self) -> bool:
        """Whether the data clearly ends before the length that the header states.

        A header counts the last frame's duration, packets need not, and a last frame may stand
        as long as the longest of the others. So twice the longest step between frames may be
        missing; and in any case a second, or a tenth of a clip shorter than ten seconds.
        """
        gap = max((late - early for early, late in pairwise(self.pts)), default=0)
        allowed = max(2 * gap * float(self.time_base), min(1.0, 0.1 * self.stated_seconds))
        return self.stated_seconds - self.end_seconds > allowed


def scan_packets(container: InputContainer, stream: VideoStream, path: Path) -> Scan:
    """Demux everything, decoding only up to the first frame. Raises OSError."""
    assert stream.time_base is not None
    scan = Scan(time_base=stream.time_base)
    place = 0
    for packet in _packets(container, scan):
        scan.end_seconds = max(scan.end_seconds, _end_seconds(packet))
        scan.end_byte = max(scan.end_byte, (packet.pos or 0) + packet.size)
        if packet.stream_index != stream.index:
            continue
        own = cast("Packet[VideoStream]", packet)
        if scan.first_frame is None:
            scan.first_frame = _try_first(stream, own, scan, container.format.name)
        if packet.pts is not None:
            _note(scan, packet, place)
        if packet.dts is not None:
            scan.dts.append(packet.dts)
        place += 1
        scan.tail.add(own)
    scan.tells_frames_apart = _tells_frames_apart(container, scan)
    scan.stated_seconds = _stated_seconds(container, stream, path)
    unread = 1 - scan.end_byte / max(1, container.size)
    if unread > MOST_UNREAD and scan.broken is None and _ends_in_packets(container, scan, path):
        scan.broken = f"{unread:.0%} of the file is left"
    _settle(scan)
    return scan


def _packets(container: InputContainer, scan: Scan) -> Iterator[Packet[Stream]]:
    """Yield all packets, as far as the demuxer gets."""
    try:
        yield from container.demux()
    except av.FFmpegError as error:
        scan.broken = str(error.strerror)
    except IndexError:  # PyAV knows no stream that begins later, as after damage
        scan.broken = "a stream that was not there before begins"


def _try_first(
    stream: VideoStream, packet: Packet[VideoStream], scan: Scan, container: str
) -> VideoFrame | None:
    try:
        return next(iter(stream.decode(packet)), None)
    except av.FFmpegError as error:
        if packet.is_keyframe or scan.keys or container not in BEGIN_ANYWHERE:
            scan.first_error = str(error.strerror)
        return None


def _note(scan: Scan, packet: Packet[Stream], place: int) -> None:
    assert packet.pts is not None
    if packet.is_keyframe:
        scan.keys.append(KeyPacket(pts=packet.pts, pos=-1 if packet.pos is None else packet.pos))
        scan.tail.begin_group()
    if not packet.is_discard:
        scan.shown.append(ShownPacket(pts=packet.pts, duration=packet.duration or 0, place=place))


def _tells_frames_apart(container: InputContainer, scan: Scan) -> bool:
    """Return whether a format stores presentation times, none equal, and no clock is set back."""
    is_raw = container.format.flags & cast(int, FormatFlags.no_timestamps.value)
    stores_no_times = container.format.name == "avi" or bool(is_raw)
    ascending = all(early.pts < late.pts for early, late in pairwise(scan.keys))
    distinct = len({entry.pts for entry in scan.shown}) == len(scan.shown)
    return bool(scan.shown) and ascending and distinct and not stores_no_times


def _settle(scan: Scan) -> None:
    """Put the frames in order, and drop those before the first decodable one."""
    start = None if scan.first_frame is None else scan.first_frame.pts
    shown = (entry for entry in scan.shown if start is None or entry.pts >= start)
    scan.shown = sorted(shown, key=lambda entry: entry.pts)


def _end_seconds(packet: Packet[Stream]) -> float:
    if packet.pts is None or packet.time_base is None:
        return 0.0
    return float((packet.pts + (packet.duration or 0)) * packet.time_base)


def _ends_in_packets(container: InputContainer, scan: Scan, path: Path) -> bool:
    """Return whether a complete file of this kind ends in packets, like one that was streamed."""
    if "mp4" in container.format.name:
        return is_fragmented(path)
    return container.format.name in ("flv", "matroska,webm") and not scan.stated_seconds


def _stated_seconds(container: InputContainer, stream: VideoStream, path: Path) -> float:
    name = container.format.name
    if name == "avi":
        return float(stream.frames / (stream.average_rate or 24))
    if name == "asf":
        return asf_seconds(path)
    if name in STATES_LENGTH and container.duration:
        return container.duration / av.time_base
    return 0.0


def asf_seconds(path: Path) -> float:
    """Return the seconds of play that a file's header states, or 0 for none. Raises OSError.

    FFmpeg drops the length where data is missing. The play duration counts units of 100 ns and
    includes the preroll, which counts milliseconds (Advanced Systems Format specification, section
    3.2, File Properties Object).
    """
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    start = header.find(FILE_PROPERTIES)
    fields = header[start + 64 : start + 92]
    if start < 0 or len(fields) < 28:
        return 0.0
    play, _send, preroll, flags = struct.unpack("<QQQI", fields)
    return 0.0 if flags & BROADCAST else max(0.0, play / 1e7 - preroll / 1e3)
