"""Decoders that crash or never end, on purpose: for files whose names begin with a fault's.

A decoder process that begins here imports this module, so it imports no transformers.
"""

from __future__ import annotations

import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

from evscli.corpus.decoding import decoder, process
from evscli.corpus.decoding.wire import Request
from evscli.video import VideoIndex, index_video

DECODE = decoder._decode
_name = ""
"""Of the video that this decoder is at; a copy has another."""


def install() -> None:
    """Have decoder processes that are forks of this one behave as told by names."""
    decoder.index_video = _index
    decoder._decode = _decode


def install_anywhere() -> None:
    """Have them so too where they are forks of a clean process."""
    process.serve = _serve


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
