"""Small real videos for tests, made with PyAV. Knows nothing about `evscli`.

Every maker is deterministic, writes to the path given and returns it; the container follows from
the path's suffix. Frames are textured and all different, also after compression.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

SIZE = (96, 128)
"""(height, width) of a clip unless asked for otherwise."""


def picture(number: int, size: tuple[int, int] = SIZE, *, seed: int = 0) -> Picture:
    """Frame `number` of a test clip, [H, W, 3] uint8: a moving texture and a moving square."""
    height, width = size
    moved = np.roll(_texture(size, seed), (number, 2 * number), axis=(0, 1))
    side = max(2, min(height, width) // 4)
    top, left = 3 * number % max(1, height - side), 5 * number % max(1, width - side)
    moved[top : top + side, left : left + side] = (number * 37 % 256, 255 - number * 11 % 256, 128)
    return np.clip(moved, 0, 255).astype(np.uint8)


@cache
def _texture(size: tuple[int, int], seed: int) -> NDArray[np.int64]:
    """Noise on coarse squares, [H, W, 3]."""
    height, width = size
    noise = np.random.default_rng(seed)
    coarse = noise.integers(40, 216, (height // 8 + 2, width // 8 + 2, 3))
    squares = coarse.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    return squares + noise.integers(-24, 25, (height, width, 3))


def write_video(path: Path, **form: Any) -> Path:
    """A clip as of `encode_video`. The bytes of one that this process has made are remembered."""
    known = (path.suffix, repr(sorted(form.items())))
    if known not in _MADE:
        _MADE[known] = encode_video(path, **form).read_bytes()
    path.write_bytes(_MADE[known])
    return path


_MADE: dict[tuple[str, str], bytes] = {}


def encode_video(
    path: Path,
    *,
    frames: int = 48,
    size: tuple[int, int] = SIZE,
    fps: int | Fraction = 24,
    codec: str = "libx264",
    bframes: int = 2,
    gop: int = 12,
    open_gop: bool = False,
    pix_fmt: str = "yuv420p",
    pts: Sequence[int] | None = None,
    rotation: int = 0,
    mirrored: bool = False,
    static: bool = False,
    audio: bool = False,
    seed: int = 0,
    container_options: dict[str, str] | None = None,
    encoder_options: dict[str, str] | None = None,
) -> Path:
    """A clip of `picture(0..frames-1)`.

    `size` is the coded (height, width). `pts` gives presentation times in milliseconds for a
    variable frame rate (`frames` is then ignored). `rotation` is what a viewer turns the coded
    picture by, in degrees counter-clockwise; `mirrored` swaps left and right after that. `static`
    repeats the first picture. `audio` adds silence that lasts a second longer than the video.
    """
    times = list(pts) if pts is not None else list(range(frames))
    base = Fraction(1, 1000) if pts is not None else 1 / Fraction(fps)
    with av.open(str(path), "w", container_options=container_options or {}) as container:
        options = encoder_options or _options(codec, bframes, open_gop)
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.height, stream.width = size
        stream.pix_fmt = pix_fmt
        stream.gop_size = gop
        stream.max_b_frames = bframes
        stream.thread_count = 1
        stream.codec_context.time_base = base
        if rotation or mirrored:
            stream.set_display_rotation(rotation, hflip=mirrored)
        sound = container.add_stream("aac", rate=16000, layout="mono") if audio else None
        for number, time in enumerate(times):
            shown = picture(0 if static else number, size, seed=seed)
            frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
            frame.pts, frame.time_base = time, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _mux_silence(container, sound, float(base * times[-1]) + 1)
    return path


def write_audio(path: Path, *, seconds: float = 1.0) -> Path:
    """A file that holds silence and no picture."""
    with av.open(str(path), "w") as container:
        _mux_silence(container, container.add_stream("aac", rate=16000, layout="mono"), seconds)
    return path


def cut_out(source: Path, path: Path, frames: range) -> Path:
    """Packets of `source` that show these frames, as they are: it must have no B-frames.

    The first one must be a keyframe.
    """
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        stream = old.streams.video[0]
        copy = new.add_stream_from_template(stream)
        packets = [packet for packet in old.demux(stream) if packet.dts is not None]
        first = packets[frames.start].pts
        for packet in packets[frames.start : frames.stop]:
            packet.pts -= first
            packet.dts -= first
            packet.stream = copy
            new.mux(packet)
    return path


def truncate(path: Path, *, keep: float = 0.5) -> Path:
    """Cut the file in place to the fraction `keep` of its bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


def damage(path: Path, *, start: float = 0.4, stop: float = 0.6) -> Path:
    """Overwrite the bytes between two fractions of the file with noise, in place."""
    data = bytearray(path.read_bytes())
    first, last = int(len(data) * start), int(len(data) * stop)
    data[first:last] = np.random.default_rng(1).bytes(last - first)
    path.write_bytes(data)
    return path


def sequential(path: Path) -> Iterator[av.VideoFrame]:
    """Every frame in presentation order, by plain decoding: the reference for exactness."""
    with av.open(str(path)) as container:
        yield from container.decode(container.streams.video[0])


def sequential_pixels(path: Path) -> list[Picture]:
    """Every frame as coded, [H, W, 3] RGB, without the rotation a viewer applies."""
    return [rgb(frame) for frame in sequential(path)]


def rgb(frame: av.VideoFrame) -> Picture:
    """The pixels of a frame [H, W, 3]; one reformatter for all frames takes a tenth of the time."""
    return _REFORMATTER.reformat(frame, format="rgb24", threads=1).to_ndarray()


_REFORMATTER = VideoReformatter()


def _options(codec: str, bframes: int, open_gop: bool) -> dict[str, str]:
    if codec == "libx264":
        # x264 adapts key frames to scene cuts: without that a gop is as long as asked.
        extra = f"scenecut=0:open-gop={int(open_gop)}:b-adapt=0:bframes={bframes}"
        return {"preset": "veryfast", "crf": "20", "x264-params": extra}
    if codec == "libx265":
        extra = f"scenecut=0:open-gop={int(open_gop)}:bframes={bframes}:log-level=none:pools=none"
        return {"preset": "ultrafast", "x265-params": extra}
    return {}


def _mux_silence(container: object, stream: object, seconds: float) -> None:
    for start in range(0, int(seconds * 16000), 1024):
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate, sound.pts, sound.time_base = 16000, start, Fraction(1, 16000)
        container.mux(stream.encode(sound))
    container.mux(stream.encode(None))
