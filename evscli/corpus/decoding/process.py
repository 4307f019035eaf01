"""One decoder process as the run sees it: it is sent videos, waited for, killed and replaced."""

from __future__ import annotations

import logging
import shutil
import signal
import threading
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

from evscli.child import Child, how_it_ended
from evscli.corpus.decoding.children import warm_up
from evscli.corpus.decoding.decoder import serve
from evscli.corpus.decoding.wire import (
    Clock,
    Ended,
    Failed,
    Indexed,
    Opened,
    Ready,
    Request,
    receive,
)
from evscli.corpus.inputs.fetch import copies_folder
from evscli.errors import EvsError, VideoError
from evscli.records import FrameChunk, FramePlan, SourceInfo, VideoInput
from evscli.video import Damaged, VideoIndex

logger = logging.getLogger(__name__)

START_SECONDS = 300.0
"""The seconds within which a new child must have imported what it needs."""

PATIENCE_SECONDS = 600.0
"""The seconds that a decoder may take beyond the length of the video, unless a limit is given."""

_STARTING = threading.Lock()
"""The lock around starting a child: if another inherited its end of a link, its death would not
show."""

ChoosePlan = Callable[[SourceInfo, VideoIndex], FramePlan | None]
"""A function that chooses the frames; None means that no frame is wanted."""
MessageKind = TypeVar("MessageKind")


class DecoderProcess:
    """A child process that decodes one video at a time, and a new one after each that is lost."""

    def __init__(
        self,
        *,
        timeout: float | None = None,
        damaged: str = Damaged.trim,
        hwaccel: str = "none",
        threads: int = 1,
    ) -> None:
        """Set the seconds `timeout` that one video may take, and the policy about `damaged` videos.

        `hwaccel` is the device that decodes, and `threads` are those that decode one video. Nothing
        is started yet.
        """
        self.timeout = timeout
        self.damaged = damaged
        self.hwaccel = hwaccel
        self.threads = threads
        self._child: Child | None = None
        self._pipe: Connection
        self._clock: Clock
        self._stage = "open"
        self._busy = False
        self._copies: Path | None = None

    def make_ready(self) -> None:
        """Start the child, unless there is one, and wait until it can take a video.

        Raises EvsError where that fails.
        """
        if self._child is not None:
            return
        warm_up()
        try:
            with _STARTING:
                self._child = Child(serve)
        except (OSError, EOFError) as error:
            raise _no_process(str(error)) from error
        self._pipe = self._child.pipe
        self._clock = Clock(START_SECONDS)
        try:
            self._expect(Ready)
        except (EOFError, ConnectionError, TimeoutError):
            raise _no_process(f"exit code {self.kill(grace=1)}") from None

    def decode(self, request: Request, choose: ChoosePlan) -> Generator[FrameChunk]:
        """Decode a video: yield the frames that `choose` plans, chunk by chunk.

        Raises VideoError where this video is at fault; its `kind` is Crashed where the child
        crashed and Timeout where it took too long. Raises what `choose` does, and EvsError where
        the next video would fail as well. The child is killed where the iteration is left before
        its end.
        """
        self.make_ready()
        request = replace(request, damaged=self.damaged, hwaccel=self.hwaccel, threads=self.threads)
        if request.video.held is not None:
            self._copies = self._copies or copies_folder()
            request = replace(request, copies=self._copies)
        try:
            yield from self._converse(request, choose)
        except TimeoutError:
            raise self._too_slow(request.video) from None
        except (EOFError, ConnectionError):
            raise self._crashed(request.video) from None
        finally:
            if self._busy:
                self.kill()

    def look_into(self, video: VideoInput) -> VideoIndex:
        """Return the timeline of a video, with nothing decoded. Raises as `decode` does."""
        seen: list[VideoIndex] = []
        request = Request(video=video, chunk_frames=1, resize=None)
        for _ in self.decode(request, lambda _, index: seen.append(index)):
            raise AssertionError("no frame is wanted")
        return seen[0]

    def kill(self, *, grace: float = 0.0) -> int | None:
        """End the child, after `grace` seconds to end by itself.

        Returns its exit code, negative for the signal that ended it; None where there was no child.
        """
        child, self._child, self._busy = self._child, None, False
        if child is None:
            return None
        code = child.end(grace=grace)
        if self._copies is not None:
            shutil.rmtree(self._copies, ignore_errors=True)
            self._copies = None
        return code

    def interrupt(self) -> None:
        """End the child while another thread waits for it, which then finds it crashed."""
        if (child := self._child) is not None:
            child.kill()

    def _converse(self, request: Request, choose: ChoosePlan) -> Generator[FrameChunk]:
        self._clock = Clock(PATIENCE_SECONDS if self.timeout is None else self.timeout)
        self._busy, self._stage = True, "open"
        self._pipe.send(request)
        source = self._expect(Opened).source
        self._stage = "index"
        index = self._expect(Indexed).index
        if self.timeout is None:
            self._clock.limit += index.duration
        self._stage = "decode"
        try:
            plan = choose(source, index)
        except BaseException:
            self._pipe.send(None)
            self._busy = False
            raise
        self._pipe.send(plan)
        while plan is not None and isinstance(message := self._receive(), FrameChunk):
            yield message
        self._busy = False
        if plan is not None and isinstance(message, Ended) and self.hwaccel != "auto":
            for fault in message.notes:
                note_software(fault)

    def _expect(self, kind: type[MessageKind]) -> MessageKind:
        message = self._receive()
        assert isinstance(message, kind), message
        return message

    def _receive(self) -> object:
        message = receive(self._pipe, self._clock)
        if not isinstance(message, Failed):
            return message
        if isinstance(message.error, VideoError):
            self._busy = False
        raise message.error

    def _too_slow(self, video: VideoInput) -> VideoError:
        limit = self._clock.limit
        return VideoError(
            f"{video.name}: its decoder was stopped after {limit:g} s; give it longer with "
            "--retry-failed --timeout SECONDS, or re-encode the video with ffmpeg",
            stage=self._stage,
            kind="Timeout",
        )

    def _crashed(self, video: VideoInput) -> VideoError:
        code = self.kill(grace=1) or 0
        how = f"{'signal ' * (code < 0)}{how_it_ended(code)}"
        hint = "; was the memory full?" if code == -signal.SIGKILL else ""
        return VideoError(
            f"{video.name}: its decoder crashed ({how}{hint}); re-encode the video with ffmpeg, or "
            "try it again with --retry-failed",
            stage=self._stage,
            kind="Crashed",
        )


@cache
def note_software(fault: str) -> None:
    """Report that software decodes instead of a device, once for each reason in this process."""
    logger.warning("--hwaccel: %s; software decodes instead, to the same pixels", fault)


def _no_process(reason: str) -> EvsError:
    return EvsError(
        f"decoder processes cannot be started ({reason}); check the machine's limits on memory and "
        "processes, then run the same command again"
    )
