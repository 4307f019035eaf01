"""The frames of an AV1 stream that no other frame depends on, found by their headers.

An AV1 decoder keeps all that outlives a frame in eight slots: pixels, motion vectors, segment maps,
loop filter deltas, film grain and the states of the entropy coder. A frame's header names the slots
that are filled with it (`refresh_frame_flags`). Where these are none, no later frame can depend on
it. Source: AV1 Bitstream & Decoding Process Specification, sections 5.3, 5.5 and 5.9.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

SEQUENCE, FRAME_HEADER, FRAME, REPEATED_HEADER = 1, 3, 6, 7
"""The types of units that are looked at; others hold nothing that this depends on."""

KEY_FRAME, INTRA_FRAME, SWITCH_FRAME = 0, 2, 3

CHOSEN_BY_FRAME = 2
"""The value of a setting of the sequence that stands for one that every frame has by itself."""


class Bits:
    """A reader of numbers from bytes, the highest bit first. Zeros follow the end."""

    def __init__(self, data: bytes) -> None:
        self._number = int.from_bytes(data)
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        """Return the number in the next `count` bits."""
        self._left -= count
        shifted = self._number >> self._left if self._left >= 0 else self._number << -self._left
        return shifted & ((1 << count) - 1)


class Sequence(NamedTuple):
    """The settings of a sequence on which the layout of frame headers depends."""

    screen_tools: int
    integer_motion: int
    order_bits: int


class FrameHeaders:
    """The frame headers of one stream, whose packets are looked at in the order of the file."""

    def __init__(self, configuration: bytes | None) -> None:
        """Begin with the stream's `configuration` record, if it has one."""
        self._sequence: Sequence | None = None
        for kind, content in units((configuration or b"")[4:]):
            self._note(kind, content)

    def is_needed(self, packet: bytes) -> bool:
        """Return whether a later frame may depend on one of the packet."""
        needed = False
        for kind, content in units(packet):
            self._note(kind, content)
            if kind in (FRAME_HEADER, FRAME, REPEATED_HEADER):
                needed = needed or self._sequence is None or fills_slots(content, self._sequence)
        return needed

    def _note(self, kind: int, content: bytes) -> None:
        if kind == SEQUENCE:
            self._sequence = read_sequence(content)


def units(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the type of every unit (OBU) in `data`, and its first bytes, enough for a header."""
    at = 0
    while at < len(data):
        header = data[at]
        at += 2 if header & 4 else 1
        size = len(data) - at
        if header & 2:
            size, at = _leb128(data, at)
        yield header >> 3 & 15, data[at : at + min(size, 64)]
        at += size


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """Return the number of variable length at a place, and the place behind it."""
    value = 0
    for shift, byte in enumerate(data[at : at + 8]):
        value |= (byte & 127) << 7 * shift
        if byte < 128:
            return value, at + shift + 1
    return value, at + 8


def read_sequence(content: bytes) -> Sequence | None:
    """Return the settings of a sequence header; None for a kind that this does not read.

    Those are still pictures, timing information, scalable streams and numbered frames, which
    ordinary files do not have.
    """
    bits = Bits(content)
    bits.take(4)  # profile, still picture
    reduced, timed, delays, more_points = bits.take(1), bits.take(1), bits.take(1), bits.take(5)
    if reduced or timed or more_points:
        return None
    bits.take(12)  # the layers of the operating point
    if bits.take(5) > 7:  # level
        bits.take(1)  # tier
    if delays and bits.take(1):
        bits.take(4)
    width, height = bits.take(4) + 1, bits.take(4) + 1
    bits.take(width + height)
    if bits.take(1):  # frames are numbered
        return None
    bits.take(3 + 4)  # superblocks, intra tools, inter tools
    ordered = bits.take(1)
    if ordered:
        bits.take(2)
    screen_tools = CHOSEN_BY_FRAME if bits.take(1) else bits.take(1)
    integer_motion = CHOSEN_BY_FRAME
    if screen_tools and not bits.take(1):
        integer_motion = bits.take(1)
    return Sequence(screen_tools, integer_motion, bits.take(3) + 1 if ordered else 0)


def fills_slots(content: bytes, sequence: Sequence) -> bool:
    """Return whether a frame of that header fills a slot, or shows one that is filled."""
    bits = Bits(content)
    if bits.take(1):  # it shows a frame decoded before
        return True
    kind, shown = bits.take(2), bits.take(1)
    if not shown:
        bits.take(1)  # whether it may be shown later
    if kind == SWITCH_FRAME or (kind == KEY_FRAME and shown):
        return True
    resilient = bits.take(1)
    bits.take(1)  # the entropy coder's states
    tools = bits.take(1) if sequence.screen_tools == CHOSEN_BY_FRAME else sequence.screen_tools
    if tools and sequence.integer_motion == CHOSEN_BY_FRAME:
        bits.take(1)
    bits.take(1 + sequence.order_bits)  # another size, place in the order of showing
    if kind not in (KEY_FRAME, INTRA_FRAME) and not resilient:
        bits.take(3)
    return bool(bits.take(8))
