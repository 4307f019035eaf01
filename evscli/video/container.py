"""Opens one video file and finds its picture stream, or says in one line why that cannot be done.

Knows nothing about times or frames. All of PyAV's errors at opening become `VideoError` here.
"""

from __future__ import annotations

from pathlib import Path

import av
import av.logging
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from evscli.errors import VideoError
from evscli.video.unreadable import why_no_pictures, why_undecodable, why_unreadable

# FFmpeg's own log would mix with ours, and passing it through Python can deadlock with threads.
av.logging.set_level(None)

PLAYLISTS = frozenset({"concat", "hls", "dash"})
"""Formats that only name other files."""


def open_video(path: Path, *, deblocked: bool = True) -> tuple[InputContainer, VideoStream]:
    """Open a local video: the container, to be used in a `with` statement, and its picture stream.

    Not `deblocked`, as is faster, frames tell whether they come and are whole, and their pixels are
    not to be used. Raises VideoError, stage "open".
    """
    _check_is_file(path)
    container = _open(path)
    try:
        if why := why_undecodable(path, container.format.name):
            raise VideoError(why)
        stream = _picture_stream(container, path)
    except VideoError:
        container.close()
        raise
    # PyAV's default, slices on all cores, can deadlock next to torch.
    stream.thread_type = "FRAME"
    stream.thread_count = 1
    if not deblocked:
        stream.codec_context.options = {"skip_loop_filter": "all"}
    return container, stream


def _open(path: Path) -> InputContainer:
    try:
        # "file:" keeps a colon in a name from being taken for a protocol; the whitelist keeps a
        # file's contents from reaching the network; a tag in another encoding is no reason to fail.
        return av.open(
            f"file:{path}",
            options={"protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except PermissionError as error:
        raise VideoError(f"{path} may not be read; check its permissions") from error
    except (av.FFmpegError, OSError) as error:
        raise VideoError(why_unreadable(path, error)) from error


def _picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """FFmpeg's best video stream among those that are no cover picture."""
    if container.format.name in PLAYLISTS:
        raise VideoError(f"{path} is a playlist, not a video; give the videos that it names")
    films = [stream for stream in container.streams.video if not _is_picture(stream)]
    if not films:
        raise VideoError(why_no_pictures(path, container))
    best = container.streams.best("video")
    stream = next((film for film in films if film is best), None) or max(films, key=_preference)
    if stream.codec_context is None:
        raise VideoError(f"no decoder for the codec of {path}; convert it to H.264")
    return stream


def _is_picture(stream: VideoStream) -> bool:
    return Disposition.attached_pic in stream.disposition


def _preference(stream: VideoStream) -> tuple[bool, int, int]:
    """What FFmpeg looks at, in its order, for where its choice was a cover."""
    codec = stream.codec_context
    size = 0 if codec is None else codec.width * codec.height
    return Disposition.default in stream.disposition, stream.bit_rate or 0, size


def _check_is_file(path: Path) -> None:
    if path.is_dir():
        raise VideoError(f"{path} is a folder; give a video file")
    if not path.exists():
        raise VideoError(f"no video at {path}; check the path")
    if path.stat().st_size == 0:
        raise VideoError(f"{path} is empty (0 bytes); copy or download it again")
