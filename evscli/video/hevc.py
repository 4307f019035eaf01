"""The pictures of an HEVC stream that lie in its highest temporal layer, found by their headers.

A picture marked as a non-reference is one that no other of its own temporal layer is predicted
from; pictures of higher layers may be. So such a mark says that nothing depends on a picture only
in the highest layer, which is the only one of most streams. Source: ITU-T H.265, sections 7.3.1.2
and 7.4.2.2.
"""

from __future__ import annotations

from collections.abc import Iterator

SLICES = range(32)
"""The types of units that hold parts of pictures."""

SPS = 33
"""The type of units whose first byte states the number of layers."""

START = b"\x00\x00\x01"
"""The bytes before each unit in streams that state no lengths."""


class TemporalLayers:
    """The layers of one stream, whose packets are looked at in the order of the file."""

    def __init__(self, configuration: bytes | None) -> None:
        """Begin with the stream's `configuration`, which begins with a 1 where it is a record."""
        self._highest: int | None = None
        self._length_bytes = 0
        if configuration and configuration[0] == 1 and len(configuration) > 22:
            self._length_bytes = (configuration[21] & 3) + 1
            self._note(configured(configuration))
        elif configuration:
            self._note(after_starts(configuration))

    def is_highest(self, packet: bytes) -> bool:
        """Return whether all pictures of a packet lie in the highest layer."""
        size = self._length_bytes
        return self._note(with_lengths(packet, size) if size else after_starts(packet))

    def _note(self, units: Iterator[bytes]) -> bool:
        lower = False
        for unit in units:
            kind = unit[0] >> 1 & 63
            if kind == SPS:
                self._highest = unit[2] >> 1 & 7
            elif kind in SLICES:
                lower = lower or (unit[1] & 7) - 1 != self._highest
        return not lower


def configured(record: bytes) -> Iterator[bytes]:
    """Yield the first three bytes of every unit in a decoder configuration record of MP4.

    Source: ISO/IEC 14496-15, section 8.3.3.
    """
    at = 23
    for _ in range(record[22]):
        count = int.from_bytes(record[at + 1 : at + 3])
        at += 3
        for _ in range(count):
            size = int.from_bytes(record[at : at + 2])
            yield from _if_whole(record[at + 2 : at + 5])
            at += 2 + size


def with_lengths(packet: bytes, length_bytes: int) -> Iterator[bytes]:
    """Yield the first three bytes of every unit of a packet that states their lengths."""
    at = 0
    while at + length_bytes < len(packet):
        size = int.from_bytes(packet[at : at + length_bytes])
        at += length_bytes
        yield from _if_whole(packet[at : at + 3])
        at += size


def after_starts(packet: bytes) -> Iterator[bytes]:
    """Yield the first three bytes of every unit of a packet that marks their starts."""
    at = packet.find(START)
    while at >= 0:
        yield from _if_whole(packet[at + 3 : at + 6])
        at = packet.find(START, at + 3)


def _if_whole(unit: bytes) -> tuple[bytes, ...]:
    return (unit,) if len(unit) == 3 else ()
