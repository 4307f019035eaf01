"""One small clip in every container that PyAV can write, and what a sequential decode gives."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from tests.videos import Picture, rgb, write_video

FRAMES = 40
SIZE = (48, 64)

CONTAINERS: Mapping[str, dict[str, Any]] = {
    "clip.mp4": {},
    "front.mp4": {"container_options": {"movflags": "+faststart"}},
    "fragments.mp4": {"container_options": {"movflags": "+frag_keyframe+empty_moov"}},
    "hevc.mp4": {"codec": "libx265", "open_gop": True},
    "clip.mov": {"open_gop": True},
    "clip.m4v": {"codec": "mpeg4"},
    "clip.3gp": {},
    "clip.mkv": {},
    "vp8.webm": {"codec": "libvpx"},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "clip.flv": {},
    "clip.ts": {},
    "clip.m2ts": {},
    "clip.mpg": {"codec": "mpeg2video"},
    "clip.vob": {"codec": "mpeg2video"},
    "clip.avi": {"codec": "mpeg4"},
    "h264.avi": {},
    "clip.wmv": {"codec": "wmv2", "bframes": 0},
    "clip.mxf": {"codec": "mpeg2video", "bframes": 0},
    "clip.wtv": {"codec": "mpeg2video"},
    "clip.nut": {},
    "clip.ivf": {"codec": "libvpx"},
    "clip.swf": {"codec": "flv", "bframes": 0},
    "clip.gif": {"codec": "gif", "bframes": 0, "pix_fmt": "rgb8"},
    "clip.apng": {"codec": "apng", "bframes": 0, "pix_fmt": "rgb24"},
    "clip.mjpeg": {"codec": "mjpeg", "bframes": 0, "pix_fmt": "yuvj420p"},
    "clip.y4m": {"codec": "wrapped_avframe"},
    "clip.h264": {},
    "clip.hevc": {"codec": "libx265"},
    "clip.mpeg": {"codec": "mpeg1video"},
}

CUTS = {"whole": 1.0, "at 90 %": 0.9, "at 60 %": 0.6, "in the header": 0.01}


def write_clip(folder: Path, name: str) -> Path:
    """The clip of that name."""
    options = {"frames": FRAMES, "size": SIZE, "fps": 25, **CONTAINERS[name]}
    return write_video(folder / name, **options)


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """What plain decoding from the beginning gives, up to where it stops."""

    times: list[int | None]
    pictures: list[Picture]
    flagged: list[int]
    """Numbers of the frames that the decoder says are damaged."""


def decode(path: Path) -> Decoded:
    """Decode a file from the beginning. Raises av.FFmpegError where it cannot be opened."""
    times, pictures, flagged = [], [], []
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        if stream is None:
            return Decoded(times=[], pictures=[], flagged=[])
        with suppress(av.FFmpegError):
            for frame in container.decode(stream):
                if frame.is_corrupt:
                    flagged.append(len(pictures))
                times.append(frame.pts)
                pictures.append(rgb(frame))
    return Decoded(times=times, pictures=pictures, flagged=flagged)
