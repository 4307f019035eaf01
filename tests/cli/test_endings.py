"""Every ending of a video is read: one file of each is found in a folder and pruned."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from evscli.corpus.inputs.names import VIDEO_SUFFIXES
from evscli.store import open_store
from evscli.video import index_video
from tests.cli.in_process import run_here
from tests.videos import picture, sequential

FRAMES = 8
FORMATS: dict[str, tuple[str, str]] = {
    ".3g2": ("3g2", "libx264"),
    ".3gp": ("3gp", "libx264"),
    ".apng": ("apng", "apng"),
    ".asf": ("asf", "wmv2"),
    ".avi": ("avi", "mpeg4"),
    ".divx": ("avi", "mpeg4"),
    ".dv": ("dv", "dvvideo"),
    ".f4v": ("f4v", "libx264"),
    ".flv": ("flv", "flv1"),
    ".gif": ("gif", "gif"),
    ".ivf": ("ivf", "libvpx"),
    ".m2t": ("mpegts", "libx264"),
    ".m2ts": ("mpegts", "libx264"),
    ".m4v": ("mp4", "libx264"),
    ".mkv": ("matroska", "libx264"),
    ".mov": ("mov", "libx264"),
    ".mp4": ("mp4", "libx264"),
    ".mpe": ("mpeg", "mpeg1video"),
    ".mpeg": ("mpeg", "mpeg1video"),
    ".mpg": ("mpeg", "mpeg2video"),
    ".mts": ("mpegts", "libx264"),
    ".mxf": ("mxf", "mpeg2video"),
    ".ogm": ("ogg", "libvpx"),
    ".ogv": ("ogg", "libvpx"),
    ".qt": ("mov", "libx264"),
    ".rm": ("rm", "rv20"),
    ".rmvb": ("rm", "rv20"),
    ".ts": ("mpegts", "libx264"),
    ".vob": ("vob", "mpeg2video"),
    ".webm": ("webm", "libvpx"),
    ".wmv": ("asf", "wmv2"),
    ".wtv": ("wtv", "mpeg2video"),
    ".y4m": ("yuv4mpegpipe", "rawvideo"),
}
RAW = {
    ".264": ("h264", "libx264"),
    ".265": ("hevc", "libx265"),
    ".av1": ("obu", "libsvtav1"),
    ".h264": ("h264", "libx264"),
    ".h265": ("hevc", "libx265"),
    ".hevc": ("hevc", "libx265"),
    ".m1v": ("mpeg1video", "mpeg1video"),
    ".m2v": ("mpeg2video", "mpeg2video"),
    ".mjpeg": ("mjpeg", "mjpeg"),
    ".mjpg": ("mjpeg", "mjpeg"),
    ".mpv": ("mpeg2video", "mpeg2video"),
    ".obu": ("obu", "libsvtav1"),
}
PIXELS = {"apng": "rgb24", "gif": "rgb8", "mjpeg": "yuvj420p"}
OPTIONS = {
    "libx265": {"x265-params": "log-level=none:pools=none"},
    "libsvtav1": {"svtav1-params": "lp=1", "preset": "12"},
}


def write(path: Path, container_format: str, codec: str) -> None:
    size, rate = ((576, 720), 25) if codec == "dvvideo" else ((64, 96), 24)
    with av.open(str(path), "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=rate, options=OPTIONS.get(codec, {}))
        stream.height, stream.width = size
        stream.pix_fmt = PIXELS.get(codec, "yuv420p")
        stream.thread_count = 1
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(picture(number, size), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of each ending, its name in capitals or not."""
    folder = tmp_path_factory.mktemp("endings") / "clips"
    folder.mkdir()
    for number, (suffix, how) in enumerate({**FORMATS, **RAW}.items()):
        name = f"clip{suffix.upper() if number % 2 else suffix}"
        write(folder / name, *how)
    return folder


@pytest.mark.slow
def test_a_file_of_each_ending_is_a_video(folder: Path, tmp_path: Path) -> None:
    assert FORMATS.keys() | RAW.keys() == VIDEO_SUFFIXES
    documented = (Path(__file__).parents[2] / "docs" / "corpora.md").read_text().split()
    assert {*documented} >= VIDEO_SUFFIXES
    chosen = ("--method", "vcast", "--budget", "0.3", "--model", "mini", "--ids", "suffix")
    small = ("--num-frames", "4", "--max-pixels", "4096", "--processes", "1")
    result = run_here("prune", folder, *chosen, *small, "-o", "store", cwd=tmp_path)
    assert result.code == 0, result.err
    store = open_store(tmp_path / "store")
    assert sorted(store) == sorted(path.name for path in folder.iterdir())
    for name in store:
        assert store[name].info.source_frames == FRAMES, name
        assert store[name].info.grid_thw[0] == 2, name


def test_frames_of_a_stream_without_times_are_counted(folder: Path) -> None:
    for path in folder.iterdir():
        if path.suffix.lower() in RAW:
            index = index_video(path)
            assert index.frames == len([*sequential(path)]) == FRAMES
            assert len(index.keyframe_pts) == 0
            assert index.duration == pytest.approx(FRAMES / 25, rel=0.2)
