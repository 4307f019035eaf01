"""The length that the header of an ASF or WMV file states; FFmpeg drops it where data is missing.

Source: Advanced Systems Format specification, section 3.2, File Properties Object.
"""

from __future__ import annotations

import struct
from pathlib import Path

FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
"""The object's GUID as it lies in the file."""

HEADER_BYTES = 65536
"""The bytes that are searched. The object is among the first ones of the header."""

BROADCAST = 1
"""The flag of a file that was streamed, whose lengths are not valid."""


def asf_seconds(path: Path) -> float:
    """Return the seconds of play that a file's header states, or 0 for none. Raises OSError.

    The play duration counts units of 100 ns and includes the preroll, which counts milliseconds.
    """
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    start = header.find(FILE_PROPERTIES)
    fields = header[start + 64 : start + 92]
    if start < 0 or len(fields) < 28:
        return 0.0
    play, _send, preroll, flags = struct.unpack("<QQQI", fields)
    return 0.0 if flags & BROADCAST else max(0.0, play / 1e7 - preroll / 1e3)
