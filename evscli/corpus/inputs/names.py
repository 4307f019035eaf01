"""The names of videos: suffixes that count as videos, ids, and names that no store can keep.

No file is opened; `relative` is a text with `/`: the path below an input root.
"""

from __future__ import annotations

import posixpath
import unicodedata
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from evscli.errors import UsageError, VideoError
from evscli.records import VideoInput
from evscli.store import check_id
from evscli.texts import half_character, without_secrets

VIDEO_SUFFIXES = frozenset(
    (
        ".3g2 .3gp .apng .asf .avi .divx .dv .f4v .flv .gif .ivf .m2t .m2ts .m4v .mkv .mov .mp4 "
        ".mpe .mpeg .mpg .mts .mxf .ogm .ogv .qt .rm .rmvb .ts .vob .webm .wmv .wtv .y4m "
        # Streams without a container, which hold no times: their frames are counted.
        ".264 .265 .av1 .h264 .h265 .hevc .m1v .m2v .mjpeg .mjpg .mpv .obu"
    ).split()
)
"""The suffixes of videos, all of which FFmpeg in PyAV reads. Left out are `.ogg`, which is mostly
sound, and `.avif` and `.webp`, which are mostly pictures."""
TAR_SUFFIXES = frozenset({".tar"})
WILDCARDS = frozenset("*?[")


def has_suffix(name: str, suffixes: frozenset[str]) -> bool:
    """Return whether a name ends in one of `suffixes`, in upper or lower case."""
    return posixpath.splitext(name)[1].lower() in suffixes


def is_hidden(relative: str) -> bool:
    """Return whether a file, or a folder on the way to it, has a name that begins with a dot."""
    return any(part.startswith(".") and part != ".." for part in relative.split("/"))


def is_video(relative: str) -> bool:
    """Return whether a file found below an input root counts as a video."""
    return has_suffix(relative, VIDEO_SUFFIXES) and not is_hidden(relative)


def video_id(relative: str) -> str:
    """Return a path below its input root without extension, in Unicode NFC."""
    folder, slash, name = relative.rpartition("/")
    stem, _, suffix = name.rpartition(".")
    return unicodedata.normalize("NFC", f"{folder}{slash}{stem if stem and suffix else name}")


def span_id(whole: str, start: float | None, end: float | None) -> str:
    """Return the id of a part, `<id>@<start>-<end>` in seconds; `whole` itself without any."""
    if start is None and end is None:
        return whole
    return f"{whole}@{_shortest(start or 0.0)}-{'' if end is None else _shortest(end)}"


def _shortest(seconds: float) -> str:
    """Return the fewest digits that read back as the same number, never with an exponent."""
    return np.format_float_positional(seconds, trim="-")


def url_path(url: str) -> Path:
    """Return the path that names an address; for a web address without its query, unquoted."""
    if not url.startswith(("http://", "https://")):
        return Path(url)
    scheme, _, rest = without_secrets(url).partition("://")
    return Path(f"{scheme}://{unquote(rest, errors='surrogateescape')}")


def refuse_name(video: VideoInput) -> None:
    """Raise VideoError for a video whose id or relative path cannot be kept in a store."""
    try:
        check_id(video.id)
    except UsageError as error:
        raise VideoError(str(error), stage="open") from error
    if half_character(video.relative) is not None:
        raise VideoError(f"the name {video.relative!r} is not UTF-8: rename the file", stage="open")
