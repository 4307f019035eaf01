"""A decoder process: it opens, indexes and decodes one video after the other for a run.

A damaged file can crash FFmpeg or keep it busy for ever; here it can end this process alone. The
frames and their size are chosen by the run. torch is there only where a request brings a function
that resizes.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from evscli.corpus.decoding.wire import Ended, Failed, Indexed, Opened, Ready, Request, send_pixels
from evscli.corpus.inputs import local_file
from evscli.errors import EvsError, StoreError, VideoError
from evscli.models.contract import Resize
from evscli.provenance import source_info
from evscli.records import FramePlan, SourceInfo, VideoInput
from evscli.tracebacks import note_traceback, traceback_of
from evscli.video import VideoIndex, index_video
from evscli.video.decode import Levels, decode_arrays
from evscli.video_errors import video_errors


def serve(connection: Connection) -> None:
    """Decode the requested videos until the other end is closed."""
    # A crash is expected here, and a dump of its memory is useless.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source = OpenSource()
    with suppress(EOFError, ConnectionError), closing(source):
        connection.send(Ready())
        while True:
            _answer(connection, connection.recv(), source)


class OpenSource:
    """The source of the last request, kept open while requests are for parts of it."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._open: object = None
        self._index: VideoIndex | None = None
        self.path: Path
        """The path of the source; of a copy where the video is not a file of its own."""
        self.info: SourceInfo

    def open(self, request: Request) -> None:
        """Open the source of a request. Raises VideoError, stage "open"."""
        video = request.video
        with video_errors("open", video):
            video.raise_fault()
            mark = _mark(video)
            if video.is_part and self._open == mark:
                return
            self.close()
            self.path = self._stack.enter_context(local_file(video, folder=request.copies))
        with video_errors("open", video, copy=self.path):
            self.info = source_info(video, self.path)
        self._open = mark

    def index(self, request: Request) -> VideoIndex:
        """Return the timeline of the source. Raises VideoError."""
        if self._index is None:
            with video_errors("index", request.video, copy=self.path):
                self._index = index_video(self.path, damaged=request.damaged)
        return self._index

    def close(self) -> None:
        """Close the source; a copy is removed."""
        self._open = self._index = None
        self._stack.close()


def _mark(video: VideoInput) -> object:
    """Return a value that differs between two sources, and two states of one. Raises OSError."""
    if video.held is not None:
        return video.held
    now = video.path.stat()
    return video.path, now.st_ino, now.st_size, now.st_mtime_ns


def _answer(connection: Connection, request: Request, source: OpenSource) -> None:
    try:
        _decode(connection, request, source)
    except EvsError as error:
        connection.send(Failed(error=_sent(error)))
    finally:
        if not request.video.is_part:
            source.close()


def _sent(error: EvsError) -> VideoError | StoreError:
    """Return an error as the run raises it, with the traceback that it has here."""
    sent: VideoError | StoreError = StoreError(str(error))
    if isinstance(error, VideoError):
        sent = VideoError(str(error), stage=error.stage, kind=error.kind)
    note_traceback(sent, traceback_of(error), process="decoder")
    return sent


def _decode(connection: Connection, request: Request, source: OpenSource) -> None:
    source.open(request)
    connection.send(Opened(source=source.info))
    index = source.index(request)
    connection.send(Indexed(index=replace(index, path=request.video.path)))
    plan = connection.recv()
    if plan is None:
        return
    notes: list[str] = []
    for start, pixels in _chunks(request, index, plan, notes):
        send_pixels(connection, start, pixels)
    connection.send(Ended(notes=tuple(notes)))


def _chunks(
    request: Request, index: VideoIndex, plan: FramePlan, notes: list[str]
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the planned frames at the requested size. Raises VideoError only."""
    frames = decode_arrays(
        index,
        plan,
        chunk_frames=request.chunk_frames,
        hwaccel=request.hwaccel,
        note=notes.append,
        threads=request.threads,
    )
    while True:
        with video_errors("decode", request.video, copy=index.path):
            chunk = next(frames, None)
            if chunk is not None and request.resize is not None:
                chunk = chunk[0], _resized(chunk[1], request.resize, plan.resized_size)
        if chunk is None:
            return
        yield chunk


def _resized(pixels: Levels, resize: Resize, size: tuple[int, int]) -> NDArray[Any]:
    import torch  # the function has imported it

    torch.set_num_threads(1)
    made: NDArray[Any] = resize(torch.from_numpy(pixels), size).numpy()
    return made
