from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from evscli.video import index_video
from evscli.video.av1 import Bits, FrameHeaders, read_sequence, units
from evscli.video.cursor import Cursor
from evscli.video.hevc import TemporalLayers
from tests.videos import Picture, sequential_pixels, write_video


def hevc(structure: str) -> dict[str, Any]:
    """A clip whose B-frames x265 arranges in that way."""
    quiet = "scenecut=0:log-level=none:pools=none:frame-threads=1"
    options = {"preset": "superfast", "x265-params": f"{quiet}:{structure}"}
    return {"codec": "libx265", "encoder_options": options}


def av1(structure: str) -> dict[str, Any]:
    options = {"preset": "10", "svtav1-params": f"lp=1:{structure}"}
    return {"codec": "libsvtav1", "encoder_options": options}


CLIPS: dict[str, dict[str, Any]] = {
    "flat.mp4": hevc("bframes=4:b-adapt=0:b-pyramid=0"),
    "pyramid.mkv": hevc("bframes=7:b-adapt=0:b-pyramid=1"),
    "open-groups.mp4": hevc("bframes=3:b-adapt=0:open-gop=1"),
    "start-codes.ts": hevc("bframes=3:b-adapt=0:repeat-headers=1"),
    "two-layers.mp4": hevc("bframes=4:b-adapt=0:temporal-layers=2"),
    "three-layers.ts": hevc("bframes=7:b-adapt=0:b-pyramid=1:temporal-layers=3"),
    "h264.mp4": {"bframes": 3},
    "random-access.mp4": av1("pred-struct=2:hierarchical-levels=4"),
    "low-delay.mkv": av1("pred-struct=1"),
    "screen.mp4": av1("scm=1:hierarchical-levels=3"),
    "grain.webm": av1("film-grain=10"),
    "no-container.ivf": av1("hierarchical-levels=2"),
}


def clip(folder: Path, name: str) -> Path:
    return write_video(folder / name, frames=72, gop=36, size=(64, 96), **CLIPS[name])


def taken(path: Path, numbers: list[int]) -> list[Picture]:
    frames = []
    with Cursor(index_video(path), wanted=np.array(numbers)) as cursor:
        for number in numbers:
            frame = cursor.frame(number)
            assert frame is not None, cursor.error
            frames.append(frame.to_ndarray(format="rgb24"))
    return frames


def decoded_for(path: Path, number: int) -> int:
    """The frames that are decoded from the beginning of a file so that one comes."""
    with Cursor(index_video(path), wanted=np.array([number])) as cursor:
        return len([*cursor._read_on()])


@pytest.mark.slow
@pytest.mark.parametrize("name", CLIPS)
def test_frames_are_those_of_decoding_everything_bit_for_bit(tmp_path: Path, name: str) -> None:
    path = clip(tmp_path, name)
    expected = sequential_pixels(path)
    for start in range(9):
        numbers = [*range(start, len(expected), 9)]
        for number, frame in zip(numbers, taken(path, numbers), strict=True):
            assert np.array_equal(frame, expected[number]), number


@pytest.mark.slow
@pytest.mark.parametrize("name", CLIPS)
def test_a_frame_on_which_nothing_wanted_depends_stays_undecoded(tmp_path: Path, name: str) -> None:
    path = clip(tmp_path, name)
    assert decoded_for(path, 71) < 70


def test_every_packet_of_vp9_is_decoded(tmp_path: Path) -> None:
    """Its frames without a slot still change the states that the next one begins with."""
    path = write_video(tmp_path / "clip.webm", frames=30, codec="libvpx-vp9", size=(64, 96))
    assert decoded_for(path, 29) == 30


def hevc_unit(kind: int, layer: int, content: bytes = b"\0") -> bytes:
    unit = bytes([kind << 1, layer + 1]) + content
    return len(unit).to_bytes(4) + unit


def record(highest: int) -> bytes:
    """A configuration record with one sequence parameter set."""
    unit = hevc_unit(33, 0, bytes([highest << 1]))[4:]
    head = bytearray(23)
    head[0], head[21], head[22] = 1, 3, 1
    return bytes(head) + b"\x21\x00\x01" + len(unit).to_bytes(2) + unit


def test_a_picture_of_a_lower_temporal_layer_is_decoded() -> None:
    layers = TemporalLayers(record(1))
    assert layers.is_highest(hevc_unit(0, 1) + hevc_unit(0, 1))
    assert not layers.is_highest(hevc_unit(0, 0))
    assert not layers.is_highest(hevc_unit(0, 1) + hevc_unit(0, 0))
    assert not layers.is_highest(hevc_unit(33, 0, b"\4") + hevc_unit(0, 1)), "layers change"
    assert layers.is_highest(hevc_unit(0, 2))


def test_nothing_is_skipped_before_the_number_of_layers_is_known() -> None:
    assert not TemporalLayers(None).is_highest(b"\0\0\1" + hevc_unit(0, 0)[4:])


def test_a_broken_packet_counts_as_needed_or_ends_quietly() -> None:
    assert not TemporalLayers(record(1)).is_highest(hevc_unit(0, 0)[:7] + b"\xff")
    assert FrameHeaders(None).is_needed(b"\x32\xff\xff\xff\xff\xff\xff\xff\xff\x01")
    assert [*units(b"\x32")] == [(6, b"")]


def test_frames_of_an_unknown_kind_of_sequence_are_all_decoded(tmp_path: Path) -> None:
    """Still pictures, timing information, and scalable streams have other headers."""
    for head in (0b000_01_000, 0b000_00_100, 0b000_00_000):
        assert read_sequence(bytes([head, 0b10000000, 0, 0])) is None
    with av.open(str(clip(tmp_path, "screen.mp4"))) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
        known = FrameHeaders(container.streams.video[0].codec_context.extradata)
    unknown = FrameHeaders(None)
    unknown._note = lambda *_: None  # type: ignore[method-assign]
    assert all(unknown.is_needed(packet) for packet in packets if packet != packets[0])
    assert not all(known.is_needed(packet) for packet in packets)


def test_bits_are_read_from_the_highest_on() -> None:
    bits = Bits(b"\xa5\x0f")
    assert [bits.take(count) for count in (1, 3, 4, 8, 4)] == [1, 2, 5, 15, 0]
