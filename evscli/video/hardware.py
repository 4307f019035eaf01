"""The frames of a video decoded by hardware where that is exact, and in software otherwise.

The standards of H.264, HEVC and VP9 state every decoded sample, so that a device gives the samples
that software does. They stay on the device until they are wanted. Then they are put into the planes
that the software decoder has, which copies them, and from there take the same way to RGB. Other
codecs leave room for rounding, and more than 8 bits another way to RGB: those are decoded in
software, and so is any video from the frame on at which a device fails.

Devices do not report damage inside of a frame's data. So a video that is known to be damaged is
decoded in software, and damage that is not yet known may pass.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.codec import Codec
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from evscli.errors import VideoError
from evscli.records import IntArray
from evscli.video.container import Opened, open_video
from evscli.video.cursor import Cursor
from evscli.video.timeline import VideoIndex

EXACT_CODECS = frozenset({"h264", "hevc", "vp9"})
"""FFmpeg's decoders of codecs whose standards state every sample."""

EXACT_FORMATS = frozenset({"yuv420p", "yuvj420p"})
"""The formats of software frames that those of a device can be copied into."""


def open_on_cuda(path: Path) -> Opened:
    """Open a video for decoding on the first GPU; its frames stay there. Raises VideoError."""
    return open_video(path, hwaccel=HWAccel("cuda", is_hw_owned=True))


@cache
def fault_of_cuda() -> str | None:
    """Return why no GPU of this process can decode, or None where one can."""
    if "cuda" not in hwdevices_available():
        return "the FFmpeg of PyAV is built without CUDA"
    try:
        HWAccel("cuda").create(Codec("h264", "r"))
    except (av.FFmpegError, OSError, NotImplementedError) as error:
        return f"no GPU decodes here ({error})"
    return None


class AcceleratedFrames:
    """A reader of one video's frames by number as `Cursor` is, which uses a device as it can."""

    def __init__(
        self,
        index: VideoIndex,
        *,
        wanted: IntArray,
        note: Callable[[str], None],
        opens: Callable[[Path], Opened] = open_on_cuda,
    ) -> None:
        """Open the video; `note` is called with the reason where software has to decode.

        Raises VideoError, stage "open", where it does not open in software either.
        """
        self._index = index
        self._wanted = wanted
        self._note = note
        self._reformatter = VideoReformatter()
        self._format, fault = _exact_format(index)
        self._on_device = fault is None
        try:
            self._cursor = Cursor(index, wanted=wanted, opens=open_video if fault else opens)
        except VideoError as error:
            fault, self._on_device = str(error), False
            self._cursor = Cursor(index, wanted=wanted)
        if fault is not None:
            note(fault)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cursor.__exit__(kind, error, trace)

    @property
    def error(self) -> str:
        """The reason why the last missing frame was not given."""
        return self._cursor.error

    def frame(self, number: int) -> VideoFrame | None:
        """Return frame `number` as software decodes it, or None where it is damaged or missing."""
        if self._on_device:
            try:
                return self._fetched(number)
            except (av.FFmpegError, OSError, VideoError) as error:
                self._leave_device(str(error))
        return self._cursor.frame(number)

    def _fetched(self, number: int) -> VideoFrame:
        """Return a frame in memory. Raises VideoError, FFmpegError and OSError."""
        frame = self._cursor.frame(number)
        if frame is None:
            raise VideoError(self._cursor.error)
        if frame.format.name == self._format:  # FFmpeg itself went on in software
            raise VideoError("it cannot decode this kind")
        if (frame.height, frame.width) != self._index.coded_size:
            raise VideoError("its frames have another size")
        return self._reformatter.reformat(frame, format=self._format, threads=1)

    def _leave_device(self, fault: str) -> None:
        self._cursor.__exit__(None, None, None)
        self._on_device = False
        self._cursor = Cursor(self._index, wanted=self._wanted)
        self._note(f"the GPU failed at a frame ({fault})")


def _exact_format(index: VideoIndex) -> tuple[str, str | None]:
    """Return the format of a video's software frames, and why no device may decode it, if so."""
    container, stream = open_video(index.path)
    with container:
        codec, kind = stream.codec_context.name, str(stream.codec_context.pix_fmt)
    if (fault := fault_of_cuda()) is not None:
        return kind, fault
    if len(index.damaged):
        return kind, "the video is damaged"
    if codec not in EXACT_CODECS or kind not in EXACT_FORMATS:
        return kind, f"a GPU is not sure to give the same pixels of {codec} ({kind})"
    return kind, None
