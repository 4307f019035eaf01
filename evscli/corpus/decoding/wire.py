"""What travels between a run and its decoder processes: small messages, and pixels as they lie.

Both ends are processes of one run on one machine. Knows no process and no video file.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from evscli.models.contract import Resize
from evscli.records import FrameChunk, SourceInfo, VideoInput
from evscli.video import Damaged, VideoIndex


@dataclass(frozen=True, kw_only=True)
class Request:
    """A video to decode; its plan follows when its index is known."""

    video: VideoInput
    chunk_frames: int
    resize: Resize | None
    """None: frames are sent at the video's own size."""
    damaged: str = Damaged.trim
    """The policy about damage."""
    copies: Path | None = None
    """Folder for a copy of a video that is no file of its own."""


@dataclass(frozen=True, kw_only=True)
class Ready:
    """The process has imported what it needs."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """The file is there, and this is what it is."""

    source: SourceInfo


@dataclass(frozen=True, kw_only=True)
class Indexed:
    """Its timeline; the process waits for a plan now."""

    index: VideoIndex


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """A chunk's place; its bytes follow."""

    start: int
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """All planned frames were sent."""


@dataclass(frozen=True, kw_only=True)
class Failed:
    """This video cannot be decoded; the process is ready for the next."""

    stage: str
    kind: str
    message: str
    traceback: str


@dataclass(frozen=True, kw_only=True)
class Refused:
    """What every other video would meet as well, as a full disk; the run must end."""

    message: str
    traceback: str


class Clock:
    """How long a run has waited for one video's decoder; raises TimeoutError behind its limit."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        """Seconds."""
        self.waited = 0.0

    def wait(self, link: Connection) -> None:
        """Wait until something can be read, the end of the other process included."""
        began = time.monotonic()
        ready = link.poll(max(0.0, self.limit - self.waited))
        self.waited += time.monotonic() - began
        if not ready:
            raise TimeoutError


def send_chunk(link: Connection, chunk: FrameChunk) -> None:
    """Send frames, without a copy on this side. Raises OSError where nobody reads any more."""
    pixels = chunk.pixels.contiguous()
    link.send(Pixels(start=chunk.start, shape=tuple(pixels.shape)))
    rest = pixels.view(-1).numpy().data
    while rest:
        rest = rest[os.write(link.fileno(), rest) :]


def receive(link: Connection, clock: Clock) -> Any:
    """The next message, chunks with their pixels.

    Raises EOFError or ConnectionError where the other process has ended, TimeoutError.
    """
    clock.wait(link)
    message = link.recv()
    return _chunk(link, clock, message) if isinstance(message, Pixels) else message


def _chunk(link: Connection, clock: Clock, place: Pixels) -> FrameChunk:
    pixels = torch.empty(place.shape, dtype=torch.uint8)
    rest = pixels.view(-1).numpy().data
    while rest:
        clock.wait(link)
        count = os.readv(link.fileno(), [rest])
        if not count:
            raise EOFError
        rest = rest[count:]
    return FrameChunk(start=place.start, pixels=pixels)
