"""The opening of a video file and the choice of its picture stream.

All of PyAV's errors at opening become a `VideoError` here, with one line that gives the reason.
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
    """Open a local video; return its container, for a `with` statement, and its picture stream.

    Without `deblocked` decoding is faster, and shows only whether frames come and are whole: their
    pixels must not be used. Raises VideoError, stage "open".
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
        # file's contents from reaching the network; a tag in another encoding must not be fatal.
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
    """Return FFmpeg's best video stream among those that are not cover pictures."""
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
    """The properties that FFmpeg prefers, in its order, used where its own choice is a cover."""
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
