"""The boxes that an MP4 file is made of (ISO/IEC 14496-12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def is_fragmented(path: Path) -> bool:
    """Whether a file holds its packets in fragments with an index each. Raises OSError."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        return any(kind == b"moof" for kind, _, _ in boxes(file, 0, size))


def boxes(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, first byte, end) of the contents of every box in a range of an MP4 file."""
    while start + 8 <= stop:
        file.seek(start)
        size, kind = struct.unpack(">I4s", file.read(8))
        header = 8
        if size == 1 and start + 16 <= stop:
            size, header = struct.unpack(">Q", file.read(8))[0], 16
        if size == 0:
            size = stop - start
        if size < header:
            return
        yield kind, start + header, min(start + size, stop)
        start += size
