"""Decoding by a device, which a stand-in replaces here: software that gives frames as NV12."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from evscli.errors import VideoError
from evscli.video import VideoIndex, hardware, index_video
from evscli.video.container import Opened, open_video
from evscli.video.decode import decode_arrays
from evscli.video.hardware import AcceleratedFrames
from tests.video.test_decode import plan_of
from tests.videos import Picture, damage, sequential_pixels, write_video


class Stood:
    """A container, a stream or a codec context, with other frames and all else as it is."""

    def __init__(self, real: Any, device: Device) -> None:
        self.__dict__.update(real=real, device=device)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.real, name, value)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.real.close()

    @property
    def codec_context(self) -> Stood:
        return Stood(self.real.codec_context, self.device)

    def demux(self, stream: Stood) -> Iterator[Any]:
        return cast("Iterator[Any]", self.real.demux(stream.real))

    def seek(self, offset: int, *, stream: Stood) -> None:
        self.real.seek(offset, stream=stream.real)

    def decode(self, packet: Any) -> list[VideoFrame]:
        return [self.device.made(frame) for frame in self.real.decode(packet)]


class Device:
    """A device that decodes, until it has given `lives` frames."""

    def __init__(
        self, *, lives: int = 10_000, size: tuple[int, int] | None = None, gives: str = "nv12"
    ) -> None:
        self.gives = gives
        self.given = 0
        self.lives = lives
        self.size = size

    def open(self, path: Path) -> Opened:
        container, stream = open_video(path)
        return cast("Opened", (Stood(container, self), Stood(stream, self)))

    def made(self, frame: VideoFrame) -> VideoFrame:
        self.given += 1
        if self.given > self.lives:
            raise av.error.ExternalError(1, "the device is lost")
        width, height = self.size or (frame.width, frame.height)
        return frame.reformat(format=self.gives, width=width, height=height)


@pytest.fixture(autouse=True)
def present(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "fault_of_cuda", lambda: None)


def taken(index: VideoIndex, device: Device, numbers: list[int]) -> tuple[Picture, list[str]]:
    """The pixels [F, H, W, 3] of frames by a device, and the notes."""
    notes: list[str] = []
    frames = AcceleratedFrames(
        index, wanted=np.array(numbers), note=notes.append, opens=device.open
    )
    with frames as source:
        made = [source.frame(number) for number in numbers]
    pictures = [frame.to_ndarray(format="rgb24") for frame in made if frame is not None]
    assert len(pictures) == len(numbers)
    return np.stack(pictures), notes


CLIPS: dict[str, dict[str, Any]] = {
    "clip.mp4": {},
    "full-range.mp4": {"pix_fmt": "yuvj420p"},
    "odd-size.mp4": {"size": (98, 130)},
    "hevc.mkv": {"codec": "libx265", "open_gop": True},
    "vp9.webm": {"codec": "libvpx-vp9"},
}


@pytest.mark.parametrize("name", CLIPS)
def test_pixels_are_those_of_software_bit_for_bit(tmp_path: Path, name: str) -> None:
    path, device = write_video(tmp_path / name, **CLIPS[name]), Device()
    numbers = [3, 4, 20, 47]
    pixels, notes = taken(index_video(path), device, numbers)
    assert device.given > 0
    assert notes == []
    assert np.array_equal(pixels, np.stack(sequential_pixels(path))[numbers])


@pytest.mark.parametrize("size", [(64, 96), (66, 98), (65, 97)])
@pytest.mark.parametrize("kind", ["yuv420p", "yuvj420p"])
def test_frames_of_a_device_are_only_put_into_planes(size: tuple[int, int], kind: str) -> None:
    height, width = size
    frame = VideoFrame(width, height, "nv12")
    random = np.random.default_rng(0)
    for plane in frame.planes:
        plane.update(random.bytes(plane.buffer_size))
    luma, chroma = (
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        for plane in frame.planes
    )
    frame.color_range = 2 if kind == "yuvj420p" else 1
    y, u, v = (
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.reformat(format=kind, threads=1).planes
    )
    assert np.array_equal(y, luma[:, :width])
    assert np.array_equal(u, chroma[:, 0 : 2 * u.shape[1] : 2])
    assert np.array_equal(v, chroma[:, 1 : 2 * v.shape[1] : 2])


def test_software_goes_on_where_a_device_fails(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4")
    pixels, notes = taken(index_video(path), Device(lives=8), [3, 20, 40, 47])
    assert np.array_equal(pixels, np.stack(sequential_pixels(path))[[3, 20, 40, 47]])
    assert len(notes) == 1
    assert "failed at a frame" in notes[0]


def test_frames_of_another_size_are_decoded_in_software(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4")
    pixels, notes = taken(index_video(path), Device(size=(64, 64)), [3, 20])
    assert np.array_equal(pixels, np.stack(sequential_pixels(path))[[3, 20]])
    assert "another size" in notes[0]


def test_what_the_device_turns_out_not_to_know_is_decoded_in_software(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4")
    pixels, notes = taken(index_video(path), Device(gives="yuv420p"), [3, 20])
    assert np.array_equal(pixels, np.stack(sequential_pixels(path))[[3, 20]])
    assert notes == ["the GPU failed at a frame (it cannot decode this kind)"]


@pytest.mark.parametrize(
    ("name", "form", "why"),
    [
        ("clip.mpg", {"codec": "mpeg2video"}, "mpeg2video"),
        ("clip.mp4", {"pix_fmt": "yuv444p"}, "yuv444p"),
    ],
)
def test_what_a_device_may_decode_otherwise_is_decoded_in_software(
    tmp_path: Path, name: str, form: dict[str, Any], why: str
) -> None:
    path, device = write_video(tmp_path / name, **form), Device()
    pixels, notes = taken(index_video(path), device, [5, 30])
    assert device.given == 0
    assert why in notes[0]
    assert np.array_equal(pixels, np.stack(sequential_pixels(path))[[5, 30]])


def test_a_damaged_video_is_decoded_in_software(tmp_path: Path) -> None:
    path, device = damage(write_video(tmp_path / "clip.mp4"), start=0.4, stop=0.45), Device()
    index = index_video(path, damaged="skip")
    assert len(index.damaged)
    _, notes = taken(index, device, [0, 1])
    assert device.given == 0
    assert "damaged" in notes[0]


def test_a_device_that_does_not_open_a_video_leaves_it_to_software(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4")

    def refuse(_: Path) -> Opened:
        raise VideoError("the device is busy")

    notes: list[str] = []
    frames = AcceleratedFrames(
        index_video(path), wanted=np.array([3]), note=notes.append, opens=refuse
    )
    with frames as source:
        assert source.frame(3) is not None
    assert notes == ["the device is busy"]


def test_without_a_device_there_is_one_note_and_the_same_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    hardware.fault_of_cuda.cache_clear()
    index = index_video(write_video(tmp_path / "clip.mp4"))
    plan, notes = plan_of(index, [0, 20, 40]), list[str]()
    plain = [*decode_arrays(index, plan, chunk_frames=2)]
    made = decode_arrays(index, plan, chunk_frames=2, hwaccel="cuda", note=notes.append)
    for (_, one), (_, other) in zip(made, plain, strict=True):
        assert np.array_equal(one, other)
    assert len(notes) == (hardware.fault_of_cuda() is not None)
