"""Decoders that crash or never end, on purpose: for files whose names begin with a fault's."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import time
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from evscli.corpus.decoding import decoder, process
from evscli.corpus.decoding.wire import Request
from evscli.errors import VideoError
from evscli.needs import Recipe
from evscli.pipeline import PlannedVideo, VideoPruner
from evscli.pipeline.frames import Frames
from evscli.records import PrunedVideo
from evscli.store import StoreWriter
from evscli.video import VideoIndex, index_video

PRUNE_PLANNED = VideoPruner.prune_planned
DECODE = decoder._decode
_name = ""
"""Of the video that this decoder is at; a copy has another."""


def install() -> None:
    """Have decoder processes that begin from now on behave as told by names."""
    decoder.index_video = _index
    decoder._decode = _decode
    VideoPruner.prune_planned = _prune


def make_faulty(recipe: Recipe, device: str) -> VideoPruner:
    """Make what prunes in a process of its own, where all of this is to happen."""
    install()
    small_shards()
    process.serve = _serve
    return recipe.make(device)


def _serve(link: Connection) -> None:
    install()
    decoder.serve(link)


def _index(path: Path, *, damaged: str) -> VideoIndex:
    if _name.startswith("segfault"):
        os.kill(os.getpid(), signal.SIGSEGV)
    while _name.startswith("endless"):
        time.sleep(0.01)
    return index_video(path, damaged=damaged)


def _decode(link: Connection, request: Request, source: decoder.Source) -> None:
    global _name
    _name = request.video.path.name
    DECODE(link, request, source)


def _prune(
    self: VideoPruner, planned: PlannedVideo, which: Iterable[int], *, frames: Frames
) -> Iterator[tuple[int, PrunedVideo | VideoError]]:
    if planned.video.path.name.startswith("fatal"):
        os.kill(os.getpid(), signal.SIGKILL)
    return PRUNE_PLANNED(self, planned, which, frames=frames)


def small_shards() -> None:
    """Have shards closed at four videos, so that a short run closes many."""
    defaults = StoreWriter.__init__.__kwdefaults__
    assert defaults is not None
    defaults["shard_videos"] = 4


def obey_permissions() -> None:
    """Have root refused what others are refused: it gives up two of its capabilities."""
    header = struct.pack("Ii", 0x20080522, 0)  # version 3, this process
    data = ctypes.create_string_buffer(24)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capget(header, data) == 0
    effective, *rest = struct.unpack("6I", data.raw)
    without = effective & ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(header, struct.pack("6I", without, *rest)) == 0
