"""The opening of a video file, the choice of its picture stream, and messages on files without one.

All of PyAV's errors at opening become a `VideoError` here, with one line on what the file is and
what to do about it. The name of a file proves little: pointers, web pages and archives are saved as
`.mp4`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

import av
import av.logging
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from evscli.errors import VideoError

# FFmpeg's own log would mix with ours, and passing it through Python can deadlock with threads.
av.logging.set_level(None)

PLAYLISTS = frozenset({"concat", "hls", "dash"})
"""Formats that only name other files."""

HEAD_BYTES = 4096
"""The number of bytes at the beginning of a file that are looked at."""

POINTERS = (
    (rb"version https://git-lfs\.github\.com/spec", "Git LFS", "git lfs pull"),
    (rb"(?s)(outs|deps|md5|wdir|frozen):.*\b(md5|etag|hash): ?\S", "DVC", "dvc pull"),
    (rb"(/?\.git|/)/?annex/objects/", "git-annex", "git annex get"),
)
"""(beginning, tool, command) of files that stand for a video, which the command fetches."""

ARCHIVES = (
    (b"PK\x03\x04", "ZIP"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "RAR"),
)

ENCRYPTED = frozenset({b"encv", b"drmi"})
"""Sample entries of pictures in MP4 that only a key opens (ISO/IEC 23001-7, and Apple's)."""

INSIDE = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
"""Boxes of MP4 on the way to sample entries."""


Opened: TypeAlias = tuple[InputContainer, VideoStream]
"""An open video: its container, for a `with` statement, and its picture stream."""


def open_video(path: Path, *, deblocked: bool = True, hwaccel: HWAccel | None = None) -> Opened:
    """Open a local video, to be decoded by the device `hwaccel` or in software.

    Without `deblocked` decoding is faster, and shows only whether frames come and are whole: their
    pixels must not be used. Raises VideoError, stage "open".
    """
    _check_is_file(path)
    container = _open(path, hwaccel)
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


def _open(path: Path, hwaccel: HWAccel | None) -> InputContainer:
    try:
        # "file:" keeps a colon in a name from being taken for a protocol; the whitelist keeps a
        # file's contents from reaching the network; a tag in another encoding must not be fatal.
        return av.open(
            f"file:{path}",
            options={"protocol_whitelist": "file"},
            metadata_errors="replace",
            hwaccel=hwaccel,
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
    """Return what FFmpeg prefers, in its order; used where its own choice of stream is a cover."""
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


def why_unreadable(path: Path, error: OSError | av.FFmpegError) -> str:
    """Return the message on a file that does not open: what it is, else the decoder's own words.

    Raises OSError.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if known := what_it_is(head):
        return f"{path} {known}"
    return f"{path} is not a readable video ({error.strerror}); check that it plays"


def why_undecodable(path: Path, kind: str) -> str | None:
    """Return the message on a file of FFmpeg's format `kind` that gives no picture, if any."""
    with path.open("rb") as file:
        if "webp" in kind and _is_animated_webp(file.read(HEAD_BYTES)):
            return (
                f"{path} is an animated WebP, which FFmpeg does not decode; convert it to GIF or "
                "MP4, for example with ImageMagick"
            )
        if "mp4" in kind and any(entry in ENCRYPTED for entry in _sample_entries(file)):
            return (
                f"{path} is encrypted (DRM), so its pictures cannot be decoded; give a copy that "
                "is not protected"
            )
    return None


def why_no_pictures(path: Path, container: InputContainer) -> str:
    """Return the message on a file that opens and has no stream of pictures but covers."""
    covers = [s for s in container.streams.video if Disposition.attached_pic in s.disposition]
    kinds = {stream.type for stream in container.streams if stream not in covers}
    found = [*sorted(kinds), *(["a cover picture"] if covers else [])]
    if not found:
        return (
            f"{path} holds no streams at all: its recording was never finished; record, copy or "
            "download it again"
        )
    only = f"only {', '.join(found[:-1])} and {found[-1]}" if found[1:] else f"only {found[0]}"
    return f"{path} has no video stream ({only}); give a file with moving pictures"


def what_it_is(head: bytes) -> str | None:
    """Return the kind of a file that begins with `head` and what to do; None if it is unknown."""
    if head[4:8] == b"ftyp":
        return (
            "is an MP4 or MOV file without a usable index: it was probably cut off; "
            "copy or download it again"
        )
    for begins, whose, fetch in POINTERS:
        if re.match(begins, head):
            return f"is a pointer of {whose} and not the video itself; fetch that with {fetch}"
    for begins, name in ARCHIVES:
        if head.startswith(begins):
            return f"is a {name} archive and not a video; unpack it and give what is in it"
    if head[257:262] == b"ustar":
        return "is a tar and not a video; name it .tar, and the videos in it are found"
    if head and not any(head):
        return "begins with zeros only: its copy or download was cut off; make it again"
    return _what_text(head)


def _what_text(head: bytes) -> str | None:
    """Return the kind of a file that begins with text and what to do; None if it is unknown."""
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3 or len(head) < HEAD_BYTES:  # a letter may be cut in two
            return None
        text = head[: error.start].decode("utf-8-sig")
    begins = text.lstrip()[:200].lower()
    if begins.startswith(("<!doctype html", "<html", "<head", "<body")):
        return (
            "is a web page and not a video, as servers send for a link that is old or asks for a "
            "login; download the video itself"
        )
    if begins.startswith(("<?xml", "<error")):
        return "is an XML text and not a video, as servers send for errors; download it again"
    if begins.startswith(("{", "[")) and text.rstrip().endswith(("}", "]")):
        return "is a JSON text and not a video, as servers send for errors; download it again"
    if begins and all(letter.isprintable() or letter.isspace() for letter in text):
        return "is not a readable video (it is a text file); give the video itself"
    return None


def _is_animated_webp(head: bytes) -> bool:
    """Return whether the extended header has the flag of animations (WebP container, RFC 9649)."""
    return head[8:16] == b"WEBPVP8X" and len(head) > 20 and bool(head[20] & 0x02)


def _sample_entries(file: BinaryIO) -> Iterator[bytes]:
    """Yield the four letters of every codec that an MP4 file names."""
    size = file.seek(0, 2)
    for kind, start, stop in boxes(file, 0, size):
        if kind == b"moov":
            yield from _entries_inside(file, start, stop)
            return


def _entries_inside(file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    for kind, first, last in boxes(file, start, stop):
        if kind in INSIDE:
            yield from _entries_inside(file, first, last)
        elif kind == b"stsd":
            yield from (entry for entry, _, _ in boxes(file, first + 8, last))


def is_fragmented(path: Path) -> bool:
    """Return whether an MP4 file holds its packets in indexed fragments. Raises OSError."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        return any(kind == b"moof" for kind, _, _ in boxes(file, 0, size))


def boxes(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, first byte, end) of the contents of every box in a range of an MP4 file.

    Source: ISO/IEC 14496-12.
    """
    while start + 8 <= stop:
        file.seek(start)
        size, kind = struct.unpack(">I4s", file.read(8))
        header = 8
        if size == 1 and start + 16 <= stop:
            size, header = struct.unpack(">Q", file.read(8))[0], 16
        if size == 0:
            size = stop - start
        if size < header:
            return
        yield kind, start + header, min(start + size, stop)
        start += size
