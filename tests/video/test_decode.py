from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evscli.errors import VideoError
from evscli.records import FramePlan
from evscli.video import VideoIndex, decode_frames, index_video
from evscli.video.cursor import Cursor
from tests.videos import (
    Picture,
    damage,
    picture,
    sequential_pixels,
    truncate,
    write_video,
)

CLIPS: dict[str, dict[str, Any]] = {
    "b-frames.mp4": {},
    "open-gop.mp4": {"open_gop": True},
    "short-groups.mp4": {"gop": 3, "open_gop": True},
    "key-frames-only.mp4": {"gop": 1, "bframes": 0},
    "variable.mkv": {"pts": [0, 40, 100, 105, 400, 450, 900, 1000, 1500, 1540, 1600], "gop": 3},
    "coarse-seeks.mkv": {"gop": 3, "container_options": {"cluster_time_limit": "10000"}},
    "starts-late.mp4": {"pts": list(range(5000, 7000, 40))},
    "hevc.mkv": {"codec": "libx265", "open_gop": True},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "lands-late.ts": {},
    "mpeg2.mpg": {"codec": "mpeg2video"},
    "no-times.avi": {},
    "equal-times.mkv": {"fps": 2000},
    "odd-size.mp4": {"size": (98, 130)},
    "edit-list.mp4": {
        "pts": list(range(-400, 1000, 40)),
        "gop": 6,
        "container_options": {"avoid_negative_ts": "disabled", "use_editlist": "1"},
    },
}


def plan_of(index: VideoIndex, numbers: Sequence[int]) -> FramePlan:
    source_index = np.array(numbers, dtype=np.int64)
    return FramePlan(
        source_index=source_index,
        frame_times=index.times[source_index],
        prompt_times=index.times[source_index],
        source_fps=index.fps,
        source_frames=index.frames,
        duration=index.duration,
        source_size=index.displayed_size,
        rotation=index.rotation,
        resized_size=index.displayed_size,
        grid_thw=(1, 1, 1),
    )


def decoded(path: Path, numbers: Sequence[int], index: VideoIndex | None = None) -> Picture:
    """[F, H, W, 3]"""
    index = index or index_video(path)
    chunks = decode_frames(index, plan_of(index, numbers), chunk_frames=3)
    return torch.cat([chunk.pixels for chunk in chunks]).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("name", CLIPS)
def test_pixels_equal_a_sequential_decode_bit_for_bit(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, **({"size": (48, 64)} | CLIPS[name]))
    expected = np.stack(sequential_pixels(path))
    last, index = len(expected) - 1, index_video(path)
    for numbers in ([0, last // 3, last // 2, last], [last], [2, 3, last - 1], range(last + 1)):
        assert np.array_equal(decoded(path, numbers, index), expected[list(numbers)])


@pytest.fixture(scope="module")
def open_gop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Picture]:
    path = write_video(tmp_path_factory.mktemp("clip") / "clip.mp4", gop=9, open_gop=True)
    return path, np.stack(sequential_pixels(path))


@given(numbers=st.lists(st.integers(0, 47), min_size=1, max_size=8))
@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
def test_any_frames_in_any_order_with_repeats(
    open_gop: tuple[Path, Picture], numbers: list[int]
) -> None:
    path, expected = open_gop
    assert np.array_equal(decoded(path, numbers), expected[numbers])


def test_intra_refresh_without_clean_key_frames_is_still_exact(tmp_path: Path) -> None:
    path = tmp_path / "refresh.mkv"
    with av.open(str(path), "w") as container:
        parameters = "intra-refresh=1:keyint=12:scenecut=0:bframes=0"
        stream = container.add_stream("libx264", rate=24, options={"x264-params": parameters})
        stream.height, stream.width = 96, 128
        for number in range(60):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    expected = np.stack(sequential_pixels(path))
    assert np.array_equal(decoded(path, [3, 30, 31, 58, 20]), expected[[3, 30, 31, 58, 20]])


@pytest.mark.parametrize("rotation", [90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_rotation_turns_the_picture_counter_clockwise_then_mirrors(
    tmp_path: Path, rotation: int, mirrored: bool
) -> None:
    path = write_video(tmp_path / "clip.mp4", frames=3, rotation=rotation, mirrored=mirrored)
    turned = np.rot90(sequential_pixels(path)[2], rotation // 90)
    assert np.array_equal(decoded(path, [2])[0], turned[:, ::-1] if mirrored else turned)


def test_chunks_follow_the_plan(tmp_path: Path) -> None:
    index = index_video(write_video(tmp_path / "clip.mp4", rotation=90))
    chunks = list(decode_frames(index, plan_of(index, [0, 5, 5, 9, 40]), chunk_frames=2))
    assert [chunk.start for chunk in chunks] == [0, 2, 4]
    assert [tuple(chunk.pixels.shape) for chunk in chunks] == [
        (2, 3, 128, 96),
        (2, 3, 128, 96),
        (1, 3, 128, 96),
    ]
    assert all(chunk.pixels.dtype == torch.uint8 for chunk in chunks)
    assert all(chunk.pixels.is_contiguous() for chunk in chunks)


def test_a_chunk_dies_with_its_consumer(tmp_path: Path) -> None:
    index = index_video(write_video(tmp_path / "clip.mp4"))
    chunks = decode_frames(index, plan_of(index, range(48)), chunk_frames=8)
    pixels = weakref.ref(next(chunks).pixels)
    assert pixels() is None


def test_frames_far_apart_are_reached_by_seeking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "clip.mp4", frames=96)
    passed: list[int] = []
    decode = Cursor._decode

    def counted(self: Cursor, packets: Any, earliest: int) -> Any:
        for event in decode(self, packets, earliest):
            passed.append(event.number)
            yield event

    monkeypatch.setattr(Cursor, "_decode", counted)
    decoded(path, [0, 50, 51, 85])
    # 85 is predicted from 87, which says whether it is whole.
    assert passed == [0, 48, 49, 50, 51, 84, 85, 87]


def test_a_format_that_refuses_to_seek_is_decoded_from_its_start(tmp_path: Path) -> None:
    form = {"codec": "rv10", "bframes": 0, "size": (48, 64), "static": True}
    path = write_video(tmp_path / "clip.rm", frames=96, **form)
    numbers = [0, 24, 48, 71]
    expected = [
        pixels for number, pixels in enumerate(sequential_pixels(path)) if number in numbers
    ]
    assert all(map(np.array_equal, decoded(path, numbers), expected))


def test_decoding_stops_at_the_last_frame_wanted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4")
    index = index_video(path)
    damage(path, start=0.8, stop=0.9)
    chunks = decode_frames(index, plan_of(index, [0, 3]), chunk_frames=2)
    assert sum(len(chunk.pixels) for chunk in chunks) == 2


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_damage_is_named_with_frame_time_and_count(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, gop=12)
    index = index_video(path)
    damage(path, start=0.4, stop=0.6)
    chunks = decode_frames(index, plan_of(index, range(0, 48, 2)), chunk_frames=1)
    came = []
    with pytest.raises(VideoError, match=r"frame \d+ at [01]\.\d\d s cannot be decoded") as info:
        came.extend(chunk.start for chunk in chunks)
    assert info.value.stage == "decode"
    assert f"{len(came)} of 24 frames came before it" in str(info.value)
    assert 5 < len(came) < 20


def test_a_file_that_lost_its_end_since_is_named(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv")
    index = index_video(path)
    shorter = write_video(tmp_path / "shorter.mkv", frames=20)
    shorter.replace(path)
    with pytest.raises(VideoError, match=r"frame 40 at 1\.67 s cannot be decoded .it never comes"):
        list(decode_frames(index, plan_of(index, [0, 40]), chunk_frames=2))


def test_a_size_that_changes_midway_is_refused(tmp_path: Path) -> None:
    first = write_video(tmp_path / "first.h264", frames=24)
    second = write_video(tmp_path / "second.h264", frames=24, size=(64, 96))
    path = tmp_path / "joined.h264"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    index = index_video(path)
    assert index.frames == 48
    with pytest.raises(VideoError, match=r"from 128x96 to 96x64 at frame 30 at .*; 1 of 2") as info:
        list(decode_frames(index, plan_of(index, [0, 30]), chunk_frames=1))
    assert info.value.stage == "decode"


def test_stopping_early_closes_the_file(
    tmp_path: Path, open_files: Callable[[Path], list[str]]
) -> None:
    index = index_video(write_video(tmp_path / "clip.mp4"))
    chunks = decode_frames(index, plan_of(index, range(48)), chunk_frames=4)
    next(chunks)
    assert open_files(tmp_path)
    chunks.close()  # type: ignore[attr-defined]
    assert not open_files(tmp_path)


def test_the_file_is_closed_at_the_end_and_after_an_error(
    tmp_path: Path, open_files: Callable[[Path], list[str]]
) -> None:
    path = write_video(tmp_path / "clip.mkv")
    index = index_video(path)
    list(decode_frames(index, plan_of(index, [0, 30]), chunk_frames=1))
    damage(path)
    with pytest.raises(VideoError):
        list(decode_frames(index, plan_of(index, range(48)), chunk_frames=1))
    assert not open_files(tmp_path)


def test_chunks_of_no_frames_are_refused_at_once(tmp_path: Path) -> None:
    index = index_video(write_video(tmp_path / "clip.mp4", frames=2))
    with pytest.raises(ValueError, match="chunk_frames=0"):
        decode_frames(index, plan_of(index, [0]), chunk_frames=0)


def test_a_frame_that_is_neither_wanted_nor_needed_is_not_decoded(tmp_path: Path) -> None:
    index = index_video(write_video(tmp_path / "clip.mp4", frames=48, bframes=2, gop=48))
    with Cursor(index, wanted=np.array([47])) as cursor:
        decoded = [shown.number for shown in cursor._read_on()]
    assert decoded[-1] == 47
    assert len(decoded) < 40


def test_a_container_that_makes_times_up_after_a_seek_is_decoded_from_its_start(
    tmp_path: Path,
) -> None:
    """An MXF that lost its footer has no index: FFmpeg guesses frame numbers after a seek."""
    path = write_video(
        tmp_path / "clip.mxf", frames=120, fps=25, codec="mpeg2video", bframes=0, size=(48, 64)
    )
    truncate(path, keep=0.9)
    index = index_video(path)
    expected = sequential_pixels(path)
    last = index.frames - 1
    for numbers in ([last], [last // 2], [5, last // 3, last]):
        assert np.array_equal(decoded(path, numbers), np.stack(expected)[numbers])
