"""A decoder process: opens, indexes and decodes one video after the other for a run.

A damaged file can crash FFmpeg or keep it busy for ever; here it takes this process with it and
nothing else. Knows no model: which frames and what size comes from the run.
"""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from evscli.corpus.decoding.children import end_with_parent
from evscli.corpus.decoding.wire import (
    Ended,
    Failed,
    Indexed,
    Opened,
    Ready,
    Refused,
    Request,
    send_chunk,
)
from evscli.corpus.inputs import local_file
from evscli.errors import EvsError, VideoError
from evscli.provenance import source_info
from evscli.records import FrameChunk, FramePlan
from evscli.stage import stage
from evscli.video import VideoIndex, decode_frames, index_video


def serve(link: Connection) -> None:
    """Decode what is asked for until the other end is closed."""
    end_with_parent()
    # Ctrl-C reaches the whole group of processes; what it means is the run's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A crash is expected here, and its memory is of no use to anybody.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    torch.set_num_threads(1)
    with suppress(EOFError, ConnectionError):
        link.send(Ready())
        while True:
            _answer(link, link.recv())


def _answer(link: Connection, request: Request) -> None:
    try:
        _decode(link, request)
    except VideoError as error:
        link.send(Failed(stage=error.stage, kind=error.kind, message=str(error)))
    except EvsError as error:
        link.send(Refused(message=str(error)))


def _decode(link: Connection, request: Request) -> None:
    video = request.video
    with ExitStack() as stack:
        with stage("open", video):
            path = stack.enter_context(local_file(video, folder=request.copies))
        _decode_file(link, request, path)


def _decode_file(link: Connection, request: Request, path: Path) -> None:
    video = request.video
    with stage("open", video, copy=path):
        source = source_info(video, path)
    link.send(Opened(source=source))
    with stage("index", video, copy=path):
        index = index_video(path)
    link.send(Indexed(index=replace(index, path=video.path)))
    plan = link.recv()
    if plan is None:
        return
    for chunk in _chunks(request, index, plan):
        send_chunk(link, chunk)
    link.send(Ended())


def _chunks(request: Request, index: VideoIndex, plan: FramePlan) -> Iterator[FrameChunk]:
    """The planned frames at the size that was asked for. Raises VideoError only."""
    frames = decode_frames(index, plan, chunk_frames=request.chunk_frames)
    while True:
        with stage("decode", request.video, copy=index.path):
            chunk = next(frames, None)
            if chunk is not None and request.resize is not None:
                chunk = replace(chunk, pixels=request.resize(chunk.pixels, plan.resized_size))
        if chunk is None:
            return
        yield chunk
