"""The messages between a run and its decoder processes, and pixels as raw bytes.

Both ends are processes of one run on one machine. The sending one need not have torch.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evscli.errors import StoreError, VideoError
from evscli.models.contract import Resize
from evscli.records import FrameChunk, SourceInfo, VideoInput
from evscli.video import Damaged, VideoIndex


@dataclass(frozen=True, kw_only=True)
class Request:
    """A video to decode; its plan follows once its index is known."""

    video: VideoInput
    chunk_frames: int
    resize: Resize | None
    """The function that resizes frames. None sends them at the video's own size."""
    damaged: str = Damaged.trim
    """The policy about damage."""
    hwaccel: str = "none"
    """The device that decodes where it gives the same pixels."""
    threads: int = 1
    """The threads that decode one video."""
    copies: Path | None = None
    """The folder for a copy of a video that is not a file of its own."""


@dataclass(frozen=True, kw_only=True)
class Ready:
    """The message that the process has imported what it needs."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """The message that the source is open, with its facts."""

    source: SourceInfo


@dataclass(frozen=True, kw_only=True)
class Indexed:
    """The timeline of the source; the process then waits for a plan."""

    index: VideoIndex


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """The place of a chunk in the plan; its bytes follow."""

    start: int
    shape: tuple[int, ...]
    dtype: str
    """The type of values, as numpy and torch both name it."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The message that all planned frames were sent."""

    notes: tuple[str, ...] = ()
    """The reasons why software decoded although a device was asked for."""


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The message that this video cannot be decoded, or that none can.

    A VideoError is about this video, and the process is ready for the next. A StoreError is a fault
    that all videos would meet, such as a full disk: the run must end.
    """

    error: VideoError | StoreError


class Clock:
    """The time that a run has waited for one video's decoder, with a limit."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        """The most seconds to wait."""
        self.waited = 0.0

    def wait(self, connection: Connection) -> None:
        """Wait until something can be read, the end of the other process included.

        Raises TimeoutError beyond the limit.
        """
        began = time.monotonic()
        ready = connection.poll(max(0.0, self.limit - self.waited))
        self.waited += time.monotonic() - began
        if not ready:
            raise TimeoutError


def send_pixels(connection: Connection, start: int, pixels: NDArray[Any]) -> None:
    """Send the frames that begin at position `start` of the plan, without a copy on this side.

    Raises OSError where the other end is closed.
    """
    pixels = np.ascontiguousarray(pixels)
    connection.send(Pixels(start=start, shape=pixels.shape, dtype=pixels.dtype.name))
    rest = pixels.reshape(-1).view(np.uint8).data
    while rest:
        rest = rest[os.write(connection.fileno(), rest) :]


def receive(connection: Connection, clock: Clock) -> Any:
    """Return the next message, chunks with their pixels.

    Raises EOFError or ConnectionError where the other process has ended, TimeoutError.
    """
    clock.wait(connection)
    message = connection.recv()
    return _chunk(connection, clock, message) if isinstance(message, Pixels) else message


def _chunk(connection: Connection, clock: Clock, place: Pixels) -> FrameChunk:
    import torch

    pixels = torch.empty(place.shape, dtype=getattr(torch, place.dtype))
    rest = pixels.view(-1).view(torch.uint8).numpy().data
    while rest:
        clock.wait(connection)
        count = os.readv(connection.fileno(), [rest])
        if not count:
            raise EOFError
        rest = rest[count:]
    return FrameChunk(start=place.start, pixels=pixels)
