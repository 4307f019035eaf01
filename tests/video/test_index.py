from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from evscli.errors import VideoError
from evscli.video import index_video
from tests.videos import damage, sequential, truncate, write_audio, write_video

CLIPS: dict[str, dict[str, Any]] = {
    "b-frames.mp4": {},
    "open-gop.mp4": {"open_gop": True},
    "b-frames.mkv": {},
    "variable.mkv": {"pts": [0, 40, 100, 105, 400, 450, 900, 1000, 1500]},
    "variable.mp4": {"pts": [0, 40, 100, 105, 400, 450, 900, 1000, 1500]},
    "starts-late.mkv": {"pts": list(range(5000, 6000, 40))},
    "with-audio.mp4": {"audio": True},
    "hevc.mp4": {"codec": "libx265", "open_gop": True},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "transport.ts": {},
    "one.mp4": {"frames": 1},
    "fragmented.mp4": {"container_options": {"movflags": "+frag_keyframe+empty_moov"}},
    # The muxer writes an edit list that hides the ten frames before time zero.
    "edit-list.mp4": {
        "pts": list(range(-400, 1000, 40)),
        "container_options": {"avoid_negative_ts": "disabled", "use_editlist": "1"},
    },
}


@pytest.mark.parametrize("name", CLIPS)
def test_times_equal_those_of_a_sequential_decode(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, **({"size": (48, 64)} | CLIPS[name]))
    frames = list(sequential(path))
    index = index_video(path)
    assert index.frames == len(frames)
    assert index.pts.tolist() == [frame.pts for frame in frames]
    assert index.times == pytest.approx([frame.time - frames[0].time for frame in frames])
    assert index.times[0] == 0


def test_an_edit_list_hides_frames(tmp_path: Path) -> None:
    index = index_video(write_video(tmp_path / "clip.mp4", **CLIPS["edit-list.mp4"]))
    assert index.frames == 25
    assert index.keyframe_pts[0] < index.pts[0]


@pytest.mark.parametrize("name", ["b-frames.avi", "raw.h264"])
def test_a_container_without_times_is_counted(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name)
    index = index_video(path)
    assert index.frames == len(list(sequential(path)))
    assert index.times == pytest.approx(np.arange(48) / index.fps)
    assert len(index.keyframe_pts) == 0


def test_a_clock_that_is_set_back_is_counted(tmp_path: Path) -> None:
    first = write_video(tmp_path / "first.ts")
    second = write_video(tmp_path / "second.ts", frames=30, seed=1)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    index = index_video(joined)
    assert index.frames == 78
    assert index.times[-1] == pytest.approx(77 / 24)


def test_frames_that_lack_their_key_frame_are_left_out(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.ts")
    data = path.read_bytes()
    third = len(data) // 3 // 188 * 188
    path.write_bytes(data[: 2 * 188] + data[third:])
    assert index_video(path).frames == len(list(sequential(path))) < 48


def test_rate_and_duration_include_the_last_frame(tmp_path: Path) -> None:
    index = index_video(write_video(tmp_path / "clip.mp4", frames=50, fps=25))
    assert index.fps == 25
    assert index.duration == pytest.approx(2.0)
    assert index.time_base * int(index.pts[1] - index.pts[0]) == Fraction(1, 25)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_rotation_is_read_from_the_display_matrix(
    tmp_path: Path, rotation: int, mirrored: bool
) -> None:
    path = write_video(tmp_path / "clip.mp4", frames=2, rotation=rotation, mirrored=mirrored)
    index = index_video(path)
    assert (index.rotation, index.mirrored) == (rotation, mirrored)
    assert index.coded_size == (96, 128)
    assert index.displayed_size == ((96, 128) if rotation in (0, 180) else (128, 96))


def test_rotation_90_takes_the_right_edge_to_the_top_by_the_files_own_matrix(
    tmp_path: Path,
) -> None:
    """Reads the matrix of the track header itself, so the sign does not rest on PyAV's word."""
    data = write_video(tmp_path / "clip.mp4", frames=2, rotation=90).read_bytes()
    start = data.index(b"tkhd") + 44
    a, b, _, c, d = (value / 65536 for value in struct.unpack(">5i", data[start : start + 20]))
    right = (1, 0)
    assert (a * right[0] + c * right[1], b * right[0] + d * right[1]) == (0, -1)  # y points down


def test_audio_that_lasts_longer_is_no_truncation(tmp_path: Path) -> None:
    assert index_video(write_video(tmp_path / "clip.mkv", audio=True)).frames == 48


def test_a_last_frame_that_stands_long_is_no_truncation(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", pts=[0, 40, 80, 5000])
    assert index_video(path).frames == 4


def test_damage_to_the_first_frame_is_named(tmp_path: Path) -> None:
    path = damage(write_video(tmp_path / "clip.mp4"), start=0.01, stop=0.05)
    with pytest.raises(VideoError, match="is damaged") as info:
        index_video(path)
    assert info.value.stage == "index"


def _refused(path: Path, match: str) -> None:
    with pytest.raises(VideoError, match=match) as info:
        index_video(path)
    assert info.value.stage == "open"
    assert path.name in str(info.value)
    assert "\n" not in str(info.value)


def test_what_is_no_video_is_refused_in_one_line(tmp_path: Path) -> None:
    text, empty, noise = tmp_path / "text.mp4", tmp_path / "empty.mp4", tmp_path / "noise.mp4"
    text.write_text("hello " * 1000)
    empty.write_bytes(b"")
    noise.write_bytes(np.random.default_rng(0).bytes(50_000))
    _refused(tmp_path / "missing.mp4", "no video at .*; check the path")
    _refused(tmp_path, "is a folder; give a video file")
    _refused(text, "not a readable video")
    _refused(empty, "is empty")
    _refused(noise, "not a readable video")
    _refused(truncate(write_video(tmp_path / "cut.mp4")), "without a usable index.* cut off")
    _refused(write_audio(tmp_path / "sound.m4a"), "no video stream .only audio.")


def test_a_playlist_is_refused(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", frames=2)
    playlist = tmp_path / "list.mp4"
    playlist.write_text("ffconcat version 1.0\nfile clip.mp4\n")
    _refused(playlist, "is a playlist")


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "rgb24"
        stream.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    _refused(path, "no video stream")


def test_a_file_that_may_not_be_read_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "clip.mp4", frames=2)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(av, "open", refuse)
    _refused(path, "check its permissions")


def test_a_name_that_looks_like_an_address_is_a_file(tmp_path: Path) -> None:
    assert index_video(write_video(tmp_path / "tcp: %d?.mp4", frames=3)).frames == 3


def test_the_container_is_closed(tmp_path: Path, open_files: Any) -> None:
    good = write_video(tmp_path / "good.mp4")
    sound = write_audio(tmp_path / "sound.m4a")
    index_video(good)
    with pytest.raises(VideoError):
        index_video(sound)
    assert not open_files(tmp_path)
