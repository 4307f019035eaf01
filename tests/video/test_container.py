from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from evscli.errors import VideoError
from evscli.video import index_video
from evscli.video.container import open_video


def write_streams(path: Path, *streams: tuple[str, int, Disposition], sound: bool = False) -> Path:
    """A file with several video streams: (codec, frames, disposition) of each, of 32x32 and up."""
    with av.open(str(path), "w", format="mp4") as container:
        made = []
        for number, (codec, frames, disposition) in enumerate(streams):
            stream = container.add_stream(codec, rate=25)
            side = 32 + 16 * number
            stream.width = stream.height = side
            stream.pix_fmt = {"png": "rgb24", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
            stream.disposition = disposition
            made.append((stream, frames, side))
        audio = container.add_stream("aac", rate=16000, layout="mono") if sound else None
        for stream, frames, side in made:
            for number in range(frames):
                picture = np.full((side, side, 3), 9 * number, np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        if audio is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            silence.sample_rate = 16000
            container.mux(audio.encode(silence))
            container.mux(audio.encode(None))
    return path


NONE, DEFAULT, COVER = Disposition(0), Disposition.default, Disposition.attached_pic


def test_a_thumbnail_that_comes_first_is_not_the_film(tmp_path: Path) -> None:
    path = write_streams(tmp_path / "clip.mp4", ("mjpeg", 1, NONE), ("libx264", 20, DEFAULT))
    index = index_video(path)
    assert (index.frames, index.displayed_size) == (20, (48, 48))


def test_the_stream_is_ffmpegs_best(tmp_path: Path) -> None:
    path = write_streams(tmp_path / "clip.mp4", ("libx264", 20, NONE), ("libx264", 20, DEFAULT))
    with av.open(str(path)) as container:
        best = container.streams.best("video")
        assert best is not None
        assert best.index == 1
    container, stream = open_video(path)
    with container:
        assert stream.index == 1


def test_covers_are_no_films_whatever_ffmpeg_prefers(tmp_path: Path) -> None:
    streams = [("mjpeg", 1, COVER), ("libx264", 20, NONE), ("libx264", 12, DEFAULT)]
    index = index_video(write_streams(tmp_path / "clip.mp4", *streams))
    assert index.frames == 12


def test_audio_with_a_cover_is_told_from_audio_alone(tmp_path: Path) -> None:
    path = write_streams(tmp_path / "song.m4a", ("mjpeg", 1, COVER), sound=True)
    with pytest.raises(VideoError, match="only audio and a cover") as info:
        index_video(path)
    assert info.value.stage == "open"
