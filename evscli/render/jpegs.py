"""The pictures of a report, small enough that all of them together stay a small file."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

from PIL import Image

from evscli.records import PrunedVideo
from evscli.render.frames import Advance, pictures
from evscli.video import VideoIndex

LARGEST, SMALLEST = 48 << 10, 2 << 10
"""The bounds in bytes of a picture's share, however few or many pictures there are."""
QUALITIES = (82, 70, 55, 40, 28)


def encoded_pictures(
    record: PrunedVideo, source: VideoIndex, *, size: tuple[int, int], room: int, advance: Advance
) -> list[str]:
    """Return every sampled frame as a data URI, `size` = (width, height) at most.

    All of them together take about `room` characters.
    """
    most = bytes_each(room, len(record.source_index))
    every = range(record.info.grid_thw[0])
    shown = pictures(record, source, every, size=size)
    uris = []
    for _, picture in shown:
        uris.append(data_uri(small_jpeg(picture, most)))
        advance(1)
    return uris


def bytes_each(room: int, count: int) -> int:
    """Return the bytes that each of `count` pictures may have; base64 makes them a third more."""
    return max(SMALLEST, min(LARGEST, (room // count - 40) * 3 // 4))


def data_uri(jpeg: bytes) -> str:
    """Return the address that holds a picture."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def small_jpeg(picture: Image.Image, most: int) -> bytes:
    """Return a JPEG of at most `most` bytes, of the best quality and then the largest size."""
    for attempt in attempts(picture):
        if len(attempt) <= most:
            return attempt
    return attempt


def attempts(picture: Image.Image) -> Iterator[bytes]:
    """Yield JPEGs of a picture in falling quality, then smaller and smaller."""
    while True:
        for quality in QUALITIES:
            file = io.BytesIO()
            picture.save(file, format="JPEG", quality=quality, optimize=True)
            yield file.getvalue()
        if min(picture.size) <= 16:
            return
        picture = picture.resize(
            (picture.width * 3 // 4, picture.height * 3 // 4), Image.Resampling.LANCZOS
        )
